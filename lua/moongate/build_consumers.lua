--- build_consumers: puts the configuration's consumers into a generation.

local bridge = require "moongate.ffi"
local crypto = require "moongate.crypto"
local passwords = require "moongate.passwords"
local plans = require "moongate.plans"

local C = bridge.C

local build_consumers = {}

-- What a credential is found by, and its secret. Keys and passwords are not kept, their hashes are.
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

local function add_consumer(builder, consumer)
  builder:begin(C.MOON_OBJECT_CONSUMER, consumer.at)
  builder:text(C.MOON_BUILD_CONSUMER_NAME, consumer.name)
  builder:text(C.MOON_BUILD_PLAN, consumer.plan)
  builder:texts(C.MOON_BUILD_GROUP, consumer.groups)
  builder:texts(C.MOON_BUILD_ROLE, consumer.roles)
  builder:texts(C.MOON_BUILD_SCOPE, consumer.scopes)
  for _, credential in ipairs(consumer.credentials) do
    local id, secret = MAKERS[credential.kind](credential)
    builder:pair(C.MOON_BUILD_CREDENTIAL, credential.kind .. "/" .. id, secret)
    builder:number(C.MOON_BUILD_CREDENTIAL_EXPIRES, credential.expires)
  end
  for name, value in pairs(consumer.tags or {}) do
    builder:pair(C.MOON_BUILD_TAG, name, tostring(value))
  end
  builder:finish_or_report("consumer " .. consumer.name)
end

---@param builder ModelBuilder
---@param model Model
function build_consumers.add(builder, model)
  plans.set(model.plans)
  for _, consumer in ipairs(model.consumers) do add_consumer(builder, consumer) end
end

return build_consumers
