--- kernel_trace: when threads read, write, run and wait for a processor, as the kernel tells perf.

local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local SIGINT = 2
local READS, WRITES = { "read", "recvfrom" }, { write = true, writev = true, sendto = true }

local kernel_trace = {}

-- `form` with each of the process ids: true of any.
local function any_of(pids, form)
  local terms = {}
  for i, pid in ipairs(pids) do terms[i] = (form:gsub("PID", tostring(pid))) end
  return table.concat(terms, " || ")
end

local function arguments_of(path, pids)
  local list = { "perf", "record", "-q", "-a", "-m", "2048", "-o", path }
  local function add(event, form)
    list[#list + 1], list[#list + 2] = "-e", event
    list[#list + 1], list[#list + 2] = "--filter", any_of(pids, form)
  end
  for _, name in ipairs(READS) do
    add("syscalls:sys_enter_" .. name, "common_pid == PID")
    add("syscalls:sys_exit_" .. name, "common_pid == PID")
  end
  for name in pairs(WRITES) do add("syscalls:sys_enter_" .. name, "common_pid == PID") end
  add("sched:sched_switch", "prev_pid == PID || next_pid == PID")
  add("sched:sched_wakeup", "pid == PID")
  return list
end

--- Records while `body` runs.
---@param path string     of perf's file
---@param pids integer[]  of threads
---@param body fun()
function kernel_trace.record(path, pids, body)
  local log = path .. ".log"
  local tracer = process.spawn(arguments_of(path, pids), { stdout = log, stderr = log })
  wait.that(function()
    if not tracer:is_running() then
      error("perf does not record (of linux-perf, as root):\n" .. system.read_file(log), 0)
    end
    return #(system.read_file(path) or "") > 0
  end, 10, "perf to record")
  body()
  tracer:signal(SIGINT)
  if not tracer:wait(60) then error("perf does not end", 0) end
end

---@class TraceEvents
---@field on_read fun(pid: integer, fd: integer, at: number)   it has read something
---@field on_write fun(pid: integer, fd: integer, at: number)  it begins to write
---@field on_state fun(pid: integer, state: "runs"|"waits"|"sleeps", at: number)

-- What a switch says of who leaves the processor, and who gets it.
local function on_switch(text, at, change)
  local left, state, entered =
    text:match "prev_pid=(%d+) prev_prio=%S+ prev_state=(%S+) .*next_pid=(%d+)"
  change(left, state:sub(1, 1) == "R" and "waits" or "sleeps", at)
  change(entered, "runs", at)
end

-- Tells of the states of threads. Who is woken before it has left the processor goes on running.
local function state_changes(events)
  local states = {}
  return function(pid, state, at, is_wakeup)
    if is_wakeup and states[pid] ~= "sleeps" then return end
    states[pid] = state
    events.on_state(tonumber(pid), state, at)
  end
end

-- How many bytes a call has given; it has failed, or there was nothing, where that is 0.
local function count_of(text)
  local count = tonumber(text:match "^0x%x+" or 0)
  return count < 2 ^ 31 and count or 0
end

--- Tells what was recorded, in its order; times are in milliseconds.
---@param path string
---@param events TraceEvents
function kernel_trace.replay(path, events)
  local fields = "tid,time,event,trace"
  local pipe = io.popen(("perf script -i '%s' --ns -F %s 2>/dev/null"):format(path, fields))
  local change, reading = state_changes(events), {} -- the descriptor, by thread
  for line in pipe:lines() do
    local tid, time, name, text = line:match "^%s*(-?%d+)%s+([%d.]+):%s+%a+:([%w_]+):%s*(.*)$"
    if not tid then error("perf script: " .. line, 0) end
    local pid, at = tonumber(tid), tonumber(time) * 1000
    local call = name:match "^sys_enter_(%l+)"
    if call then
      reading[pid] = tonumber(text:match "fd: (0x%x+)")
      if WRITES[call] then events.on_write(pid, reading[pid], at) end
    elseif name == "sched_switch" then
      on_switch(text, at, change)
    elseif name == "sched_wakeup" then
      change(text:match "pid=(%d+)", "waits", at, true)
    elseif count_of(text) > 0 then
      events.on_read(pid, reading[pid], at)
    end
  end
  pipe:close()
end

return kernel_trace
