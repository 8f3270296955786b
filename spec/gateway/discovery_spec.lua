--- discovery: targets that are learned while the gateway runs: what stays, what goes, and what bad
-- answers change, which is nothing.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local registry = require "spec.support.registry"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("discovery", function()
  local self, origins

  -- Each answers with its number.
  local function start_origins(count)
    origins = {}
    for i = 1, count do
      origins[i] = peer.start(function(connection)
        local request = connection:read_request()
        while request do
          local seconds = request.target:match "^/slow/([%d.]+)"
          if seconds then connection:sleep(tonumber(seconds)) end
          if not connection:answer(200, nil, tostring(i)) then return end
          request = connection:read_request()
        end
      end)
    end
  end

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function list_of(...)
    local urls = {}
    for i, number in ipairs { ... } do urls[i] = origins[number].url end
    return #urls == 0 and "[]" or json.encode(urls)
  end

  local function start(discover, options)
    options = options or {}
    return gateway.start { directory = options.directory, files = options.files, config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(%d)
      %s
      upstream "orders" { discover = { %s } }
      route "/{rest*}" { upstream = "orders", retries = 0 }
    ]]):format(options.workers or 1, options.words or "", discover) }
  end

  local function from(source)
    return ('http = "%s/targets", interval = "50ms", retry_max = "50ms"'):format(source.url)
  end

  local function ask(path) return http.request(self.port, { path = path or "/" }) end

  -- Who answers four requests, and how: "1 2", "503".
  local function answered()
    local seen, names = {}, {}
    for _ = 1, 4 do
      local response = ask()
      seen[response.status == 200 and response.body or tostring(response.status)] = true
    end
    for name in pairs(seen) do names[#names + 1] = name end
    table.sort(names)
    return table.concat(names, " ")
  end

  local function wait_for(wanted)
    local seen
    local ok = pcall(wait.that, function()
      seen = answered()
      return seen == wanted
    end, 20)
    if not ok then error(("waited for %q, saw %q; %s"):format(wanted, seen, self:log()), 2) end
  end

  local function upstream()
    return json.decode(http.request(self.admin_port, { path = "/upstreams/orders" }).body)
  end

  local function shown() return upstream().discovery end

  local function wait_for_error(pattern)
    return wait.that(function()
      local now = shown()
      return now.error and now.error:find(pattern) and now
    end, 20, pattern)
  end

  it("watches a file, whatever it is replaced by", function()
    start_origins(3)
    self = start('file = "targets.json", interval = "50ms"',
      { files = { ["targets.json"] = list_of(1, 2) } })
    local directory = self.directory
    assert.equal("1 2", answered()) -- the first request finds them
    system.write_file(directory .. "/new.json", list_of(2, 3))
    assert(os.rename(directory .. "/new.json", directory .. "/targets.json"))
    wait_for "2 3"
    -- What went is not connected to any more, what stayed has kept its connection.
    wait.that(function() return #origins[1]:ended() == 1 end)
    assert.equal(0, #origins[2]:ended())
    -- A symlink, and then another one in its place.
    system.write_file(directory .. "/a.json", list_of(1))
    system.write_file(directory .. "/b.json", list_of(3))
    os.execute(("cd '%s' && ln -sf a.json link && mv -T link targets.json"):format(directory))
    wait_for "1"
    os.execute(("cd '%s' && ln -sf b.json link && mv -T link targets.json"):format(directory))
    wait_for "3"
    local status = json.decode(http.request(self.admin_port, { path = "/status" }).body)
    assert.equal(1, status.generation)
  end)

  it("lets what is under way end at a target that goes", function()
    start_origins(2)
    self = start('file = "targets.json", interval = "50ms"',
      { files = { ["targets.json"] = list_of(1) } })
    local slow = http.connect(self.port)
    slow:send "GET /slow/0.6 HTTP/1.1\r\nhost: a\r\n\r\n"
    wait.that(function() return #origins[1]:requests() == 1 end)
    system.write_file(self.directory .. "/targets.json", list_of(2))
    wait.that(function() return upstream().targets[1].url == origins[2].url end)
    assert.equal("2", answered())
    assert.equal("1", slow:read_response().body)
    slow:close()
    wait.that(function() return #origins[1]:ended() == 1 end)
  end)

  it("keeps the last good list whatever comes then, and says so", function()
    start_origins(2)
    local source = registry.start()
    source:say("targets", ('{ "targets": [ %q, { "url": %q, "weight": 3, "zone": "x" } ] }'):format(
      origins[1].url, origins[2].address))
    self = start(from(source)
      .. [[, size = "4k", targets = 3, headers = { ["x-key"] = "abc" }]])
    assert.equal("1 2", answered())
    assert.equal("abc", source:notes()[1].key)
    for pattern, said in pairs {
      ["the list is empty"] = { "[]" },
      ["it answered with 500"] = { list_of(1), 500 },
      ["the answer is no JSON"] = { list_of(1):sub(1, -3) },
      ["it is no list"] = { '{ "a": 1 }' },
      ["target 2 has no \"url\""] = { ('[%q, "unix:/etc/passwd"]'):format(origins[1].url) },
      ["weight that is not"] = { ('[{"url":%q,"weight":0}]'):format(origins[1].url) },
      ["the list has 4 targets, more than 3"] = { '["a:1", "a:2", "a:3", "a:4", "a:1"]' },
      ["too%-large"] = { "[" .. (" "):rep(5000) .. "]" },
    } do
      source:say("targets", unpack(said))
      local now = wait_for_error(pattern)
      assert.equal(2, now.targets)
      assert.equal("1 2", answered())
    end
    local metrics = http.request(self.admin_port, { path = "/metrics" }).body
    assert.truthy(metrics:find 'moongate_discovery_failing{upstream="orders"} 1')
    assert.truthy(metrics:find 'moongate_discovery_targets{upstream="orders"} 2')
    local _, said = self:ask { "upstream", "orders" }
    local line = ("orders is discovered: http %s/targets; 2 targets as of"):format(source.url)
    assert.truthy(said:find(line, 1, true), said)
    assert.truthy(said:find("failed %d+ times in a row: "), said)
    source:say("targets", list_of(2))
    wait_for "2"
    self:wait_for_log 'upstream "orders": http .- tells again'
    assert.is_nil(shown().error)
  end)

  it("answers 503 until there is a list, and where empty is meant", function()
    start_origins(1)
    local source = registry.start()
    self = start(from(source) .. ", empty = true")
    local response = ask()
    assert.equal(503, response.status)
    assert.truthy(response.body:find "urn:moongate:problem:upstream%-empty")
    source:say("targets", list_of(1))
    wait_for "1"
    source:say("targets", "[]")
    wait_for "503"
    assert.is_nil(shown().error)
    local _, said = self:ask { "upstream", "--json" }
    assert.equal(0, json.decode(said).discovery[1].list.targets)
  end)

  -- The process of the worker that asks.
  local function asker(one)
    local number = one:log():match "worker (%d)%] upstream \"orders\": 1 targets"
    return one:worker_pids()[tonumber(number)]
  end

  it("is one worker's work, and another's when that dies or is stuck", function()
    start_origins(2)
    local source = registry.start()
    source:say("targets", list_of(1))
    local gateways = {}
    for i = 1, 2 do gateways[i] = start(from(source), { workers = 2 }) end
    local stuck = asker(gateways[2])
    system.kill(asker(gateways[1]), system.SIGKILL)
    system.kill(stuck, system.SIGSTOP)
    source:say("targets", list_of(2))
    for i = 1, 2 do
      self = gateways[i]
      self:wait_for_log 'upstream "orders": 1 targets by http [^\n]* 1 came [^\n]* 1 went'
    end
    system.kill(stuck, system.SIGCONT)
    for i = 1, 2 do
      self = gateways[i]
      wait_for "2"
    end
  end)

  it("goes on over a reload, while the source is silent, too", function()
    start_origins(2)
    local source = registry.start()
    source:say("targets", list_of(1, 2))
    self = start(from(source))
    assert.equal("1 2", answered())
    source:say("targets", "", 500)
    wait_for_error "500"
    local path = self.directory .. "/gateway.lua"
    local text = system.read_file(path)
    system.write_file(path, text .. 'route "/more" { upstream = "orders" }')
    assert.equal(0, (self:ask { "reload" }))
    assert.equal("1 2", answered())
    assert.equal(0, #origins[1]:ended()) -- pools stay
    -- Another source: what was there stays until it has said something.
    system.write_file(path, (text:gsub("/targets", "/others")))
    source:say("others", "", 500)
    assert.equal(0, (self:ask { "reload" }))
    assert.equal("1 2", answered())
    source:say("others", list_of(2))
    wait_for "2"
  end)

  it("begins with the list from before a restart, where there is a store", function()
    start_origins(1)
    local source = registry.start()
    source:say("targets", list_of(1))
    self = start(from(source), { words = 'store { path = "state" }' })
    wait.that(function() return shown().targets == 1 end)
    source:say("targets", "", 500)
    self = gateway.start { directory = self:crash() }
    assert.equal("1", answered())
    assert.is_true(shown().restored)
  end)
end)
