--- each_worker: connections to each worker of a gateway.
--
--     moongate = gateway.start { config = "workers(2) ... " .. each_worker.ROUTE,
--       files = each_worker.FILES }
--     local clients = each_worker.connect(moongate, 1)   -- one to each

local http = require "spec.support.http"
local system = require "spec.support.system"

local each_worker = {}

--- Tells a client which worker it talks to.
each_worker.ROUTE = 'route "/who" { plugins = { { "who" } } }\n'
each_worker.FILES = { ["plugins/who.lua"] = [[
  local moongate = require "moongate"
  local function pid()
    local file = io.open "/proc/self/stat"
    local number = file:read "*n"
    file:close()
    return number
  end
  return { summary = "Tells which worker it is.", options = {},
    respond = function() return moongate.reply.text(200, tostring(pid())) end }
]] }

local WORKERS = 2
-- One of them may still be built, and gets no connections until then.
local SECONDS, TRIES_AT_ONCE = 60, 50

---@class WorkerClient
---@field client Connection
---@field pid integer

--- `count` connections to each of two workers, those of one first.
---@param moongate Gateway
---@param count integer
---@return WorkerClient[]
function each_worker.connect(moongate, count)
  local by_pid, found, tries, deadline = {}, 0, 0, system.now() + SECONDS
  while found < WORKERS * count do
    tries = tries + 1
    assert(system.now() < deadline, "one worker gets all connections")
    if tries % TRIES_AT_ONCE == 0 then system.sleep(0.1) end
    local client = http.connect(moongate.port)
    local pid = client:request({ path = "/who" }).body
    by_pid[pid] = by_pid[pid] or {}
    if #by_pid[pid] < count then found = found + 1 end
    table.insert(by_pid[pid], client)
    if #by_pid[pid] > count + TRIES_AT_ONCE then table.remove(by_pid[pid]):close() end
  end
  local all = {}
  for pid, clients in pairs(by_pid) do
    for i = 1, count do all[#all + 1] = { client = clients[i], pid = tonumber(pid) } end
    for i = count + 1, #clients do clients[i]:close() end
  end
  return all
end

return each_worker
