--- discovery: targets that are learned while the gateway runs: what stays, what goes, and what bad
-- answers change, which is nothing.

local discovered = require "spec.support.discovered"
local http = require "spec.support.http"
local json = require "cjson"
local registry = require "spec.support.registry"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("discovery", function()
  local self

  after_each(discovered.stop_all)

  -- As /metrics shows it.
  local function weight(number)
    local target = self.origins[number].url:match "//(.+)$"
    return self:admin "/metrics":match((
      '\nmoongate_target_weight{upstream="orders",target="%s"} (%%d+)'):format(
      target:gsub("%.", "%%.")))
  end

  it("watches a file, whatever it is replaced by", function()
    self = discovered.new(3)
    self:start('file = "targets.json", interval = "50ms"',
      { files = { ["targets.json"] = self:list_of(1, 2) } })
    local directory = self.gateway.directory
    assert.equal("1 2", self:answered()) -- the first request finds them
    assert.same({ "1", "1" }, { weight(1), weight(2) })
    system.write_file(directory .. "/new.json", self:list_of(2, 3))
    assert(os.rename(directory .. "/new.json", directory .. "/targets.json"))
    self:wait_for "2 3"
    -- What went is not connected to any more, what stayed has kept its connection.
    wait.that(function() return #self.origins[1]:ended() == 1 end)
    assert.equal(0, #self.origins[2]:ended())
    assert.is_nil(weight(1))
    assert.same({ "1", "1" }, { weight(2), weight(3) })
    -- A symlink, and then another one in its place.
    system.write_file(directory .. "/a.json", self:list_of(1))
    system.write_file(directory .. "/b.json", self:list_of(3))
    os.execute(("cd '%s' && ln -sf a.json link && mv -T link targets.json"):format(directory))
    self:wait_for "1"
    os.execute(("cd '%s' && ln -sf b.json link && mv -T link targets.json"):format(directory))
    self:wait_for "3"
    local status = json.decode(self:admin "/status")
    assert.equal(1, status.generation)
  end)

  -- Sanitizers want to be loaded first.
  local may_preload = (os.getenv "MOONGATE_BUILD" or "release") == "release"
  local its = may_preload and it or pending

  its("waits for a file no longer than is said, and holds up nothing else meanwhile", function()
    self = discovered.new(2)
    self:start('file = "targets.json", interval = "50ms", retry_max = "50ms", timeout = "50ms"', {
      files = { ["targets.json"] = self:list_of(1) },
      preload = "hanging.so" })
    self:wait_for "1"
    local path = self.gateway.directory .. "/targets.json"
    system.write_file(path .. ".hangs", "")
    self:wait_for_error "a file before it has not ended"
    self.gateway:wait_for_log "reading it does not end"
    -- The generation that goes is freed, and the next one built, in the background.
    local config = self.gateway.directory .. "/gateway.lua"
    system.write_file(config, system.read_file(config) .. 'route "/more" { upstream = "orders" }')
    assert.equal(0, (self.gateway:ask { "reload" }))
    wait.that(function() return json.decode(self:admin "/status").generations == 1 end)
    assert.equal("1", self:answered())
    system.write_file(path, self:list_of(2))
    os.remove(path .. ".hangs")
    self:wait_for "2"
    wait.that(function() return self:shown().error == nil end)
  end)

  its("ends while a file hangs that it has not lost patience with", function()
    self = discovered.new(1)
    self:start('file = "targets.json", interval = "50ms", timeout = "60s"', {
      files = { ["targets.json"] = self:list_of(1) },
      preload = "hanging.so" })
    assert.equal("1", self:answered())
    local path = self.gateway.directory .. "/targets.json"
    system.write_file(path .. ".hangs", "")
    wait.that(function() return system.read_file(path .. ".hung") end)
    self.gateway:stop()
  end)

  it("lets what is under way end at a target that goes", function()
    self = discovered.new(2)
    self:start('file = "targets.json", interval = "50ms"',
      { files = { ["targets.json"] = self:list_of(1) } })
    local slow = http.connect(self.gateway.port)
    slow:send "GET /slow/0.6 HTTP/1.1\r\nhost: a\r\n\r\n"
    wait.that(function() return #self.origins[1]:requests() == 1 end)
    system.write_file(self.gateway.directory .. "/targets.json", self:list_of(2))
    wait.that(function() return self:upstream().targets[1].url == self.origins[2].url end)
    assert.equal("2", self:answered())
    assert.equal("1", slow:read_response().body)
    slow:close()
    wait.that(function() return #self.origins[1]:ended() == 1 end)
  end)

  it("keeps the last good list whatever comes then, and says so", function()
    self = discovered.new(2)
    local source = registry.start()
    source:say("targets", ('{ "targets": [ %q, { "url": %q, "weight": 3, "zone": "x" } ] }'):format(
      self.origins[1].url, self.origins[2].address))
    self:start(discovered.from(source)
      .. [[, size = "4k", targets = 3, headers = { ["x-key"] = "abc" }]])
    assert.equal("1 2", self:answered())
    assert.equal("abc", source:notes()[1].key)
    for pattern, said in pairs {
      ["the list is empty"] = { "[]" },
      ["it answered with 500"] = { self:list_of(1), 500 },
      ["the answer is no JSON"] = { self:list_of(1):sub(1, -3) },
      ["it is no list"] = { '{ "a": 1 }' },
      ["target 2 has no \"url\""] = { ('[%q, "unix:/etc/passwd"]'):format(self.origins[1].url) },
      ["weight that is not"] = { ('[{"url":%q,"weight":0}]'):format(self.origins[1].url) },
      ["the list has 4 targets, more than 3"] = { '["a:1", "a:2", "a:3", "a:4", "a:1"]' },
      ["too%-large"] = { "[" .. (" "):rep(5000) .. "]" },
    } do
      source:say("targets", unpack(said))
      local now = self:wait_for_error(pattern)
      assert.equal(2, now.targets)
      assert.equal("1 2", self:answered())
    end
    local metrics = self:admin "/metrics"
    assert.truthy(metrics:find 'moongate_discovery_failing{upstream="orders"} 1')
    assert.truthy(metrics:find 'moongate_discovery_targets{upstream="orders"} 2')
    local _, said = self.gateway:ask { "upstream", "orders" }
    local line = ("orders is discovered: http %s/targets; 2 targets as of"):format(source.url)
    assert.truthy(said:find(line, 1, true), said)
    assert.truthy(said:find("failed %d+ times in a row: "), said)
    source:say("targets", self:list_of(2))
    self:wait_for "2"
    self.gateway:wait_for_log 'upstream "orders": http .- tells again'
    assert.is_nil(self:shown().error)
  end)

  it("answers 503 until there is a list, and where empty is meant", function()
    self = discovered.new(1)
    local source = registry.start()
    self:start(discovered.from(source) .. ", empty = true")
    local response = self:ask()
    assert.equal(503, response.status)
    assert.truthy(response.body:find "urn:moongate:problem:upstream%-empty")
    source:say("targets", self:list_of(1))
    self:wait_for "1"
    source:say("targets", "[]")
    self:wait_for "503"
    assert.is_nil(self:shown().error)
    local _, said = self.gateway:ask { "upstream", "--json" }
    assert.equal(0, json.decode(said).discovery[1].list.targets)
  end)
end)
