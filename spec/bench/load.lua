--- load: wrk, h2load and idle clients against one program, and what each request cost it.

local heap = require "spec.support.heap"
local http = require "spec.support.http"
local metrics = require "spec.bench.metrics"
local process = require "spec.support.process"
local system = require "spec.support.system"

local CONNECTIONS = 64
local LONGEST_SECONDS = 60
local EQUAL_SHARE = 0.6
local KEY = "x-api-key: secret"

local load = { CONNECTIONS = CONNECTIONS, KEY = KEY }

-- In ticks, by which that time is divided: in user space and in the kernel.
local function ticks(pid)
  local fields = system.read_file(("/proc/%d/stat"):format(pid)):match "%) (.*)$"
  local user, kernel = fields:match(("%S+ "):rep(11) .. "(%d+) (%d+)")
  return tonumber(user), tonumber(kernel)
end

--- Resident memory in bytes.
---@param pid integer
---@return integer
function load.memory(pid)
  local text = system.read_file(("/proc/%d/status"):format(pid))
  return tonumber(text:match "VmRSS:%s*(%d+) kB") * 1024
end

local UNITS = { us = 1e-3, ms = 1, s = 1e3, m = 6e4 }

local function latency_ms(text, percentile)
  local number, unit = text:match("\n%s+" .. percentile .. "%%%s+([%d.]+)(%a+)")
  return number and tonumber(number) * UNITS[unit] or 0
end

local function url(program, path)
  return ("%s://127.0.0.1:%d%s"):format(program.tls and "https" or "http", program.port, path)
end

local function wrk_arguments(job, seconds)
  local list = { "wrk", "-t1", "-c" .. (job.connections or CONNECTIONS), ("-d%ds"):format(seconds),
    "--latency", "-H", job.header or KEY }
  if job.is_large then
    list[#list + 1] = "--timeout"
    list[#list + 1] = LONGEST_SECONDS .. "s"
  end
  if job.closes then
    list[#list + 1] = "-H"
    list[#list + 1] = "Connection: close"
  end
  if job.script then
    system.write_file(job.directory .. "/script.lua", job.script)
    list[#list + 1] = "-s"
    list[#list + 1] = job.directory .. "/script.lua"
  end
  list[#list + 1] = url(job.program, job.path)
  return list
end

---@class Job
---@field name string
---@field program Program
---@field path string
---@field directory string for files
---@field connections integer?
---@field closes boolean?
---@field script string?
---@field is_large boolean?

--- Runs wrk; its report, and how many requests it made. Any answer but 2xx is an error.
---@param job Job
---@param seconds number
---@return string report
---@return integer requests
function load.run(job, seconds)
  local code, text, err = process.run(wrk_arguments(job, seconds), { seconds = seconds + 60 })
  local requests = tonumber(text:match "(%d+) requests in")
  if code ~= 0 or not requests or requests == 0 or text:find "Non%-2xx"
    or text:find "Socket errors" then
    error(("%s failed under load:\n%s%s"):format(job.name, text, err), 0)
  end
  return text, requests
end

--- Asks for it once in that way: what it runs is compiled then, and its connections' memory there.
---@param job Job
function load.warm_up(job)
  local warm = job.program.warm or {}
  local key = ("%s %s %s"):format(job.path, job.connections, job.closes)
  if not warm[key] then load.run(job, 1) end
  warm[key], job.program.warm = true, warm
end

-- nil where it does not count them, or nobody may ask.
local function long_turns(program)
  return program.admin_port and metrics.long_turns(program.admin_port)
end

-- What each of the requests took the program that `ask` makes, and its memory behind them.
local function cost(program, ask)
  local pid = program.pid
  local before, user, kernel = system.cpu_seconds(pid), ticks(pid)
  local requests, seen = ask()
  local cpu = (system.cpu_seconds(pid) - before) * 1e6 / requests
  local user_after, kernel_after = ticks(pid)
  user, kernel = user_after - user, kernel_after - kernel
  return {
    cpu_us = cpu,
    user_us = cpu * user / math.max(1, user + kernel),
    system_us = cpu * kernel / math.max(1, user + kernel),
    memory = load.memory(pid),
  }, seen
end

--- What a request costs the program while wrk asks as fast as it can.
---@param job Job
---@param seconds number
---@return table measured  rps; cpu_us, user_us and system_us of each request; p50_ms, p99_ms;
--- memory: resident bytes; long_turns: of its loop, over 10 ms
function load.measure(job, seconds)
  local turns = long_turns(job.program)
  local measured, text = cost(job.program, function()
    local text, requests = load.run(job, seconds)
    return requests, text
  end)
  measured.rps = tonumber(text:match "Requests/sec:%s+([%d.]+)")
  measured.p50_ms, measured.p99_ms = latency_ms(text, "50"), latency_ms(text, "99")
  measured.long_turns = turns and long_turns(job.program) - turns
  return measured
end

--- Bytes that each request leaves in the Lua heap; nil: the program has none.
---@param job Job
---@return number? bytes
function load.garbage(job)
  local port = job.program.heap_port
  if not port then return nil end
  local bytes = heap.left_by_each(port, nil, function() return (select(2, load.run(job, 1))) end)
  heap.goes_on(port)
  return math.max(0, bytes)
end

local function percentile(list, share)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * share))]
end

--- A fixed rate of requests; their latencies in milliseconds, and how many failed.
---@param job Job
---@param rate number     requests in a second
---@param seconds number
---@param body fun(child: Process)?  meanwhile
---@return { p50: number, p99: number, failed: integer, requests: integer }
function load.paced(job, rate, seconds, body)
  local log, out = job.directory .. "/h2load.log", job.directory .. "/h2load.out"
  local connections = job.connections or CONNECTIONS
  os.remove(log)
  local child = process.spawn({ "h2load", "--h1", "-t1", "-c" .. connections,
    "--rps=" .. math.max(1, math.floor(rate / connections)), ("-D%d"):format(seconds),
    "--log-file=" .. log, "-H", KEY, url(job.program, job.path) }, { stdout = out, stderr = out })
  local ok, why = pcall(body or function() end, child)
  if not ok or not child:wait(seconds + LONGEST_SECONDS) then child:kill() end
  if not ok then error(why, 0) end
  local times, failed = {}, 0
  for line in (system.read_file(log) or ""):gmatch "[^\n]+" do
    local status, microseconds = line:match "^%d+%s+(%-?%d+)%s+(%d+)"
    if status == "200" then times[#times + 1] = tonumber(microseconds) / 1000
    else failed = failed + 1 end
  end
  if #times == 0 then error("the load failed:\n" .. system.read_file(out), 0) end
  return { p50 = percentile(times, 0.5), p99 = percentile(times, 0.99), failed = failed,
    requests = #times }
end

--- The rate at which all are compared under equal load: 60 % of what this one reaches.
---@param job Job
---@param seconds number
---@return number requests in a second
function load.equal_rate(job, seconds) return load.measure(job, seconds).rps * EQUAL_SHARE end

--- What a request costs the program at a fixed rate. One that fails is an error.
---@param job Job
---@param rate number     requests in a second
---@param seconds number
---@param body fun(child: Process)?  meanwhile
---@return table measured  as load.measure() gives it, without long_turns
function load.measure_paced(job, rate, seconds, body)
  local measured, seen = cost(job.program, function()
    local seen = load.paced(job, rate, seconds, body)
    return seen.requests, seen
  end)
  if seen.failed > 0 then error(job.name .. " failed under load", 0) end
  measured.rps, measured.p50_ms, measured.p99_ms = seen.requests / seconds, seen.p50, seen.p99
  return measured
end

local function connect(job, count)
  local options = job.program.tls and { tls = {} } or {}
  local clients = {}
  for i = 1, count do
    clients[i] = http.connect(job.program.port, options)
    assert(clients[i]:request({ path = job.path }).status == 200)
  end
  return clients
end

--- Bytes of memory that an idle connection takes, of `count` that have asked once.
---@param job Job
---@param count integer
---@return number bytes
function load.idle(job, count)
  for _, client in ipairs(connect(job, 200)) do client:close() end -- what all share is there then
  local before = load.memory(job.program.pid)
  local clients = connect(job, count)
  local bytes = (load.memory(job.program.pid) - before) / count
  for _, client in ipairs(clients) do client:close() end
  return bytes
end

return load
