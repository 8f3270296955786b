--- store: what must survive a restart: texts by key, in a file that all workers share.
--
--     local keys = moongate.store "keys"
--     keys:put("a", "1")
--     keys:get "a" --> "1"
--
-- Reads answer at once. Changes wait until they are on the disk; then all workers see them, and
-- those that watch are told within a second. The configuration says where the file is:
-- store { path = "state" }.

local bridge = require "moongate.ffi"
local core = require "moongate.core.store"
local every = require "moongate.every"
local log = require "moongate.log"
local is_whole = require "moongate.whole"
local metrics = require "moongate.metrics"

local C, found, text, pair = bridge.C, bridge.found, bridge.text, bridge.pair

---@class Store
---@field prefix string
local Store = {}
Store.__index = Store

-- Between two looks at what has changed.
local WATCH_SECONDS = 0.2
local NAME_BYTES_MAX = 64

local range = bridge.new "struct slice[2]"
local serial = bridge.new "double[1]"

local DONE, MISSING, LOST = C.MOON_STORE_DONE, C.MOON_STORE_MISSING, C.MOON_STORE_LOST
local PUT, DELETE, CHECK = C.MOON_STORE_PUT, C.MOON_STORE_DELETE, C.MOON_STORE_CHECK
local ADD, RAISE = C.MOON_STORE_ADD, C.MOON_STORE_RAISE
local IF_ABSENT, IF_EQUAL = C.MOON_STORE_IF_ABSENT, C.MOON_STORE_IF_EQUAL

local WHY = {
  [C.MOON_STORE_CONFLICT] = "conflict",
  [C.MOON_STORE_NOT_NUMBER] = "the value is not a whole number",
  [C.MOON_STORE_FULL] = "the store is full",
  [C.MOON_STORE_FAILED] = "the store cannot be written",
}

local function must_be_open()
  bridge.must_serve "a store"
  if not C.moon_store_is_open(bridge.generation) then
    error("there is no store; the configuration needs store { path = \"...\" }", 3)
  end
end

local ERRORS = metrics.counter("moongate_store_errors_total",
  "Changes of the store that were not made, and readings that failed; no conflicts.")

local function failed()
  ERRORS:add(1)
  error("the store cannot be read", 3)
end

--- The value, or nil when there is none. Raises when the file cannot be read.
---@param key string
---@return string?
function Store:get(key)
  must_be_open()
  key = self.prefix .. key
  local outcome = C.moon_store_get(bridge.generation, key, #key, found)
  if outcome == DONE then return (text()) end
  if outcome ~= MISSING then failed() end
  return nil
end

local function next_record(state, after)
  range[0].start, range[0].length = state.prefix, #state.prefix
  local from = after and state.own .. after or ""
  range[1].start, range[1].length = from, #from
  local outcome = C.moon_store_next(bridge.generation, range, found)
  if outcome == MISSING then return nil end
  if outcome ~= DONE then failed() end
  local key, value = pair()
  return key:sub(#state.own + 1), value
end

--- `for key, value in keys:scan "user/" do`: all keys that begin so, in the order of their bytes.
--- What changes meanwhile may be seen or not.
---@param prefix string?
---@return fun(state: table, after: string?): string?, string?
---@return table state
---@return string? after  begins behind this key, when it is set
function Store:scan(prefix, after)
  must_be_open()
  return next_record, { own = self.prefix, prefix = self.prefix .. (prefix or "") }, after
end

---@class StoreBatch
---@field operations table[]
local Batch = {}
Batch.__index = Batch

local SECONDS_MAX = 2 ^ 53

local function check_numbers(operation)
  local amount, seconds = operation.amount, operation.seconds
  if (operation.change == ADD or operation.change == RAISE) and not is_whole(amount) then
    error(("expected a whole number, not %s"):format(tostring(amount)), 4)
  end
  if seconds and not (type(seconds) == "number" and seconds > 0 and seconds <= SECONDS_MAX) then
    error(("a value lives for a number of seconds above 0, not %s"):format(tostring(seconds)), 4)
  end
end

local function put_into(self, operation)
  check_numbers(operation)
  operation.key = self.prefix .. operation.key
  self.operations[#self.operations + 1] = operation
  return self
end

--- Sets a value, for `seconds` or for good.
---@param key string
---@param value string
---@param seconds number?
---@return StoreBatch
function Batch:put(key, value, seconds)
  return put_into(self, { change = PUT, key = key, value = value, seconds = seconds })
end

--- Sets a value where there is none: else the batch is a conflict.
---@param key string
---@param value string
---@param seconds number?
---@return StoreBatch
function Batch:put_new(key, value, seconds)
  return put_into(self,
    { change = PUT, key = key, value = value, seconds = seconds, condition = IF_ABSENT })
end

---@param key string
---@return StoreBatch
function Batch:delete(key)
  return put_into(self, { change = DELETE, key = key })
end

--- Adds to a whole number, which begins at 0.
---@param key string
---@param amount integer
---@param seconds number?  to live, when it begins
---@return StoreBatch
function Batch:add(key, amount, seconds)
  return put_into(self, { change = ADD, key = key, amount = amount, seconds = seconds })
end

--- Raises a whole number, which begins at 0, unless it is that large: done twice, it is as once.
---@param key string
---@param least integer
---@param seconds number?  to live, when it begins
---@return StoreBatch
function Batch:raise(key, least, seconds)
  return put_into(self, { change = RAISE, key = key, amount = least, seconds = seconds })
end

--- The batch is a conflict unless the key has that value; nil: none.
---@param key string
---@param expected string?
---@return StoreBatch
function Batch:check(key, expected)
  return put_into(self, { change = CHECK, key = key, expected = expected,
    condition = expected and IF_EQUAL or IF_ABSENT })
end

--- Does all of it or nothing; waits until that is on the disk.
---@return boolean done
---@return string|number[]? why  when it was not: "conflict", or a sentence; else sums by place
function Batch:commit()
  must_be_open()
  local outcome, _, sums = core.commit(self.operations)
  if outcome == DONE then return true, sums end
  if outcome == C.MOON_STORE_FULL or outcome == C.MOON_STORE_FAILED then ERRORS:add(1) end
  return false, WHY[outcome] or WHY[C.MOON_STORE_FAILED]
end

--- Has it done without waiting: in stop(), where nothing can wait. Nobody is told when the gateway
--- is killed before it is.
---@return boolean  false: too much waits already
function Batch:post()
  must_be_open()
  return (core.post(self.operations))
end

--- Changes that belong together, at most 1000: `keys:batch():put("a", "1"):delete("b"):commit()`.
--- Conditions are of how it was before the batch.
---@return StoreBatch
function Store:batch()
  return setmetatable({ prefix = self.prefix, operations = {} }, Batch)
end

--- Waits until it is on the disk.
---@param key string
---@param value string
---@param seconds number?  to live; nil: for good
---@return boolean done
---@return string? why
function Store:put(key, value, seconds)
  local done, why = self:batch():put(key, value, seconds):commit()
  return done, not done and why or nil
end

---@param key string
---@return boolean done
---@return string? why
function Store:delete(key)
  local done, why = self:batch():delete(key):commit()
  return done, not done and why or nil
end

--- Sets a value where there is the expected one.
---@param key string
---@param expected string?  nil: none
---@param value string
---@param seconds number?
---@return boolean done
---@return string? why  "conflict": there was another one
function Store:compare_and_set(key, expected, value, seconds)
  local done, why = self:batch():check(key, expected):put(key, value, seconds):commit()
  return done, not done and why or nil
end

--- Adds to a whole number, which begins at 0; exact over all workers.
---@param key string
---@param amount integer
---@param seconds number?  to live, when it begins
---@return integer? sum
---@return string? why
function Store:add(key, amount, seconds)
  local done, sums = self:batch():add(key, amount, seconds):commit()
  if done then return sums[1] end
  return nil, sums
end

-- Of this state: { prefix of the store, prefix, function }.
local watchers = {}
local seen

local function tell(watcher, key)
  local ok, why = xpcall(watcher.run, debug.traceback, key)
  if not ok then log.error("what watches the store raised: %s", why) end
end

local function tell_all(key)
  for _, watcher in ipairs(watchers) do
    if key == nil then
      tell(watcher, nil)
    elseif key:sub(1, #watcher.prefix) == watcher.prefix then
      tell(watcher, key:sub(#watcher.own + 1))
    end
  end
end

local function look()
  serial[0] = seen
  local outcome = C.moon_store_next_change(bridge.generation, serial, found)
  while outcome == DONE or outcome == LOST do
    seen = serial[0]
    tell_all(outcome == DONE and text() or nil)
    serial[0] = seen
    outcome = C.moon_store_next_change(bridge.generation, serial, found)
  end
end

--- Calls `run(key)` for keys that begin so and have been set or deleted, whoever did it: within a
--- second. Those that have expired are told with the next change of anything in the store.
--- `run(nil)`: there were too many to tell, anything may have changed. As long as the generation
--- lives; in `start`, or at run time.
---@param prefix string
---@param run fun(key: string?)
function Store:watch(prefix, run)
  must_be_open()
  if #watchers == 0 then
    seen = C.moon_store_serial(bridge.generation)
    every(WATCH_SECONDS, look)
  end
  watchers[#watchers + 1] = { own = self.prefix, prefix = self.prefix .. prefix, run = run }
end

--- The part of the store that goes by `name`.
---@param name string  at most 64 bytes
---@return Store
return function(name)
  if type(name) ~= "string" or #name == 0 or #name > NAME_BYTES_MAX then
    error("a store needs a name of at most 64 bytes", 2)
  end
  return setmetatable({ prefix = name .. "\0" }, Store)
end
