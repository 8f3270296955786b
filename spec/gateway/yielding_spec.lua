--- Who reads a configuration, and who builds from it, yields (runtime/base/yielding.h), as somebody
-- may have to wait for its processor; who serves does not.

local gateway = require "spec.support.gateway"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  for i = 1, 2000 do
    route("/r" .. i) { plugins = { { "mock", body = "%d" } } }
  end
]]

-- With the programs of util-linux: whether an idle thread could go back; else none becomes idle.
local GOES_BACK = "prlimit --pid $$ --nice=20: 2>/dev/null; "
  .. "chrt -i 0 sh -c 'chrt -o -p 0 $$' 2>/dev/null"
local SIGINT = 2
local SOME = 20 -- more often than any lock would

-- Writes down each yielding of the process, and of what it begins.
local function trace(directory, pid)
  local out = ("%s/trace.%d"):format(directory, pid)
  local log = out .. ".log"
  local tracer = process.spawn({ "strace", "-f", "-e", "trace=sched_yield", "-o", out, "-p",
    tostring(pid) }, { stdout = log, stderr = log })
  wait.that(function() return system.read_file(log):find "attached" end, 30)
  return { pid = pid, tracer = tracer, out = out }
end

-- How often the process itself did, and how often others that it began.
local function yielded(one)
  local own, others = 0, 0
  for thread in system.read_file(one.out):gmatch "%f[^\n%z](%d+) +sched_yield" do
    if tonumber(thread) == one.pid then own = own + 1 else others = others + 1 end
  end
  return own, others
end

describe("a reload", function()
  it("yields where it reads and where each worker builds, and in no loop", function()
    if os.execute(GOES_BACK) ~= 0 then return pending "no thread could go back from being idle" end
    local self = gateway.start { config = CONFIG:format(0), seconds = 60 }
    local traces = { trace(self.directory, self.pid) }
    for _, pid in ipairs(self:worker_pids()) do
      traces[#traces + 1] = trace(self.directory, pid)
    end
    local revision = 0
    wait.that(function() -- a busy machine has it wait until it is not idle any more
      revision = revision + 1
      system.write_file(self.directory .. "/gateway.lua", CONFIG:format(revision))
      assert.equal(0, (self:ask({ "reload" }, { seconds = 60 })))
      for _, one in ipairs(traces) do
        if select(2, yielded(one)) < SOME then return false end
      end
      return true
    end, 120)
    for _, one in ipairs(traces) do
      one.tracer:signal(SIGINT)
      one.tracer:wait(30)
      assert.is_true(yielded(one) < SOME, "a loop yields")
    end
    self:stop()
  end)
end)
