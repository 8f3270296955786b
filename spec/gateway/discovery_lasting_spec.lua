--- discovery that lasts: beyond the worker that asks, over reloads and restarts.

local discovered = require "spec.support.discovered"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local registry = require "spec.support.registry"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("discovery", function()
  local self

  after_each(discovered.stop_all)

  -- The process of the worker that asks.
  local function asker(one)
    local number = tonumber(one:wait_for_log "worker (%d)%] upstream \"orders\": 1 targets")
    local status = http.request(one.admin_port, { path = "/status" }).body
    for _, worker in ipairs(json.decode(status).workers.list) do
      if worker.worker == number then return worker.pid end
    end
  end

  it("is one worker's work, and another's when that dies or is stuck", function()
    self = discovered.new(2)
    local source = registry.start()
    source:say("targets", self:list_of(1))
    local gateways = {}
    for i = 1, 2 do gateways[i] = self:start(discovered.from(source), { workers = 2 }) end
    local stuck = asker(gateways[2])
    system.kill(asker(gateways[1]), system.SIGKILL)
    system.kill(stuck, system.SIGSTOP)
    source:say("targets", self:list_of(2))
    for i = 1, 2 do
      self.gateway = gateways[i]
      self.gateway:wait_for_log(
        'upstream "orders": 1 targets by http [^\n]* 1 came [^\n]* 1 went', 60)
    end
    system.kill(stuck, system.SIGCONT)
    for i = 1, 2 do
      self.gateway = gateways[i]
      self:wait_for "2"
    end
  end)

  it("goes on over a reload, while the source is silent, too", function()
    self = discovered.new(2)
    local source = registry.start()
    source:say("targets", self:list_of(1, 2))
    self:start(discovered.from(source))
    assert.equal("1 2", self:answered())
    source:say("targets", "", 500)
    self:wait_for_error "500"
    local path = self.gateway.directory .. "/gateway.lua"
    local text = system.read_file(path)
    system.write_file(path, text .. 'route "/more" { upstream = "orders" }')
    assert.equal(0, (self.gateway:ask { "reload" }))
    assert.equal("1 2", self:answered())
    assert.equal(0, #self.origins[1]:ended()) -- pools stay
    -- Another source: what was there stays until it has said something.
    system.write_file(path, (text:gsub("/targets", "/others")))
    source:say("others", "", 500)
    assert.equal(0, (self.gateway:ask { "reload" }))
    assert.equal("1 2", self:answered())
    source:say("others", self:list_of(2))
    self:wait_for "2"
  end)

  it("takes no more memory and no more of /metrics, however many targets come and go", function()
    self = discovered.new(1)
    local source = registry.start()
    local function say(number)
      local other = (',"http://127.9.0.%d:9"]'):format(number)
      source:say("targets", (self:list_of(1):gsub("%]$", other)))
      wait.that(function()
        return self:admin "/metrics":find('target="127.9.0.' .. number .. ':9"', 1, true)
      end)
    end
    source:say("targets", self:list_of(1))
    self:start(discovered.from(source))
    say(101)
    local function measure()
      local text = self:admin "/metrics"
      return { counters = text:match "moongate_shared_counters (%d+)",
        series = select(2, text:gsub("\nmoongate_target_", "")) }
    end
    local before = measure()
    assert.is_true(before.series >= 2 * 11)
    for number = 102, 112 do say(number) end
    wait.that(function()
      local now = measure()
      return now.counters == before.counters and now.series == before.series
    end)
    self:answered()
    local attempts = 'moongate_target_attempts_total{upstream="orders",target="%s"} (%%d+)'
    attempts = attempts:format((self.origins[1].address:gsub("%.", "%%.")))
    wait.that(function() return tonumber(self:admin "/metrics":match(attempts)) > 0 end)
  end)

  it("has no target any more where a reload brings a source that means that", function()
    self = discovered.new(1)
    local source = registry.start()
    source:say("targets", self:list_of(1))
    source:say("others", "[]")
    self:start(discovered.from(source) .. ", empty = true")
    assert.equal("1", self:answered())
    local path = self.gateway.directory .. "/gateway.lua"
    system.write_file(path, (system.read_file(path):gsub("/targets", "/others")))
    assert.equal(0, (self.gateway:ask { "reload" }))
    self:wait_for "503"
  end)

  it("begins with the list from before a restart, where there is a store", function()
    self = discovered.new(1)
    local source = registry.start()
    source:say("targets", self:list_of(1))
    self:start(discovered.from(source), { words = 'store { path = "state" }' })
    wait.that(function() return self:shown().targets == 1 end)
    source:say("targets", "", 500)
    self.gateway = gateway.start { directory = self.gateway:crash() }
    assert.equal("1", self:answered())
    assert.is_true(self:shown().restored)
  end)
end)
