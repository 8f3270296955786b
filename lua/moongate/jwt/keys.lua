--- keys: keys that verify tokens, from secrets, PEM and JSON Web Keys (RFC 7517, RFC 8037).
--
-- Each key is for one algorithm (RFC 8725, 3.1): the one that is said, else the JWK's "alg", else
-- the first of those allowed that goes with a key of its kind. OpenSSL parses it once, here.

local bridge = require "moongate.ffi"
local crypto = require "moongate.crypto"
local has = require("moongate.list").has
local json = require "moongate.json"

local C = bridge.C

---@class JwtKey
---@field number number      of the key in C
---@field algorithm string   the one that it verifies: "RS256"
---@field kid string|false   its name; false: it has none
---@field is_secret boolean

---@class JwtKeySet
---@field keys JwtKey[]
---@field fingerprint string  32 bytes, the same for the same keys

---@class moongate.jwt.keys
local keys = {}

--- Of one set.
keys.SET_MAX = 100

-- Without "HS": those of a secret have to be asked for.
local DEFAULTS = { "RS256", "ES256", "ES384", "ES512", "EdDSA", "PS256", "RS384", "RS512", "PS384",
  "PS512" }
local CURVES = { ES256 = "P-256", ES384 = "P-384", ES512 = "P-521" }

local parts = bridge.new "struct slice[3]"
local wrong = bridge.new "struct slice[1]"

--- Lets go of keys that are used no more: their numbers then verify nothing.
---@param list JwtKey[]
function keys.forget(list)
  for _, key in ipairs(list) do C.moon_jws_forget(bridge.generation, key.number) end
end

-- A key of `form`; its algorithm and the form's two texts are kept alive by the caller.
local function make(form, algorithm, one, other, kid)
  other = other or ""
  parts[0].start, parts[0].length = algorithm, #algorithm
  parts[1].start, parts[1].length = one, #one
  parts[2].start, parts[2].length = other, #other
  local number = C.moon_jws_key(bridge.generation, form, parts, wrong)
  if number < 0 then return nil, bridge.string(wrong[0].start, wrong[0].length) end
  return { number = number, algorithm = algorithm, kid = kid or false,
    is_secret = form == C.MOON_JWS_SECRET }
end

--- A secret that both sides know, for HS256, HS384 or HS512.
---@param secret string      at least as long as the algorithm's digest
---@param algorithm string?  default HS256
---@param kid string?
---@return JwtKey? key
---@return string? why
function keys.of_secret(secret, algorithm, kid)
  return make(C.MOON_JWS_SECRET, algorithm or "HS256", secret, nil, kid)
end

--- A public key, or the key of a certificate, which is not looked at otherwise.
---@param pem string
---@param algorithm string?  default: RS256 for RSA, else that of the curve
---@param kid string?
---@return JwtKey? key
---@return string? why
function keys.of_pem(pem, algorithm, kid)
  if not algorithm then
    local is_known = C.moon_jws_pem_algorithm(pem, #pem, wrong)
    local text = bridge.string(wrong[0].start, wrong[0].length)
    if not is_known then return nil, text end
    algorithm = text
  end
  return make(C.MOON_JWS_PEM, algorithm, pem, nil, kid)
end

-- Whether a JWK of that kind goes with an algorithm.
local FITS = {
  RSA = function(algorithm) return algorithm:find "^[RP]S%d" ~= nil end,
  EC = function(algorithm, jwk) return CURVES[algorithm] == jwk.crv end,
  OKP = function(algorithm) return algorithm == "EdDSA" end,
  oct = function(algorithm) return algorithm:find "^HS%d" ~= nil end,
}

-- The one algorithm of a JWK, or nil and why.
local function algorithm_of(jwk, allowed)
  local fits = FITS[jwk.kty]
  if not fits then return nil, "its kty is none of RSA, EC, OKP and oct" end
  local said = jwk.alg
  for _, algorithm in ipairs(allowed or DEFAULTS) do
    if (said == nil or said == algorithm) and fits(algorithm, jwk) then return algorithm end
  end
  return nil, said and ("its alg %s is not allowed, or does not go with its kty"):format(
    tostring(said)) or "none of the allowed algorithms goes with it"
end

-- The bytes of a member, or nil.
local function bytes_of(jwk, name)
  local text = jwk[name]
  return type(text) == "string" and crypto.from_base64url(text) or nil
end

local MADE = {}

function MADE.RSA(jwk, algorithm, kid)
  local n, e = bytes_of(jwk, "n"), bytes_of(jwk, "e")
  if not (n and e) then return nil, "it has no n and e in base64url" end
  return make(C.MOON_JWS_RSA, algorithm, n, e, kid)
end

function MADE.EC(jwk, algorithm, kid)
  local x, y = bytes_of(jwk, "x"), bytes_of(jwk, "y")
  if not (x and y) then return nil, "it has no x and y in base64url" end
  return make(C.MOON_JWS_POINT, algorithm, x, y, kid)
end

function MADE.OKP(jwk, algorithm, kid)
  local curve, x = jwk.crv, bytes_of(jwk, "x")
  if not (x and type(curve) == "string") then return nil, "it has no crv and x in base64url" end
  return make(C.MOON_JWS_EDWARDS, algorithm, curve, x, kid)
end

function MADE.oct(jwk, algorithm, kid)
  local k = bytes_of(jwk, "k")
  if not k then return nil, "it has no k in base64url" end
  return make(C.MOON_JWS_SECRET, algorithm, k, nil, kid)
end

-- RFC 7517, 4.2 and 4.3.
local function is_for_verifying(jwk)
  if jwk.use ~= nil and jwk.use ~= "sig" then return false end
  return jwk.key_ops == nil or type(jwk.key_ops) == "table" and has(jwk.key_ops, "verify")
end

--- A JSON Web Key. Its x5u, x5c and x5t are not looked at.
---@param jwk table
---@param allowed string[]?  algorithms, the preferred one first; default: all but those of secrets
---@return JwtKey? key
---@return string? why
function keys.of_jwk(jwk, allowed)
  if type(jwk) ~= "table" then return nil, "it is no JSON object" end
  if not is_for_verifying(jwk) then return nil, "its use or key_ops is not to verify" end
  local kid = jwk.kid
  if kid ~= nil and type(kid) ~= "string" then return nil, "its kid is no string" end
  local algorithm, why = algorithm_of(jwk, allowed)
  if not algorithm then return nil, why end
  return MADE[jwk.kty](jwk, algorithm, kid)
end

--- Keys as one set. What is of use for no other member of it than the keys is `material`.
---@param list JwtKey[]
---@param material string  from which they were made: two sets of the same are the same
---@return JwtKeySet
function keys.set(list, material)
  return { keys = list, fingerprint = crypto.sha256(material) }
end

--- A JSON Web Key Set (RFC 7517, 5), of which what cannot be used is left out. Secrets are: whoever
--- can read the set would know them.
---@param text string
---@param allowed string[]?
---@return JwtKeySet? set  of at least one key
---@return string? why
function keys.of_jwks(text, allowed)
  local document = json.decode(text)
  local found = type(document) == "table" and document.keys
  if type(found) ~= "table" then return nil, "it is no JSON Web Key Set" end
  if #found > keys.SET_MAX then return nil, ("it has more than %d keys"):format(keys.SET_MAX) end
  local list, last = {}, "it has no keys"
  for _, jwk in ipairs(found) do
    local key, why = nil, "it has secrets alone"
    if type(jwk) ~= "table" or jwk.kty ~= "oct" then key, why = keys.of_jwk(jwk, allowed) end
    if key then list[#list + 1] = key else last = why end
  end
  if #list == 0 then return nil, "none of its keys can be used: " .. last end
  return keys.set(list, table.concat(allowed or {}, " ") .. "\n" .. text)
end

return keys
