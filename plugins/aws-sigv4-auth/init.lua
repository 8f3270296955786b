--- aws-sigv4-auth: lets a request through only when it is signed as requests to AWS are.
--
-- Signature Version 4, in the Authorization field or as a presigned URL, by AWS's own clients and
-- whatever else speaks it: `curl --aws-sigv4 aws:amz:us-east-1:execute-api --user ID:SECRET`. The
-- access key is one of a consumer's `hmac_secrets`: its id and its secret. Host, all x-amz- fields
-- and what `signed` names have to be signed.

local headers = require "moongate.headers"
local moongate = require "moongate"
local sigv4 = require "moongate.sigv4"
local statement = require "aws-sigv4-auth.statement"

local auth, consumers, crypto = moongate.auth, moongate.consumers, moongate.crypto

---@class AwsSigv4Auth: Plugin
---@field region string
---@field service string
---@field clock_skew number
---@field expires_max number
---@field replay "safe"|"allow"|"deny"
local aws_sigv4_auth = {
  summary = "Admits requests that are signed with AWS Signature Version 4.",
  options = auth.options {
    region = { type = "string", default = "us-east-1", help = "that signatures have to be for" },
    service = { type = "string", default = "execute-api",
      help = 'that they have to be for; of "s3" paths are signed as they are sent' },
    clock_skew = { type = "duration", default = "5m", help = "that clocks may differ by" },
    presigned = { type = "boolean", default = true, help = "admit presigned URLs, too" },
    expires_max = { type = "duration", default = "7d", min = 1, max = 604800,
      help = "for which a presigned URL may be good" },
    signed = { type = "list", items = { type = "string" }, default = {},
      help = 'fields that have to be signed, too: { "content-type" }' },
    unsigned_payload = { type = "boolean", default = false,
      help = "admit bodies that are not signed (UNSIGNED-PAYLOAD)" },
    streaming_payload = { type = "boolean", default = false,
      help = "admit bodies signed in pieces (STREAMING-…), whose signatures are left to the "
        .. "upstream" },
    body_limit = { type = "size", default = "1m", help = "body, which is held to be digested" },
    replay = { type = "string", values = { "safe", "allow", "deny" }, default = "safe",
      help = '"safe": signatures of all but GET, HEAD and OPTIONS count once, presigned URLs until '
        .. 'they expire; "deny": each counts once; "allow": as at AWS' },
    hide = { type = "boolean", default = true, help = "do not pass the signature to the upstream" },
  },
}

local CHALLENGE = sigv4.ALGORITHM

local function refused(kind, detail) return auth.refused(401, kind, detail, CHALLENGE) end

local MISSING = auth.missing("missing-signature",
  "The request has to be signed with AWS Signature Version 4.", CHALLENGE)
local MALFORMED = refused("malformed-signature",
  "The request has no whole signature of Version 4, or parts of it twice.")
local ELSEWHERE = refused("wrong-scope", "The signature is not for this region and service.")
local INCOMPLETE = refused("incomplete-signature",
  "The signature does not cover host, all x-amz- fields and what else has to be signed.")
local OUTDATED = refused("outdated-signature",
  "The request was signed too long ago, or by a clock that is ahead.")
local WRONG = refused("wrong-signature", "The signature is not that of a known key.")
local WRONG_BODY = refused("wrong-digest", "The body is not the one that was signed.")
local UNSIGNED = refused("unsigned-payload", "The body has to be signed.")
local REPLAYED = refused("replayed-signature", "This signature has been used already.")
local BUSY = auth.refused(503, "busy", "Signatures cannot be remembered now; try again.", nil)

local STREAMING = {
  ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] = true, ["STREAMING-UNSIGNED-PAYLOAD-TRAILER"] = true,
  ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"] = true,
}
local SAFE = { GET = true, HEAD = true, OPTIONS = true }

function aws_sigv4_auth.check(options)
  for _, name in ipairs(options.signed) do
    if name ~= name:lower() or headers.fault(name) then
      return ("signed has %q; expected the name of a field in lower case"):format(name)
    end
  end
  for _, name in ipairs { "region", "service" } do
    if not options[name]:find "^[%w_.-]+$" then
      return ("%s is %q; expected letters, digits and characters of _ . -"):format(name,
        options[name])
    end
  end
  return auth.fault(options)
end

-- What the request says, or nil and an answer to it.
local function read(self, req, target)
  local field = req.headers.authorization
  local is_ours = field ~= nil and field:find("^AWS4%-HMAC%-SHA256%f[^%w-]") ~= nil
  local is_presigned = req.query["X-Amz-Signature"] ~= nil
  if not is_ours and not is_presigned then return nil, nil end
  if is_ours == is_presigned or is_presigned and not self.presigned then return nil, MALFORMED end
  local given
  if is_ours then
    given = statement.of_field(req, field)
  else
    given = statement.of_query(target.query or "")
  end
  return given, MALFORMED
end

local function is_complete(self, req, covers)
  if not covers.host then return false end
  for _, name in ipairs(self.signed) do
    if not covers[name] then return false end
  end
  for _, field in ipairs(req.headers:list()) do
    -- Many programs make no difference between "_" and "-".
    if field[1]:find "^x[_-]amz[_-]" and not covers[field[1]] then return false end
  end
  return true
end

local function is_timely(self, given)
  local age = moongate.time.now() - given.time
  if age < -self.clock_skew then return false end
  if not given.lifetime then return age <= self.clock_skew end
  return given.lifetime <= self.expires_max and age <= given.lifetime + self.clock_skew
end

-- The digest that was signed, and whether it is that of the body for sure; nil: it cannot be.
local function payload_of(self, req, given)
  local payload = given.payload
  if not payload and given.lifetime and self.service == "s3" then
    payload = sigv4.UNSIGNED_PAYLOAD
  end
  if not payload then return crypto.hex(crypto.sha256(req:body(self.body_limit))), true end
  if payload == sigv4.UNSIGNED_PAYLOAD or STREAMING[payload] then return payload, false end
  return #payload == 64 and not payload:find "[^%da-f]" and payload or nil, false
end

-- The text that was signed; nil when it cannot be.
local function text_of(self, req, target, given, payload)
  local path, values = sigv4.path(target.path, self.service), {}
  local query = sigv4.query(target.query, given.lifetime and "X-Amz-Signature")
  for i, name in ipairs(given.names) do
    values[i] = name == "host" and req.authority or sigv4.field(req.headers, name)
    if not values[i] then return nil end
  end
  if not path or not query or not payload then return nil end
  return sigv4.request { method = req.method, path = path, query = query, names = given.names,
    values = values, payload = payload }
end

-- Signed with where the id is not known, so that it takes as long.
local NOBODY = ("\0"):rep(32)

local function owner_of(given, text)
  local consumer, secret = consumers.by_credential("hmac", given.id)
  local scope = sigv4.scope(given.date, given.region, given.service)
  local signature = sigv4.sign(secret or NOBODY, given.stamp, scope, text)
  local is_right = crypto.equals(signature, given.signature)
  return consumer and secret and is_right and consumer or nil
end

-- An answer when the body is not what was signed.
local function fault_of_body(self, req, payload)
  if STREAMING[payload] then return not self.streaming_payload and UNSIGNED or nil end
  if payload == sigv4.UNSIGNED_PAYLOAD then
    if self.unsigned_payload or req:body(self.body_limit) == "" then return nil end
    return UNSIGNED
  end
  local digest = crypto.hex(crypto.sha256(req:body(self.body_limit)))
  return not crypto.equals(digest, payload) and WRONG_BODY or nil
end

local used

-- nil: nobody has used it before, and nobody will.
local function use_up(self, req, given)
  if self.replay == "allow" then return nil end
  if self.replay == "safe" and (given.lifetime or SAFE[req.method]) then return nil end
  used = used or moongate.dict "aws-sigv4-auth"
  local seconds = (given.lifetime or self.clock_skew) + 2 * self.clock_skew
  local is_new, why = used:add(given.signature, 1, seconds)
  if is_new then return nil end
  return why and BUSY or REPLAYED
end

local function hide(req, given)
  if not given.lifetime then
    req.headers.authorization = nil
    return
  end
  for _, name in pairs(statement.PARAMETERS) do req.query["X-Amz-" .. name] = nil end
end

-- An answer when it does not do, whoever has made it.
local function fault_of_statement(self, req, given)
  if given.region ~= self.region or given.service ~= self.service then return ELSEWHERE end
  if not is_complete(self, req, given.covers) then return INCOMPLETE end
  return not is_timely(self, given) and OUTDATED or nil
end

-- Whose the signature is, or nil and an answer.
local function verify(self, req, target, given)
  local refusal = fault_of_statement(self, req, given)
  if refusal then return nil, refusal end
  local payload, is_digested = payload_of(self, req, given)
  local text = text_of(self, req, target, given, payload)
  if not text then return nil, MALFORMED end
  local consumer = owner_of(given, text)
  if not consumer then return nil, WRONG end
  refusal = not is_digested and fault_of_body(self, req, payload)
    or use_up(self, req, given)
  return not refusal and consumer or nil, refusal
end

---@param req Request
---@return Reply?
function aws_sigv4_auth:request(req)
  local target = moongate.uri.parse(req.target)
  if not target then return auth.without(self, req, MISSING) end -- as `OPTIONS *`
  local given, refusal = read(self, req, target)
  if not given then return refusal or auth.without(self, req, MISSING) end
  local consumer
  consumer, refusal = verify(self, req, target, given)
  if not consumer then return refusal end
  if self.hide then hide(req, given) end
  return auth.admit(self, req, consumer)
end

return aws_sigv4_auth
