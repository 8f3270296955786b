--- keyring: where an instance's keys come from: its options, or a provider.

local jwt_keys = require("moongate").jwt.keys
local json = require("moongate").json
local provider = require "moongate.jwt.provider"

local keyring = {}

keyring.ALGORITHMS = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384",
  "PS512", "ES256", "ES384", "ES512", "EdDSA" }

--- Of one of `keys`.
keyring.options = {
  secret = { type = "string", secret = true,
    help = "for HS256, HS384 and HS512; at least as long as the digest: 32, 48 or 64 bytes" },
  pem = { type = "string", help = "a public key or a certificate, its text: file \"key.pem\"" },
  jwk = { type = "any", secret = true, help = "a JSON Web Key: a table, or its text" },
  algorithm = { type = "string", values = keyring.ALGORITHMS,
    help = "the one it is for; default: HS256 for a secret, the JWK's alg, RS256 for RSA, else "
      .. "that of the curve" },
  kid = { type = "string", help = "its name: tokens that name another one are not for it" },
}

---@class JwtSource
---@field set JwtKeySet|false
---@field ends number

---@class JwtFixedSource: JwtSource
local Fixed = {}
Fixed.__index = Fixed

function Fixed:current() return self.set end

function Fixed.renewed() return nil end

local function fixed(set)
  return setmetatable({ set = set, ends = math.huge }, Fixed)
end

local function fault_of_key(key)
  local count = 0
  for _, name in ipairs { "secret", "pem", "jwk" } do
    if key[name] then count = count + 1 end
  end
  return count ~= 1 and "expected one of secret, pem and jwk" or nil
end

--- What is wrong with the options.
---@param options table
---@return string?
function keyring.fault(options)
  local jwks = options.jwks
  if jwks and not jwks:find "^https?://[^/]" and not jwks:find "^%s*{" then
    return "jwks is neither a URL nor a JSON Web Key Set"
  end
  for i, key in ipairs(options.keys) do
    local wrong = fault_of_key(key)
    if wrong then return ("keys[%d]: %s"):format(i, wrong) end
  end
  return nil
end

local function of_jwk(given)
  local jwk = type(given.jwk) == "string" and json.decode(given.jwk) or given.jwk
  local key, why = jwt_keys.of_jwk(jwk, given.algorithm and { given.algorithm }
    or keyring.ALGORITHMS)
  if key and given.kid then key.kid = given.kid end
  return key, why
end

local function key_of(given)
  if given.secret then return jwt_keys.of_secret(given.secret, given.algorithm, given.kid) end
  if given.pem then return jwt_keys.of_pem(given.pem, given.algorithm, given.kid) end
  return of_jwk(given)
end

local function of_keys(options)
  local list, material = {}, {}
  for i, given in ipairs(options.keys) do
    local key, why = key_of(given)
    if not key then return nil, ("keys[%d]: %s"):format(i, why) end
    list[i] = key
    local text = given.secret or given.pem or given.jwk
    material[i] = ("%s %s %s"):format(key.algorithm, key.kid or "",
      type(text) == "table" and json.encode(text) or text)
  end
  return fixed(jwt_keys.set(list, table.concat(material, "\n")))
end

--- The keys that the options name.
---@param options table
---@return JwtSource?
---@return string? why
function keyring.source(options)
  if not options.jwks then return of_keys(options) end
  local allowed = #options.algorithms > 0 and options.algorithms or nil
  if not options.jwks:find "^https?:" then
    local set, why = jwt_keys.of_jwks(options.jwks, allowed)
    if not set then return nil, "jwks: " .. why end
    return fixed(set)
  end
  return provider.of { url = options.jwks, algorithms = allowed, timeout = options.timeout,
    interval = options.interval, lifetime = options.lifetime, keep = options.keep }
end

return keyring
