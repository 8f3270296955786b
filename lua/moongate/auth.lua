--- auth: what plugins that find out who calls have in common.
--
-- Such a plugin takes part in `request` alone. It returns `auth.missing(...)` to a request without
-- credentials of its kind, `auth.refused(...)` to one whose credentials are wrong, and ends by
-- `auth.admit` otherwise. So they can stand one after the other (all of them are wanted) or side by
-- side in `authenticate` (any of them is enough), which takes off requests what the upstream would
-- believe of each: the instance's `consumer_header`, and those of its list `own_headers`.
--
--     local MISSING = auth.missing("missing-key", "An API key is required.", "ApiKey")
--     local UNKNOWN = auth.refused(401, "unknown-key", "The API key is not known.", "ApiKey")
--
--     function key_auth:request(req)
--       local key = req.headers[self.header]
--       if not key then return auth.without(self, req, MISSING) end
--       local consumer = consumers.by_key(key)
--       if not consumer then return UNKNOWN end
--       return auth.admit(self, req, consumer)
--     end

local bridge = require "moongate.ffi"
local consumers = require "moongate.consumers"
local headers = require "moongate.headers"
local log = require "moongate.log"
local reply = require "moongate.reply"

---@class moongate.auth
local auth = {}

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local type, C = type, bridge.C

-- What the upstream takes as said by the gateway.
local OURS = "x-consumer-"

local COMMON = {
  anonymous = { type = "string",
    help = "name of the consumer as whom requests without credentials go on; default: they are "
      .. "refused. Wrong credentials always are" },
  consumer_header = { type = "any", default = "x-consumer-name",
    help = "request header that tells the upstream the consumer's name; false: none, and what "
      .. "clients send as x-consumer-… is passed on" },
}

--- A plugin's own options and those that all such plugins have: `anonymous`, `consumer_header`.
---@param own table<string, PluginOption>
---@return table<string, PluginOption>
function auth.options(own)
  for name, option in pairs(COMMON) do own[name] = option end
  return own
end

--- What is wrong with the options that all have; for a plugin's `check`.
---@param options table
---@return string? wrong
function auth.fault(options)
  local name = options.consumer_header
  if name ~= false and type(name) ~= "string" then
    return ("consumer_header is %s; expected the name of a header, or false"):format(tostring(name))
  end
  return name and headers.fault(name) or nil
end

--- Whether a text is a scope (scope-token of RFC 6749, 3.3).
---@param text string
---@return boolean
function auth.is_scope(text)
  return text:find "^[\33\35-\91%]\94-\126]+$" ~= nil
end

local function refusal(status, kind, detail, challenge)
  return reply.problem(status, kind, detail, challenge and { ["www-authenticate"] = challenge })
end

--- The answer to a request without credentials of that kind. Make it once.
---@param kind string       last part of the problem's type: "missing-key"
---@param detail string     a sentence for the client
---@param challenge string?  of WWW-Authenticate (RFC 9110, 11.6.1), of a 401; nil: it is a 403
---@return Reply
function auth.missing(kind, detail, challenge)
  local answer = refusal(challenge and 401 or 403, kind, detail, challenge)
  answer.is_missing = true
  return answer
end

--- The answer to a request whose credentials do not do, or cannot be looked at now (503).
---@param status integer     401, 403 or 503
---@param kind string
---@param detail string
---@param challenge string?  of WWW-Authenticate
---@return Reply
function auth.refused(status, kind, detail, challenge)
  local answer = refusal(status, kind, detail, challenge)
  answer.is_attempt = true
  return answer
end

-- Names that begin so themselves, and others: those of the option consumer_header.
local begins_so = {}

local function is_ours(name)
  local known = begins_so[name]
  if known ~= nil then return known end
  begins_so[name] = name:sub(1, #OURS):lower() == OURS
  return begins_so[name]
end

--- Removes what a client says of itself in the fields that the upstream believes, also where "_"
--- stands for "-": many programs make no difference between them.
---@param req Request
---@param name string|false  the option consumer_header
function auth.strip(req, name)
  if not name then return end
  local fields = req.headers
  fields:remove_prefix(OURS)
  if not is_ours(name) then fields:remove_alike(name) end
end

--- Takes a cookie off what goes to the upstream.
---@param req Request
---@param name string
function auth.hide_cookie(req, name)
  local kept = {}
  for _, field in ipairs(req.headers:all "cookie") do
    for pair in field:gmatch "[^;]+" do
      local at = pair:find "%S"
      if at and pair:match("^[^=%s]*", at) ~= name then
        kept[#kept + 1] = pair:match("^.*%S", at)
      end
    end
  end
  req.headers.cookie = #kept > 0 and table.concat(kept, "; ") or nil
end

--- Takes credentials off the request: they are not for the upstream.
---@param self { header: string, query: string|false, cookie: string|false }  where they may be
---@param req Request
function auth.hide(self, req)
  req.headers[self.header] = nil
  if self.query and req.query[self.query] then req.query[self.query] = nil end
  if self.cookie and req.cookies[self.cookie] then auth.hide_cookie(req, self.cookie) end
end

--- The caller is known: it becomes `req.consumer`, and the upstream is told. From here on the cache
--- takes the answer for one of this caller alone, as it does beside Authorization (RFC 9111, 3.5).
---@param self table          the plugin's instance
---@param req Request
---@param consumer Consumer|integer|nil  nil: admitted, but nobody that the configuration or the
--- store knows; it stays whom a plugin before has found. A number: as consumers.find_key returns it
---@return nil
function auth.admit(self, req, consumer)
  local name = self.consumer_header
  if name and type(consumer) == "number" then
    req.consumer = consumer
    req.headers:tell_consumer(name, consumer, not is_ours(name))
    return nil
  end
  auth.strip(req, name)
  consumer = consumer or req.consumer
  if not consumer then
    C.moon_set_authenticated(req.handle)
    return nil
  end
  req.consumer = consumer
  if name then req.headers[name] = consumer.name end
  return nil
end

--- There are no credentials: goes on as the option `anonymous` says, or not.
---@param self table
---@param req Request
---@param missing Reply
---@return Reply?
function auth.without(self, req, missing)
  if not self.anonymous then return missing end
  local consumer = consumers.by_name(self.anonymous)
  if consumer then return auth.admit(self, req, consumer) end
  log.error("there is no consumer %q, which requests without credentials are to be",
    self.anonymous)
  return missing
end

return auth
