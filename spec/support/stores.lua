--- stores: writers of shared memory that are killed between every two of their stores.
--
--     stores.each(segment, function() C.counter_add(counters, 1, 1) end, function() ... end)

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.C

ffi.cdef [[
  bool store_killer_works(void);
  void store_killer_arm(void *memory, size_t bytes, unsigned stores);
  void store_killer_disarm(void);
  void store_killer_stop_before(unsigned store);
]]

local stores = {}

-- Of one body: more than any structure here needs.
local STORES_MAX = 5000
local WAIT_STOPPED, CONTINUE = 2, 18

-- A process of its own that runs `body`: it stops right before its store `stop`, and is killed
-- after its store `last`; 0: it does not, or is not.
local function run(segment, body, stop, last)
  return process.fork(function()
    C.store_killer_stop_before(stop)
    C.store_killer_arm(segment.memory, tonumber(segment.bytes), last)
    local ok, problem = pcall(body)
    C.store_killer_disarm()
    if not ok then error(tostring(problem)) end
  end)
end

--- Runs `body` again and again, in a process of its own that is killed after its first store into
--- the segment, after its second, and so on up to the last; `check` after each, in this process,
--- where the memory is as that one left it. Each begins with what the segment holds now, which it
--- holds again in the end.
---
--- What `body` uses of this process must be its alone: `check` makes views of its own.
---@param segment ffi.cdata* struct segment
---@param body fun()
---@param check fun(store: integer)
---@param stride integer? only after every so many stores, beginning anywhere: where there are many
---@return integer stores that the body makes, or a few more with a stride
function stores.each(segment, body, check, stride)
  local bytes = tonumber(segment.bytes)
  local before = ffi.new("char[?]", bytes)
  ffi.copy(before, segment.memory, bytes)
  local first = 1 + math.floor(system.now() * 1000) % (stride or 1)
  for store = first, STORES_MAX, stride or 1 do
    local child = run(segment, body, 0, store)
    local code = assert(child:wait(30), "still running")
    if code == 0 then
      ffi.copy(segment.memory, before, bytes)
      return store - 1
    end
    assert(code == -system.SIGKILL, "ended with " .. code)
    check(store)
    ffi.copy(segment.memory, before, bytes)
  end
  error "the body makes too many stores"
end

-- Whether it has stopped; false: it has ended, well.
local function has_stopped(child)
  local status = ffi.new "int[1]"
  assert(system.C.spec_waitpid(child.pid, status, WAIT_STOPPED) == child.pid, system.last_error())
  if status[0] % 256 == 0x7f then return true end
  assert(status[0] == 0, "ended with " .. status[0])
  child.code = 0
  return false
end

--- As each(), but the process stops right before that store, `meanwhile` runs in this process, it
--- goes on to its end, and `check` looks at what both have done.
---@param segment ffi.cdata* struct segment
---@param body fun()
---@param meanwhile fun()
---@param check fun(store: integer)
---@return integer stores that the body makes
function stores.between(segment, body, meanwhile, check)
  local bytes = tonumber(segment.bytes)
  local before = ffi.new("char[?]", bytes)
  ffi.copy(before, segment.memory, bytes)
  for store = 1, STORES_MAX do
    local child = run(segment, body, store, 0)
    if not has_stopped(child) then
      ffi.copy(segment.memory, before, bytes)
      return store - 1
    end
    local ok, problem = pcall(meanwhile)
    system.kill(child.pid, CONTINUE)
    assert(not has_stopped(child), "it stopped again")
    if not ok then error(problem, 0) end
    check(store)
    ffi.copy(segment.memory, before, bytes)
  end
  error "the body makes too many stores"
end

-- Whether there is something to check; there is not when it makes no store `stop` to stop before,
-- or no store `last` to be killed after.
local function interrupt(segment, body, stop, last, meanwhile)
  local child = run(segment, body, stop, last < stop and 0 or last)
  if not has_stopped(child) then return false end
  local ok, problem = pcall(meanwhile)
  if last < stop then child:kill() else system.kill(child.pid, CONTINUE) end
  local code = assert(child:wait(30), "still running")
  if not ok then error(problem, 0) end
  assert(code == 0 or code == -system.SIGKILL, "ended with " .. code)
  return code ~= 0
end

--- As between(), but it does not go on to its end: it is killed where it stopped, and after each
--- store that it makes from there on.
---@param segment ffi.cdata* struct segment
---@param body fun()
---@param meanwhile fun()
---@param check fun(stop: integer, last: integer) it stopped before one, and was killed after one
---@return integer times that it was killed
function stores.between_each(segment, body, meanwhile, check)
  local bytes, times = tonumber(segment.bytes), 0
  local before = ffi.new("char[?]", bytes)
  ffi.copy(before, segment.memory, bytes)
  for stop = 1, STORES_MAX do
    local last = stop - 1
    while interrupt(segment, body, stop, last, meanwhile) do
      check(stop, last)
      ffi.copy(segment.memory, before, bytes)
      times, last = times + 1, last + 1
    end
    ffi.copy(segment.memory, before, bytes)
    if last < stop then return times end
  end
  error "the body makes too many stores"
end

--- Whether this works here; a spec is pending where it does not.
---@return boolean
function stores.are_seen() return C.store_killer_works() end

return stores
