--- kernel_trace: what the kernel tells perf of threads: that they read, write, run, and wait for a
--- processor.

local kernel_events = require "spec.bench.kernel_events"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local LONGEST_SECONDS = 120

local kernel_trace = {}

-- `form` with each of the thread ids: true of any.
local function any_of(tids, form)
  local terms = {}
  for i, tid in ipairs(tids) do terms[i] = (form:gsub("TID", tostring(tid))) end
  return table.concat(terms, " || ")
end

local function arguments_of(path, tids)
  local list = { "perf", "record", "-q", "-a", "-m", "2048", "-o", path }
  local function add(event, form)
    for _, word in ipairs { "-e", event, "--filter", any_of(tids, form) } do
      list[#list + 1] = word
    end
  end
  for name in pairs(kernel_events.CALLS) do
    add("syscalls:sys_enter_" .. name, "common_pid == TID")
    add("syscalls:sys_exit_" .. name, "common_pid == TID")
  end
  add("sched:sched_switch", "prev_pid == TID || next_pid == TID")
  add("sched:sched_wakeup", "pid == TID")
  return list
end

local function refuse(what, log)
  error(("%s (of linux-perf, as root):\n%s"):format(what, system.read_file(log) or ""), 0)
end

--- Records while `body` runs.
---@param path string     of perf's file
---@param tids integer[]  thread ids
---@param body fun()
function kernel_trace.record(path, tids, body)
  local log = path .. ".log"
  local tracer = process.spawn(arguments_of(path, tids), { stdout = log, stderr = log })
  wait.that(function()
    return not tracer:is_running() or #(system.read_file(path) or "") > 0
  end, LONGEST_SECONDS, "perf to record")
  if not tracer:is_running() then refuse("perf does not record", log) end
  local ok, why = pcall(body)
  local has_recorded = tracer:is_running()
  tracer:signal(system.SIGINT)
  if not tracer:wait(LONGEST_SECONDS) then
    tracer:kill()
    has_recorded = false
  end
  if not ok then error(why, 0) end
  if not has_recorded then refuse("perf did not record to the end", log) end
end

--- What was recorded, one event a line in the order of time, for kernel_events.replay(). The file
--- is removed.
---@param path string  of perf's file
---@return fun(): string?
function kernel_trace.lines(path)
  local text, log = path .. ".text", path .. ".log"
  local script = process.spawn({ "perf", "script", "-i", path, "--ns", "--show-lost-events", "-F",
    "tid,time,event,trace" }, { stdout = text, stderr = log })
  if script:wait(LONGEST_SECONDS) ~= 0 then refuse("perf does not tell what it recorded", log) end
  local lines = io.lines(text)
  os.remove(text)
  os.remove(path)
  return lines
end

return kernel_trace
