--- bench: starts what is compared, loads it in alternating rounds, prints what a request cost.

local json = require "cjson"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local bench = {}

local BODY = ("x"):rep(1024)
local CONNECTIONS = 64

local USAGE = [[
usage: ./dev bench [--rounds N] [--seconds N] [--json] [--syscalls] [NAME...]
  names: relay nginx plain four (default: all)
]]

local function free_port()
  local listener = socket.listen("127.0.0.1")
  local port = listener:port()
  listener:close()
  return port
end

local function wait_for_port(port, what)
  wait.that(function()
    local ok, connection = pcall(socket.connect, "127.0.0.1", port)
    if ok and connection then connection:close() end
    return ok and connection ~= nil
  end, 10, what)
end

local function spawn(directory, name, arguments)
  return process.spawn(arguments, {
    stdout = ("%s/%s.out"):format(directory, name), stderr = ("%s/%s.log"):format(directory, name),
  })
end

local NGINX = [[
worker_processes 1;
daemon off;
pid %s/%s.pid;
error_log %s/%s.error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f;
  uwsgi_temp_path %s/u; scgi_temp_path %s/s;
  %s
}
]]

local function start_nginx(directory, name, server)
  local d = directory
  local path = ("%s/%s.conf"):format(d, name)
  system.write_file(path, NGINX:format(d, name, d, name, d, d, d, d, d, server))
  return spawn(d, name, { "/usr/sbin/nginx", "-c", path, "-e", ("%s/%s.error"):format(d, name) })
end

local function child_of(pid)
  local text
  wait.that(function()
    text = system.read_file(("/proc/%d/task/%d/children"):format(pid, pid))
    return text and text:find "%d"
  end, 10, "a worker process")
  return tonumber(text:match "%d+")
end

local GATEWAY = [[
workers(1)
listen "127.0.0.1:%d"
log { level = "warning" }
upstream "origin" { "http://127.0.0.1:%d", idle_connections = 256 }
consumer "bench" { keys = { "secret" } }
route "GET /plain" { upstream = "origin" }
route "GET /four" {
  upstream = "origin",
  plugins = {
    { "key-auth" },
    { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
    { "transform", set_headers = { ["x-team"] = "core" },
                   response = { remove_headers = { "x-powered-by" } } },
    { "metrics" },
  },
}
]]

-- What is compared: how each is started; where requests go; whose CPU counts.
local function start_all(directory)
  local origin, relay, nginx, gateway = free_port(), free_port(), free_port(), free_port()
  start_nginx(directory, "origin", ([[
    server { listen 127.0.0.1:%d; location / { return 200 "%s"; } }]]):format(origin, BODY))
  wait_for_port(origin, "the origin")
  local relay_process = spawn(directory, "relay",
    { "build/release/spec/relay", tostring(relay), tostring(origin) })
  local nginx_process = start_nginx(directory, "nginx", ([[
    upstream origin { server 127.0.0.1:%d; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:%d;
      location / { proxy_pass http://origin; proxy_http_version 1.1;
                   proxy_set_header Connection ""; } }]]):format(origin, nginx))
  system.write_file(directory .. "/gateway.lua", GATEWAY:format(gateway, origin))
  local gateway_process = spawn(directory, "gateway",
    { "build/release/moongate", "run", "-c", directory .. "/gateway.lua" })
  wait_for_port(relay, "the relay")
  wait_for_port(nginx, "nginx")
  wait_for_port(gateway, "the gateway")
  local worker = child_of(gateway_process.pid)
  return {
    { name = "relay", port = relay, path = "/", pid = relay_process.pid },
    { name = "nginx", port = nginx, path = "/", pid = child_of(nginx_process.pid) },
    { name = "plain", port = gateway, path = "/plain", pid = worker },
    { name = "four", port = gateway, path = "/four", pid = worker },
  }
end

-- Nanoseconds on a CPU, exact where the ticks of /proc/PID/stat are not.
local function cpu_ns(pid)
  return tonumber(system.read_file(("/proc/%d/schedstat"):format(pid)):match "^%d+")
end

local UNITS = { us = 1e-6, ms = 1e-3, s = 1 }

local function latency(text, percentile)
  local number, unit = text:match(percentile .. "%%%s+([%d.]+)(%a+)")
  return number and tonumber(number) * (UNITS[unit] or 1) or 0
end

local function load(subject, seconds)
  local before = cpu_ns(subject.pid)
  local pipe = io.popen(("wrk -t1 -c%d -d%ds --latency -H 'x-api-key: secret' "
    .. "http://127.0.0.1:%d%s 2>&1"):format(CONNECTIONS, seconds, subject.port, subject.path))
  local text = pipe:read "*a"
  pipe:close()
  local requests = tonumber(text:match "(%d+) requests in")
  if not requests or text:find "Non%-2xx" then error(subject.name .. " failed:\n" .. text) end
  return {
    cpu_us = (cpu_ns(subject.pid) - before) / 1000 / requests,
    rps = tonumber(text:match "Requests/sec:%s+([%d.]+)"),
    p50_ms = latency(text, "50") * 1000,
    p99_ms = latency(text, "99") * 1000,
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

local function ratios(rounds, name)
  local list = {}
  for i, round in ipairs(rounds) do list[i] = round[name].cpu_us / round.nginx.cpu_us end
  return list
end

local function summary(subjects, rounds)
  local rows = {}
  for i, subject in ipairs(subjects) do
    local name = subject.name
    local list = ratios(rounds, name)
    rows[i] = {
      name = name,
      rps = median(column(rounds, name, "rps")),
      cpu_us = median(column(rounds, name, "cpu_us")),
      p50_ms = median(column(rounds, name, "p50_ms")),
      p99_ms = median(column(rounds, name, "p99_ms")),
      ratio = median(list),
      ratio_min = math.min(unpack(list)),
      ratio_max = math.max(unpack(list)),
    }
  end
  return rows
end

local function print_rows(rows)
  print(("%-8s %10s %12s %9s %9s %22s"):format("", "requests/s", "CPU us/req", "p50 ms", "p99 ms",
    "CPU over nginx's"))
  for _, row in ipairs(rows) do
    print(("%-8s %10.0f %12.2f %9.2f %9.2f %7.2f (%.2f to %.2f)"):format(row.name, row.rps,
      row.cpu_us, row.p50_ms, row.p99_ms, row.ratio, row.ratio_min, row.ratio_max))
  end
end

-- System calls of one process while it serves: exact, whatever else the machine does.
local function print_syscalls(subjects, directory)
  for _, subject in ipairs(subjects) do
    local path = directory .. "/syscalls." .. subject.name
    local command = { "strace", "-c", "-f", "-p", tostring(subject.pid), "-o", path }
    local tracer = process.spawn(command, {
      stdout = directory .. "/strace.out", stderr = directory .. "/strace.log",
    })
    wait.that(function()
      local status = system.read_file(("/proc/%d/status"):format(subject.pid))
      return status:match "TracerPid:%s+(%d+)" ~= "0"
    end, 5, "strace")
    local pipe = io.popen(("wrk -t1 -c%d -d3s -H 'x-api-key: secret' http://127.0.0.1:%d%s")
      :format(CONNECTIONS, subject.port, subject.path))
    local requests = tonumber(pipe:read("*a"):match "(%d+) requests in")
    pipe:close()
    system.kill(tracer.pid, 2)
    tracer:wait(10)
    local text = system.read_file(path)
    local total = tonumber(text:match "\n100.00%s+%S+%s+%S+%s+(%d+)"
      or text:match "(%d+)%s+%d*%s+total")
    print(("%-8s %.2f system calls a request"):format(subject.name, total / requests))
  end
end

local function parse(arguments)
  local options = { rounds = 5, seconds = 3, names = {} }
  local i = 1
  while arguments[i] do
    local word = arguments[i]
    local key = word:match "^%-%-(%l+)$"
    if key == "json" or key == "syscalls" then
      options[key] = true
    elseif key == "rounds" or key == "seconds" then
      i = i + 1
      options[key] = tonumber(arguments[i])
      if not options[key] then return nil end
    elseif key then
      return nil
    else
      options.names[word] = true
    end
    i = i + 1
  end
  return options
end

local function chosen(subjects, names)
  if not next(names) then return subjects end
  local list = {}
  for _, subject in ipairs(subjects) do
    if names[subject.name] or subject.name == "nginx" then list[#list + 1] = subject end
  end
  return list
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
  local directory = system.temporary_directory()
  local subjects = chosen(start_all(directory), options.names)
  for _, subject in ipairs(subjects) do load(subject, 1) end
  local rounds = {}
  for round = 1, options.rounds do
    rounds[round] = {}
    for _, subject in ipairs(subjects) do
      rounds[round][subject.name] = load(subject, options.seconds)
    end
  end
  local rows = summary(subjects, rounds)
  if options.json then
    print(json.encode { rounds = options.rounds, seconds = options.seconds, rows = rows })
  else
    print_rows(rows)
  end
  if options.syscalls then print_syscalls(subjects, directory) end
  return 0
end

return bench
