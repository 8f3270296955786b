local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local refusal = require "spec.support.refusal"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("quota", function()
  local origin, folder

  setup(function() origin = peer.start() end)
  before_each(function() folder = system.temporary_directory() end)
  after_each(function()
    gateway.stop_all()
    process.remove(folder)
  end)
  teardown(function() peer.stop_all() end)

  local function config(text)
    return ([[
      listen "127.0.0.1:0"
      store { path = "%s/state" }
      upstream "users" { "%s" }
      consumer "mobile" { keys = { "k1" } }
      consumer "desk" { keys = { "k2" } }
    ]]):format(folder, origin.url) .. text
  end

  local function limited(options, more)
    return config((more or "") .. ([[
      route "/{rest*}" { name = "all", upstream = "users",
        plugins = { { "quota", by = "route", %s } } }
    ]]):format(options))
  end

  local function get(self, path, headers)
    return http.request(self.port, { path = path, headers = headers })
  end

  local function statuses(self, count, path, headers)
    local seen = {}
    for i = 1, count do seen[i] = get(self, path, headers).status end
    return table.concat(seen, " ")
  end

  -- What is left, as an answer tells it.
  local function left(self, path, headers)
    local field = get(self, path, headers).headers["ratelimit"]
    return field and tonumber(field:match ";r=(%d+)")
  end

  it("admits what may be used in a month of the place's calendar, and tells its end", function()
    local self = gateway.start { config = limited 'limit = 2, timezone = "Asia/Tokyo"' }
    local answer = get(self)
    assert.equal(200, answer.status)
    assert.equal('"all";q=2', answer.headers["ratelimit-policy"])
    local r, t = answer.headers["ratelimit"]:match '^"all";r=(%d+);t=(%d+)$'
    assert.equal("1", r)
    -- The first of the next month in Tokyo, which has had no summer time since 1951.
    local now = os.time()
    local shown = os.date("!*t", now + 9 * 3600)
    local _, out = process.run { "date", "-u", "-d",
      ("%04d-%02d-01 + 1 month"):format(shown.year, shown.month), "+%s" }
    local rest = tonumber(out) - 9 * 3600 - now
    assert.is_true(math.abs(tonumber(t) - rest) <= 5, t .. " " .. rest)
    assert.equal("200 429", statuses(self, 2))
    answer = get(self)
    assert.is_true(math.abs(tonumber(answer.headers["retry-after"]) - rest) <= 5)
    local problem = json.decode(answer.body)
    assert.matches("quota%-exceeded$", problem.type)
    assert.same({ "all" }, problem["violated-policies"])
  end)

  it("tells of the period, and of no wait, who asks for more than there is in all", function()
    local self = gateway.start { config = limited "limit = 2, cost = 3" }
    local answer = get(self)
    assert.equal(429, answer.status)
    assert.is_nil(answer.headers["retry-after"])
    local seconds = answer.headers["ratelimit"]:match '^"all";r=2;t=(%d+)$'
    assert.is_true(tonumber(seconds) <= 31 * 86400, answer.headers["ratelimit"])
  end)

  it("counts each consumer by itself, and refuses who is none", function()
    local self = gateway.start { config = config [[
      route "/a" { upstream = "users", plugins = { "key-auth",
        { "quota", limit = 1, period = "year" } } }
      route "/b" { upstream = "users", plugins = { { "quota", limit = 1 } } }
    ]] }
    assert.equal("200 429", statuses(self, 2, "/a", { ["x-api-key"] = "k1" }))
    assert.equal("200 429", statuses(self, 2, "/a", { ["x-api-key"] = "k2" }))
    assert.equal(403, get(self, "/b").status)
  end)

  for kind, options in pairs {
    calendar = 'period = "year"', rolling = 'kind = "rolling", period = "900d"',
    ["first-use"] = 'kind = "first-use", period = "30d"',
  } do
    it("goes on after the gateway was stopped: " .. kind, function()
      local text = limited("limit = 5, flush = 3600, " .. options)
      local self = gateway.start { config = text }
      assert.equal("200 200 200", statuses(self, 3))
      self:stop()
      self = gateway.start { config = text }
      assert.equal(1, left(self))
      assert.equal("200 429", statuses(self, 2))
    end)

    it("loses what was charged since the last flush when all is killed: " .. kind, function()
      local text = limited('limit = 100, flush = "100ms", ' .. options)
      local self = gateway.start { config = text }
      statuses(self, 9)
      -- The tenth finds that the nine are in the store, as soon as they are.
      local since = system.now()
      wait.that(function() return system.now() - since > 2 end)
      self:crash()
      self = gateway.start { config = text }
      assert.equal(90, left(self))
    end)
  end

  it("keeps count over reloads, of workers that come and go", function()
    local self = reloading.start { config = limited("limit = 100", "workers(2)\n") }
    statuses(self, 10)
    self:reload { ["gateway.lua"] = limited("limit = 50", "workers(2)\n") }
    assert.equal(39, left(self))
    for _, pid in ipairs(self:worker_pids()) do system.kill(pid, system.SIGKILL) end
    wait.that(function() return #self:worker_pids() == 2 end)
    wait.that(function() return pcall(get, self) end)
    local seen = left(self)
    assert.is_true(seen <= 37 and seen >= 30, tostring(seen))
  end)

  it("has what a killed worker has not saved saved by its successor", function()
    local text = config [[
      workers(1)
      route "/a" { upstream = "users", plugins = {
        { "quota", by = "route", limit = 100, flush = 3600, period = "year" } } }
      route "/b" { upstream = "users", plugins = {
        { "quota", by = "route", limit = 100, flush = 3600, kind = "rolling", period = "900d" } } }
      route "/c" { upstream = "users", plugins = {
        { "quota", by = "query:key", limit = 100, flush = 3600, kind = "first-use",
          period = "30d" } } }
    ]]
    local self = gateway.start { config = text }
    for _, path in ipairs { "/a", "/b", "/c?key=a%00b", "/c?key=2" } do
      assert.equal("200 200 200", statuses(self, 3, path))
    end
    local before = self:worker_pids()[1]
    system.kill(before, system.SIGKILL)
    wait.that(function()
      local pids = self:worker_pids()
      return pids[1] and pids[1] ~= before and pcall(get, self, "/a")
    end)
    -- What is charged meanwhile is counted, and saved, once.
    local expected = left(self, "/a") - 1
    self:stop()
    self = gateway.start { config = text }
    assert.equal(expected, left(self, "/a"))
    assert.equal(96, left(self, "/b"))
    assert.equal(96, left(self, "/c?key=a%00b"))
    assert.equal(96, left(self, "/c?key=2"))
  end)

  it("counts to the unit over all workers and connections, and what it saves is that", function()
    local text = limited("limit = 157", "workers(2)\n")
    local self = gateway.start { config = text }
    local connections, counts = {}, { [200] = 0, [429] = 0 }
    for i = 1, 24 do connections[i] = http.connect(self.port) end
    for _ = 1, 10 do
      for _, connection in ipairs(connections) do
        connection:send "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
      end
      for _, connection in ipairs(connections) do
        local status = connection:read_response().status
        counts[status] = counts[status] + 1
      end
    end
    for _, connection in ipairs(connections) do connection:close() end
    assert.same({ [200] = 157, [429] = 240 - 157 }, counts)
    self:stop()
    self = gateway.start { config = (text:gsub("limit = 157", "limit = 160")) }
    assert.equal("200 200 200 429", statuses(self, 4))
  end)

  it("charges with the answer what that says", function()
    local self = gateway.start { config = limited [[
      limit = 100, charge = "response",
      cost = function(req, res) return res.status == 200 and res.content_length or 0 end ]] }
    assert.equal(40, left(self, "/bytes/60"))
    assert.equal(40, left(self, "/status/404"))
    assert.equal(0, left(self, "/bytes/70")) -- what was left was enough to begin
    assert.equal(429, get(self, "/bytes/1").status)
  end)

  it("holds what a full store does not take, and tries it once in each interval", function()
    local self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      store { path = "%s/state", size = "1m" }
      route "/" { plugins = { { "quota", name = "wide", by = "header:x-who", limit = 9,
        flush = "100ms" }, "mock" } }
    ]]):format(folder) }
    local connection = http.connect(self.port)
    for i = 1, 6000 do
      connection:send(("GET / HTTP/1.1\r\nHost: a\r\nX-Who: %d%s\r\n\r\n"):format(i,
        ("x"):rep(250)))
      assert.equal(200, connection:read_response().status)
    end
    connection:close()
    local function failures() return select(2, self:log():gsub('"wide" is not saved', "")) end
    wait.that(function() return failures() > 0 end)
    local before, since = failures(), system.now()
    wait.that(function() return failures() >= before + 5 end)
    local intervals = (system.now() - since) / 0.1
    assert.is_true(failures() - before <= intervals + 2,
      ("%d failures in %g intervals"):format(failures() - before, intervals))
  end)

  it("works without a store where nothing is to be kept", function()
    local text = [[
      listen "127.0.0.1:0"
      route "/" { plugins = { { "quota", by = "address", limit = 1, persist = %s }, "mock" } }
    ]]
    local self = gateway.start { config = text:format "false" }
    assert.equal(429, (get(self) and get(self)).status)
    assert.matches("needs a store", refusal.of(text:format "true"))
  end)

  it("only reports what it would refuse, where it is to", function()
    local self = gateway.start { config = limited "limit = 1, report_only = true" }
    assert.equal("200 200 200", statuses(self, 3))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"quota"'] = "limit is missing",
      ['"quota", limit = 2e9'] = "limit is 2000000000; expected",
      ['"quota", limit = 1, period = "fortnight"'] = 'of a calendar it is "hour", "day"',
      ['"quota", limit = 1, period = "1d"'] = 'of a calendar it is "hour", "day"',
      ['"quota", limit = 1, kind = "rolling"'] = 'period is "month"; expected a duration',
      ['"quota", limit = 1, kind = "rolling", period = "90ms"'] = "of whole seconds",
      ['"quota", limit = 1, timezone = "Europe/Nowhere"'] = "no time zone \"Europe/Nowhere\"",
      ['"quota", limit = 1, cost = -1'] = "cost is -1; expected a whole number",
    }
  end)
end)
