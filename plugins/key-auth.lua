--- key-auth: lets a request through only when it carries a consumer's API key.
--
-- The key's owner becomes `req.consumer`, and its name goes upstream in a header. What clients send
-- as `x-consumer-…` never does: it would be taken for ours. The key is looked for in the header,
-- then in the query, then in the cookie, as far as these are configured; the first one counts.

local headers = require "moongate.headers"
local moongate = require "moongate"

local reply, consumers = moongate.reply, moongate.consumers

---@class KeyAuth: Plugin
---@field header string               name of the header that carries the key
---@field query string|false          name in the query
---@field cookie string|false         name of the cookie
---@field hide boolean                do not pass the key to the upstream
---@field consumer_header string|false  name of the header that tells the upstream who it is
local key_auth = {
  summary = "Admits requests that carry a consumer's API key.",
  options = {
    header = { type = "string", default = "x-api-key", help = "request header that holds the key" },
    query = { type = "string", help = "name in the query that holds the key, too" },
    cookie = { type = "string", help = "cookie that holds the key, too" },
    hide = { type = "boolean", default = true, help = "do not pass the key to the upstream" },
    consumer_header = { type = "any", default = "x-consumer-name",
      help = "request header that tells the upstream the consumer's name; false: none, and what "
        .. "clients send as x-consumer-… is passed on" },
  },
}

local function unauthorized(kind, detail)
  return reply.problem(401, kind, detail, { ["www-authenticate"] = "ApiKey" })
end

local MISSING = unauthorized("missing-key", "An API key is required.")
local UNKNOWN = unauthorized("unknown-key", "The API key is not known.")

function key_auth.check(options)
  local name = options.consumer_header
  if name ~= false and type(name) ~= "string" then
    return ("consumer_header is %s; expected the name of a header, or false"):format(tostring(name))
  end
  return headers.fault(options.header) or (name and headers.fault(name)) or nil
end

local function key_of(self, req)
  return req.headers[self.header]
    or self.query and req.query[self.query]
    or self.cookie and req.cookies[self.cookie]
end

-- The Cookie field without the one cookie.
local function hide_cookie(req, name)
  local kept = {}
  for _, field in ipairs(req.headers:all "cookie") do
    for pair in field:gmatch "[^;]+" do
      pair = pair:match "^%s*(.-)%s*$"
      if pair:match "^[^=%s]*" ~= name then kept[#kept + 1] = pair end
    end
  end
  req.headers.cookie = #kept > 0 and table.concat(kept, "; ") or nil
end

local function hide_key(self, req)
  req.headers[self.header] = nil
  if self.query and req.query[self.query] then req.query[self.query] = nil end
  if self.cookie and req.cookies[self.cookie] then hide_cookie(req, self.cookie) end
end

---@param req Request
---@return Reply?  ends the request when present
function key_auth:request(req)
  local key = key_of(self, req)
  if not key then return MISSING end

  local consumer = consumers.by_key(key)
  req.consumer = consumer
  if not consumer then return UNKNOWN end

  if self.hide then hide_key(self, req) end
  if self.consumer_header then
    req.headers:remove_prefix "x-consumer-"
    req.headers[self.consumer_header] = consumer.name
  end
  return nil
end

return key_auth
