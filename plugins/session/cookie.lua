--- cookie: a session as a cookie that only the gateway reads and nobody changes.
--
-- base64url of a version, a nonce and the sealed JSON. Keys come from the secrets by HKDF; name and
-- scope of the cookie are bound to it, so that one is none under another name.

local crypto = require "moongate.crypto"
local json = require "moongate.json"

local cookie = {}

-- What browsers keep of one, its name and attributes included (RFC 6265, 6.1).
local BYTES_MAX = 4096
local VERSION = "\1"
local KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 24, 16
-- Around the data: ids, times and the longest name of a consumer.
local RECORD_BYTES = 256

---@class SessionCookie
---@field name string
---@field keys string[]   the first one seals, all open
---@field bound string
---@field attributes string
---@field clearing string  the field that has it forgotten
---@field room integer    bytes of JSON that the data may have

local function attributes_of(options)
  return ("; Path=%s%s%s%s; SameSite=%s"):format(options.path,
    options.domain and "; Domain=" .. options.domain or "",
    options.secure and "; Secure" or "", options.http_only and "; HttpOnly" or "",
    options.same_site)
end

---@param options table  of the plugin
---@return SessionCookie
function cookie.new(options)
  local attributes, keys = attributes_of(options), {}
  for i, secret in ipairs(options.secrets) do
    keys[i] = crypto.hkdf_sha256(secret, "moongate", "session", KEY_BYTES)
  end
  local left = BYTES_MAX - #options.name - #attributes - #"=; Max-Age=31536000"
  return { name = options.name, keys = keys, attributes = attributes,
    bound = options.name .. "\0" .. options.scope,
    clearing = ("%s=; Max-Age=0%s"):format(options.name, attributes),
    room = math.floor(left * 3 / 4) - #VERSION - NONCE_BYTES - TAG_BYTES - RECORD_BYTES }
end

--- What a cookie says; nil when it is none of ours.
---@param self SessionCookie
---@param text string
---@return table? record
function cookie.open(self, text)
  local bytes = #text <= BYTES_MAX and crypto.from_base64url(text)
  if not bytes or #bytes < #VERSION + NONCE_BYTES + TAG_BYTES or bytes:sub(1, 1) ~= VERSION then
    return nil
  end
  local nonce, sealed = bytes:sub(2, NONCE_BYTES + 1), bytes:sub(NONCE_BYTES + 2)
  for i = 1, #self.keys do
    local opened = crypto.open(self.keys[i], nonce, sealed, self.bound)
    if opened then return (json.decode(opened)), i > 1 end
  end
  return nil
end

--- The field that has the client keep a session.
---@param self SessionCookie
---@param session Session
---@param now number       milliseconds
---@param seconds number?  that browsers keep it; nil: until they are closed
---@return string
function cookie.seal(self, session, now, seconds)
  local record = json.encode { i = session.id, c = session.consumer, s = session.started, w = now,
    d = next(session.data) ~= nil and session.data or nil }
  local nonce = crypto.random(NONCE_BYTES)
  local sealed = crypto.seal(self.keys[1], nonce, record, self.bound)
  local field = ("%s=%s%s%s"):format(self.name, crypto.base64url(VERSION .. nonce .. sealed),
    seconds and ("; Max-Age=%d"):format(math.max(1, seconds)) or "", self.attributes)
  if #field > BYTES_MAX then -- the name of the consumer is longer than was thought of
    error(("the session's cookie would have %d bytes; browsers keep %d"):format(#field, BYTES_MAX))
  end
  return field
end

return cookie
