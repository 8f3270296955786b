--- reload_state: what is counted and known lives through reloads.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("a reload keeps", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function get(self, path) return http.request(self.port, { path = path }) end

  local function admin(self, path) return http.request(self.admin_port, { path = path }).body end

  local function status(self) return json.decode(admin(self, "/status")) end

  -- The text of a configuration with a comment that makes it another one each time.
  local edits = 0
  local function edited(text)
    edits = edits + 1
    return ("%s\n-- edit %d\n"):format(text, edits)
  end

  local function metric(self, series)
    local value = admin(self, "/metrics"):match("\n" .. series:gsub("%p", "%%%0") .. " (%S+)")
    return tonumber(value)
  end

  it("counts of requests, exactly, also while requests run on", function()
    local text = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(2)
      use { { "metrics" } }
      upstream "up" { "%s" }
      route "/{rest*}" { upstream = "up" }
    ]]):format(origin.url)
    local self = reloading.start { config = text }
    local held = http.connect(self.port)
    held:send(http.format { path = "/delay/1.5" })
    wait.that(function() return #origin:requests() == 1 end)
    local client = http.connect(self.port)
    for _ = 1, 3 do
      for _ = 1, 5 do client:request { path = "/bytes/1" } end
      self:reload { ["gateway.lua"] = edited(text) }
    end
    held:read_response()
    local counted = 'moongate_requests_total{route="/{rest*}",status="200"}'
    wait.that(function() return metric(self, counted) == 16 end)
    local attempts = ('moongate_target_attempts_total{upstream="up",target="%s"}')
      :format(origin.url:match "//(.*)")
    wait.that(function() return metric(self, attempts) == 16 end, 20, "attempts to be counted")
    -- Requests to the admin listener count, too: each of these by one.
    local before = metric(self, "moongate_http_requests_total")
    assert.is_true(before > 16)
    wait.that(function()
      local now = metric(self, "moongate_http_requests_total")
      local difference = now - before
      before = now
      return difference == 1
    end)
    local listed = status(self)
    assert.equal(16, listed.upstreams[1].targets[1].attempts)
    assert.equal(0, listed.upstreams[1].targets[1].errors)
  end)

  it("no gauge of a target that is gone", function()
    local other = peer.start()
    local text = [[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "up" { "URL" }
      route "/{rest*}" { upstream = "up" }
    ]]
    local self = reloading.start { config = text:gsub("URL", origin.url) }
    assert.equal(200, get(self, "/bytes/1").status)
    local idle = 'moongate_target_connections_idle{upstream="up",target="%s"}'
    local old, new = idle:format(origin.url:match "//(.*)"), idle:format(other.url:match "//(.*)")
    wait.that(function() return metric(self, old) == 1 end)
    self:reload { ["gateway.lua"] = text:gsub("URL", other.url) }
    assert.equal(200, get(self, "/bytes/1").status)
    wait.that(function() return not metric(self, old) and metric(self, new) == 1 end)
  end)

  it("what limits have given, also when their numbers are edited", function()
    local text = [[
      listen "127.0.0.1:0"
      route "/" { plugins = { { "rate-limit", limit = 3, window = "1h" }, { "mock" } } }
    ]]
    local self = reloading.start { config = text }
    assert.equal(200, get(self, "/").status)
    assert.equal(200, get(self, "/").status)
    self:reload { ["gateway.lua"] = edited(text) }
    assert.equal(200, get(self, "/").status)
    assert.equal(429, get(self, "/").status)
    self:reload { ["gateway.lua"] = text:gsub("limit = 3", "limit = 2") }
    assert.equal(429, get(self, "/").status)
    self:reload { ["gateway.lua"] = text:gsub("1h", "1m") }
    assert.equal(429, get(self, "/").status)
  end)

  it("the dictionary, and counters of plugins", function()
    local text = probe.says .. [==[
      says("/add", function(_, moongate)
        moongate.metrics.counter("seen_total"):add(1)
        return moongate.dict("words"):increment("seen", 1)
      end)
      admin "127.0.0.1:0"
    ]==]
    local self = reloading.start { config = text, files = probe.files }
    assert.equal("1", get(self, "/add").body)
    self:reload { ["gateway.lua"] = edited(text) }
    assert.equal("2", get(self, "/add").body)
    assert.equal(2, metric(self, "seen_total"))
  end)

  it("connections to upstreams", function()
    local text = ([[
      listen "127.0.0.1:0"
      upstream "up" { "%s", idle_connections = 4 }
      route "/{rest*}" { upstream = "up" }
    ]]):format(origin.url)
    local self = reloading.start { config = text }
    for i = 1, 4 do
      assert.equal(200, get(self, "/bytes/1").status)
      -- Other options do not change how a target is spoken to.
      self:reload { ["gateway.lua"] = text:gsub("= 4", "= " .. 4 + i) }
    end
    assert.equal(200, get(self, "/bytes/1").status)
    assert.equal(1, origin:connections())
  end)

  it("which targets are set aside", function()
    local port, keeper = peer.refusing()
    local text = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "up" { "http://127.0.0.1:%d", "%s", set_aside = "1h", failures = 1 }
      route "/{rest*}" { upstream = "up" }
    ]]):format(port, origin.url)
    local self = reloading.start { config = text }
    for _ = 1, 4 do assert.equal(200, get(self, "/bytes/1").status) end
    wait.that(function() return not status(self).upstreams[1].targets[1].healthy end)
    self:reload { ["gateway.lua"] = edited(text) }
    for _ = 1, 4 do assert.equal(200, get(self, "/bytes/1").status) end
    local targets = status(self).upstreams[1].targets
    assert.is_false(targets[1].healthy)
    assert.equal(1, targets[1].attempts)
    assert.is_true(targets[2].healthy)
    keeper:close()
  end)

  it("its workers", function()
    local text = 'listen "127.0.0.1:0" route "/" { plugins = { { "mock" } } } workers(2)'
    local self = reloading.start { config = text }
    local pids = self:worker_pids()
    for _ = 1, 3 do self:reload { ["gateway.lua"] = edited(text) } end
    assert.same(pids, self:worker_pids())
    for _, pid in ipairs(pids) do assert.is_true(system.kill(pid, 0)) end
  end)
end)
