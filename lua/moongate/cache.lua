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
-- others wait for that; when its worker dies, another one of them does. Memory is bounded
-- (`memory.plugin_cache`): where there is no room, what is of least use gives way. So nothing may
-- depend on a value still being there. `moongate purge --plugin-cache NAME` forgets all of a cache.

local bridge = require "moongate.ffi"
local flight = require "moongate.core.flight"
local log = require "moongate.log"
local spawn = require "moongate.spawn"
local time = require "moongate.time"

local C, must_serve = bridge.C, bridge.must_serve

---@class Cache
---@field name string
---@field prefix string
---@field counters ffi.cdata*|false  false: not looked up yet
local Cache = {}
Cache.__index = Cache

local found = bridge.new "struct slice[1]"

local TEXT, NOTHING = C.MOON_VALUE_TEXT, C.MOON_VALUE_NOTHING
local TAKEN, UNSHARED = C.MOON_FLIGHT_TAKEN, C.MOON_FLIGHT_UNSHARED
-- So often somebody waits for others before everybody does it alone.
local WAITS_MAX = 3
local NAME_BYTES_MAX = 64

local METRICS = {
  [C.MOON_VALUE_HITS] = "moongate_plugin_cache_hits_total",
  [C.MOON_VALUE_MISSES] = "moongate_plugin_cache_misses_total",
  [C.MOON_VALUE_COLLAPSED] = "moongate_plugin_cache_collapsed_total",
  [C.MOON_VALUE_EVICTED] = "moongate_plugin_cache_evicted_total",
}

-- Slots of its counters; where there are too many caches, those of all others.
local function counters_of(self)
  local counters = bridge.new("uint32_t[?]", C.MOON_VALUE_COUNTERS)
  local labels = ('cache="%s"'):format(self.name:gsub('[\\"\n]', "_"))
  for at, name in pairs(METRICS) do
    counters[at] = C.moon_counter_slot(bridge.generation, C.MOON_COUNTER_TOTAL, name, #name,
      labels, #labels)
  end
  self.counters = counters
  return counters
end

local function check(value, seconds)
  if type(value) ~= "string" then error("a cache holds strings", 3) end
  if type(seconds) ~= "number" or seconds <= 0 or seconds ~= seconds then
    error("what is cached lives for seconds above 0", 3)
  end
end

local function store(self, key, kind, text, seconds, only_new)
  key = self.prefix .. key
  return C.moon_value_set(bridge.generation, self.counters or counters_of(self), key, #key, kind,
    text, #text, seconds, only_new)
end

--- What is cached: a value, or false for what is known not to be there.
---@param key string
---@return string|false|nil value  nil: nothing is known
---@return string? why  of false
function Cache:get(key)
  must_serve "a cache"
  key = self.prefix .. key
  local kind = C.moon_value_get(bridge.generation, self.counters or counters_of(self), key, #key,
    found)
  if kind == TEXT then return bridge.string(found[0].start, found[0].length) end
  if kind == NOTHING then return false, bridge.string(found[0].start, found[0].length) end
  return nil
end

---@param key string    any bytes
---@param value string  at most 64 KiB
---@param seconds number  to live
---@return boolean stored  false when there is no room for it
function Cache:set(key, value, seconds)
  must_serve "a cache"
  check(value, seconds)
  return store(self, key, TEXT, value, seconds, false)
end

--- Stores a value where there is none, nor is being found out: true for exactly one of those who
--- try at once.
---@param key string
---@param value string
---@param seconds number
---@return boolean stored
function Cache:add(key, value, seconds)
  must_serve "a cache"
  check(value, seconds)
  return store(self, key, TEXT, value, seconds, true)
end

--- Remembers that there is nothing.
---@param key string
---@param why string
---@param seconds number
---@return boolean stored
function Cache:set_missing(key, why, seconds)
  must_serve "a cache"
  check(why, seconds)
  return store(self, key, NOTHING, why, seconds, false)
end

--- What is being found out meanwhile is not kept, either.
---@param key string
function Cache:delete(key)
  must_serve "a cache"
  key = self.prefix .. key
  C.moon_value_delete(bridge.generation, key, #key)
end

--- Whether somebody is finding it out now, on whatever worker.
---@param key string
---@return boolean
function Cache:is_loading(key)
  must_serve "a cache"
  key = self.prefix .. key
  return C.moon_value_is_loading(bridge.generation, key, #key)
end

-- What `load` finds out: a value or nil, why there is none, and the seconds to keep that.
local function run(load)
  local ok, value, how, seconds = xpcall(load, debug.traceback)
  if ok and value ~= nil and type(value) ~= "string" then
    ok, value = false, "a cache holds strings"
  end
  if not ok then
    log.error("a cache's loading raised: %s", value)
    return nil, "it raised", 0
  end
  if value ~= nil then return value, nil, how or 0 end
  return nil, how or "", seconds or 0
end

-- In a task of its own: whoever began it may go away. What comes too late for those who wait is
-- kept all the same.
local function fly(self, key, number, outcome, load)
  local value, why, seconds = run(load)
  outcome.ended, outcome.value, outcome.why = true, value, why
  local kind, text = value and TEXT or NOTHING, value or why
  if not C.moon_flight_end(bridge.generation, number, kind, text, #text, seconds)
      and seconds > 0 then
    store(self, key, kind, text, seconds, false)
  end
end

local function lead(self, key, number, deadline, load)
  local outcome = { ended = false, value = nil, why = nil }
  spawn(fly, self, key, number, outcome, load)
  if not outcome.ended then
    flight.await(number, self.prefix .. key, deadline - time.monotonic())
  end
  if not outcome.ended then return nil, "timeout" end
  return outcome.value, outcome.why
end

-- `renews`: anew, although something is there.
local function find_out(self, key, wait, load, renews)
  local deadline, whole = time.monotonic() + wait, self.prefix .. key
  for _ = 1, WAITS_MAX do
    local number = C.moon_flight_begin(bridge.generation, self.counters or counters_of(self), whole,
      #whole, wait, renews)
    if number == UNSHARED then break end
    if number ~= TAKEN then return lead(self, key, number, deadline, load) end
    local kind, text = flight.await(0, whole, deadline - time.monotonic())
    if kind == nil then return nil, "timeout" end
    if kind == TEXT then return text end
    if kind == NOTHING then return nil, text end
    if not kind then break end
  end
  local value, why = run(load)
  return value, why
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
  return find_out(self, key, wait, load, true)
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
  return find_out(self, key, wait, load, false)
end

--- The part of the cache that goes by `name`.
---@param name string  at most 64 bytes, none of them NUL
---@return Cache
return function(name)
  if type(name) ~= "string" or name == "" or #name > NAME_BYTES_MAX or name:find("\0", 1, true) then
    error("a cache needs a name", 2)
  end
  return setmetatable({ name = name, prefix = name .. "\0", counters = false }, Cache)
end
