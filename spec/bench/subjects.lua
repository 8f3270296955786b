--- subjects: what a benchmark compares: an origin, and before it a relay, nginx and this gateway.

local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

---@class Subject
---@field name string
---@field pid integer of the process whose CPU counts
---@field port integer
---@field path string

local subjects = {}

local BODY = ("x"):rep(1024)
local RELAY = "build/release/spec/relay"
local GATEWAY = "build/release/moongate"

-- One process without a master: it ends with us, however we end.
local NGINX = [[
master_process off;
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

local ORIGIN_SERVER = [[
    server { listen 127.0.0.1:%d; location / { return 200 "%s"; } }]]

local PROXY_SERVER = [[
    upstream origin { server 127.0.0.1:%d; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:%d;
      location / { proxy_pass http://origin; proxy_http_version 1.1;
                   proxy_set_header Connection ""; } }]]

local GATEWAY_HEAD = [[
workers(1)
listen "127.0.0.1:%d"
log { level = "warning" }
upstream "origin" { "http://127.0.0.1:%d", idle_connections = 256 }
]]

local ROUTES = {
  plain = [[
route "GET /plain" { upstream = "origin" }
]],
  four = [[
consumer "bench" { keys = { "secret" } }
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
]],
}

local function free_port()
  local listener = socket.listen("127.0.0.1")
  local port = listener:port()
  listener:close()
  return port
end

local function is_open(port)
  local ok, connection = pcall(socket.connect, "127.0.0.1", port)
  if not ok or not connection then return false end
  connection:close()
  return true
end

-- Starts a program and waits for its port; what it wrote is the error's text when it ends.
local function start(set, name, port, arguments)
  local log = ("%s/%s.log"):format(set.directory, name)
  local child = process.spawn(arguments, { stdout = log, stderr = log })
  table.insert(set.processes, 1, child)
  wait.that(function()
    if not child:is_running() then
      error(("%s ended at its start:\n%s"):format(name, system.read_file(log) or ""), 0)
    end
    return is_open(port)
  end, 20, name .. " to listen")
  return child
end

local function start_nginx(set, name, port, server)
  local d = set.directory
  local path = ("%s/%s.conf"):format(d, name)
  system.write_file(path, NGINX:format(d, name, d, name, d, d, d, d, d, server))
  return start(set, name, port,
    { "/usr/sbin/nginx", "-c", path, "-e", ("%s/%s.error"):format(d, name) })
end

local function child_of(pid)
  local text
  wait.that(function()
    text = system.read_file(("/proc/%d/task/%d/children"):format(pid, pid))
    return text and text:find "%d"
  end, 10, "a worker process")
  return tonumber(text:match "%d+")
end

local function add(set, name, port, path, pid)
  set.list[#set.list + 1] = { name = name, port = port, path = path, pid = pid }
end

local function start_relay(set, origin)
  local port = free_port()
  local child = start(set, "relay", port, { RELAY, tostring(port), tostring(origin) })
  add(set, "relay", port, "/", child.pid)
end

local function start_proxy(set, origin)
  local port = free_port()
  local child = start_nginx(set, "nginx", port, PROXY_SERVER:format(origin, port))
  add(set, "nginx", port, "/", child.pid)
end

local function start_gateway(set, origin, names)
  local port = free_port()
  local config = GATEWAY_HEAD:format(port, origin)
  for _, name in ipairs(names) do config = config .. ROUTES[name] end
  local path = set.directory .. "/gateway.lua"
  system.write_file(path, config)
  local child = start(set, "gateway", port, { GATEWAY, "run", "-c", path })
  local worker = child_of(child.pid)
  for _, name in ipairs(names) do add(set, name, port, "/" .. name, worker) end
end

local function start_all(set, names)
  local origin = free_port()
  start_nginx(set, "origin", origin, ORIGIN_SERVER:format(origin, BODY))
  if names.relay then start_relay(set, origin) end
  start_proxy(set, origin)
  local routes = {}
  for _, name in ipairs { "plain", "four" } do
    if names[name] then routes[#routes + 1] = name end
  end
  if #routes > 0 then start_gateway(set, origin, routes) end
end

--- Whether there is a subject of that name.
---@param name string
---@return boolean
function subjects.has(name)
  return name == "relay" or name == "nginx" or ROUTES[name] ~= nil
end

local function stop(set)
  for _, child in ipairs(set.processes) do
    child:signal(system.SIGTERM)
    if not child:wait(3) then child:kill() end
  end
  process.remove(set.directory)
end

local function located(message)
  return type(message) == "string" and message:find("\n", 1, true) and message
    or debug.traceback(message, 2)
end

--- Starts the subjects of these names (nginx, the measure of the others, always), calls `body`, and
--- stops them however it ends.
---@param names table<string, boolean>
---@param body fun(set: { list: Subject[], directory: string }, ...): any
---@return any result of `body`
function subjects.with(names, body, ...)
  local set = { directory = system.temporary_directory(), processes = {}, list = {} }
  local arguments = { ... }
  local ok, result = xpcall(function()
    start_all(set, names)
    return body(set, unpack(arguments))
  end, located)
  stop(set)
  if not ok then error(result, 0) end
  return result
end

return subjects
