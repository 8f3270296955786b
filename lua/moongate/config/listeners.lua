--- listeners: what `listen` and `admin` declare.

local check = require "moongate.config.check"
local schema = require "moongate.config.schema"
local values = require "moongate.config.values"

local listeners = {}

local PROXY = { v1 = 1, v2 = 2, any = 3 }
local EXPECTED = '":8080", "127.0.0.1:8080", "[::1]:8080" or "unix:/path"'

local function is_port(text)
  local port = text:match "^%d+$" and tonumber(text)
  return port ~= nil and port <= 65535
end

local function is_v4(host)
  local parts = { host:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if tonumber(part) > 255 then return false end
  end
  return #parts == 4
end

local function is_address(text)
  if type(text) ~= "string" then return false end
  if text:find "^unix:/." then return #text <= 112 end
  local host, port = text:match "^(.*):(%d+)$"
  if not host or not is_port(port) then return false end
  return host == "" or is_v4(host) or host:find "^%[[%x:.]+%]$" ~= nil
end

--- Whether only this machine reaches the address.
function listeners.is_local(address)
  return address:find "^unix:" ~= nil or address:find "^127%." ~= nil
    or address:find("[::1]:", 1, true) == 1
end

local function absolute(folder, path)
  if not path or path:find "^%-%-%-%-%-BEGIN" or path:sub(1, 1) == "/" or folder == "." then
    return path
  end
  return folder .. "/" .. path
end
listeners.absolute = absolute

local function pair_of(given, folder)
  return { cert = absolute(folder, given.cert), key = absolute(folder, given.key) }
end

-- `written`: before it was checked, so that what is wrong is not said to be missing as well.
local function certificates_of(given, written, folder, report)
  local certificates, further = {}, given.certificates or {}
  if given.cert or given.key or #further == 0 then
    if not written.cert then report "tls.cert is missing; it is the certificate chain" end
    if not written.key then report "tls.key is missing; it is the certificate's key" end
    certificates[1] = pair_of(given, folder)
  end
  for _, pair in ipairs(further) do certificates[#certificates + 1] = pair_of(pair, folder) end
  return certificates
end

local function tls_of(given, written, folder, report)
  if not given then return nil end
  if given.client ~= "none" and not given.client_ca then
    report "tls.client_ca is missing; client certificates are checked against it"
  end
  if given.client == "none" and given.client_crl then
    report 'tls.client_crl needs client = "optional" or "required"'
  end
  return {
    certificates = certificates_of(given, written, folder, report),
    client = given.client,
    version = given.version,
    client_ca = absolute(folder, given.client_ca),
    client_crl = absolute(folder, given.client_crl),
    client_crl_expired = given.client_crl_expired,
  }
end

local function without_first(fields)
  local rest = {}
  for key, value in pairs(fields) do
    if key ~= 1 then rest[key] = value end
  end
  return rest
end

local function address_of(address, report)
  if is_address(address) then return address end
  report(("the address is %s; expected %s"):format(values.show(address), EXPECTED))
  return ":0"
end

local function check_token(address, token, is_admin, report)
  if is_admin and not token and not listeners.is_local(address) then
    report(("%s can be reached from other machines, so it needs a token"):format(address))
  end
  if token == "" then report "the token is empty" end
end

local function one(declaration, folder, report_at)
  local fields, is_admin = declaration.fields, declaration.is_admin or false
  if type(fields) ~= "table" then fields = { fields } end
  local what = is_admin and "admin" or "listen"
  local function report(message) report_at(declaration.at, ("%s: %s"):format(what, message)) end

  local address = address_of(fields[1], report)
  local known = is_admin and schema.admin or schema.listener
  local given = check.options(known, without_first(fields), report)
  check_token(address, given.token, is_admin, report)
  return {
    address = address,
    admin = is_admin,
    token = given.token,
    protocol = given.protocol,
    proxy_protocol = PROXY[given.proxy_protocol] or 0,
    proxy_sources = given.from or {},
    tls = tls_of(given.tls, fields.tls, folder, report),
    at = declaration.at,
  }
end

---@param declared Declared
---@param report fun(at: string, message: string)
---@return ModelListener[]
function listeners.of(declared, report)
  local list, seen = {}, {}
  for _, declaration in ipairs(declared.listeners) do
    local listener = one(declaration, declared.folder, report)
    local address = listener.address
    if seen[address] and not address:find ":0$" then
      report(listener.at, ("%s is listened on already at %s"):format(address, seen[address]))
    end
    seen[address] = listener.at
    list[#list + 1] = listener
  end
  return list
end

return listeners
