--- build_consumers: puts the configuration's consumers into a generation.

local bridge = require "moongate.ffi"
local crypto = require "moongate.crypto"
local given = require "moongate.jwt.given"
local json = require "moongate.json"
local keys = require "moongate.jwt.keys"
local passwords = require "moongate.passwords"

local C = bridge.C

local build_consumers = {}

-- What a credential is found by, and its secret; or nil and what is wrong. Keys and passwords are
-- not kept, their hashes are.
local MAKERS = {}

function MAKERS.key(credential)
  local digits = credential.text:match "^sha256:(%x+)$"
  return digits and crypto.from_hex(digits) or crypto.sha256(credential.text), ""
end

function MAKERS.basic(credential)
  local text = credential.text
  return credential.id, text:sub(1, 7) == "scrypt:" and text or passwords.quick_hash(text)
end

function MAKERS.hmac(credential) return credential.id, credential.text end

function MAKERS.certificate(credential) return credential.id, "" end

-- A key that cannot be used is found now; it is parsed again when a token comes.
function MAKERS.jwt(credential)
  local key, why = given.make(credential.given)
  if not key then return nil, ("%s: %s"):format(credential.at, why) end
  keys.forget { key }
  return credential.id, json.encode(credential.given)
end

local function add(builder, consumer)
  builder:begin(C.MOON_OBJECT_CONSUMER, consumer.at)
  builder:text(C.MOON_BUILD_CONSUMER_NAME, consumer.name)
  builder:text(C.MOON_BUILD_PLAN, consumer.plan)
  builder:texts(C.MOON_BUILD_GROUP, consumer.groups)
  builder:texts(C.MOON_BUILD_ROLE, consumer.roles)
  builder:texts(C.MOON_BUILD_SCOPE, consumer.scopes)
  for _, credential in ipairs(consumer.credentials) do
    local id, secret = MAKERS[credential.kind](credential)
    if not id then return nil, secret end
    builder:pair(C.MOON_BUILD_CREDENTIAL, credential.kind .. "/" .. id, secret)
    builder:number(C.MOON_BUILD_CREDENTIAL_EXPIRES, credential.expires)
  end
  for name, value in pairs(consumer.tags or {}) do
    builder:pair(C.MOON_BUILD_TAG, name, tostring(value))
  end
  return builder:finish()
end

--- Adds one that is right in itself, and tells those who keep account of the configuration.
---@param builder ModelBuilder
---@param consumer ModelConsumer
---@param list Inventory?
---@return boolean? ok
---@return string? wrong
function build_consumers.add(builder, consumer, list)
  if builder.is_broken then return true end
  if builder.shown then builder.shown:add_consumer(consumer) end
  local number, wrong = add(builder, consumer)
  if number and list then list:consumer(consumer) end
  return number ~= nil, wrong
end

return build_consumers
