--- stored_consumers: finds the consumers that the admin API has put into the store.
--
-- What a worker has read it keeps, until something of these has changed: within a second of a
-- revocation nobody keeps it. Records: consumer_records.lua.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local kept = require "moongate.kept"
local plans = require "moongate.plans"
local store = require "moongate.store" "consumers"

local C = bridge.C

local stored = {}

local KEPT_MAX = 4096
-- By the names of consumers: { consumer, passwords, jwt_keys }. By those of credentials: { name,
-- secret, expires }.
local entries, credentials = kept(KEPT_MAX), kept(KEPT_MAX)
local watches = false
local listeners = {}

-- What lies under that key of the store has changed, or, nil, anything may have.
local function forget(key)
  local name = key and key:match "^consumer/(.*)$"
  if name then
    entries:drop(name)
  elseif key then
    credentials:drop((key:gsub("^credential/", "")))
    return
  else
    entries:clear()
    credentials:clear()
  end
  for _, listener in ipairs(listeners) do listener(name) end
end

-- Before anything is kept.
local function watch()
  if watches then return end
  watches = true
  store:watch("", forget)
end

local function set_of(list)
  local set = {}
  for _, item in ipairs(list or {}) do set[item] = true end
  return set
end

local function entry_of_record(record)
  -- The newest first: it is the one that is used from now on.
  local passwords, jwt_keys = {}, {}
  for i = #record.credentials, 1, -1 do
    local credential = record.credentials[i]
    if credential.type == "password" then passwords[#passwords + 1] = credential end
    if credential.type == "jwt" then jwt_keys[#jwt_keys + 1] = credential end
  end
  return { passwords = passwords, jwt_keys = jwt_keys, consumer = {
    name = record.name, groups = set_of(record.groups), roles = set_of(record.roles),
    scopes = set_of(record.scopes), tags = record.tags or {},
    plan = record.plan and plans.by_name(record.plan) or false,
  } }
end

local function entry_of(name)
  local entry = entries:get(name)
  if entry then return entry end
  watch()
  local text = store:get("consumer/" .. name)
  if not text then return nil end
  entry = entry_of_record(assert(json.decode(text)))
  entries:put(name, entry)
  return entry
end

-- Longer ones are no keys of the store (runtime/store/store.h).
local NAME_BYTES_MAX = 480 - #"credential/"

local function credential_of(name)
  if #name > NAME_BYTES_MAX then return nil end
  local credential = credentials:get(name)
  if not credential then
    watch()
    local text = store:get("credential/" .. name)
    if not text then return nil end
    credential = assert(json.decode(text))
    credentials:put(name, credential)
  end
  if credential.expires and credential.expires <= C.moon_now(bridge.generation) then return nil end
  return credential
end

---@param name string
---@return Consumer?
function stored.by_name(name)
  local entry = entry_of(name)
  return entry and entry.consumer
end

---@param name string  with its kind: "key/", then the digest
---@return Consumer?
---@return string? secret
function stored.by_credential(name)
  local credential = credential_of(name)
  local entry = credential and entry_of(credential.consumer)
  if not entry then return nil end
  return entry.consumer, credential.secret
end

--- Calls `run(name)` when the record of a consumer has changed, `run(nil)` when any may have.
---@param run fun(name: string?)
function stored.on_change(run)
  watch()
  listeners[#listeners + 1] = run
end

local function jwt_keys_of(entry, id)
  local list, now = {}, C.moon_now(bridge.generation)
  for _, key in ipairs(entry.jwt_keys) do
    if key.jwt_id == id and (not key.expires or key.expires > now) then
      local one = { expires = key.expires }
      for name, value in pairs(key.given) do one[name] = value end
      list[#list + 1] = one
    end
  end
  return list
end

--- For consumer_keys.lua: whose keys have that id, and those that count now.
---@param id string
---@return Consumer?
---@return JwtGivenKey[]?  with `expires`
function stored.jwt_keys(id)
  local credential = credential_of("jwt/" .. id)
  local entry = credential and entry_of(credential.consumer)
  if not entry then return nil end
  local list = jwt_keys_of(entry, id)
  if #list > 0 then return entry.consumer, list end
  -- It is newer than what is kept of its consumer.
  entries:drop(credential.consumer)
  entry = entry_of(credential.consumer)
  if not entry then return nil end
  return entry.consumer, jwt_keys_of(entry, id)
end

---@param username string
---@return Consumer?
---@return string[]? hashes
function stored.by_username(username)
  local credential = credential_of("basic/" .. username)
  local entry = credential and entry_of(credential.consumer)
  if not entry then return nil end
  local hashes, now = {}, C.moon_now(bridge.generation)
  for _, password in ipairs(entry.passwords) do
    if password.username == username and (not password.expires or password.expires > now) then
      hashes[#hashes + 1] = password.hash
    end
  end
  return entry.consumer, hashes
end

return stored
