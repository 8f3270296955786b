--- tls: what is known of the client's TLS connection: `req.tls`.

local bridge = require "moongate.ffi"
local C, found, text = bridge.C, bridge.found, bridge.text

---@class Tls
---@field server_name string?  SNI, lower case
---@field version string       "TLSv1.3"
---@field cipher string
---@field verified boolean     the client showed a certificate, and it was verified
---@field subject string?      of the client's certificate: "CN=mobile,O=Example" (RFC 2253)
---@field issuer string?
---@field fingerprint string?  SHA-256 of the client's certificate, lower-case hex
---@field serial_number string? of the client's certificate, hex

local FACTS = {
  server_name = C.MOON_TLS_SERVER_NAME,
  version = C.MOON_TLS_VERSION,
  cipher = C.MOON_TLS_CIPHER,
  subject = C.MOON_TLS_SUBJECT,
  issuer = C.MOON_TLS_ISSUER,
  fingerprint = C.MOON_TLS_FINGERPRINT,
  serial_number = C.MOON_TLS_SERIAL,
}

local HANDLE, SERIAL = 1, 2
local meta = {}

function meta.__index(self, name)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 2) end
  if name == "verified" then return C.moon_tls_client(handle) == 1 end
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
