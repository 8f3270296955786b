--- basic-auth: lets a request through only with the user name and password of a consumer.
--
-- As RFC 7617 has it, in UTF-8. Passwords are kept as salted hashes, which take long to compute:
-- that is done beside the event loop, once for each pair of user name and password that is right.
-- Where too many are to be computed at a time, further ones get a 503.

local moongate = require "moongate"

local auth, consumers, crypto = moongate.auth, moongate.consumers, moongate.crypto
local passwords, utf8 = moongate.passwords, require "moongate.utf8"

---@class BasicAuth: Plugin
---@field realm string
---@field hide boolean
---@field missing Reply
---@field wrong Reply
local basic_auth = {
  summary = "Admits requests with the user name and password of a consumer.",
  options = auth.options {
    realm = { type = "string", default = "api",
      help = "what the password is for, as clients show it" },
    hide = { type = "boolean", default = true,
      help = "do not pass the credentials to the upstream" },
  },
}

local BUSY = auth.refused(503, "busy", "Too many passwords are being checked; try again.", nil)
local SCHEME = "basic "

function basic_auth.check(options)
  if not utf8.is_valid(options.realm) or options.realm:find '[%c"\\]' then
    return "realm has quotes, backslashes or control characters in it; expected a text without"
  end
  return auth.fault(options)
end

function basic_auth.new(options)
  local challenge = ('Basic realm="%s", charset="UTF-8"'):format(options.realm)
  return {
    missing = auth.missing("missing-credentials", "A user name and a password are required.",
      challenge),
    wrong = auth.refused(401, "wrong-credentials", "The user name or the password is wrong.",
      challenge),
  }
end

-- User name and password; nil when they are not as RFC 7617 has them.
local function credentials_of(field)
  local text = crypto.from_base64(field:sub(#SCHEME + 1))
  local colon = text and text:find(":", 1, true)
  if not colon or text:find "%c" or not utf8.is_valid(text) then return nil end
  return text:sub(1, colon - 1), text:sub(colon + 1)
end

---@param req Request
---@return Reply?
function basic_auth:request(req)
  local field = req.headers["authorization"]
  if not field or field:sub(1, #SCHEME):lower() ~= SCHEME then
    return auth.without(self, req, self.missing)
  end
  local username, password = credentials_of(field)
  if not username then return self.wrong end
  local consumer, hashes = consumers.by_username(username)
  local is_right = passwords.verify(password, hashes)
  if is_right == nil then return BUSY end
  if not is_right or not consumer then return self.wrong end
  if self.hide then req.headers["authorization"] = nil end
  return auth.admit(self, req, consumer)
end

return basic_auth
