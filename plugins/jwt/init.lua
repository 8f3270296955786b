--- jwt: admits requests with a JSON Web Token that one of the trusted keys has signed.
--
-- The token's claims become `req.context.claims`, so that other plugins may count or decide by them
-- (by = "claim:tenant"). Which key and which algorithm verify a token is said here, never by the
-- token: each key is for one algorithm, `none` is no algorithm, and jwk, jku, x5u and x5c in a
-- header are not looked at (RFC 8725). A token that was verified is known until it expires or the
-- keys change: in the worker by itself, in the others by its digest.

local given = require "moongate.jwt.given"
local keyring = require "jwt.keyring"
local moongate = require "moongate"

local auth, bearer, tokens = moongate.auth, moongate.bearer, moongate.jwt
local cache, crypto, time = moongate.cache, moongate.crypto, moongate.time
local known, rules = bearer.known, tokens.rules

---@class JwtVerdict: BearerVerdict
---@field set JwtKeySet  by which it was verified

---@class Jwt: Plugin
---@field source JwtSource  the keys
---@field rules JwtRules
local jwt = {
  summary = "Admits requests with a JSON Web Token that one of the trusted keys has signed.",
  options = bearer.options(rules.options {
    keys = { type = "list", items = { type = "table", fields = given.options }, default = {},
      help = "the keys that are trusted" },
    consumer_keys = { type = "boolean", default = false,
      help = "instead of keys: those of consumers (`jwt_keys`, or by the admin API); the token is "
        .. "the consumer's whose key has signed it" },
    key_claim = { type = "string", default = "iss",
      help = "claim that says by which id to find a consumer's keys; else the header's kid does" },
    jwks = { type = "string",
      help = "URL of a JSON Web Key Set, or its text: file \"keys.json\"; instead of keys" },
    algorithms = { type = "list", items = { type = "string", values = given.ALGORITHMS },
      default = {}, help = "those that keys of a JWKS may be for, the preferred one first for keys "
        .. "that do not say; default: all, for RSA keys RS256" },
    type = { type = "string", help = "what typ in the header is: at+jwt (RFC 9068)" },
    may_last = { type = "boolean", default = false, help = "take tokens without exp" },
    cache = { type = "duration", default = "5m",
      help = "for which a verified token is known, at most until it expires; 0: verify each time" },
    timeout = { type = "duration", default = "2s", min = 0.01, help = "of a fetch of the JWKS" },
    interval = { type = "duration", default = "10s", min = 0.01,
      help = "between two fetches, at least, however many unknown keys are named" },
    lifetime = { type = "duration", default = "5m", min = 0.01,
      help = "of a JWKS whose provider does not say (Cache-Control, Expires)" },
    keep = { type = "duration", default = "1d", min = 1,
      help = "for which the keys are used on when there are no newer ones" },
    unavailable = { type = "string", values = { "deny", "allow" }, default = "deny",
      help = "when the provider has never been reached: 503, or let requests on without claims" },
  }),
}

local verified = cache "jwt"
-- The digest takes as long as to verify the code.
local SHARED_ALGORITHMS = "^[RPE]"

local unverified = moongate.metrics.counter("moongate_jwt_unverified_total",
  "Requests that went on without claims, as the provider of keys was unavailable.")

function jwt.check(options)
  return keyring.fault(options) or rules.fault(options) or bearer.fault(options)
end

function jwt.new(options)
  local source, why = keyring.source(options)
  if not source then return nil, why end
  options.source = source
  options.rules = rules.of(options)
  options.rules.type, options.rules.may_last = options.type, options.may_last
  bearer.prepare(options)
  options.down = bearer.unavailable(options.interval)
  return options
end

-- Whether another worker, or this one before, has verified the token by these keys.
local function is_signed(self, token, set)
  local is_shared = self.cache > 0 and token.algorithm:find(SHARED_ALGORITHMS)
  local key = is_shared and crypto.sha256(set.fingerprint .. token.text)
  if key and verified:get(key) then return true, true end
  local is_right, was_tried = tokens.is_signed(token, set.keys)
  if is_right and key then verified:set(key, "", self.cache) end
  return is_right, was_tried
end

-- By the keys as they are, then, if none of them is the token's, by newer ones.
local function verify(self, token, set)
  local is_right, was_tried = is_signed(self, token, set)
  if was_tried then return is_right, set end
  set = self.source:renewed(set)
  if not set then return false end
  return is_signed(self, token, set), set
end

local function without_keys(self, req)
  if self.unavailable == "deny" then return self.down end
  unverified:add()
  return auth.admit(self, req, nil)
end

-- The request's token, taken apart, or nil and what is said to it.
local function token_of(self, req)
  local text, answer = bearer.token(self, req)
  if not text then return nil, answer end
  local token, fault = tokens.parse(text, self.token_limit)
  if not token then return nil, bearer.refusal(self, fault) end
  return token
end

-- What is said to the claims of a token that is signed, or nil and the claims.
local function judge(self, token, now)
  local said, fault = tokens.claims_of(token)
  if not said then return bearer.refusal(self, fault) end
  return bearer.objection(self, said, token.header, now), said
end

-- A token that this worker does not know.
local function examine(self, req, value)
  bearer.strip(self, req)
  local token, answer = token_of(self, req)
  if not token then return answer end
  local set = self.source:current(token)
  if not set then return without_keys(self, req) end
  local is_right
  is_right, set = verify(self, token, set)
  if not is_right then return bearer.refusal(self, "The signature does not verify.") end
  local now = time.now()
  local refusal, said = judge(self, token, now)
  if refusal then return refusal end
  local verdict = bearer.verdict(self, said, math.min(now + self.cache, set.ends or math.huge))
  verdict.set = set
  if value and self.cache > 0 then known.keep(value, self, verdict) end
  return bearer.admit(self, req, said, verdict.texts, set.consumer)
end

---@param req Request
---@return Reply?  ends the request when present
function jwt:request(req)
  local value = self.is_alone and req.headers:get(self.header) or nil
  local verdict = value and known.find(value, self)
  if verdict then
    local source, set, now = self.source, verdict.set, time.now()
    if (set == source.set or set.is_current) and now < verdict.ends and now < source.ends then
      return bearer.admit(self, req, verdict.claims, verdict.texts, set.consumer)
    end
  end
  return examine(self, req, value)
end

return jwt
