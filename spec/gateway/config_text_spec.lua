--- /config: what serves, read once more for who asks, whatever has become of the files since.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local system = require "spec.support.system"
local tracing = require "spec.support.tracing"
local wait = require "spec.support.wait"

local ROUTES = 3000

local CONFIG = ([[
workers(1)
listen "127.0.0.1:0"
admin "127.0.0.1:0"
for i = 1, %d do
  route("GET /r" .. i) { plugins = { { "once", body = "BODY" } } }
end
]]):format(ROUTES)

-- Counts what is built, and raises once there is a file of that name, which is not among what is
-- read.
local ONCE = [[
local once = { summary = "May fail later.", options = { body = { type = "string" } } }
function once.new()
  local counted = io.open("%s.count", "a")
  counted:write "x"
  counted:close()
  assert(not io.open "%s", "not twice")
end
function once:respond() return require("moongate.reply").text(200, self.body) end
return once
]]

local function config_of(self, client)
  local answer = (client or http.connect(self.admin_port)):request { path = "/config" }
  assert.equal(200, answer.status)
  return json.decode(answer.body)
end

local function written(body) return (CONFIG:gsub("BODY", body)) end

describe("/config", function()
  local self, marker

  before_each(function()
    marker = os.tmpname()
    os.remove(marker)
    self = gateway.start { config = written "one",
      files = { ["plugins/once.lua"] = ONCE:format(marker, marker) } }
  end)

  after_each(function()
    self:stop()
    os.remove(marker)
    os.remove(marker .. ".count")
  end)

  -- How often the plugin is made while `body` runs.
  local function made(body)
    local before = #system.read_file(marker .. ".count")
    body()
    return #system.read_file(marker .. ".count") - before
  end

  local function body_of(shown) return shown.routes[ROUTES].plugins[1].options.body end

  it("is of what serves, and not of what the files say by now", function()
    assert.equal("one", body_of(config_of(self)))
    system.write_file(self.directory .. "/gateway.lua", "not lua")
    os.remove(self.directory .. "/plugins/once.lua")
    assert.equal("one", body_of(config_of(self)))
    assert.equal(1, (self:ask { "reload" }))
    assert.equal("one", body_of(config_of(self)))
    system.write_file(self.directory .. "/plugins/once.lua", ONCE:format(marker, marker))
    system.write_file(self.directory .. "/gateway.lua", written "two")
    assert.equal(0, (self:ask { "reload" }))
    assert.equal("two", body_of(config_of(self)))
    assert.equal(0, (self:ask { "rollback" }))
    assert.equal("one", body_of(config_of(self)))
  end)

  it("is read once for all who ask at a time, also when others have gone", function()
    local request, clients = http.format { path = "/config" }, {}
    local once = made(function() config_of(self) end)
    for i = 1, 12 do clients[i] = http.connect(self.admin_port) end
    local times = made(function()
      for i = 1, 12 do clients[i]:send(request) end
      for i = 1, 12, 2 do clients[i]:reset() end
      local first
      for i = 2, 12, 2 do
        local answer = clients[i]:read_response()
        assert.equal(200, answer.status)
        first = first or answer.body
        assert.is_true(first == answer.body)
      end
      assert.equal("one", body_of(json.decode(first)))
    end)
    assert.is_true(once > 0 and times <= 3 * once, times / once)
  end)

  it("is nobody's business when who asked has gone", function()
    for _ = 1, 20 do
      local client = http.connect(self.admin_port)
      client:send(http.format { path = "/config" })
      http.request(self.admin_port, { path = "/ready" }) -- it has been read
      client:reset()
    end
    assert.equal("one", body_of(config_of(self)))
    assert.equal("one", http.request(self.port, { path = "/r1" }).body)
    self:ask { "reload" }
  end)

  it("waits for nothing of a generation that has ended", function()
    for i = 1, 3 do
      local client = http.connect(self.admin_port)
      client:send(http.format { path = "/config" })
      http.request(self.admin_port, { path = "/ready" })
      system.write_file(self.directory .. "/gateway.lua", written("at" .. i))
      assert.equal(0, (self:ask { "reload" }))
      if i < 3 then client:reset() else assert.equal(200, client:read_response().status) end
    end
    assert.equal("at3", body_of(config_of(self)))
  end)

  it("is refused to more than may wait for it", function()
    local clients, codes = {}, {}
    for i = 1, 40 do clients[i] = http.connect(self.admin_port) end
    for i = 1, 40 do clients[i]:send(http.format { path = "/config" }) end
    for i = 1, 40 do
      local code = clients[i]:read_response().status
      codes[code] = (codes[code] or 0) + 1
    end
    assert.is_true((codes[200] or 0) >= 16)
    assert.equal(40, codes[200] + (codes[503] or 0))
  end)

  it("is made of nothing that was not read before", function()
    local trace = tracing.start(self.directory, self:worker_pids()[1], "openat")
    config_of(self)
    trace:stop()
    local text = trace:read()
    assert.is_truthy(text:find(marker, 1, true)) -- what the plugin opens by itself
    assert.is_nil(text:match '[^"]+%.lua"')
  end)

  it("says so when it cannot be read a second time, and all goes on", function()
    system.write_file(marker, "")
    local answer = http.request(self.admin_port, { path = "/config" })
    assert.equal(503, answer.status)
    assert.matches("cannot be read again", answer.body)
    assert.is_nil(answer.body:find("not twice", 1, true))
    wait.that(function()
      return self:log():find("cannot be read again, for /config: .*not twice")
    end)
    assert.equal("one", http.request(self.port, { path = "/r1" }).body)
    os.remove(marker)
    assert.equal("one", body_of(config_of(self)))
  end)

  it("does not hold up a stop", function()
    local client = http.connect(self.admin_port)
    client:send(http.format { path = "/config" })
    local began = system.now()
    assert.equal(0, (self:ask { "stop" }))
    assert.is_true(system.now() - began < 10)
    client:close()
  end)
end)
