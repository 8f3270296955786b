--- key-auth: lets a request through only when it carries a consumer's API key.
--
-- The key's owner becomes `req.consumer`, and its name goes upstream in a header. What clients send
-- as `x-consumer-…` never does: it would be taken for ours. The key is looked for in the header,
-- then in the query, then in the cookie, as far as these are configured; the first one counts.

local headers = require "moongate.headers"
local moongate = require "moongate"

local auth, consumers = moongate.auth, moongate.consumers
-- Locals: compiled code looks up what is in a table each time.
local find_key_in, hide, admit = consumers.find_key_in, auth.hide, auth.admit

---@class KeyAuth: Plugin
---@field header string               name of the header that carries the key
---@field query string|false          name in the query
---@field cookie string|false         name of the cookie
---@field hide boolean                do not pass the key to the upstream
---@field consumer_header string|false  name of the header that tells the upstream who it is
local key_auth = {
  summary = "Admits requests that carry a consumer's API key.",
  options = auth.options {
    header = { type = "string", default = "x-api-key", help = "request header that holds the key" },
    query = { type = "string", help = "name in the query that holds the key, too" },
    cookie = { type = "string", help = "cookie that holds the key, too" },
    hide = { type = "boolean", default = true, help = "do not pass the key to the upstream" },
  },
}

local CHALLENGE = "ApiKey"
local MISSING = auth.missing("missing-key", "An API key is required.", CHALLENGE)
local UNKNOWN = auth.refused(401, "unknown-key", "The API key is not known.", CHALLENGE)

function key_auth.check(options)
  return headers.fault(options.header) or auth.fault(options)
end

-- What an instance does not have is looked for in its plugin, for each request.
function key_auth.new(options)
  options.query, options.cookie = options.query or false, options.cookie or false
  return options
end

local function key_elsewhere(self, req)
  return self.query and req.query:get(self.query) or self.cookie and req.cookies:get(self.cookie)
end

---@param req Request
---@return Reply?  ends the request when present
function key_auth:request(req)
  local consumer = find_key_in(req, self.header)
  if consumer == nil then
    local key = key_elsewhere(self, req)
    if not key then return auth.without(self, req, MISSING) end
    consumer = consumers.find_key(key)
  end
  if not consumer then return UNKNOWN end

  if self.hide then hide(self, req) end
  return admit(self, req, consumer)
end

return key_auth
