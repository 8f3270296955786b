--- workers: who serves just now, how late each one's loop is, and what it refuses for that.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local metrics = require "moongate.metrics"

local C, found = bridge.C, bridge.found
-- As moon_worker_at() has them.
local PID, GENERATION, DELAY, LEVEL = 0, 1, 2, 3
local numbers = bridge.new "double[4]"

local workers = {}

local LABELS = { "worker" }

-- In the order of `each`; nothing but 0 where `shed` is not configured.
workers.FAMILIES = {
  metrics.gauge("moongate_overload_delay_seconds",
    "How late a worker's loop serves what has become ready, where load may be shed.", LABELS),
  metrics.gauge("moongate_shed_level",
    "Share of requests, but for critical ones, that a worker refuses since its loop is late.",
    LABELS),
}

local function each_worker(visit)
  for worker = 1, C.moon_worker_number(bridge.generation, C.MOON_WORKER_COUNT) do
    if C.moon_worker_at(bridge.generation, worker - 1, found, numbers) then visit(worker) end
  end
end

--- Visits all that there are. `visit` may not wait.
---@param visit fun(worker: string, numbers: ffi.cdata*)
function workers.each(visit)
  each_worker(function(worker) visit(tostring(worker), numbers + DELAY) end)
end

--- For /status.
---@return table
function workers.list()
  local list = json.array {}
  each_worker(function(worker)
    list[#list + 1] = { worker = worker, state = bridge.text(), pid = numbers[PID],
      generation = numbers[GENERATION], delay = numbers[DELAY], shed_level = numbers[LEVEL] }
  end)
  return list
end

return workers
