--- consumers: who may use the API, found by name or by what they show.
--
-- Those of the configuration live in the generation's C memory, however many there are; those that
-- the admin API has made are in the store, where they are looked for when the configuration has
-- none. Lua objects are made when asked for, and the ones in use are kept. What many have none of
-- comes with the first look at it: most requests ask for the name alone.

local bridge = require "moongate.ffi"
local kept = require "moongate.kept"
local parts = require "moongate.parts"
local plans = require "moongate.plans"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local setmetatable, type = setmetatable, type
local CONSUMER = parts.CONSUMER
local C, found, at = bridge.C, bridge.found, bridge.at
local text, pair = bridge.text, bridge.pair

---@class Consumer
---@field name string
---@field groups table<string, true>  `if consumer.groups.admin then`
---@field roles table<string, true>
---@field scopes table<string, true>
---@field tags table<string, string>
---@field plan Plan|false

-- Objects of the configuration's, by their numbers in C.
local objects = kept(1024)
-- Of one user name that the configuration has.
local PASSWORDS_MAX = 4
local digest = bridge.new "char[32]"

local stored -- the library for those in the store, loaded when there is one
local function in_store()
  if stored == nil then
    stored = C.moon_store_is_open(bridge.generation) and require "moongate.stored_consumers"
  end
  return stored
end

local function set_of(index, list)
  local set = {}
  at[0] = 0
  while C.moon_consumer_item(bridge.generation, index, list, at, found) do
    set[text()] = true
  end
  return set
end

local function tags_of(index)
  local tags, name = {}, nil
  at[0] = 0
  while C.moon_consumer_item(bridge.generation, index, C.MOON_CONSUMER_TAGS, at, found) do
    if name then
      tags[name], name = text(), nil
    else
      name = text()
    end
  end
  return tags
end

local PARTS = {
  groups = function(index) return set_of(index, C.MOON_CONSUMER_GROUPS) end,
  roles = function(index) return set_of(index, C.MOON_CONSUMER_ROLES) end,
  scopes = function(index) return set_of(index, C.MOON_CONSUMER_SCOPES) end,
  tags = tags_of,
}

local metatable = {}

function metatable.__index(consumer, key)
  local part = PARTS[key]
  if not part then return nil end
  local made = part(consumer.index)
  consumer[key] = made
  return made
end

local function make(index)
  C.moon_consumer_texts(bridge.generation, index, found)
  local name, plan = pair()
  local consumer = setmetatable({
    name = name, plan = plans.by_name(plan) or false, index = index,
  }, metatable)
  objects:put(index, consumer)
  return consumer
end


---@class moongate.consumers
local consumers = {}

-- As the two below say, for what C has returned; the digest is that of the key.
local function by_digest(index)
  if index >= 0 then return index end
  local library = in_store()
  return library and library.by_credential("key/" .. bridge.string(digest, 32)) or nil
end

--- By an API key, for moongate.auth: one of the configuration is a number, and makes no object
--- unless somebody asks `req.consumer`.
---@param key string
---@return Consumer|integer|nil
function consumers.find_key(key)
  return by_digest(C.moon_consumer_by_key(bridge.generation, key, #key, digest))
end

--- The same by the key in a field of the request, which becomes no text of Lua: each request may
--- have another.
---@param req Request
---@param name string  of the field
---@return Consumer|integer|false|nil  false: nobody's; nil: there is no such field
function consumers.find_key_in(req, name)
  local index = req.headers:find_consumer(name, digest)
  if index == C.MOON_CONSUMER_NO_FIELD then return nil end
  return by_digest(index) or false
end

--- What such a number stands for.
---@param number integer
---@return Consumer
function consumers.by_number(number)
  return objects:get(number) or make(number)
end

--- For request.lua: a request's, which is a number until somebody wants to know more of it.
---@param state table  of the exchange
---@return Consumer?
function consumers.in_state(state)
  local consumer = state[CONSUMER]
  if type(consumer) == "number" then
    consumer = consumers.by_number(consumer)
    state[CONSUMER] = consumer
  end
  return consumer or nil
end

--- For request.lua: the same for the name alone.
---@param state table
---@return string?
function consumers.name_in_state(state)
  local consumer = state[CONSUMER]
  if type(consumer) == "number" then
    C.moon_consumer_texts(bridge.generation, consumer, found)
    return (text())
  end
  return consumer and consumer.name or nil
end

--- By an API key; takes as long for a wrong key as for a right one.
---@param key string
---@return Consumer?
function consumers.by_key(key)
  local found_one = consumers.find_key(key)
  return type(found_one) == "number" and consumers.by_number(found_one) or found_one
end

--- By what else somebody may show: kind "certificate" (a fingerprint, a subject, or a name with its
--- kind), "hmac" (the id of a secret).
---@param kind string
---@param name string
---@return Consumer?
---@return string? secret  of an HMAC
function consumers.by_credential(kind, name)
  name = kind .. "/" .. name
  local index = C.moon_consumer_by_credential(bridge.generation, name, #name, found)
  if index >= 0 then
    local secret = text()
    return consumers.by_number(index), secret
  end
  local library = in_store()
  if library then return library.by_credential(name) end
  return nil
end

--- By a user name, with the hashes of the passwords that are valid for it now.
---@param username string
---@return Consumer?
---@return string[]? hashes  for moongate.passwords
function consumers.by_username(username)
  local hashes, owner = nil, -1
  for slot = 0, PASSWORDS_MAX - 1 do
    local name = ("basic/%s\0%d"):format(username, slot)
    local index = C.moon_consumer_by_credential(bridge.generation, name, #name, found)
    if index >= 0 then
      hashes, owner = hashes or {}, index
      hashes[#hashes + 1] = text()
    end
  end
  if hashes then return consumers.by_number(owner), hashes end
  local library = in_store()
  if library then return library.by_username(username) end
  return nil
end

---@param name string
---@return Consumer?
function consumers.by_name(name)
  local index = C.moon_consumer_by_name(bridge.generation, name, #name)
  if index >= 0 then return consumers.by_number(index) end
  local library = in_store()
  return library and library.by_name(name) or nil
end

--- For admin/consumers.lua: whether the configuration has one of that name.
---@param name string
---@return boolean
function consumers.is_declared(name)
  return C.moon_consumer_by_name(bridge.generation, name, #name) >= 0
end

--- For admin/consumers.lua: the first one of the configuration behind that name, by names.
---@param name string
---@return Consumer?
function consumers.after(name)
  local number = C.moon_consumer_after(bridge.generation, name, #name)
  return number >= 0 and consumers.by_number(number) or nil
end

--- For consumer_records.lua: whether the configuration has a credential of that name, or several.
---@param name string
---@return boolean
function consumers.has_credential(name)
  for slot = -1, PASSWORDS_MAX - 1 do
    local full = slot < 0 and name or ("%s\0%d"):format(name, slot)
    local number = C.moon_consumer_by_credential(bridge.generation, full, #full, found)
    if number >= 0 then return true end
  end
  return false
end

--- How many the configuration has.
---@return integer
function consumers.count()
  return C.moon_consumer_count(bridge.generation)
end

return consumers
