--- kernel_events: lines of `perf script` as events of threads.

local kernel_events = {}

--- What a client, a proxy and an origin use for heads and bodies of one piece.
kernel_events.CALLS = { read = "reads", recvfrom = "reads", write = "writes", writev = "writes",
  sendto = "writes" }
local CALLS = kernel_events.CALLS

---@class KernelEvents
---@field on_read fun(tid: integer, fd: integer, at: number)   it has read something
---@field on_write fun(tid: integer, fd: integer, at: number)  it begins to write
---@field on_written fun(tid: integer, at: number)             it has written
---@field on_state fun(tid: integer, state: "running"|"runnable"|"sleeping", at: number)

local function not_understood(line) error("not understood, of perf script: " .. line, 0) end

-- Tells of the states of threads. Who is woken before it has left the processor goes on running.
local function state_changes(events)
  local states = {}
  return function(tid, state, at, is_wakeup)
    if is_wakeup and states[tid] == "running" then return end
    states[tid] = state
    events.on_state(tonumber(tid), state, at)
  end
end

-- Who leaves the processor, and who gets it.
local function on_switch(line, at, change)
  local left, state, entered =
    line:match "prev_pid=(%d+) prev_prio=%S+ prev_state=(%S+) .*next_pid=(%d+)"
  if not left then not_understood(line) end
  change(left, state:sub(1, 1) == "R" and "runnable" or "sleeping", at)
  change(entered, "running", at)
end

local function on_wakeup(line, at, change)
  local tid = line:match "%spid=(%d+)"
  if not tid then not_understood(line) end
  change(tid, "runnable", at, true)
end

-- How many bytes a call has given; 0: it has failed, or there was nothing.
local function count_of(text)
  local count = tonumber(text:match "^0x%x+" or 0)
  return count < 2 ^ 31 and count or 0
end

-- A call that was not seen to begin has no descriptor.
local function on_return(events, call, tid, fd, text, at)
  if CALLS[call] == "writes" then
    events.on_written(tid, at)
  elseif fd and count_of(text) > 0 then
    events.on_read(tid, fd, at)
  end
end

--- Tells of what was recorded, in its order.
---@param lines fun(): string?  as kernel_trace.lines() gives them
---@param events KernelEvents   times are in milliseconds
function kernel_events.replay(lines, events)
  local change, descriptors = state_changes(events), {} -- of the call that a thread is in
  for line in lines do
    local tid, time, name, text = line:match "^%s*(-?%d+)%s+([%d.]+):%s+%a+:([%w_]+):%s*(.*)$"
    if not tid then not_understood(line) end
    local at = tonumber(time) * 1000
    local step, call = name:match "^sys_(%l+)_(%l+)$"
    if step == "enter" then
      descriptors[tid] = tonumber(text:match "fd: (0x%x+)")
      if CALLS[call] == "writes" then events.on_write(tonumber(tid), descriptors[tid], at) end
    elseif step == "exit" then
      on_return(events, call, tonumber(tid), descriptors[tid], text, at)
    elseif name == "sched_switch" then
      on_switch(line, at, change)
    else
      on_wakeup(line, at, change)
    end
  end
end

return kernel_events
