--- orphans: workers whose master was killed, and the gateway that is started after it.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local is_root = os.execute "test $(id -u) = 0" == 0

local HANG = [[
return { summary = "Never comes back.", options = {}, request = function() while true do end end }
]]

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:%d"
  listen { "127.0.0.1:%d", proxy_protocol = "v1" }
  admin "127.0.0.1:%d"
  limits { turn_timeout = "1s", drain_timeout = "20s" }
  upstream "origin" { "%s" }
  route "/hang" { upstream = "origin", plugins = { "hang" } }
  route "/{rest*}" { upstream = "origin" }
  %s
]]

local function is_alive(pid)
  local status = system.read_file(("/proc/%d/status"):format(pid))
  return status ~= nil and not status:find "State:%s*Z"
end

local function cpu_seconds(pid)
  local nanoseconds = (system.read_file(("/proc/%d/schedstat"):format(pid)) or ""):match "^%d+"
  return tonumber(nanoseconds or 0) / 1e9
end

local function await_end(pids, seconds)
  for _, pid in ipairs(pids) do
    wait.that(function() return not is_alive(pid) end, seconds, "an orphan to end")
  end
end

describe("a gateway whose master is killed", function()
  local origin, directories, children

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)

  before_each(function()
    origin:forget()
    directories, children = {}, {}
  end)

  after_each(function()
    for _, child in ipairs(children) do child:kill() end
    gateway.stop_all()
    for directory in pairs(directories) do process.remove(directory) end
  end)

  local function config(numbers, more)
    return CONFIG:format(numbers[1], numbers[2], numbers[3], origin.url, more or "")
  end

  local function start(more)
    return gateway.start { config = config({ ports.free(), ports.free(), ports.free() }, more),
      files = { ["plugins/hang.lua"] = HANG } }
  end

  -- Kills its master; its workers, which may go on for a while. The configuration names the same
  -- addresses from then on.
  local function crash(self)
    local pids = self:worker_pids()
    local text = config({ self.ports[1], self.ports[2], self.admin_port })
    directories[self:crash()] = true
    system.write_file(self.directory .. "/gateway.lua", gateway.complete(text))
    return pids
  end

  local function start_again(self)
    directories[self.directory] = nil
    return gateway.start { directory = self.directory }
  end

  -- A connection whose request is being answered by the origin, in `seconds`.
  local function in_flight(self, seconds)
    local client = http.connect(self.port)
    client:send(http.format { path = "/delay/" .. seconds })
    origin:wait_for_requests(1)
    return client
  end

  -- Clients on connections of their own and on one that they keep, until the spec ends.
  local function begin_load(port)
    children[#children + 1] = process.fork(function()
      while true do
        local ok, client = pcall(http.connect, port, { seconds = 1 })
        if ok then
          for _ = 1, 20 do
            if not pcall(client.request, client, { path = "/bytes/10" }) then break end
            pcall(http.request, port, { path = "/bytes/10", seconds = 1 })
          end
          client:close()
        end
      end
    end)
  end

  for _, user in ipairs { "", 'user "nobody"' } do
    it("leaves no worker behind" .. (user ~= "" and ", of another user either" or ""), function()
      if user ~= "" and not is_root then return end
      await_end(crash(start(user)), 30)
    end)
  end

  it("finishes what it has begun, and accepts nothing more", function()
    local self = start()
    local client = in_flight(self, 3)
    local silent = http.connect(self.ports[2]) -- its PROXY header never comes
    local pids = crash(self)
    wait.that(function()
      for _, port in ipairs { self.ports[1], self.ports[2], self.admin_port } do
        local ok, other = pcall(http.connect, port)
        if ok then other:close() return false end
      end
      return true
    end, 20, "connections to be refused")
    assert.equal("late", client:read_response().body)
    client:close()
    silent:close()
    await_end(pids, 30)
  end)

  it("can be started again at once, under load", function()
    local self = start()
    begin_load(self.port)
    for _ = 1, 4 do
      wait.that(function() return http.request(self.port, { path = "/bytes/1" }).status == 200 end)
      local client = in_flight(self, 20)
      crash(self)
      self = start_again(self)
      assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
      origin:forget()
      client:close()
    end
  end)

  it("can be started again while a worker hangs", function()
    local self = start()
    local pids, before = self:worker_pids(), {}
    for _, pid in ipairs(pids) do before[pid] = cpu_seconds(pid) end
    local client = http.connect(self.port)
    client:send(http.format { path = "/hang" })
    wait.that(function()
      for _, pid in ipairs(pids) do
        if not is_alive(pid) or cpu_seconds(pid) - before[pid] > 0.1 then return true end
      end
    end, 20, "a worker to be busy")
    crash(self)
    local successor = start_again(self)
    assert.equal(200, http.request(successor.port, { path = "/bytes/1" }).status)
    await_end(pids, 30)
    client:close()
  end)

  it("leaves a port to whoever has it by then", function()
    local self = start()
    await_end(crash(self), 30)
    local other = socket.listen("127.0.0.1", self.port)
    local code, _, err = self:ask({ "run" }, { seconds = 20 })
    assert.equal(1, code)
    assert.is_truthy(err:find(("127.0.0.1:%d is in use"):format(self.port), 1, true), err)
    other:close()
  end)
end)
