--- tls: what is known of the client's TLS connection: `req.tls`.

local bridge = require "moongate.ffi"
local C, found, at, text, pair = bridge.C, bridge.found, bridge.at, bridge.text, bridge.pair

---@class Tls
---@field server_name string?  SNI, lower case
---@field version string       "TLSv1.3"
---@field cipher string
---@field verified boolean     the client showed a certificate, and it was verified
---@field subject string?      of the client's certificate: "CN=mobile,O=Example" (RFC 2253)
---@field issuer string?
---@field fingerprint string?  SHA-256 of the client's certificate, lower-case hex
---@field serial_number string? of the client's certificate, hex
---@field fault string?        why the certificate that the client showed is not valid; for the log
---@field names TlsName[]      what subjectAltName of the client's certificate has, in its order

---@class TlsName
---@field kind "dns"|"uri"|"email"
---@field name string         ASCII; dns in lower case

local FACTS = {
  server_name = C.MOON_TLS_SERVER_NAME,
  version = C.MOON_TLS_VERSION,
  cipher = C.MOON_TLS_CIPHER,
  subject = C.MOON_TLS_SUBJECT,
  issuer = C.MOON_TLS_ISSUER,
  fingerprint = C.MOON_TLS_FINGERPRINT,
  serial_number = C.MOON_TLS_SERIAL,
  fault = C.MOON_TLS_FAULT,
}

-- Each is looked up: a certificate with more has those behind left out.
local NAMES_MAX = 32

local function names_of(handle)
  local names = {}
  at[0] = 0
  while #names < NAMES_MAX and C.moon_tls_name_next(handle, at, found) do
    local kind, name = pair()
    names[#names + 1] = { kind = kind, name = kind == "dns" and name:lower() or name }
  end
  return names
end

local HANDLE, SERIAL = 1, 2
local meta = {}

function meta.__index(self, name)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 2) end
  if name == "verified" then return C.moon_tls_client(handle) == 1 end
  if name == "names" then return names_of(handle) end
  local which = FACTS[name]
  if which == nil then error(("there is no tls.%s"):format(tostring(name)), 2) end
  if C.moon_tls_text(handle, which, found) then return text() end
  return nil
end

function meta.__newindex()
  error("facts about TLS cannot be set", 2)
end

local tls = {}

--- For request.lua: nil without TLS.
---@return Tls?
function tls.of(handle, serial)
  if C.moon_tls_client(handle) < 0 then return nil end
  return setmetatable({ handle, serial }, meta)
end

return tls
