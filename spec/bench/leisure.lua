--- leisure: what a gateway takes of the processors while others leave them, and who takes as much
-- without being one.

local ffi = require "ffi"
local process = require "spec.support.process"
local system = require "spec.support.system"

ffi.cdef "int sched_setscheduler(int pid, int policy, const int *priority);"

local SCHED_IDLE = 5
local LONGEST_SECONDS = 60

local leisure = {}

--- Seconds of CPU that processes took which read the files, or began to be the nursery, and threads
--- that build, of each worker:
--- all but its loop.
---@param server Gateway
---@return number reading
---@return number building
function leisure.taken(server)
  local stat = system.read_file(("/proc/%d/stat"):format(server.pid))
  local user, kernel = stat:match("%)" .. (" %S+"):rep(13) .. " (%d+) (%d+)")
  local building, pids = 0, server:worker_pids()
  for _, pid in ipairs(pids) do
    local loop = system.read_file(("/proc/%d/task/%d/schedstat"):format(pid, pid)):match "^%d+"
    building = building + server:cpu_seconds(pid) - loop / 1e9
  end
  return (user + kernel) / 100, building / #pids -- USER_HZ
end

local function burner(seconds)
  return process.fork(function()
    ffi.C.sched_setscheduler(0, SCHED_IDLE, ffi.new("int[1]"))
    local sum = 0
    while os.clock() < seconds do
      for i = 1, 10000 do sum = (sum + i) % 1000003 end
    end
  end)
end

--- Takes what a reload does: one process as who reads, then one for each worker, side by side.
---@param reading number  seconds of CPU
---@param building number seconds of CPU, of each
---@param workers integer
function leisure.burn(reading, building, workers)
  burner(reading):wait(LONGEST_SECONDS)
  local burners = {}
  for i = 1, workers do burners[i] = burner(building) end
  for _, one in ipairs(burners) do one:wait(LONGEST_SECONDS) end
end

return leisure
