--- given: keys of tokens as people write them: a secret, PEM or a JSON Web Key.

local given = {}

given.ALGORITHMS = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384",
  "PS512", "ES256", "ES384", "ES512", "EdDSA" }

---@class JwtGivenKey
---@field secret string?
---@field pem string?
---@field jwk table|string|nil
---@field algorithm string?
---@field kid string?

given.options = {
  secret = { type = "string", secret = true,
    help = "for HS256, HS384 and HS512; at least as long as the digest: 32, 48 or 64 bytes" },
  pem = { type = "string", help = "a public key or a certificate, its text: file \"key.pem\"" },
  jwk = { type = "any", secret = true, help = "a JSON Web Key: a table, or its text" },
  algorithm = { type = "string", values = given.ALGORITHMS,
    help = "the one it is for; default: HS256 for a secret, the JWK's alg, RS256 for RSA, else "
      .. "that of the curve" },
  kid = { type = "string", help = "its name: tokens that name another one are not for it" },
}

--- What is wrong with it at first sight.
---@param key JwtGivenKey
---@return string?
function given.fault(key)
  local count = 0
  for _, name in ipairs { "secret", "pem", "jwk" } do
    if key[name] then count = count + 1 end
  end
  return count ~= 1 and "expected one of secret, pem and jwk" or nil
end

local function of_jwk(keys, key)
  local jwk = key.jwk
  if type(jwk) == "string" then jwk = require("moongate.json").decode(jwk) end
  local made, why = keys.of_jwk(jwk, key.algorithm and { key.algorithm } or given.ALGORITHMS)
  if made and key.kid then made.kid = key.kid end
  return made, why
end

--- Parses it. Loaded where it is needed: what checks configurations works without the gateway, too.
---@param key JwtGivenKey
---@return JwtKey?
---@return string? why
function given.make(key)
  local keys = require "moongate.jwt.keys"
  if key.secret then return keys.of_secret(key.secret, key.algorithm, key.kid) end
  if key.pem then return keys.of_pem(key.pem, key.algorithm, key.kid) end
  return of_jwk(keys, key)
end

--- What it is, as a text: the same for the same key.
---@param key JwtGivenKey
---@param made JwtKey  of it
---@return string
function given.material(key, made)
  local text = key.secret or key.pem or key.jwk
  if type(text) == "table" then text = require("moongate.json").encode(text) end
  return ("%s %s %s"):format(made.algorithm, made.kid or "", text)
end

return given
