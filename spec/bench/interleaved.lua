--- interleaved: what requests of several kinds cost a process, which take turns of a fraction of a
--- second under one load.
--
-- One run of wrk asks for all of them over the same connections: its script changes what it asks
-- for by the clock, and reads the process's CPU time at each change, to the nanosecond. So between
-- two turns nothing changes but the kind: no connection is made, no process starts, and what else
-- the machine does hits both alike.

local load = require "spec.bench.load"
local system = require "spec.support.system"

local interleaved = {}

-- A turn begins to count when each connection has asked for what it is about: what was asked for
-- before has been answered by then. `request`, if there is one already, makes a request anew.
local SCRIPT = [=[
local ffi, bit = require "ffi", require "bit"
ffi.cdef [[
  struct timespec { long seconds, nanoseconds; };
  int clock_gettime(int clock, struct timespec *time);
]]
local MONOTONIC = 1
local CPU = bit.bor(bit.lshift(bit.bnot(PID), 3), 2) -- as clock_getcpuclockid() has it
local time, make = ffi.new "struct timespec", request
local texts, turn, asked, due, ends, cpu, out = {}, 0, 0, 0, 0, 0, nil

local function read(clock)
  if ffi.C.clock_gettime(clock, time) ~= 0 then error "the process has gone" end
  return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
end

local function next_turn()
  if TURNS[turn] then
    out:write(("%d %.9f\n"):format(asked - CONNECTIONS, read(CPU) - cpu))
    out:flush()
  end
  turn, asked, ends = turn + 1, 0, math.huge
  if not TURNS[turn] then return end
  local now, seconds = read(MONOTONIC), TURNS[turn][2]
  due = (due > 0 and due or now) + seconds
  ends = math.max(due, now + seconds / 2) -- one that took too long makes the next ones shorter
end

function init()
  out = assert(io.open(OUT, "w"))
  for i, kind in ipairs(KINDS) do
    texts[i] = wrk.format("GET", kind.path, { [kind.header] = kind.value })
  end
end

function request()
  if asked > CONNECTIONS and read(MONOTONIC) >= ends or turn == 0 then next_turn() end
  asked = asked + 1
  if asked == CONNECTIONS then cpu = read(CPU) end
  local kind = TURNS[turn] and TURNS[turn][1] or 1
  if not make then return texts[kind] end
  wrk.path = KINDS[kind].path
  return make()
end
]=]

local function kinds_text(kinds)
  local lines = {}
  for i, kind in ipairs(kinds) do
    local name, value = (kind.header or load.KEY):match "^(.-): *(.*)$"
    lines[i] = ("{ path = %q, header = %q, value = %q },"):format(kind.path, name, value)
  end
  return table.concat(lines, "\n")
end

local function turns_text(turns)
  local lines, seconds = {}, 0
  for i, turn in ipairs(turns) do
    lines[i] = ("{ %d, %g },"):format(turn.kind, turn.seconds)
    seconds = seconds + turn.seconds
  end
  return table.concat(lines, "\n"), seconds
end

---@class Turn
---@field kind integer     the place of what is asked for
---@field seconds number
---@field cpu_us number?   of a request, once it has been measured

--- Measures each turn.
---@param job Job       without a path; its script, if any, makes requests of wrk.path
---@param kinds { path: string, header: string? }[]
---@param turns Turn[]
function interleaved.measure(job, kinds, turns)
  local out = job.directory .. "/turns"
  local text, seconds = turns_text(turns)
  local script = table.concat({
    job.script or "",
    ("local PID, CONNECTIONS, OUT = %d, %d, %q"):format(job.program.pid, load.CONNECTIONS, out),
    ("local KINDS, TURNS = { %s }, { %s }"):format(kinds_text(kinds), text),
    SCRIPT,
  }, "\n")
  local own = { name = job.name, program = job.program, directory = job.directory, path = "/",
    script = script }
  load.run(own, math.ceil(seconds * 1.02 + 2))
  local at = 0
  for requests, cpu in system.read_file(out):gmatch "(%d+) ([%d.]+)\n" do
    at = at + 1
    turns[at].cpu_us = tonumber(cpu) * 1e6 / tonumber(requests)
  end
  if at < #turns then error(("%d of %d turns were measured"):format(at, #turns), 0) end
end

return interleaved
