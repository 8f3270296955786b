--- programs: what a benchmark compares, started when it is first asked for: an origin, and before
--- it a relay, nginx in several ways, HAProxy and this gateway.
--
-- All answer the same paths: /small (1 KB), /100k and /10m, and POST to /upload. One process each
-- whose CPU counts.

local certificates = require "spec.support.certificates"
local configurations = require "spec.bench.configurations"
local heap = require "spec.support.heap"
local http = require "spec.support.http"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

---@class Program
---@field pid integer of the process whose CPU and memory count
---@field port integer
---@field tls boolean
---@field admin_port integer?  of the gateway's admin listener
---@field warm table<string, true>?  what has been asked for, and how
---@field garbage table<string, number>?  bytes that a request leaves in the Lua heap, likewise
---@field heap_port integer?   where the gateway tells of its Lua heap (spec.support.heap)

local RELAYS = "build/release/spec/"
local GATEWAY = os.getenv "MOONGATE_BINARY" or "build/release/moongate"
local NGINX = "/usr/sbin/nginx"

---@class Programs
---@field directory string
---@field origin_pid integer?  once it has been asked for
local Programs = {}
Programs.__index = Programs

local function is_open(port)
  local ok, connection = pcall(socket.connect, "127.0.0.1", port)
  if not ok or not connection then return false end
  connection:close()
  return true
end

-- Starts a program and waits for its port; what it wrote is the error's text when it ends.
local function start(self, name, port, arguments)
  local log = ("%s/%s.log"):format(self.directory, name)
  local child = process.spawn(arguments, { stdout = log, stderr = log })
  table.insert(self.processes, 1, child)
  wait.that(function()
    if not child:is_running() then
      error(("%s ended at its start:\n%s"):format(name, system.read_file(log) or ""), 0)
    end
    return is_open(port)
  end, 60, name .. " to listen")
  return child
end

local function start_nginx(self, name, port, servers, modules)
  local base = self.directory .. "/" .. name
  local text = configurations.nginx_config:format(modules or "", base, base, base, base, base, base,
    base, servers)
  system.write_file(base .. ".conf", text)
  return start(self, name, port, { NGINX, "-c", base .. ".conf", "-e", base .. ".error" })
end

-- nginx as a proxy. `options`: `http`, `location`, `modules`: more text; `tls`.
local function proxy(self, name, options)
  local port = ports.free()
  local certificate = options.tls and self:certificate()
  local tls = certificate
    and configurations.nginx_tls:format(certificate.certificate, certificate.key) or ""
  local servers = configurations.proxy:format(self:origin(), options.http or "", port,
    options.tls and "ssl" or "", tls, options.location or "")
  local child = start_nginx(self, name, port, servers, options.modules)
  return { pid = child.pid, port = port, tls = options.tls }
end

-- The worker, and not the process that workers are forked from.
local function worker_of(pid)
  return wait.that(function()
    local text = system.read_file(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
    for child in text:gmatch "%d+" do
      local name = system.read_file(("/proc/%s/comm"):format(child)) or ""
      if name ~= "" and not name:find "nursery" then return tonumber(child) end
    end
    return nil
  end, 10, "a worker process")
end

-- `before`: words of the command line before the program, of what it runs under.
local function gateway(self, name, routes, with_tls, before)
  local port, tls_port = ports.free(), ports.free()
  local directory = ("%s/%s"):format(self.directory, name)
  os.execute(("mkdir -p '%s/plugins'"):format(directory))
  system.write_file(directory .. "/plugins/hmac.lua", configurations.hmac_plugin)
  system.write_file(directory .. "/plugins/heap.lua", heap.FILES["plugins/heap.lua"])
  local text = configurations.gateway_head:format(port, self:origin()) .. heap.ROUTE .. routes
  if with_tls then
    local certificate = self:certificate()
    text = text .. ('listen { "127.0.0.1:%d", tls = { cert = "%s", key = file "%s" } }\n'):format(
      tls_port, certificate.certificate, certificate.key)
  end
  system.write_file(directory .. "/gateway.lua", text)
  local words = { unpack(before or {}) }
  for _, word in ipairs { GATEWAY, "run", "-c", directory .. "/gateway.lua" } do
    words[#words + 1] = word
  end
  local child = start(self, name, port, words)
  wait.that(function() return pcall(http.request, port, { path = "/", seconds = 60 }) end, 60, name)
  local pid = worker_of(child.pid)
  return { pid = pid, port = port, heap_port = port },
    { pid = pid, port = tls_port, tls = true, heap_port = port }
end

local makers = {}

-- `program`: spec/bench/PROGRAM.c
local function relay(self, program)
  local port = ports.free()
  local words = { RELAYS .. program, tostring(port), tostring(self:origin()) }
  local child = start(self, program, port, words)
  return { pid = child.pid, port = port }
end

function makers.relay(self) return relay(self, "relay") end
makers["relay-closes"] = function(self) return relay(self, "relay_closes") end

function makers.nginx(self) return proxy(self, "nginx", {}) end
makers["nginx-unbuffered"] = function(self)
  return proxy(self, "nginx-unbuffered", { location = configurations.unbuffered })
end
makers["nginx-tls"] = function(self) return proxy(self, "nginx-tls", { tls = true }) end
makers["nginx-lua"] = function(self)
  return proxy(self, "nginx-lua", {
    modules = configurations.lua_modules,
    http = configurations.lua_path .. configurations.lua_http,
    location = configurations.lua_location,
  })
end

-- nginx with a cache; `location` says how.
local function cached(self, name, location)
  return proxy(self, name, {
    http = configurations.cache_http:format(self.directory .. "/" .. name .. ".cache"),
    location = location,
  })
end
makers["nginx-cached"] = function(self)
  return cached(self, "nginx-cached", configurations.cache_location)
end
makers["nginx-cached-tuned"] = function(self)
  return cached(self, "nginx-cached-tuned", configurations.cache_tuned)
end
makers["gateway-cached"] = function(self)
  return (gateway(self, "gateway-cached", configurations.cached_route))
end

function makers.haproxy(self)
  local port = ports.free()
  local child = self:start_haproxy("haproxy", port,
    configurations.haproxy:format(port, self:origin()))
  return { pid = child.pid, port = port }
end

function makers.gateway(self)
  local plain, tls = gateway(self, "gateway", configurations.gateway_routes, true)
  self.programs["gateway-tls"] = tls
  return plain
end
makers["gateway-tls"] = function(self)
  self:get "gateway"
  return self.programs["gateway-tls"]
end
-- Of its own: what others have left in memory is not in it.
makers["gateway-idle"] = function(self)
  return (gateway(self, "gateway-idle", configurations.one_route))
end
makers["gateway-idle-tls"] = function(self)
  local _, tls = gateway(self, "gateway-idle-tls", configurations.one_route, true)
  return tls
end

local function add_routes_maker(name, routes)
  makers[name] = function(self)
    local admin_port = ports.free()
    local program = gateway(self, name, ('admin "127.0.0.1:%d"\n'):format(admin_port) .. routes)
    program.admin_port = admin_port
    return program
  end
end
for _, count in ipairs { 1, 1000, 100000 } do
  add_routes_maker(("routes-%d"):format(count), configurations.many_routes:format(count - 1))
end
add_routes_maker("routes-two-plugins", configurations.many_chains:format(99999))
for _, count in ipairs { 1, 100000 } do
  local name = ("keys-%d"):format(count)
  local keys = configurations.many_keys:format(count - 1)
  makers[name] = function(self) return (gateway(self, name, keys)) end
end

--- The port of the origin.
---@return integer
function Programs:origin()
  if not self.origin_port then
    self.origin_port = ports.free()
    for name, bytes in pairs { ["100k"] = 102400, ["10m"] = 10485760 } do
      system.write_file(self.directory .. "/" .. name, ("x"):rep(bytes))
    end
    local server = configurations.origin:format(self.origin_port, self.directory, self.directory,
      configurations.small, configurations.small)
    self.origin_pid = start_nginx(self, "origin", self.origin_port,
      configurations.lua_path .. server, configurations.lua_modules).pid
  end
  return self.origin_port
end

--- A certificate of the benchmark's own authority, one for each name.
---@param name string?  default "localhost": that of all TLS listeners
---@return { certificate: string, key: string, bundle: string, authority: string }  paths; bundle:
--- both in one file
function Programs:certificate(name)
  name = name or "localhost"
  self.authority = self.authority or certificates.authority(self.directory, "authority")
  if not self.issued[name] then
    local issued = self.authority:issue { name = name, alternatives = "DNS:" .. name }
    issued.bundle, issued.authority = issued.key .. ".bundle", self.authority.certificate
    system.write_file(issued.bundle,
      system.read_file(issued.certificate) .. system.read_file(issued.key))
    self.issued[name] = issued
  end
  return self.issued[name]
end

--- HAProxy with a configuration that listens on the port.
---@param name string
---@param port integer
---@param text string
---@return Process
function Programs:start_haproxy(name, port, text)
  local path = ("%s/%s.conf"):format(self.directory, name)
  system.write_file(path, text)
  return start(self, name, port, { "/usr/sbin/haproxy", "-db", "-f", path })
end

--- A gateway of its own.
---@param name string
---@param routes string    of its configuration
---@param before string[]?  words of the command line before it: what it runs under
---@return Program
function Programs:gateway(name, routes, before)
  return (gateway(self, name, routes, false, before))
end

--- A program, started if it is not.
---@param name string
---@return Program
function Programs:get(name)
  self.programs[name] = self.programs[name] or makers[name](self)
  return self.programs[name]
end

--- What asks a subject of a scenario, whose program is started if it is not.
---@param scenario Scenario
---@param subject Subject
---@return Job
function Programs:job(scenario, subject)
  return {
    name = subject.name, program = self:get(subject.program), path = subject.path,
    directory = self.directory, connections = scenario.connections, closes = scenario.closes,
    script = subject.script or scenario.script, is_large = scenario.is_large,
  }
end

--- Ends all.
function Programs:stop()
  for _, child in ipairs(self.processes) do child:signal(system.SIGTERM) end
  for _, child in ipairs(self.processes) do
    if not child:wait(5) then child:kill() end
  end
  process.remove(self.directory)
end

local programs = {}

---@return Programs
function programs.new()
  return setmetatable({ directory = system.temporary_directory(), processes = {}, programs = {},
    issued = {} }, Programs)
end

return programs
