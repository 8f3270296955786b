--- reload_listeners: addresses to listen on come, go and change while connections stay.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local ports = require "spec.support.ports"
local reloading = require "spec.support.reloading"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("a reload", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  after_each(gateway.stop_all)

  local function config(listeners, more)
    return ([[
      %s
      workers(2)
      upstream "up" { "%s" }
      route "/{rest*}" { upstream = "up" }
      %s
    ]]):format(listeners, origin.url, more or "")
  end

  local function listen(port) return ('listen "127.0.0.1:%d"'):format(port) end

  local function answers(port)
    local ok, response = pcall(http.request, port, { path = "/bytes/1" })
    return ok and response.status == 200
  end

  it("adds a listener", function()
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local port = ports.free()
    self:reload { ["gateway.lua"] = config('listen "127.0.0.1:0"', listen(port)) }
    for _ = 1, 10 do
      assert.is_true(answers(port))
      assert.is_true(answers(self.port))
    end
  end)

  it("removes a listener, and its connections stay", function()
    local port = ports.free()
    local self = reloading.start { config = config('listen "127.0.0.1:0"', listen(port)) }
    local clients = {}
    for i = 1, 10 do
      clients[i] = http.connect(port)
      assert.equal(200, clients[i]:request({ path = "/bytes/1" }).status)
    end
    self:reload { ["gateway.lua"] = config 'listen "127.0.0.1:0"' }
    wait.that(function() return not pcall(http.connect, port) end, 20, "the port to be closed")
    for _, client in ipairs(clients) do
      assert.equal(200, client:request({ path = "/bytes/1" }).status)
    end
    assert.is_true(answers(self.port))
  end)

  it("moves a listener, and those who connect meanwhile are served", function()
    local old, new = ports.free(), ports.free()
    local self = reloading.start { config = config(listen(old)) }
    for _ = 1, 3 do
      local waiting = {}
      for i = 1, 20 do
        waiting[i] = http.connect(old)
        waiting[i]:send(http.format { path = "/bytes/1" })
      end
      self:reload { ["gateway.lua"] = config(listen(new)) }
      for _, client in ipairs(waiting) do
        assert.equal(200, client:read_response().status)
        client:close()
      end
      assert.is_true(answers(new))
      wait.that(function() return not answers(old) end)
      old, new = new, old
    end
  end)

  it("gives a unix socket back and takes it again", function()
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local path = self.directory .. "/socket"
    local with = config('listen "127.0.0.1:0"', ('listen "unix:%s"'):format(path))
    for _ = 1, 2 do
      self:reload { ["gateway.lua"] = with }
      assert.equal(200, http.request(nil, { unix = path, path = "/bytes/1" }).status)
      self:reload { ["gateway.lua"] = config 'listen "127.0.0.1:0"' }
      wait.that(function() return not pcall(http.connect, nil, { unix = path }) end)
    end
  end)

  it("changes the options of a listener in place", function()
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local port = self.port
    local plain = http.connect(port)
    assert.equal(200, plain:request({ path = "/bytes/1" }).status)
    self:reload {
      ["gateway.lua"] = config 'listen { "127.0.0.1:0", proxy_protocol = "v1" }',
    }
    assert.equal(200, plain:request({ path = "/bytes/1" }).status)
    local proxied = http.connect(port)
    proxied:send "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
    assert.equal(200, proxied:request({ path = "/bytes/1" }).status)
    local bare = http.connect(port)
    bare:send(http.format { path = "/bytes/1" })
    assert.is_true(bare:is_closed(20))
  end)

  it("takes a socket on to a worker that is started later", function()
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local port = ports.free()
    self:reload { ["gateway.lua"] = config('listen "127.0.0.1:0"', listen(port)) }
    self:kill_workers()
    for _ = 1, 20 do
      assert.is_true(answers(port))
      assert.is_true(answers(self.port))
    end
  end)

  it("leaves clients from afar a moment to finish connecting to what goes", function()
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local port = ports.free()
    self:reload { ["gateway.lua"] = config('listen "127.0.0.1:0"\n'
      .. ('listen "0.0.0.0:%d"'):format(port)) }
    assert.is_true(answers(port))
    local kept = http.connect(port)
    assert.equal(200, kept:request({ path = "/bytes/1" }).status)
    local began = system.now()
    self:reload { ["gateway.lua"] = config 'listen "127.0.0.1:0"' }
    assert.is_true(system.now() - began >= 0.2)
    assert.equal(200, kept:request({ path = "/bytes/1" }).status)
    wait.that(function() return not answers(port) end)
    assert.is_true(answers(self.port))
  end)

  it("that wants a port in use changes nothing", function()
    local port, other = ports.free(), ports.free()
    local taken = socket.listen("127.0.0.1", port)
    local self = reloading.start { config = config 'listen "127.0.0.1:0"' }
    local why = self:refuse {
      ["gateway.lua"] = config(listen(other), listen(port)),
    }
    assert.is_truthy(why:find(("gateway.lua:%d"):format(5), 1, true), why)
    assert.is_truthy(why:find(("127.0.0.1:%d is in use"):format(port), 1, true), why)
    assert.is_true(answers(self.port))
    assert.is_false(answers(other))
    taken:close()
    self:reload {}
    assert.is_true(answers(port))
    assert.is_true(answers(other))
  end)
end)
