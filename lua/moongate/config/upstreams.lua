--- upstreams: what `upstream` declares, and URLs that routes name instead.

local check = require "moongate.config.check"
local listeners = require "moongate.config.listeners"
local schema = require "moongate.config.schema"
local values = require "moongate.config.values"

local upstreams = {}

local EXPECTED = '"http://host:port", "https://host:port" or "unix:/path"'
local PORTS = { http = 80, https = 443 }

local function host_and_port(authority, scheme)
  local host, port = authority:match "^(.-):(%d+)$"
  if not host then host, port = authority, PORTS[scheme] end
  host, port = host:match "^%[(.+)%]$" or host, tonumber(port)
  if host == "" or host:find "[%s%z]" or port < 1 or port > 65535 then return nil end
  return host, port
end

--- Takes a target's URL apart.
---@param url any
---@return { host: string, port: integer, tls: boolean }?
---@return string? message
function upstreams.target(url)
  local function wrong(why)
    return nil, ("the target is %s; expected %s"):format(values.show(url), EXPECTED .. (why or ""))
  end
  if type(url) ~= "string" then return wrong() end
  local path = url:match "^unix:(/.+)$"
  if path then return { host = path, port = 0, tls = false } end
  local scheme, authority, rest = url:match "^(https?)://([^/?#]+)(.*)$"
  if not scheme then return wrong() end
  if rest ~= "" and rest ~= "/" then return wrong ", without a path" end
  if authority:find "@" then return wrong ", without a user" end
  local host, port = host_and_port(authority, scheme)
  if not host then return wrong() end
  return { host = host, port = port, tls = scheme == "https" }
end

local function without_first(entry)
  local rest = {}
  for key, value in pairs(entry) do
    if key ~= 1 then rest[key] = value end
  end
  return rest
end

-- { "http://a:80", weight = 2 }, or the URL alone.
local function target_of(entry, i, report)
  if type(entry) ~= "table" then entry = { entry } end
  local target, message = upstreams.target(entry[1])
  if not target then
    report(message)
    return nil
  end
  local own = check.options(schema.target, without_first(entry), report, ("target %d"):format(i))
  target.weight = own.weight
  return target
end

local function targets_of(fields, report)
  local targets, count = {}, 0
  for key in pairs(fields) do
    if type(key) == "number" then count = count + 1 end
  end
  for i = 1, count do targets[#targets + 1] = target_of(fields[i], i, report) end
  if count == 0 then report("it has no target; expected " .. EXPECTED) end
  return targets
end

local function options_of(fields)
  local options = {}
  for key, value in pairs(fields) do
    if type(key) ~= "number" then options[key] = value end
  end
  return options
end

local function make(name, fields, at, folder, report)
  local upstream = check.options(schema.upstream, options_of(fields), report)
  upstream.targets = targets_of(fields, report)
  upstream.name, upstream.at = name, at
  local tls = upstream.tls or {}
  if tls.cert and not tls.key then report "tls.key is missing; tls.cert needs it" end
  tls.ca = listeners.absolute(folder, tls.ca)
  tls.cert = listeners.absolute(folder, tls.cert)
  tls.key = listeners.absolute(folder, tls.key)
  upstream.tls = tls
  return upstream
end

---@param declared Declared
---@param report_at fun(at: string, message: string)
---@return ModelUpstream[]
function upstreams.of(declared, report_at)
  local list, seen = {}, {}
  for _, declaration in ipairs(declared.upstreams) do
    local name, at = tostring(declaration.name), declaration.at
    local function report(message) report_at(at, ("upstream %q: %s"):format(name, message)) end
    local fields = declaration.fields
    if type(fields) == "string" then fields = { fields } end
    if type(fields) ~= "table" then
      report(("is %s; expected a table"):format(values.show(fields)))
      fields = {}
    end
    if not name:find "^[%w][%w._-]*$" then report "the name may have letters, digits, . _ and -" end
    if seen[name] then report("is declared already at " .. seen[name]) end
    seen[name] = at
    list[#list + 1] = make(name, fields, at, declared.folder, report)
  end
  return list
end

--- The upstream that a URL in a route stands for.
---@return ModelUpstream? upstream
---@return string? message
function upstreams.of_url(url, at)
  local target, message = upstreams.target(url)
  if not target then return nil, message end
  return make(url, { url }, at, ".", function() end)
end

return upstreams
