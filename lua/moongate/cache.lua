--- cache: what was found out with effort, kept for a while in memory that all workers share.
--
--     local seen = moongate.cache "introspection"
--     local answer, why = seen:fetch(token_hash, 2, function()
--       local found, wrong = ask_the_provider(token)
--       if not found then return nil, wrong, 5 end -- kept, too: nobody asks again for 5 seconds
--       return found, 60
--     end)
--
-- However many requests on however many workers want the same, one of them finds it out and the
-- others wait for that. Memory is bounded (`memory.plugin_cache`): where there is no room, what is
-- oldest gives way. So nothing may depend on a value still being there.

local bridge = require "moongate.ffi"
local log = require "moongate.log"
local sleep = require "moongate.sleep"
local spawn = require "moongate.spawn"
local time = require "moongate.time"

local C, must_serve = bridge.C, bridge.must_serve

---@class Cache
---@field prefix string
local Cache = {}
Cache.__index = Cache

local text = bridge.new "struct slice[1]"
local number = bridge.new "double[1]"

local CACHE = C.MOON_DICT_CACHE
-- The first byte of what is stored, and of the names of flights.
local VALUE, NOTHING, FLIGHT = "+", "-", "\1"
local PAUSE_MIN, PAUSE_MAX = 0.001, 0.02

local function check(value, seconds)
  if type(value) ~= "string" then error("a cache holds strings", 3) end
  if type(seconds) ~= "number" or seconds <= 0 or seconds ~= seconds then
    error("what is cached lives for seconds above 0", 3)
  end
end

local function put(key, value, seconds, only_new)
  return C.moon_dict_set(bridge.generation, CACHE, key, #key, value, #value, 0, seconds, only_new)
end

local function store(key, value, seconds, only_new)
  return put(key, value, seconds, only_new) == C.MOON_DICT_DONE
end

--- What is cached: a value, or false for what is known not to be there.
---@param key string
---@return string|false|nil value  nil: nothing is known
---@return string? why  of false
function Cache:get(key)
  must_serve "a cache"
  key = self.prefix .. key
  if C.moon_dict_get(bridge.generation, CACHE, key, #key, text, number) ~= 0 then return nil end
  local value = bridge.string(text[0].start, text[0].length)
  if value:sub(1, 1) == VALUE then return value:sub(2) end
  return false, value:sub(2)
end

---@param key string    at most some hundred bytes
---@param value string  at most 64 KiB
---@param seconds number  to live
---@return boolean stored  false when there is no room for it
function Cache:set(key, value, seconds)
  must_serve "a cache"
  check(value, seconds)
  return store(self.prefix .. key, VALUE .. value, seconds, false)
end

--- Stores a value where there is none: true for exactly one of those who try at once.
---@param key string
---@param value string
---@param seconds number
---@return boolean stored
function Cache:add(key, value, seconds)
  must_serve "a cache"
  check(value, seconds)
  return store(self.prefix .. key, VALUE .. value, seconds, true)
end

--- Remembers that there is nothing.
---@param key string
---@param why string
---@param seconds number
---@return boolean stored
function Cache:set_missing(key, why, seconds)
  must_serve "a cache"
  check(why, seconds)
  return store(self.prefix .. key, NOTHING .. why, seconds, false)
end

---@param key string
function Cache:delete(key)
  must_serve "a cache"
  key = self.prefix .. key
  C.moon_dict_delete(bridge.generation, CACHE, key, #key)
end

--- Whether somebody is finding it out now, on whatever worker.
---@param key string
---@return boolean
function Cache:is_loading(key)
  must_serve "a cache"
  local name = self.prefix .. FLIGHT .. key
  return C.moon_dict_get(bridge.generation, CACHE, name, #name, text, number) == C.MOON_DICT_DONE
end

-- Flights of this worker, by their whole name: { value, why } once they have ended.
local flights = {}

local function keep(self, key, value, how, seconds)
  if value ~= nil then
    if how and how > 0 then self:set(key, value, how) end
  elseif seconds and seconds > 0 then
    self:set_missing(key, how or "", seconds)
  end
end

-- The flight itself, in a task of its own: whoever began it may go away.
local function fly(self, key, name, flight, load)
  local ok, value, how, seconds = xpcall(load, debug.traceback)
  if ok then
    keep(self, key, value, how, seconds)
  else
    log.error("a cache's loading raised: %s", value)
    value, how = nil, "it raised"
  end
  flight.ended, flight.value = true, value
  flight.why = value == nil and (how or "") or nil
  flights[name] = nil
  C.moon_dict_delete(bridge.generation, CACHE, name, #name)
end

-- Waits for another worker's flight to end. False when it did not in time.
local function await_other(name, deadline)
  local pause = PAUSE_MIN
  while C.moon_dict_get(bridge.generation, CACHE, name, #name, text, number) == 0 do
    if time.monotonic() >= deadline then return false end
    sleep(pause)
    pause = math.min(2 * pause, PAUSE_MAX)
  end
  return true
end

local function await(flight, deadline)
  local pause = PAUSE_MIN
  while not flight.ended do
    if time.monotonic() >= deadline then return nil, "timeout" end
    sleep(pause)
    pause = math.min(2 * pause, PAUSE_MAX)
  end
  return flight.value, flight.why
end

-- The flight of this worker for it, begun where there was none anywhere; nil: another worker's.
local function board(self, key, name, wait, load)
  local flight = flights[name]
  if flight then return flight end
  -- Without room for the mark other workers may find it out, too: better than nobody.
  if put(name, FLIGHT, wait, true) == C.MOON_DICT_EXISTS then return nil end
  flight = { ended = false, value = nil, why = nil }
  flights[name] = flight
  spawn(fly, self, key, name, flight, load)
  return flight
end

--- Finds it out anew, whatever is cached; who asks meanwhile, on any worker, waits for the same.
--- What was cached stays until there is something else.
---@param key string
---@param wait number  seconds after which it is given up
---@param load fun(): string?, (number|string)?, number?  the value and the seconds to keep it, or
--- nil, why, and the seconds to remember that
---@return string? value
---@return string? why  "timeout" when it took too long
function Cache:refresh(key, wait, load)
  must_serve "a cache"
  local name = self.prefix .. FLIGHT .. key
  local deadline = time.monotonic() + wait
  local flight = board(self, key, name, wait, load)
  if flight then return await(flight, deadline) end
  if not await_other(name, deadline) then return nil, "timeout" end
  local value, why = self:get(key)
  if value == nil then return nil, "another worker's attempt failed" end
  return value or nil, why
end

--- What is cached, or else what `load` finds out: once for all who ask meanwhile.
---@param key string
---@param wait number  seconds after which it is given up
---@param load fun(): string?, (number|string)?, number?  as for refresh
---@return string? value
---@return string? why  of there being nothing, or "timeout"
function Cache:fetch(key, wait, load)
  local value, why = self:get(key)
  if value ~= nil then return value or nil, why end
  return self:refresh(key, wait, load)
end

--- The part of the cache that goes by `name`.
---@param name string
---@return Cache
return function(name)
  if type(name) ~= "string" then error("a cache needs a name", 2) end
  return setmetatable({ prefix = name .. "\0" }, Cache)
end
