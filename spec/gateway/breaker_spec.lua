local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local wait = require "spec.support.wait"

describe("a circuit breaker", function()
  local origin, moongate

  setup(function() origin = peer.start() end)
  after_each(function() gateway.stop_all() end)
  teardown(function() peer.stop_all() end)

  -- `upstream` and `routes`: what they say.
  local function text(upstream, routes, workers)
    return ([[
      workers(%d)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "orders" { "%s", %s }
      %s
    ]]):format(workers or 1, origin.url, upstream, routes or
      'route "/{rest*}" { upstream = "orders", retries = 0 }')
  end

  local function start(...) moongate = gateway.start { config = text(...) } end

  local function get(path) return http.request(moongate.port, { path = path }) end
  local function ask(method, path)
    return http.request(moongate.admin_port, { method = method, path = path })
  end
  local function breakers()
    local by_name = {}
    for _, row in ipairs(json.decode(ask("GET", "/breakers").body).breakers) do
      by_name[row.name] = row
    end
    return by_name
  end
  local function fail(times)
    for _ = 1, times do assert.equal(500, get("/status/500").status) end
  end

  local EAGER = 'breaker = { minimum = 4, open = "60s", probes = 2 }'

  it("leaves an upstream alone that fails too often, and says so", function()
    start(EAGER)
    fail(4)
    local before = #origin:requests()
    local answer = get "/bytes/5"
    assert.equal(503, answer.status)
    assert.matches("circuit%-open", answer.body)
    assert.matches("destination_unavailable", answer.headers["proxy-status"])
    local seconds = tonumber(answer.headers["retry-after"])
    assert.is_true(seconds > 50 and seconds <= 60)
    assert.equal(before, #origin:requests())
    moongate:wait_for_log 'circuit breaker "upstream:orders" is open'
    assert.same({ name = "upstream:orders", state = "open", opened = 1, refused = 1 },
      breakers()["upstream:orders"])
    local metrics = ask("GET", "/metrics").body
    assert.matches('moongate_breaker_state{breaker="upstream:orders"} 1', metrics, 1, true)
    assert.matches('moongate_breaker_refused_total{breaker="upstream:orders"} 1', metrics, 1, true)
    assert.equal("open", json.decode(ask("GET", "/status").body).breakers[1].state)
    local _, told = moongate:ask { "status" }
    assert.matches("\nbreaker        upstream:orders is open, has opened 1 times and refused 1",
      told, 1, true)
    _, told = moongate:ask { "status", "--json" }
    assert.same({ { name = "upstream:orders", state = "open", opened = 1, refused = 1 } },
      json.decode(told).protection.breakers)
  end)

  it("lets a few through after a while, and all when they went well", function()
    start 'breaker = { minimum = 4, open = "100ms", probes = 2 }'
    fail(4)
    wait.that(function() return get("/bytes/5").status == 200 end)
    assert.equal(200, get("/bytes/5").status)
    assert.equal("closed", breakers()["upstream:orders"].state)
    moongate:wait_for_log 'circuit breaker "upstream:orders" is closed again'
    fail(3)
    assert.equal(200, get("/bytes/5").status)
  end)

  it("opens again when it is still bad", function()
    start 'breaker = { minimum = 4, open = "300ms", probes = 2 }'
    fail(4)
    -- Who comes late finds it on trial again.
    wait.that(function()
      return get("/status/500").status == 500 and get("/bytes/5").status == 503
    end)
    assert.is_true(breakers()["upstream:orders"].opened >= 2)
  end)

  it("is one for all workers", function()
    start(EAGER, nil, 2)
    local function by_worker(path)
      local answers = {}
      for i = 1, 16 do answers[i] = get(path).status end
      return answers
    end
    fail(4)
    for _, status in ipairs(by_worker "/bytes/5") do assert.equal(503, status) end
  end)

  it("counts no answer for a failure, and what the client does wrong for none", function()
    local port, keeper = peer.refusing()
    moongate = gateway.start { config = ([[
      workers(1)
      listen "127.0.0.1:0"
      upstream "orders" { "http://127.0.0.1:%d", %s }
      route "/{rest*}" { upstream = "orders", retries = 0 }
    ]]):format(port, EAGER) }
    for _ = 1, 4 do assert.equal(502, get("/").status) end
    assert.matches("circuit%-open", get("/").body)
    keeper:close()
    gateway.stop_all()
    start(EAGER)
    for _ = 1, 20 do assert.equal(404, get("/status/404").status) end
    assert.equal(200, get("/bytes/5").status)
  end)

  it("opens for slow answers where it is told what is slow", function()
    start 'breaker = { minimum = 4, failures = 0, slow = "300ms", slow_share = 0.9, open = "60s" }'
    fail(5)
    assert.equal(200, get("/bytes/5").status)
    start 'breaker = { minimum = 4, failures = 0, slow = "300ms", slow_share = 0.9, open = "60s" }'
    for _ = 1, 4 do assert.equal(200, get("/delay/0.6").status) end
    assert.equal(503, get("/bytes/5").status)
  end)

  it("of a route leaves others alone", function()
    start("", ([[
      route "/status/{rest*}" { upstream = "orders", name = "bad", %s }
      route "/{rest*}" { upstream = "orders" }
    ]]):format(EAGER))
    fail(4)
    assert.equal(503, get("/status/200").status)
    assert.equal(200, get("/bytes/5").status)
    assert.same({ "route:bad" }, { (next(breakers())) })
  end)

  it("that only reports refuses nothing", function()
    start 'breaker = { minimum = 4, open = "60s", report_only = true }'
    fail(4)
    for _ = 1, 3 do assert.equal(200, get("/bytes/5").status) end
    local row = breakers()["upstream:orders"]
    assert.same({ "open", 3 }, { row.state, row.refused })
    moongate:wait_for_log "is open %(report only%)"
  end)

  it("stays as it is over a reload, and can be closed by hand", function()
    moongate = reloading.start { config = text(EAGER) }
    fail(4)
    moongate:reload { ["gateway.lua"] = text((EAGER:gsub("60s", "70s"))) }
    assert.equal(503, get("/bytes/5").status)
    assert.equal(404, ask("POST", "/breakers/reset?name=upstream:order").status)
    assert.equal(400, ask("POST", "/breakers/reset").status)
    assert.equal(204, ask("POST", "/breakers/reset?name=upstream:orders").status)
    assert.equal(200, get("/bytes/5").status)
  end)

  it("protects who is fetched from, too", function()
    start(EAGER, [[
      route "/both" { plugins = { { "aggregate", parts = {
        one = { "http://orders/status/500", default = "none" } } } } }
      route "/{rest*}" { upstream = "orders", retries = 0 }
    ]])
    for _ = 1, 4 do assert.equal(200, get("/both").status) end
    assert.equal(503, get("/bytes/5").status)
  end)
end)
