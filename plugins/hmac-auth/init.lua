--- hmac-auth: lets a request through only when it is signed with a consumer's secret.
--
-- Signatures are those of RFC 9421, with HMAC-SHA-256: `keyid` is the id of the secret, `created`
-- when it was signed. What is signed has to include the method, the authority, the path and the
-- query (or `@target-uri` instead of the last three), and with a body the field Content-Digest
-- (RFC 9530), which has to be the body's. A signature counts once: a client that sends the same
-- request twice in a second adds a `nonce`.

local headers = require "moongate.headers"
local moongate = require "moongate"
local signature = require "hmac-auth.signature"

local auth, consumers, crypto = moongate.auth, moongate.consumers, moongate.crypto

---@class HmacAuth: Plugin
---@field max_age number
---@field clock_skew number
---@field body_limit integer
---@field signed string[]
---@field replay boolean
local hmac_auth = {
  summary = "Admits requests that are signed with a consumer's secret.",
  options = auth.options {
    max_age = { type = "duration", default = "5m", min = 1, help = "since it was signed" },
    clock_skew = { type = "duration", default = "30s", help = "that clocks may differ by" },
    signed = { type = "list", items = { type = "string" }, default = {},
      help = 'fields that have to be signed, too: { "date" }' },
    body_limit = { type = "size", default = "1m", help = "body, which is held to be digested" },
    replay = { type = "boolean", default = false, help = "let a signature count more than once" },
  },
}

local CHALLENGE = 'Signature algs="hmac-sha256"'

local function refused(kind, detail) return auth.refused(401, kind, detail, CHALLENGE) end

local MISSING = auth.missing("missing-signature",
  "The request has to be signed: Signature and Signature-Input.", CHALLENGE)
local MALFORMED = refused("malformed-signature",
  "Signature and Signature-Input are not one signature with hmac-sha256, keyid and created.")
local INCOMPLETE = refused("incomplete-signature",
  "The signature does not cover method, authority, path, query and what else has to be signed.")
local OUTDATED = refused("outdated-signature",
  "The request was signed too long ago, or by a clock that is ahead.")
local WRONG = refused("wrong-signature", "The signature is not that of a known key.")
local WRONG_BODY = refused("wrong-digest",
  "With a body, Content-Digest has to be signed, and its sha-256 that of the body.")
local REPLAYED = refused("replayed-signature", "This signature has been used already.")
local BUSY = auth.refused(503, "busy", "Signatures cannot be remembered now; try again.", nil)

-- What stands for what.
local COVERED_BY = {
  ["@authority"] = { "@target-uri" }, ["@path"] = { "@target-uri", "@request-target" },
  ["@query"] = { "@target-uri", "@request-target" },
}
local NEEDED = { "@method", "@authority", "@path", "@query" }

function hmac_auth.check(options)
  for _, name in ipairs(options.signed) do
    if name ~= name:lower() or headers.fault(name) and not name:find "^@" then
      return ("signed has %q; expected the name of a field in lower case"):format(name)
    end
  end
  return auth.fault(options)
end

local function is_covered(covers, name)
  if covers[name] then return true end
  for _, other in ipairs(COVERED_BY[name] or {}) do
    if covers[other] then return true end
  end
  return false
end

local function is_complete(self, covers)
  for _, name in ipairs(NEEDED) do
    if not is_covered(covers, name) then return false end
  end
  for _, name in ipairs(self.signed) do
    if not is_covered(covers, name) then return false end
  end
  return true
end

local function is_timely(self, parameters)
  local now = moongate.time.now()
  local age = now - parameters.created
  if age > self.max_age + self.clock_skew or age < -self.clock_skew then return false end
  return not parameters.expires or parameters.expires > now - self.clock_skew
end

-- The signature, or nil and a refusal of what it is, whoever has made it.
local function read(self, req, input, value)
  local given = signature.parse(input, value)
  local parameters = given and given.parameters
  if not given or not parameters.keyid or not parameters.created
      or (parameters.alg or "hmac-sha256") ~= "hmac-sha256" then
    return nil, MALFORMED
  end
  if not is_complete(self, given.covers) then return nil, INCOMPLETE end
  if not is_timely(self, parameters) then return nil, OUTDATED end
  given.base = signature.base(req, given)
  if not given.base then return nil, MALFORMED end
  return given
end

-- Held against something where the id is not known, so that it takes as long.
local NOBODY = ("\0"):rep(32)

local function owner_of(given)
  local consumer, secret = consumers.by_credential("hmac", given.parameters.keyid)
  local code = crypto.hmac_sha256(secret or NOBODY, given.base)
  local is_right = crypto.equals(code, given.code)
  return consumer and secret and is_right and consumer or nil
end

local function has_right_body(self, req, given)
  local body = req:body(self.body_limit)
  local field = req.headers["content-digest"]
  if body == "" and not field then return true end
  if not given.covers["content-digest"] then return body == "" end
  local digest = crypto.from_base64((field or ""):match "sha%-256=:([%w+/=]+):" or "")
  return digest ~= nil and crypto.equals(digest, crypto.sha256(body))
end

local used

-- nil: nobody has used it before, and nobody will.
local function use_up(self, given)
  if self.replay then return nil end
  used = used or moongate.dict "hmac-auth"
  local seconds = self.max_age + 2 * self.clock_skew
  local is_new, why = used:add(crypto.hex(given.code), 1, seconds)
  if is_new then return nil end
  return why and BUSY or REPLAYED
end

---@param req Request
---@return Reply?
function hmac_auth:request(req)
  local input, value = req.headers["signature-input"], req.headers["signature"]
  if not input and not value then return auth.without(self, req, MISSING) end
  if not input or not value then return MALFORMED end
  local given, refusal = read(self, req, input, value)
  if not given then return refusal end
  local consumer = owner_of(given)
  if not consumer then return WRONG end
  if not has_right_body(self, req, given) then return WRONG_BODY end
  refusal = use_up(self, given)
  if refusal then return refusal end
  return auth.admit(self, req, consumer)
end

return hmac_auth
