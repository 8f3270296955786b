--- bench: loads the subjects in alternating rounds, and prints what each request cost.

local json = require "cjson"
local process = require "spec.support.process"
local subjects = require "spec.bench.subjects"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local bench = {}

local CONNECTIONS = 64
local SIGINT = 2
local LOAD = "wrk -t1 -c%d -d%ds --latency -H 'x-api-key: secret' http://127.0.0.1:%d%s 2>&1"

local USAGE = [[
usage: ./dev bench [--rounds N] [--seconds N] [--json] [--syscalls] [NAME...]
       ./dev bench reload [--quick] [full | half | live | many | kills | upgrade]...
  names: relay nginx plain four (default: all)
  --syscalls  also counts system calls for each request, under strace
]]

-- Nanoseconds on a CPU, exact where the ticks of /proc/PID/stat are not.
local function cpu_ns(pid)
  return tonumber(system.read_file(("/proc/%d/schedstat"):format(pid)):match "^%d+")
end

local UNITS = { us = 1e-3, ms = 1, s = 1e3 }

local function latency_ms(text, percentile)
  local number, unit = text:match("\n%s+" .. percentile .. "%%%s+([%d.]+)(%a+)")
  return number and tonumber(number) * UNITS[unit] or 0
end

-- Runs the load; its report, and how many requests it made. Any answer but 2xx is an error.
local function load(subject, seconds)
  local pipe = io.popen(LOAD:format(CONNECTIONS, seconds, subject.port, subject.path))
  local text = pipe:read "*a"
  pipe:close()
  local requests = tonumber(text:match "(%d+) requests in")
  if not requests or requests == 0 or text:find "Non%-2xx" or text:find "Socket errors" then
    error(subject.name .. " failed under load:\n" .. text, 0)
  end
  return text, requests
end

local function measure(subject, seconds)
  local before = cpu_ns(subject.pid)
  local text, requests = load(subject, seconds)
  return {
    cpu_us = (cpu_ns(subject.pid) - before) / 1000 / requests,
    rps = tonumber(text:match "Requests/sec:%s+([%d.]+)"),
    p50_ms = latency_ms(text, "50"),
    p99_ms = latency_ms(text, "99"),
  }
end

local function median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local middle = #sorted / 2
  if #sorted % 2 == 1 then return sorted[math.ceil(middle)] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

local function column(rounds, name, key)
  local list = {}
  for i, round in ipairs(rounds) do list[i] = round[name][key] end
  return list
end

-- Within a round: what else the machine did meanwhile hit both.
local function ratios(rounds, name)
  local list = {}
  for i, round in ipairs(rounds) do list[i] = round[name].cpu_us / round.nginx.cpu_us end
  return list
end

local function summary(list, rounds)
  local rows = {}
  for i, subject in ipairs(list) do
    local name = subject.name
    local all = ratios(rounds, name)
    rows[i] = {
      name = name,
      ratio = median(all), ratio_min = math.min(unpack(all)), ratio_max = math.max(unpack(all)),
    }
    for _, key in ipairs { "rps", "cpu_us", "p50_ms", "p99_ms" } do
      rows[i][key] = median(column(rounds, name, key))
    end
  end
  return rows
end

local function print_rows(rows)
  local has_calls = rows[1].syscalls ~= nil
  print(("%-8s %10s %11s %8s %8s %22s%s"):format("", "requests/s", "CPU us/req", "p50 ms", "p99 ms",
    "CPU over nginx's", has_calls and "   syscalls/req" or ""))
  for _, row in ipairs(rows) do
    local calls = has_calls and ("%15.2f"):format(row.syscalls) or ""
    print(("%-8s %10.0f %11.2f %8.2f %8.2f %7.2f (%.2f to %.2f)%s"):format(row.name, row.rps,
      row.cpu_us, row.p50_ms, row.p99_ms, row.ratio, row.ratio_min, row.ratio_max, calls))
  end
end

--- System calls of a process for each request while it serves: exact, whatever else runs.
---@param subject Subject
---@param directory string for strace's report
---@return number calls for each request
---@return string report of `strace -c`
function bench.count_calls(subject, directory)
  local path = ("%s/syscalls.%s"):format(directory, subject.name)
  local tracer = process.spawn { "strace", "-c", "-f", "-o", path, "-p", tostring(subject.pid) }
  wait.that(function()
    local status = system.read_file(("/proc/%d/status"):format(subject.pid))
    return status:match "TracerPid:%s+(%d+)" ~= "0"
  end, 10, "strace to attach")
  local _, requests = load(subject, 2)
  tracer:signal(SIGINT)
  tracer:wait(10)
  local report = system.read_file(path) or ""
  local total = report:match "100%.00%s+%S+%s+%d*%s+(%d+)[%s%d]-total"
  if not total then error("strace reports nothing:\n" .. report, 0) end
  return tonumber(total) / requests, report
end

local function is_count(text)
  local number = tonumber(text)
  return number and number >= 1 and number == math.floor(number)
end

local function parse_option(options, key, value)
  if key == "json" or key == "syscalls" then
    options[key] = true
    return 1
  end
  if (key ~= "rounds" and key ~= "seconds") or not is_count(value) then return nil end
  options[key] = tonumber(value)
  return 2
end

local function parse(arguments)
  local options = { rounds = 5, seconds = 3, names = {} }
  local i = 1
  while arguments[i] do
    local key = arguments[i]:match "^%-%-(%l+)$"
    local words = 1
    if key then
      words = parse_option(options, key, arguments[i + 1])
    elseif subjects.has(arguments[i]) then
      options.names[arguments[i]] = true
    else
      words = nil
    end
    if not words then return nil end
    i = i + words
  end
  if not next(options.names) then
    options.names = { relay = true, nginx = true, plain = true, four = true }
  end
  return options
end

local function compare(set, options)
  local rounds = {}
  for _, subject in ipairs(set.list) do load(subject, 1) end
  for i = 1, options.rounds do
    rounds[i] = {}
    for _, subject in ipairs(set.list) do
      rounds[i][subject.name] = measure(subject, options.seconds)
    end
  end
  local rows = summary(set.list, rounds)
  if options.syscalls then
    for i, subject in ipairs(set.list) do
      rows[i].syscalls = bench.count_calls(subject, set.directory)
    end
  end
  return rows
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function bench.main(arguments)
  local options = parse(arguments)
  if not options then
    io.stderr:write(USAGE)
    return 2
  end
  local ok, rows = pcall(subjects.with, options.names, compare, options)
  if not ok then
    io.stderr:write("bench: ", rows, "\n")
    return 1
  end
  if options.json then
    print(json.encode { rounds = options.rounds, seconds = options.seconds, rows = rows })
  else
    print_rows(rows)
  end
  return 0
end

return bench
