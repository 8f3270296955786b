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
-- By the names of consumers: { consumer, passwords }. By those of credentials: { name, secret,
-- expires }.
local entries, credentials = kept(KEPT_MAX), kept(KEPT_MAX)
local watches = false

local function forget()
  entries:clear()
  credentials:clear()
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
  local passwords = {}
  for _, credential in ipairs(record.credentials) do
    if credential.type == "password" then passwords[#passwords + 1] = credential end
  end
  return { passwords = passwords, consumer = {
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

local function credential_of(name)
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
