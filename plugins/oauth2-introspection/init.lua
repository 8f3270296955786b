--- oauth2-introspection: admits requests with a token of which its provider says that it is active.
--
-- The provider is asked as RFC 7662 says, once for all requests and workers that have the same
-- token, and its answer is kept, by a digest of the token, for `cache` and until the token expires;
-- so a token that is revoked is admitted for as long as `cache` says. Answers are the claims, held
-- against what is wanted as the plugin jwt does: `req.context.claims` for others (by =
-- "claim:tenant"). What is no answer (a timeout, a status other than 200, no JSON, too large) is
-- not kept. A refresh token is active, too, with many providers: `required = { "token_type" }`
-- keeps it out where the provider tells the type of access tokens.

local endpoint = require "oauth2-introspection.endpoint"
local moongate = require "moongate"

local auth, bearer, crypto, json = moongate.auth, moongate.bearer, moongate.crypto, moongate.json
local time = moongate.time
local known, rules = bearer.known, moongate.jwt.rules

---@class Oauth2Introspection: Plugin
---@field provider IntrospectionEndpoint
---@field rules JwtRules
---@field fingerprint string  of all that what is cached depends on
---@field cache number
---@field negative number
local introspection = {
  summary = "Admits requests with a token of which its provider says that it is active.",
  options = bearer.options(rules.options(endpoint.options {
    token_type = { type = "string", default = "Bearer",
      help = "what token_type is, in any case, where the provider tells it" },
    cache = { type = "duration", default = "1m", min = 1, zero = true,
      help = "for which an answer is kept, at most until the token expires; 0: ask each time" },
    negative = { type = "duration", default = "5s", min = 1,
      help = "for which it is kept that a token is not active, at most as long as `cache`" },
    unavailable = { type = "string", values = { "deny", "allow" }, default = "deny",
      help = "without an answer: 503, or let requests on without claims" },
  })),
}

local answers = moongate.cache "introspection"
local unverified = moongate.metrics.counter("moongate_introspection_unverified_total",
  "Requests that went on without claims, as the identity provider did not answer.")

-- Why there are no claims: the token is not active, or the provider has not answered.
local INACTIVE, UNANSWERED = "inactive", "unanswered"
local IS_KNOWN = { [INACTIVE] = true, [UNANSWERED] = true, timeout = true }
-- A moment longer than the question, whose outcome is to be known.
local WAIT_MORE = 1
-- Of an answer about a token that expires by now; it is held against the clock each time.
local KEPT_MIN = 1

function introspection.check(options)
  return endpoint.fault(options) or rules.fault(options) or bearer.fault(options)
end

function introspection.new(options)
  options.rules = rules.of(options)
  options.rules.may_last = true -- `exp` is optional here
  options.provider = endpoint.of(options)
  options.fingerprint = crypto.sha256(json.encode {
    crypto.hex(options.provider:fingerprint()), options.cache, options.negative })
  options.token_type = options.token_type:lower()
  bearer.prepare(options)
  options.down = bearer.unavailable(options.timeout)
  return options
end

-- The answer with when it came, and for how long it is kept.
local function ask(self, token)
  local said, text = self.provider:ask(token)
  if said == nil then return nil, UNANSWERED end
  if not said then return nil, INACTIVE, math.min(self.negative, self.cache) end
  local now, seconds = time.now(), self.cache
  if type(said.exp) == "number" then
    seconds = math.min(seconds, math.max(said.exp - now, KEPT_MIN))
  end
  return ("%.3f\n%s"):format(now, text), seconds
end

-- What the provider says now, or has said: claims, false of a token that is not active, nil when
-- there is no answer.
local function introspect(self, token)
  local text, why = nil, ""
  if self.cache > 0 then
    text, why = answers:fetch(crypto.sha256(self.fingerprint .. token),
      self.timeout + WAIT_MORE, function() return ask(self, token) end)
  end
  -- Also when another worker was in vain, or there was no room for what it has found out.
  if not text and not IS_KNOWN[why] then text, why = ask(self, token) end
  if not text then
    if why == INACTIVE then return false end
    return nil
  end
  local came, body = text:match "^(%S+)\n(.*)$"
  return endpoint.read(body), tonumber(came)
end

local function without_answer(self, req)
  if self.unavailable == "deny" then return self.down end
  unverified:add()
  return auth.admit(self, req, nil)
end

local function objection(self, said, now)
  local kind = said.token_type
  if kind ~= nil and (type(kind) ~= "string" or kind:lower() ~= self.token_type) then
    return bearer.refusal(self, "The token is of another type.")
  end
  return bearer.objection(self, said, {}, now)
end

-- A token that this worker does not know.
local function examine(self, req, value)
  bearer.strip(self, req)
  local token, answer = bearer.token(self, req)
  if not token then return answer end
  -- What no token may be is not worth a question (RFC 6749, A.12).
  if not token:find "^[\33-\126]+$" then return bearer.refusal(self, "The token is malformed.") end
  local said, came = introspect(self, token)
  if said == nil then return without_answer(self, req) end
  if not said then return bearer.refusal(self, "The token is not active.") end
  local refusal = objection(self, said, time.now())
  if refusal then return refusal end
  local verdict = bearer.verdict(self, said, came + self.cache)
  if value and self.cache > 0 then known.keep(value, self, verdict) end
  return bearer.admit(self, req, said, verdict.texts)
end

---@param req Request
---@return Reply?  ends the request when present
function introspection:request(req)
  local value = self.is_alone and req.headers:get(self.header) or nil
  local verdict = value and known.find(value, self)
  if verdict and time.now() < verdict.ends then
    return bearer.admit(self, req, verdict.claims, verdict.texts)
  end
  return examine(self, req, value)
end

return introspection
