--- tracing: the system calls of a process that runs, and of what it begins, as strace writes them.

local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local SECONDS = 30
local SIGINT = 2 -- it detaches

local tracing = {}

---@class Trace
---@field pid integer
---@field tracer Process
---@field out string
local Trace = {}
Trace.__index = Trace

--- Returns when it has begun.
---@param directory string  for its files
---@param pid integer
---@param calls string      their names, with commas
---@return Trace
function tracing.start(directory, pid, calls)
  local out = ("%s/trace.%d"):format(directory, pid)
  local log = out .. ".log"
  local tracer = process.spawn({ "strace", "-f", "-e", "trace=" .. calls, "-o", out, "-p",
    tostring(pid) }, { stdout = log, stderr = log })
  wait.that(function() return system.read_file(log):find "attached" end, SECONDS)
  return setmetatable({ pid = pid, tracer = tracer, out = out }, Trace)
end

--- What there is of it by now: a line for each, which begins with the thread.
---@return string
function Trace:read() return system.read_file(self.out) end

function Trace:stop()
  self.tracer:signal(SIGINT)
  self.tracer:wait(SECONDS)
end

return tracing
