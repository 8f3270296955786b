--- keyring: where an instance's keys come from: its options, a provider, or consumers.

local consumer_keys = require "moongate.consumer_keys"
local given = require "moongate.jwt.given"
local jwt_keys = require("moongate").jwt.keys
local provider = require "moongate.jwt.provider"
local tokens, uri = require("moongate").jwt, require("moongate").uri

local keyring = {}

---@class JwtSource
---@field set JwtKeySet|false  false, too, where it depends on the token
---@field ends number

---@class JwtFixedSource: JwtSource
local Fixed = {}
Fixed.__index = Fixed

function Fixed:current() return self.set end

function Fixed.renewed() return nil end

local function fixed(set)
  return setmetatable({ set = set, ends = math.huge }, Fixed)
end

---@class JwtConsumerSource: JwtSource
---@field claim string
local OfConsumers = {}
OfConsumers.__index = OfConsumers

-- What a token says of itself is held against nothing yet: it tells whose keys are to be tried. An
-- empty set has no key for it.
local NOBODY = jwt_keys.set({}, "")

---@param token JwtToken
---@return JwtKeySet
function OfConsumers:current(token)
  local said = tokens.claims_of(token)
  local id = said and said[self.claim]
  local set = type(id) == "string" and consumer_keys.find(id)
    or token.kid and consumer_keys.find(token.kid)
  return set or NOBODY
end

function OfConsumers.renewed() return nil end

local function fault_of_sources(options)
  local count = (#options.keys > 0 and 1 or 0) + (options.jwks and 1 or 0)
    + (options.consumer_keys and 1 or 0)
  if count ~= 1 then return "expected one of keys, jwks and consumer_keys" end
  if not options.consumer_keys or not options.consumer_claim then return nil end
  return "consumer_claim has no use with consumer_keys: a token is the consumer's whose key has "
    .. "signed it"
end

-- With a password in it, which logs and metrics would tell, it is no URL here.
local function is_url(text)
  local parsed = uri.parse(text)
  return parsed and (parsed.scheme == "http" or parsed.scheme == "https") and not parsed.fragment
end

--- What is wrong with the options.
---@param options table
---@return string?
function keyring.fault(options)
  local jwks, fault = options.jwks, fault_of_sources(options)
  if fault then return fault end
  if jwks and not is_url(jwks) and not jwks:find "^%s*{" then
    return "jwks is neither a URL nor a JSON Web Key Set"
  end
  for i, key in ipairs(options.keys) do
    local wrong = given.fault(key)
    if wrong then return ("keys[%d]: %s"):format(i, wrong) end
  end
  return nil
end

local function of_keys(options)
  local list, material = {}, {}
  for i, one in ipairs(options.keys) do
    local key, why = given.make(one)
    if not key then return nil, ("keys[%d]: %s"):format(i, why) end
    list[i], material[i] = key, given.material(one, key)
  end
  return fixed(jwt_keys.set(list, table.concat(material, "\n")))
end

--- The keys that the options name.
---@param options table
---@return JwtSource?
---@return string? why
function keyring.source(options)
  if options.consumer_keys then
    return setmetatable({ set = false, ends = math.huge, claim = options.key_claim }, OfConsumers)
  end
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
