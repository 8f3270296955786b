--- holdings: what a gateway holds of the system: memory, descriptors, threads, watches.

local system = require "spec.support.system"

local holdings = {}

-- The number that a command of the shell prints.
local function number_of(script, ...)
  local pipe = io.popen(script:format(...))
  local number = tonumber((pipe:read "*a"))
  pipe:close()
  return number
end

--- Entries of a folder of /proc/PID: "fd", "task".
---@param pid integer
---@param what string
---@return integer
function holdings.count(pid, what)
  return number_of("ls /proc/%d/%s | wc -l", pid, what)
end

---@class Holdings
---@field memory integer       resident bytes, each process's added up
---@field descriptors integer
---@field threads integer
---@field watches integer      of inotify

--- Of the master and its workers, once what ends beside the loops has ended: threads, freeing.
--- It is too early by then for another nursery.
---@param server Gateway
---@return Holdings
function holdings.of(server)
  system.sleep(1)
  local sum = { memory = 0, descriptors = 0, threads = 0 }
  local pids = server:worker_pids()
  pids[#pids + 1] = server.pid
  for _, pid in ipairs(pids) do
    sum.memory = sum.memory + server:rss(pid)
    sum.descriptors = sum.descriptors + holdings.count(pid, "fd")
    sum.threads = sum.threads + holdings.count(pid, "task")
  end
  sum.watches = number_of("cat /proc/%d/fdinfo/* | grep -c 'inotify wd'", server.pid)
  return sum
end

return holdings
