--- jwt: JSON Web Tokens: verified by keys that were made before, and minted.
--
--     local key = assert(jwt.keys.of_pem(pem))
--     local claims, why = jwt.verify(token, { key }, { issuer = { "https://id.example" } })
--     local token = jwt.mint { algorithm = "ES256", key = private_pem, claims = { sub = "me" } }
--
-- A token says nothing about how it is verified (RFC 8725): its "alg" has to be that of a key that
-- is trusted already, its jwk, jku, x5u and x5c are not looked at, "crit" is refused, and `none` is
-- no algorithm. OpenSSL verifies, by keys parsed once. libjwt, which mints, is not used for that:
-- it takes the algorithm from the token (an RSA public key for the secret of HS256), has neither
-- PS256, EdDSA nor JWK, and reads base64url and times leniently.

local bridge = require "moongate.ffi"
local claim_rules = require "moongate.jwt.rules"
local claims = require "moongate.jwt.claims"
local crypto = require "moongate.crypto"
local json = require "moongate.json"
local keys = require "moongate.jwt.keys"
local time = require "moongate.time"

local C = bridge.C

---@class moongate.jwt
---@field keys moongate.jwt.keys
---@field claims moongate.jwt.claims
---@field rules moongate.jwt.rules
local jwt = { keys = keys, claims = claims, rules = claim_rules }

--- What a token has at most, unless a limit is said.
jwt.BYTES_MAX = 8192

-- Keys that one token may be held against, when neither it nor they say which.
local CANDIDATES_MAX = 8
local MALFORMED = "The token is malformed."

---@class JwtToken  a token taken apart; nothing of it has been verified
---@field text string
---@field header table
---@field algorithm string
---@field kid string?
---@field payload string   base64url

local function object_of(text)
  local bytes = crypto.from_base64url(text)
  if not bytes or not bytes:find "^[ \t\r\n]*{" then return nil end
  local value = json.decode(bytes)
  return type(value) == "table" and value or nil
end

-- Whether all that is trusted of a header can be.
local function header_fault(header)
  if header.crit ~= nil then return "The token has extensions that must be understood." end
  if type(header.alg) ~= "string" then return MALFORMED end
  if header.kid ~= nil and type(header.kid) ~= "string" then return MALFORMED end
  return nil
end

--- Takes a token apart (JWS in its compact form, RFC 7515, 3.1).
---@param text string
---@param limit integer?  bytes; default jwt.BYTES_MAX
---@return JwtToken? token
---@return string? fault  a sentence for the client
function jwt.parse(text, limit)
  if #text > (limit or jwt.BYTES_MAX) then return nil, "The token is too large." end
  local one = text:find(".", 1, true)
  local two = one and text:find(".", one + 1, true)
  if not two or text:find(".", two + 1, true) then return nil, MALFORMED end
  local header = object_of(text:sub(1, one - 1))
  if not header then return nil, MALFORMED end
  local fault = header_fault(header)
  if fault then return nil, fault end
  return { text = text, header = header, algorithm = header.alg, kid = header.kid,
    payload = text:sub(one + 1, two - 1) }
end

--- Whether one of the keys verifies the token: those of its algorithm, and of its kid where both
--- have one.
---@param token JwtToken
---@param list JwtKey[]
---@return boolean verified
---@return boolean tried  there was a key to try
function jwt.is_signed(token, list)
  local tried = 0
  for _, key in ipairs(list) do
    if key.algorithm == token.algorithm
        and (not key.kid or not token.kid or key.kid == token.kid) then
      if C.moon_jws_verifies(bridge.generation, key.number, token.text, #token.text) then
        return true, true
      end
      tried = tried + 1
      if tried == CANDIDATES_MAX then break end
    end
  end
  return false, tried > 0
end

--- The claims of a token that is signed.
---@param token JwtToken
---@return table? claims
---@return string? fault
function jwt.claims_of(token)
  local said = object_of(token.payload)
  if not said then return nil, MALFORMED end
  return said
end

--- Verifies the signature, then the claims.
---@param text string
---@param list JwtKey[]
---@param rules JwtRules?
---@return table? claims
---@return string? fault  a sentence for the client
function jwt.verify(text, list, rules)
  rules = rules or {}
  local token, fault = jwt.parse(text)
  if not token then return nil, fault end
  if not jwt.is_signed(token, list) then return nil, "The signature does not verify." end
  local said
  said, fault = jwt.claims_of(token)
  if not said then return nil, fault end
  fault = claims.fault(said, token.header, rules, time.now())
  if fault then return nil, fault end
  if not claims.has_scopes(said, rules) then return nil, "The token lacks a scope." end
  return said
end

---@class JwtMint
---@field algorithm string?  HS256, RS256 or ES256 and the longer ones; default HS256
---@field key string         a secret, or a private key in PEM
---@field claims table
---@field kid string?
---@field type string?       default "JWT"
---@field lifetime number?   seconds: sets iat and exp where the claims have none

local parts = bridge.new "struct slice[4]"
local MINTABLE = { HS = true, RS = true, ES = true }
local SECRET_BYTES = { HS256 = 32, HS384 = 48, HS512 = 64 }
-- What a signature and libjwt's own take beside the texts.
local MINT_ROOM = 2048

local function put(index, text)
  parts[index].start, parts[index].length = text, #text
end

local function timed(given, lifetime)
  if not lifetime then return given end
  local said, now = {}, math.floor(time.now())
  for name, value in pairs(given) do said[name] = value end
  said.iat = said.iat or now
  said.exp = said.exp or now + math.ceil(lifetime)
  return said
end

--- Makes a token, by libjwt: with PS256 or EdDSA it cannot. The key is parsed each time.
---@param options JwtMint
---@return string? token
---@return string? why
function jwt.mint(options)
  local algorithm = options.algorithm or "HS256"
  if not MINTABLE[algorithm:sub(1, 2)] then
    return nil, ("tokens are minted with HS, RS and ES algorithms, not with %s"):format(algorithm)
  end
  if #options.key < (SECRET_BYTES[algorithm] or 0) then
    return nil, ("the secret is shorter than %d bytes"):format(SECRET_BYTES[algorithm])
  end
  local header = json.encode { typ = options.type or "JWT", kid = options.kid }
  local said = json.encode(timed(options.claims, options.lifetime))
  put(0, algorithm) put(1, options.key) put(2, header) put(3, said)
  local size = 2 * (#header + #said) + MINT_ROOM
  local out = bridge.room(size)
  local length = C.moon_jwt_mint(parts, out, size)
  if length < 0 then return nil, ("the key cannot sign with %s"):format(algorithm) end
  return bridge.string(out, length)
end

return jwt
