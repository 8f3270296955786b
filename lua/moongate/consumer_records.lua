--- consumer_records: the consumers of the admin API, as they lie in the store, and their changes.
--
-- "consumer/NAME" has one as JSON, with its credentials; "credential/KIND/..." leads from what
-- somebody shows to the name: a key's digest, a user name, the id of a secret. Both change in one
-- batch, on the condition that the consumer is as it was read.

local consumers = require "moongate.consumers"
local crypto = require "moongate.crypto"
local json = require "moongate.json"
local makers = require "moongate.credential_makers"
local store = require "moongate.store" "consumers"
local time = require "moongate.time"

local records = {}

-- Of one consumer.
local CREDENTIALS_MAX = 100
local ID_BYTES = 9
-- Others may change the same consumer meanwhile.
local TRIES = 10

local NO_CONSUMER = { 404, "no-consumer", "There is no such consumer." }
local NO_CREDENTIAL = { 404, "no-credential", "The consumer has no such credential." }
local TAKEN = { 409, "taken", "This credential belongs to somebody already." }
local EXISTS = { 409, "consumer-exists", "There is a consumer of that name." }
local TOO_MANY = { 409, "too-many-credentials", "A consumer has at most 100 credentials." }
local BUSY = makers.BUSY

---@class ConsumerRecord
---@field name string
---@field groups string[]
---@field roles string[]
---@field scopes string[]
---@field tags table<string, string>
---@field plan string?
---@field created number
---@field credentials table[]

---@param name string
---@return ConsumerRecord?
---@return string? text  as it is in the store
function records.read(name)
  local text = store:get("consumer/" .. name)
  if not text then return nil end
  return assert(json.decode(text)), text
end

local function encoded(record)
  for _, list in ipairs { "groups", "roles", "scopes", "credentials" } do
    record[list] = json.array(record[list] or {})
  end
  return json.encode(record)
end

local function failed(why)
  if why == "conflict" then return BUSY end
  return { 503, "store-failed", "The change could not be stored: " .. why .. "." }
end

---@param record ConsumerRecord
---@return boolean done
---@return table? problem  status, kind, detail
function records.create(record)
  record.created, record.credentials = time.now(), {}
  local done, why = store:batch():put_new("consumer/" .. record.name, encoded(record)):commit()
  if done then return true end
  if why == "conflict" then return false, EXISTS end
  return false, failed(why)
end

-- Changes a consumer: `change(record, batch)` returns a problem, or nil. Begins again when somebody
-- else was faster.
local function change(name, change_it)
  for _ = 1, TRIES do
    local record, text = records.read(name)
    if not record then return nil, NO_CONSUMER end
    local batch = store:batch():check("consumer/" .. name, text)
    local problem = change_it(record, batch)
    if problem then return nil, problem end
    if not record.is_deleted then batch:put("consumer/" .. name, encoded(record)) end
    local done, why = batch:commit()
    if done then return record end
    if why ~= "conflict" then return nil, failed(why) end
  end
  return nil, BUSY
end

--- Gives it other groups, roles, scopes, tags and plan.
---@param name string
---@param fields table
---@return ConsumerRecord?
---@return table? problem
function records.replace(name, fields)
  return change(name, function(record)
    for _, field in ipairs { "groups", "roles", "scopes", "tags", "plan" } do
      record[field] = fields[field]
    end
  end)
end

local function index_key(credential)
  return "credential/" .. assert(crypto.from_hex(credential.ref))
end

-- Whether another one of the consumer's leads by the same index.
local function is_shared(record, credential)
  for _, other in ipairs(record.credentials) do
    if other ~= credential and other.ref == credential.ref then return true end
  end
  return false
end

---@param name string
---@return boolean done
---@return table? problem
function records.delete(name)
  local record, problem = change(name, function(record, batch)
    local seen = {}
    for _, credential in ipairs(record.credentials) do
      if not seen[credential.ref] then batch:delete(index_key(credential)) end
      seen[credential.ref] = true
    end
    batch:delete("consumer/" .. name)
    record.is_deleted = true
  end)
  return record ~= nil, problem
end

-- Types of which several credentials of a consumer are found by one name: each says itself when it
-- expires.
local SHARES_NAME = { password = true, jwt = true }

local function index_text(record, credential, secret)
  return json.encode { consumer = record.name, id = credential.id, secret = secret,
    expires = not SHARES_NAME[credential.type] and credential.expires or nil }
end

-- Whether the index leads to somebody else, or the configuration has such a credential.
local function is_taken(record, credential)
  if consumers.has_credential(assert(crypto.from_hex(credential.ref))) then return true end
  local text = store:get(index_key(credential))
  if not text then return false end
  return not SHARES_NAME[credential.type] or json.decode(text).consumer ~= record.name
end

local function put_index(record, batch, credential, secret)
  local key = index_key(credential)
  local text = index_text(record, credential, secret)
  -- With the condition that it is as it was looked at.
  batch:check(key, store:get(key))
  batch:put(key, text)
end

local function find(record, id)
  for at, credential in ipairs(record.credentials) do
    if credential.id == id then return credential, at end
  end
  return nil
end

-- A new credential, what only the answer has of it, and what its index has; or nil and a problem.
local function make(name, given)
  local ref, fields, shown, secret = makers[given.type](given, name)
  if not ref then return nil, fields end
  fields.type, fields.ref, fields.expires = given.type, crypto.hex(ref), given.expires
  fields.id, fields.created = crypto.base64url(crypto.random(ID_BYTES)), time.now()
  return fields, shown or {}, secret
end

local function put(record, batch, credential, secret)
  if #record.credentials >= CREDENTIALS_MAX then return TOO_MANY end
  if is_taken(record, credential) then return TAKEN end
  put_index(record, batch, credential, secret)
  record.credentials[#record.credentials + 1] = credential
  return nil
end

---@param given table  type, expires (seconds since the epoch), and what the type has
---@param name string  of the consumer
---@return table? credential
---@return table? shown  what only the answer has: the key; or the problem
function records.add_credential(name, given)
  local fields, shown, secret = make(name, given)
  if not fields then return nil, shown end
  local record, problem = change(name, function(record, batch)
    return put(record, batch, fields, secret)
  end)
  if not record then return nil, problem end
  return fields, shown
end

-- Lets a credential expire then, if it would not before.
local function expire(record, batch, credential, expires)
  credential.expires = math.min(credential.expires or math.huge, expires)
  if SHARES_NAME[credential.type] then return end
  local text = store:get(index_key(credential))
  put_index(record, batch, credential, text and json.decode(text).secret)
end

--- Makes another credential of the same type, and lets the old one expire, in one commit.
---@param name string
---@param id string
---@param given table    what the type has
---@param expires number  of the old one, seconds since the epoch
---@return table? credential
---@return table? shown  or the problem
function records.rotate_credential(name, id, given, expires)
  local found = records.read(name)
  local old = found and find(found, id)
  if not old then return nil, NO_CREDENTIAL end
  given.type, given.username, given.jwt_id = old.type, old.username, old.jwt_id
  local fields, shown, secret = make(name, given)
  if not fields then return nil, shown end
  local record, problem = change(name, function(record, batch)
    local before = find(record, id)
    if not before then return NO_CREDENTIAL end
    local wrong = put(record, batch, fields, secret)
    if not wrong then expire(record, batch, before, expires) end
    return wrong
  end)
  if not record then return nil, problem end
  return fields, shown
end

---@param name string
---@param id string
---@return boolean done
---@return table? problem
function records.delete_credential(name, id)
  local record, problem = change(name, function(record, batch)
    local credential, at = find(record, id)
    if not credential then return NO_CREDENTIAL end
    if not is_shared(record, credential) then batch:delete(index_key(credential)) end
    table.remove(record.credentials, at)
    return nil
  end)
  return record ~= nil, problem
end

--- `for name, record in records.each(after) do`: in the order of names, behind that one.
---@param after string?
function records.each(after)
  local scan, state, key = store:scan("consumer/", after and "consumer/" .. after)
  return function()
    local text
    key, text = scan(state, key)
    if not key then return nil end
    return key:sub(#"consumer/" + 1), json.decode(text)
  end
end

return records
