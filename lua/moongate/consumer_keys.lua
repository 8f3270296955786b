--- consumer_keys: the keys that consumers sign their tokens with, found by an id, parsed once.
--
-- An id is what tokens say of themselves: their `iss`, mostly. It leads to one consumer and a few
-- keys, so that one can take another's place while both count. So many sets are kept as below; one
-- is let go of when another needs its room, when a key of it expires, and when the store's record
-- of the consumer changes: by then `is_current` is false, and what it has verified counts no more.

local bridge = require "moongate.ffi"
local given = require "moongate.jwt.given"
local json = require "moongate.json"
local keys = require "moongate.jwt.keys"
local log = require "moongate.log"

local C, found, text = bridge.C, bridge.found, bridge.text

local consumer_keys = {}

local SETS_MAX = 1024
-- Of one id, in the configuration (config/consumers.lua).
local SLOTS = 4
-- Longer ones are nobody's: the store has no such keys.
local ID_BYTES_MAX = 256

---@class ConsumerKeySet: JwtKeySet
---@field id string
---@field consumer Consumer|integer  as moongate.auth takes it
---@field owner string|false         name of one of the store
---@field ends number                seconds since the epoch, when the first of the keys expires
---@field is_current boolean

---@type table<string, ConsumerKeySet>
local sets = {}
local ring, position = {}, 0

local function drop(set)
  set.is_current = false
  sets[set.id] = nil
  keys.forget(set.keys)
end

local function keep(set)
  position = position % SETS_MAX + 1
  local before = ring[position]
  if before and before.is_current then drop(before) end
  ring[position], sets[set.id] = set, set
end

local listens = false

-- The store's record of that consumer has changed, or, nil, any may have.
local function on_change(name)
  for _, set in pairs(ring) do
    if set.is_current and set.owner and (not name or set.owner == name) then drop(set) end
  end
end

local function declared(id)
  local owner, list = nil, {}
  for slot = 0, SLOTS - 1 do
    local name = ("jwt/%s\0%d"):format(id, slot)
    local number = C.moon_consumer_by_credential(bridge.generation, name, #name, found)
    if number >= 0 then
      owner = number
      list[#list + 1] = json.decode(text())
    end
  end
  return owner, list
end

local function stored(id)
  if not C.moon_store_is_open(bridge.generation) then return nil end
  local library = require "moongate.stored_consumers"
  if not listens then
    listens = true
    library.on_change(on_change)
  end
  return library.jwt_keys(id)
end

local function make(id, consumer, list, owner)
  local made, material, ends = {}, {}, math.huge
  for _, one in ipairs(list) do
    local key, why = given.make(one)
    if key then
      made[#made + 1], material[#material + 1] = key, given.material(one, key)
      ends = math.min(ends, one.expires or ends)
    else
      log.error("a JWT key of id %q cannot be used: %s", id, why)
    end
  end
  local set = keys.set(made, table.concat(material, "\n"))
  set.id, set.consumer, set.owner, set.ends, set.is_current = id, consumer, owner, ends, true
  keep(set)
  return set
end

--- The keys of that id.
---@param id string
---@return ConsumerKeySet?  nil: it is nobody's
function consumer_keys.find(id)
  if #id > ID_BYTES_MAX then return nil end
  local set = sets[id]
  if set then
    if C.moon_now(bridge.generation) < set.ends then return set end
    drop(set)
  end
  local number, list = declared(id)
  if number then return make(id, number, list, false) end
  local consumer, stored_list = stored(id)
  if not consumer or #stored_list == 0 then return nil end
  return make(id, consumer, stored_list, consumer.name)
end

return consumer_keys
