--- consumers: who may use the API, found by key or name.
--
-- They live in the generation's C memory, however many there are; Lua objects are made when asked
-- for, and the ones in use are kept.

local bridge = require "moongate.ffi"
local C, found, text, pair = bridge.C, bridge.found, bridge.text, bridge.pair

---@class Consumer
---@field name string
---@field groups table<string, true>  `if consumer.groups.admin then`
---@field tags table<string, string>
local Consumer = {}
Consumer.__index = Consumer

-- Two tables of at most KEPT_MAX: when the young one is full it becomes the old one, whose entries
-- are dropped unless they are used again. So those in use stay, and memory is bounded.
local KEPT_MAX = 1024
local young, old, kept = {}, {}, 0

local function make(index)
  local generation = bridge.generation
  local consumer = setmetatable({ name = "", groups = {}, tags = {} }, Consumer)
  C.moon_consumer_name(generation, index, found)
  consumer.name = text()
  local at = 0
  while C.moon_consumer_group(generation, index, at, found) do
    consumer.groups[text()] = true
    at = at + 1
  end
  at = 0
  while C.moon_consumer_tag(generation, index, at, found) do
    local name, value = pair()
    consumer.tags[name] = value
    at = at + 1
  end
  return consumer
end

local function consumer_of(index)
  if index < 0 then return nil end
  local consumer = young[index]
  if consumer then return consumer end
  consumer = old[index] or make(index)
  if kept == KEPT_MAX then
    old, young, kept = young, {}, 0
  end
  young[index] = consumer
  kept = kept + 1
  return consumer
end

---@class moongate.consumers
local consumers = {}

--- Takes as long for a wrong key as for a right one.
---@param key string
---@return Consumer?
function consumers.by_key(key)
  return consumer_of(C.moon_consumer_by_key(bridge.generation, key, #key))
end

---@param name string
---@return Consumer?
function consumers.by_name(name)
  return consumer_of(C.moon_consumer_by_name(bridge.generation, name, #name))
end

---@return integer
function consumers.count()
  return C.moon_consumer_count(bridge.generation)
end

return consumers
