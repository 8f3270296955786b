--- plans_spec: what a consumer's plan says holds in rate-limit, quota and acl, and another plan
--- acts while the gateway runs.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local refusal = require "spec.support.refusal"
local wait = require "spec.support.wait"

describe("plans", function()
  local moongate

  local function route(path, plugin)
    return ('route "%s" { plugins = { "key-auth", { %s }, "mock" } }\n'):format(path, plugin)
  end

  setup(function()
    moongate = gateway.start { config = [[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      store { path = "state" }
      plan "small" { limit = 2, window = "1h", quota = 3, period = "year", routes = { "named" } }
      plan "large" { limit = 5, window = "1h", quota = 6 }
      plan "routes" { routes = { "named" } }
      consumer "small" { keys = { "k-small" }, plan = "small" }
      consumer "large" { keys = { "k-large" }, plan = "large" }
      consumer "other" { keys = { "k-other" }, plan = "routes" }
      consumer "none" { keys = { "k-none" } }
      route "/named" { name = "named", plugins = { "key-auth", "acl", "mock" } }
      route "/unnamed" { plugins = { "key-auth", "acl", "mock" } }
    ]] .. route("/limit", '"rate-limit", limit = 4, window = "1h", by = "consumer", plan = true')
      .. route("/fixed", [["rate-limit", by = "consumer", limits = {
        { name = "fixed", limit = 4, window = "10d", algorithm = "fixed", plan = true },
        { limit = 100, window = "10d" } }]])
      .. route("/changed", '"rate-limit", limit = 4, window = "1h", by = "consumer", plan = true')
      .. route("/quota", '"quota", limit = 4, period = "year", plan = true')
      .. route("/charged", '"quota", limit = 4, period = "year", plan = true, charge = "response"')
      .. [[
      route "/limit-first" { plugins = { { "rate-limit", limit = 4, window = "1h", plan = true },
        "key-auth", "mock" } }
      route "/quota-first" { plugins = { { "quota", limit = 4, period = "year", by = "address",
        plan = true, charge = "response" }, "key-auth", "mock" } }
      ]]
    }
  end)

  teardown(function() gateway.stop_all() end)

  local function ask(path, key)
    return http.request(moongate.port, { path = path, headers = { ["x-api-key"] = key } })
  end

  -- How many are admitted of ten.
  local function admitted(path, key)
    local count = 0
    for _ = 1, 10 do
      if ask(path, key).status == 200 then count = count + 1 end
    end
    return count
  end

  local function admin(method, path, body, status)
    local answer = http.request(moongate.admin_port, { method = method, path = path,
      headers = { ["content-type"] = "application/json" }, body = body and json.encode(body) })
    assert.equal(status, answer.status, answer.body)
    return answer.body ~= "" and json.decode(answer.body) or nil
  end

  for _, path in ipairs { "/limit", "/fixed", "/quota", "/charged" } do
    local of_quota = path == "/quota" or path == "/charged"
    it("have limits of their own: " .. path, function()
      assert.equal(of_quota and 3 or 2, admitted(path, "k-small"))
      assert.equal(of_quota and 6 or 5, admitted(path, "k-large"))
      assert.equal(4, admitted(path, "k-none"))
      assert.equal(4, admitted(path, "k-other")) -- a plan that says nothing of it
    end)
  end

  for _, path in ipairs { "/limit-first", "/quota-first" } do
    it("have no part in what came before who it is was known: " .. path, function()
      for left = 3, 2, -1 do
        local answer = ask(path, "k-large")
        assert.equal(200, answer.status)
        assert.matches(";q=4", answer.headers["ratelimit-policy"] or "")
        assert.matches((";r=%d;"):format(left), answer.headers["ratelimit"] or "")
      end
    end)
  end

  it("are what clients are told", function()
    local answer = ask("/limit", "k-small")
    assert.equal(429, answer.status)
    assert.matches(";q=2;w=3600$", answer.headers["ratelimit-policy"])
    assert.matches(";q=5;w=3600$", ask("/limit", "k-large").headers["ratelimit-policy"])
    assert.matches(";q=4;w=3600$", ask("/limit", "k-none").headers["ratelimit-policy"])
  end)

  it("allow their routes", function()
    assert.same({ 200, 403, 200 }, { ask("/named", "k-small").status,
      ask("/unnamed", "k-small").status, ask("/unnamed", "k-large").status })
  end)

  it("act within a second when the admin API changes them, and what was used stays", function()
    admin("POST", "/consumers", { name = "moved", plan = "small" }, 201)
    local key = admin("POST", "/consumers/moved/credentials", { type = "key" }, 201).key
    assert.same({ 2, 3 }, { admitted("/changed", key), admitted("/quota", key) })
    assert.equal(403, ask("/unnamed", key).status)
    admin("PUT", "/consumers/moved", { plan = "large" }, 200)
    -- On all workers.
    wait.that(function()
      for _ = 1, 12 do
        if ask("/unnamed", key).status ~= 200 then return false end
      end
      return true
    end)
    -- Six of the year's quota, of which three were used.
    assert.equal(3, admitted("/quota", key))
    -- Of five in an hour, two were used: what is left of an hour's half is not a whole request.
    assert.is_true(admitted("/changed", key) <= 3)
    admin("PUT", "/consumers/moved", {}, 200)
    wait.that(function() return ask("/limit", key).headers["ratelimit-policy"]:find ";q=4;" end)
    admin("PUT", "/consumers/moved", { plan = "nothing" }, 422)
  end)

  it("are refused where they do not fit", function()
    local function wrong(plan, plugin)
      return refusal.of(([[
        listen "127.0.0.1:0"
        plan "odd" { %s }
        route "/" { plugins = { { %s }, "mock" } }
      ]]):format(plan, plugin))
    end
    assert.matches('of plan "odd", window is 0.5s', wrong('limit = 1, window = "500ms"',
      '"rate-limit", limit = 1, plan = true, algorithm = "fixed"'), 1, true)
    assert.matches('of plan "odd", period is "fortnight"', wrong('quota = 1, period = "fortnight"',
      '"quota", limit = 1, plan = true'), 1, true)
    assert.matches('of plan "odd", its quota is 2000000000', wrong("quota = 2e9",
      '"quota", limit = 1, plan = true'), 1, true)
  end)
end)
