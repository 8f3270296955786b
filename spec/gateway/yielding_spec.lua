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
    route("/r" .. i) { plugins = { { "mock", body = "%s" } } }
  end
]]

local SIGINT = 2
local SOME = 20 -- more often than any lock would

-- The system calls of these processes, and of those that they begin, while `body` runs.
local function traced(directory, pids, body)
  local out, log = directory .. "/trace", directory .. "/trace.log"
  local arguments = { "strace", "-f", "-e", "trace=sched_yield", "-o", out }
  for _, pid in ipairs(pids) do
    arguments[#arguments + 1] = "-p"
    arguments[#arguments + 1] = tostring(pid)
  end
  local tracer = process.spawn(arguments, { stdout = log, stderr = log })
  wait.that(function()
    local _, count = system.read_file(log):gsub(" attached", "")
    return count >= #pids
  end, 30)
  body()
  tracer:signal(SIGINT)
  tracer:wait(30)
  return system.read_file(out)
end

describe("a reload", function()
  it("yields in the process that reads and in a thread of each worker, nowhere else", function()
    local self = gateway.start { config = CONFIG:format "one", seconds = 60 }
    local pids = self:worker_pids()
    pids[#pids + 1] = self.pid
    local trace = traced(self.directory, pids, function()
      system.write_file(self.directory .. "/gateway.lua", CONFIG:format "two")
      assert.equal(0, (self:ask({ "reload" }, { seconds = 60 })))
    end)
    local yielded, often = {}, 0
    for thread in trace:gmatch "%f[^\n%z](%d+) +sched_yield" do
      yielded[thread] = (yielded[thread] or 0) + 1
      if yielded[thread] == SOME then often = often + 1 end
    end
    assert.is_true(often >= 3, often) -- freeing may have a thread of its own
    for _, pid in ipairs(pids) do
      assert.is_true((yielded[tostring(pid)] or 0) < SOME, "a loop yields")
    end
    self:stop()
  end)
end)
