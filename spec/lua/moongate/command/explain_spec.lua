local cjson = require "cjson"
local gateway = require "spec.support.gateway"

local CONFIG = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
use { { "metrics" } }
route "GET /users/{id}" { upstream = "users", rewrite = "/v2/users/{id}" }
route "GET /users/me" { upstream = "users" }
route "GET /beta" { upstream = "users", headers = { ["x-beta"] = "1" } }
route "GET /when" { upstream = "users", when = function(req) return req.query.on == "1" end }
route "GET /sni" { upstream = "users", sni = "a.example.com" }
shed { lag = "50ms" }
upstream "guarded" { "http://127.0.0.1:9", retry_budget = 0.1, retry_budget_report_only = true,
  hedge = { after = "p95" }, adaptive = { max = 50 }, queue = { size = 7 },
  breaker = { failures = 0.4 } }
route "/guarded" { upstream = "guarded", name = "guarded", retries = 1, criticality = "high",
  deadline = { field = "x-deadline" }, timeout = { total = "3s" },
  breaker = { slow = "2s", failures = 0, report_only = true } }
route "POST /users/{id}" { upstream = "users", host = "*.example.com" }
]]

local function explain(...)
  local arguments = { "explain", ... }
  arguments[#arguments + 1] = "--json"
  local code, out, err = gateway.run(arguments, { config = CONFIG })
  assert.same({ 0, "" }, { code, err })
  return cjson.decode(out)
end

describe("moongate explain", function()
  it("names the winner, what it captured, and what goes upstream", function()
    local said = explain("GET", "http://api.example.com:8080/users/7")
    assert.equal("found", said.outcome)
    assert.equal("GET /users/{id}", said.route.name)
    assert.same({ { name = "id", value = "7" } }, said.captures)
    assert.equal("/v2/users/7", said.forward_path)
    assert.equal("users", said.upstream)
    assert.same({ "metrics" }, said.chain.log)
  end)

  it("says who came near, and why they lost", function()
    local said = explain("GET", "/users/me")
    assert.equal("GET /users/me", said.route.name)
    local near = {}
    for _, one in ipairs(said.near) do near[one.name] = one.why end
    assert.matches("its path is less specific: {id} against me", near["GET /users/{id}"])
  end)

  it("normalises the path as the gateway does", function()
    assert.equal("GET /users/me", explain("GET", "/a/..//users/./me").route.name)
  end)

  it("looks at headers, query, SNI, host and predicates", function()
    assert.equal("not found", explain("GET", "/beta").outcome)
    assert.equal("GET /beta", explain("GET", "/beta", "-H", "X-Beta: 1").route.name)
    assert.equal("not found", explain("GET", "/when?on=0").outcome)
    assert.equal("GET /when", explain("GET", "/when?on=1").route.name)
    assert.equal("not found", explain("GET", "/sni").outcome)
    assert.equal("GET /sni", explain("GET", "/sni", "--sni", "a.example.com").route.name)
    assert.equal("POST /users/{id}", explain("POST", "http://b.example.com/users/1").route.name)
  end)

  it("tells what is allowed where the method is not", function()
    local said = explain("DELETE", "/users/7")
    assert.equal("method not allowed", said.outcome)
    assert.matches("GET", said.allowed)
  end)

  it("tells what protects the upstream and the request", function()
    local said = explain("GET", "/guarded").protection
    assert.equal(75, said.criticality)
    assert.same({ most = 1, budget = 0.1, budget_min = 3, report_only = true }, said.retries)
    assert.equal(3, said.timeout.total)
    assert.equal("x-deadline", said.deadline.field)
    assert.same({ "upstream", "p95", true }, { said.hedge.of, said.hedge.after,
      said.hedge.applies })
    assert.same({ 50, 7, 0.05 }, { said.adaptive.max, said.queue.size, said.shed.lag })
    assert.same({ "route:guarded", "upstream:guarded" },
      { said.breakers[1].name, said.breakers[2].name })
    assert.is_false(explain("POST", "/guarded").protection.hedge.applies)
    local _, out = gateway.run({ "explain", "GET", "/guarded" }, { config = CONFIG })
    for _, line in ipairs {
      "matters    75", "timeout    connect 5s, response 60s, idle 60s, total 3s",
      "retries    1, within 10% of the requests or 3 a second; only reported",
      "hedge      1 more after p95, of 10% of the requests (the upstream's)",
      "adaptive   4 to 50 requests at once, as learnt",
      "queue      7 wait, each for at most 500ms",
      "breaker    route:guarded opens for 5s when of 20 or more in 10s 80% take longer than 2s; "
        .. "only reported",
      "breaker    upstream:guarded opens for 5s when of 20 or more in 10s 40% fail",
    } do assert.truthy(out:find("\n" .. line .. "\n", 1, true), line .. " in " .. out) end
  end)

  it("tells people the same", function()
    local code, out = gateway.run({ "explain", "GET", "/users/7" }, { config = CONFIG })
    assert.equal(0, code)
    assert.truthy(out:find("GET /users/{id}", 1, true))
    assert.truthy(out:find("/v2/users/7", 1, true))
  end)

  it("refuses what is no request", function()
    local code, _, err = gateway.run({ "explain", "GET", "users" }, { config = CONFIG })
    assert.equal(2, code)
    assert.matches('"users" is no URL; expected', err)
    code, _, err = gateway.run({ "explain", "GET", "/", "-H", "nocolon" }, { config = CONFIG })
    assert.equal(2, code)
    assert.matches('"nocolon" is no header', err)
    code, _, err = gateway.run({ "explain", "GET", "/%00" }, { config = CONFIG })
    assert.equal(1, code)
    assert.matches("malformed: the gateway answers 400", err)
  end)
end)
