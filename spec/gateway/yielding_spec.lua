--- Who reads a configuration, and who builds from it, yields (runtime/base/yielding.h), as somebody
-- may have to wait for its processor; who serves does not.

local gateway = require "spec.support.gateway"
local system = require "spec.support.system"
local tracing = require "spec.support.tracing"
local wait = require "spec.support.wait"

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  for i = 1, 2000 do
    route("/r" .. i) { plugins = { { "mock", body = "%d" } } }
  end
]]

local SOME = 20 -- more often than any lock would

-- How often the process itself did, and how often others that it began.
local function yielded(one)
  local own, others = 0, 0
  for thread in one:read():gmatch "%f[^\n%z](%d+) +sched_yield" do
    if tonumber(thread) == one.pid then own = own + 1 else others = others + 1 end
  end
  return own, others
end

describe("a reload", function()
  it("yields where it reads and where each worker builds, and in no loop", function()
    if not system.goes_back() then return pending "no thread could go back from being idle" end
    local self = gateway.start { config = CONFIG:format(0), seconds = 60 }
    local traces = { tracing.start(self.directory, self.pid, "sched_yield") }
    for _, pid in ipairs(self:worker_pids()) do
      traces[#traces + 1] = tracing.start(self.directory, pid, "sched_yield")
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
      one:stop()
      assert.is_true(yielded(one) < SOME, "a loop yields")
    end
    self:stop()
  end)
end)
