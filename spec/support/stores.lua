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
]]

local stores = {}

-- Of one body: more than any structure here needs.
local STORES_MAX = 5000

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
    local child = process.fork(function()
      C.store_killer_arm(segment.memory, bytes, store)
      local ok, problem = pcall(body)
      C.store_killer_disarm()
      if not ok then error(tostring(problem)) end
    end)
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

--- Whether this works here; a spec is pending where it does not.
---@return boolean
function stores.are_seen() return C.store_killer_works() end

return stores
