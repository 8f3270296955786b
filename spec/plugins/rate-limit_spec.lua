local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("rate-limit", function()
  local origin

  setup(function() origin = peer.start() end)
  after_each(function() gateway.stop_all() end)
  teardown(function() peer.stop_all() end)

  local function start(text)
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
    ]]):format(origin.url) .. text }
  end

  -- A gateway with one route that is limited so.
  local function limited(options)
    return start(([[
      consumer "mobile" { keys = { "k1" } }
      consumer "desk" { keys = { "k2" } }
      route "/{rest*}" { upstream = "users", plugins = { { "rate-limit", %s } } }
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

  it("admits as many as the limit, then says when to come back", function()
    local self = limited 'limit = 3, window = "1h", name = "calls"'
    for left = 2, 0, -1 do
      local answer = get(self)
      assert.equal(200, answer.status)
      assert.equal('"calls";q=3;w=3600', answer.headers["ratelimit-policy"])
      local r, t = answer.headers["ratelimit"]:match '^"calls";r=(%d+);t=(%d+)$'
      assert.equal(left, tonumber(r))
      local reset = (3 - left) * 1200
      assert.is_true(tonumber(t) <= reset and tonumber(t) > reset - 60, t)
      assert.is_nil(answer.headers["retry-after"])
    end

    local answer = get(self)
    assert.equal(429, answer.status)
    local seconds = tonumber(answer.headers["retry-after"])
    assert.is_true(seconds > 1140 and seconds <= 1200)
    assert.equal(('"calls";r=0;t=%d'):format(seconds), answer.headers["ratelimit"])
    assert.equal('"calls";q=3;w=3600', answer.headers["ratelimit-policy"])
    local problem = json.decode(answer.body)
    assert.matches("quota%-exceeded$", problem.type)
    assert.same({ "calls" }, problem["violated-policies"])
  end)

  it("gives the allowance back evenly", function()
    local self = limited 'limit = 20, window = "20s"'
    local admitted = 0
    wait.that(function()
      local status = get(self).status
      admitted = admitted + (status == 200 and 1 or 0)
      return status == 429
    end)
    assert.is_true(admitted >= 20)
    local since = system.now()
    wait.that(function() return get(self).status == 200 end)
    local waited = system.now() - since
    assert.is_true(waited < 15, ("one came back after %g s"):format(waited))
  end)

  it("admits as many at once as the burst says", function()
    local self = limited 'limit = 3600, window = "1h", burst = 2'
    assert.equal("200 200 429", statuses(self, 3))
  end)

  -- Six requests on each of 24 connections to two workers: how many got which status.
  local function hammer(self)
    assert.equal(2, #self:worker_pids())
    local connections, counts = {}, {}
    for i = 1, 24 do connections[i] = http.connect(self.port) end
    for _ = 1, 6 do
      for _, connection in ipairs(connections) do
        connection:send "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
      end
      for _, connection in ipairs(connections) do
        local status = connection:read_response().status
        counts[status] = (counts[status] or 0) + 1
      end
    end
    for _, connection in ipairs(connections) do connection:close() end
    return counts
  end

  for _, algorithm in ipairs { "gcra", "sliding", "fixed" } do
    it("counts to the unit over all workers and connections: " .. algorithm, function()
      local self = start(([[
        workers(2)
        route "/{rest*}" { upstream = "users", plugins = {
          { "rate-limit", limit = 57, window = "10d", algorithm = "%s" } } }
      ]]):format(algorithm))
      assert.same({ [200] = 57, [429] = 24 * 6 - 57 }, hammer(self))
    end)
  end

  it("charges a request to all of several limits, or to none", function()
    local self = start [[
      workers(2)
      route "/{rest*}" { upstream = "users", plugins = { { "rate-limit", limits = {
        { name = "wide", limit = 100, window = "10d", by = "route" },
        { name = "narrow", limit = 57, window = "10d", by = "address", algorithm = "fixed" },
        { name = "wider", limit = 1000, window = "10d", by = "route", algorithm = "sliding" },
      } } } }
    ]]
    assert.same({ [200] = 57, [429] = 24 * 6 - 57 }, hammer(self))
    local answer = http.request(self.port, { path = "/a" })
    assert.equal(429, answer.status)
    local left = {}
    for _, line in ipairs(answer.lines) do
      local name, value = line[1], line[2]
      if name:lower() == "ratelimit" then
        local limit, r = value:match '^"(%a+)";r=(%d+);t=%d+$'
        left[limit] = tonumber(r)
      end
    end
    assert.same({ wide = 43, narrow = 0, wider = 943 }, left)
    assert.same({ "narrow" }, json.decode(answer.body)["violated-policies"])
    -- Another address has an allowance of its own, and what the first was refused left some.
    assert.equal(200, http.request(self.port, { path = "/a", from = "127.0.0.9" }).status)
  end)

  it("keeps what was used over a reload that changes the numbers", function()
    for _, algorithm in ipairs { "gcra", "sliding", "fixed" } do
      local text = ([[
        listen "127.0.0.1:0"
        upstream "users" { "%s" }
        route "/" { upstream = "users", plugins = {
          { "rate-limit", limit = %%d, window = "10d", algorithm = "%s" } } }
      ]]):format(origin.url, algorithm)
      local self = reloading.start { config = text:format(3) }
      assert.equal("200 200 200 429", statuses(self, 4))
      self:reload { ["gateway.lua"] = text:format(5) }
      assert.equal(algorithm == "gcra" and "429" or "200 200 429",
        statuses(self, algorithm == "gcra" and 1 or 3))
    end
  end)

  it("begins a fixed window anew at its end", function()
    local self = limited 'limit = 2, window = "1s", algorithm = "fixed", headers = "none"'
    wait.that(function() return get(self).status == 429 end)
    wait.that(function() return get(self).status == 200 end)
    assert.equal("1", (function()
      local answer
      wait.that(function()
        answer = get(self)
        return answer.status == 429
      end)
      return answer.headers["retry-after"]
    end)())
  end)

  it("takes of the allowance what a request costs", function()
    local self = start [[
      route "/five" { upstream = "users", plugins = {
        { "rate-limit", limit = 12, window = "1h", cost = 5 } } }
      route "/own" { upstream = "users", plugins = {
        { "rate-limit", limit = 12, window = "1h", name = "own", algorithm = "fixed",
          cost = function(req) return tonumber(req.query.cost) end } } }
    ]]
    assert.equal("200 200 429", statuses(self, 3, "/five"))
    assert.equal(200, get(self, "/own?cost=10").status)
    assert.equal(429, get(self, "/own?cost=3").status)
    assert.equal(200, get(self, "/own?cost=0").status)
    assert.equal(200, get(self, "/own?cost=2").status)
    assert.equal(500, get(self, "/own?cost=0.5").status)
    assert.equal(500, get(self, "/own").status)
    local never = get(self, "/own?cost=13")
    assert.equal(429, never.status)
    assert.is_nil(never.headers["retry-after"])
  end)

  it("only reports what it would refuse, where it is to", function()
    local self = start [[
      use { "metrics" }
      route "/" { upstream = "users", plugins = {
        { "rate-limit", limit = 1, window = "1h", report_only = true, name = "calls" } } }
      route "/many" { upstream = "users", plugins = { { "rate-limit", report_only = true,
        limits = { { limit = 1, window = "1h" }, { limit = 1, window = "1h" } } } } }
      admin "127.0.0.1:0"
    ]]
    assert.equal("200 200 200", statuses(self, 3))
    assert.equal("200 200 200", statuses(self, 3, "/many"))
    local text = http.request(self.admin_port, { path = "/metrics" }).body
    assert.matches('_rate_limit_refused_total{limit="calls",mode="report"} 2', text, 1, true)
    assert.matches('refused_total{limit="/many",mode="report"} 2', text, 1, true)
  end)

  it("counts each address by itself", function()
    local self = limited 'limit = 1, window = "1h"'
    for _, address in ipairs { "127.0.0.1", "127.0.0.2" } do
      assert.equal(200, http.request(self.port, { from = address }).status)
      assert.equal(429, http.request(self.port, { from = address }).status)
    end
  end)

  it("counts by consumer, by header, or by what a function says", function()
    local self = start [[
      consumer "mobile" { keys = { "k1" } }
      consumer "desk" { keys = { "k2" } }
      route "/consumer" { upstream = "users", plugins = { "key-auth",
        { "rate-limit", limit = 1, window = "1h", by = "consumer" } } }
      route "/header" { upstream = "users", plugins = {
        { "rate-limit", limit = 1, window = "1h", by = "header:X-Team" } } }
      route "/function" { upstream = "users", plugins = {
        { "rate-limit", limit = 1, window = "1h",
          by = function(req) return tonumber(req.query.n) end } } }
    ]]
    assert.equal("200 429", statuses(self, 2, "/consumer", { ["x-api-key"] = "k1" }))
    assert.equal("200 429", statuses(self, 2, "/consumer", { ["x-api-key"] = "k2" }))
    assert.equal("200 429", statuses(self, 2, "/header", { ["x-team"] = "a" }))
    assert.equal("200 429", statuses(self, 2, "/header", { ["x-team"] = "b" }))
    assert.equal("200 429", statuses(self, 2, "/function?n=1"))
    assert.equal("200 429", statuses(self, 2, "/function?n=2"))
  end)

  it("lets requests without a value share one allowance, or refuses them", function()
    local self = start [[
      route "/share" { upstream = "users", plugins = {
        { "rate-limit", limit = 1, window = "1h", by = "header:x-team" } } }
      route "/deny" { upstream = "users", plugins = {
        { "rate-limit", limit = 1, window = "1h", by = "header:x-team", missing = "deny" } } }
    ]]
    assert.equal("200 429", statuses(self, 2, "/share"))
    assert.equal(200, get(self, "/share", { ["x-team"] = "a" }).status)
    local answer = get(self, "/deny")
    assert.equal(403, answer.status)
    assert.matches("unidentified", answer.body)
    assert.is_nil(answer.headers["ratelimit"])
    assert.equal(200, get(self, "/deny", { ["x-team"] = "a" }).status)
  end)

  it("has an allowance for each route, or one for all that name it alike", function()
    local self = start [[
      for _, name in ipairs { "a", "b" } do
        route("/own/" .. name) { upstream = "users", plugins = {
          { "rate-limit", limit = 1, window = "1h" } } }
        route("/one/" .. name) { upstream = "users", plugins = {
          { "rate-limit", limit = 1, window = "1h", name = "one" } } }
      end
    ]]
    assert.equal("200 429", statuses(self, 2, "/own/a"))
    assert.equal("200 429", statuses(self, 2, "/own/b"))
    assert.equal(200, get(self, "/one/a").status)
    assert.equal(429, get(self, "/one/b").status)
  end)

  it("keeps several limits of one route apart, and tells of all", function()
    local self = start [[
      route "/" { name = 'the "users"', upstream = "users", plugins = {
        { "rate-limit", limit = 10, window = "1h" },
        { "rate-limit", limit = 2, window = "250ms", burst = 1000 },
      } }
    ]]
    local answer = get(self)
    local policies, states = {}, {}
    for _, line in ipairs(answer.lines) do
      local name, value = line[1], line[2]
      if name:lower() == "ratelimit-policy" then policies[value] = true end
      if name:lower() == "ratelimit" then states[value] = true end
    end
    assert.same({
      [ [["the \"users\"";q=10;w=3600]] ] = true, [ [["the \"users\" (2)";q=2]] ] = true,
    }, policies)
    assert.same({
      [ [["the \"users\"";r=9;t=360]] ] = true, [ [["the \"users\" (2)";r=999;t=1]] ] = true,
    }, states)
    assert.equal("200 200 200 200 200 200 200 200 200 429", statuses(self, 10))
  end)

  it("speaks of X-RateLimit, the tightest, where it is to", function()
    local self = start [[
      route "/" { upstream = "users", plugins = {
        { "rate-limit", limit = 10, window = "1h", headers = "legacy" },
        { "rate-limit", limit = 2, window = "1h", headers = "legacy" },
        { "rate-limit", limit = 100, window = "1h", headers = "legacy" },
      } }
    ]]
    local answer = get(self)
    assert.equal("2", answer.headers["x-ratelimit-limit"])
    assert.equal("1", answer.headers["x-ratelimit-remaining"])
    assert.equal("1800", answer.headers["x-ratelimit-reset"])
    assert.is_nil(answer.headers["ratelimit"])
    get(self)
    answer = get(self)
    assert.equal(429, answer.status)
    assert.equal("0", answer.headers["x-ratelimit-remaining"])
    assert.equal(answer.headers["retry-after"], answer.headers["x-ratelimit-reset"])
  end)

  it("says nothing of others to who lacks what is counted by", function()
    for _, headers in ipairs { "legacy", "draft" } do
      local self = start(([[
        route "/" { upstream = "users", plugins = { { "rate-limit", limit = 10, window = "1h",
          by = "header:x-team", missing = "deny", headers = "%s" } } }
      ]]):format(headers))
      local answer = get(self, "/", { ["x-team"] = "a" })
      assert.matches("9", answer.headers["x-ratelimit-remaining"] or answer.headers["ratelimit"])
      answer = get(self)
      assert.equal(403, answer.status)
      assert.is_nil(answer.headers["x-ratelimit-remaining"])
      assert.is_nil(answer.headers["ratelimit"])
    end
  end)

  it("says nothing where it is to, but Retry-After", function()
    local self = limited 'limit = 1, window = "1h", headers = "none"'
    assert.is_nil(get(self).headers["ratelimit"])
    local answer = get(self)
    assert.equal(429, answer.status)
    assert.is_nil(answer.headers["ratelimit"])
    assert.is_nil(answer.headers["ratelimit-policy"])
    assert.is_truthy(tonumber(answer.headers["retry-after"]))
  end)

  it("limits what has no route, in `use`", function()
    local self = start [[
      use { { "rate-limit", limit = 2, window = "1h" } }
      route "/a" { upstream = "users" }
    ]]
    assert.equal("404 200 429", table.concat({
      get(self, "/nowhere").status, get(self, "/a").status, get(self, "/nowhere").status }, " "))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"rate-limit"'] = "limit is missing",
      ['"rate-limit", limit = 1, limits = { { limit = 1 } }'] = "expected one of them",
      ['"rate-limit", limits = { { window = 1 } }'] = "limits[1].limit is missing",
      ['"rate-limit", limits = { { limit = 1, cost = 1 } }'] = "limits[1].cost is not known",
      ['"rate-limit", limit = 1, cost = 1.5'] = "cost is 1.5; expected a whole number",
      ['"rate-limit", limit = 1, algorithm = "fixed", window = "90ms"'] = "expects whole seconds",
      ['"rate-limit", limit = 1, algorithm = "sliding", burst = 3'] = "burst is for gcra",
      ['"rate-limit", limits = { { limit = 1, algorithm = "fixed", window = 0.5 } }'] =
        "limits[1]: window is 0.5s",
      ['"rate-limit", limit = 0'] = "limit is 0; expected",
      ['"rate-limit", limit = 1.5'] = "limit is 1.5; expected a whole number",
      ['"rate-limit", limit = 1, window = 0'] = "window is 0; expected",
      ['"rate-limit", limit = 1, window = "1 minute"'] = "expected a duration",
      ['"rate-limit", limit = 1, by = "header"'] = 'by is "header"; expected "consumer"',
      ['"rate-limit", limit = 1, burst = 0'] = "burst is 0; expected",
      ['"rate-limit", limit = 1, algorithm = "leaky"'] = 'expected one of "gcra"',
      ['"rate-limit", limit = 1, window = "1d", burst = 100000'] = "60 years",
      ['"rate-limit", limit = 1000000, window = "40000d", burst = 1'] = "longer than 60 years",
    }
  end)
end)
