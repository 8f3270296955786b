--- steps: how many instructions a call takes, by running it step by step in a process of its own.
--
-- The same number each time but for a few steps of the interpreter, on a busy machine, too: what
-- depends on a secret shows in it, where times would drown it in noise.

local ffi = require "ffi"
local process = require "spec.support.process"
local system = require "spec.support.system"

local registry = debug.getregistry()
if not registry.moongate_spec_steps then
  registry.moongate_spec_steps = true
  ffi.cdef [[
    long spec_ptrace(int, int, void *, void *) __asm__("ptrace");
    int spec_raise(int) __asm__("raise");
  ]]
end

local C = ffi.C
local TRACE_ME, SINGLE_STEP, WAIT_ALL, STOP = 0, 9, 0x40000000, 19
local STEPS_MAX = 100000

local steps = {}

-- The signal that it has stopped by.
local function stopped_by(pid, status)
  assert(C.spec_waitpid(pid, status, WAIT_ALL) == pid, system.last_error())
  assert(status[0] % 256 == 0x7f, "it has ended")
  return math.floor(status[0] / 256)
end

--- From the call of `body` to its end, with what surrounds it, which is always the same.
---@param body fun()
---@return integer
function steps.of(body)
  local child = process.fork(function()
    collectgarbage "stop"
    C.spec_ptrace(TRACE_ME, 0, nil, nil)
    C.spec_raise(STOP)
    body()
    C.spec_raise(STOP)
  end)
  local status, count = ffi.new "int[1]", 0
  assert(stopped_by(child.pid, status) == STOP)
  repeat
    count = count + 1
    assert(C.spec_ptrace(SINGLE_STEP, child.pid, nil, nil) == 0, system.last_error())
  until stopped_by(child.pid, status) == STOP or count == STEPS_MAX
  system.kill(child.pid, system.SIGKILL)
  C.spec_waitpid(child.pid, status, WAIT_ALL)
  assert(count < STEPS_MAX, "it takes too many steps")
  return count
end

return steps
