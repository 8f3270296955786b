local each_worker = require "spec.support.each_worker"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local latches = require "spec.support.latch"
local peer = require "spec.support.peer"
local peer_answers = require "spec.support.peer_answers"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- The first attempt goes to the target that has nearly all of the weight.
local TEXT = [[
  workers(1)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  upstream "orders" { { "%s", weight = 1000 }, { "%s", weight = 1 }, %s }
  use { { "access-log", format = "{upstream_attempts} {upstream_hedges}"
    .. " {upstream_hedge_won} {upstream_target} {upstream_overtaken}" } }
  route "/{rest*}" { upstream = "orders", %s }
]]

-- Whoever is to answer after a hedge waits for what another peer has seen, not for a time that is
-- long enough.
local function answering(body, condition)
  return function(connection)
    while connection:read_request() do
      connection:await(condition)
      if not connection:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body,
        body)) then return end
    end
  end
end

describe("hedging", function()
  local silent, quick, moongate

  setup(function() silent, quick = peer.start(peer_answers.silent), peer.start() end)
  after_each(function()
    gateway.stop_all()
    silent:forget()
    quick:forget()
  end)
  teardown(function() peer.stop_all() end)

  local function start(first, second, hedge, route)
    moongate = gateway.start { config = TEXT:format(first.url, second.url, hedge, route or "") }
  end

  local function ask(request)
    if type(request) == "string" then request = { path = request } end
    return http.request(moongate.port, request)
  end
  local function admin(path) return http.request(moongate.admin_port, { path = path }).body end
  local function orders() return json.decode(admin "/upstreams")[1] end
  local function asked(origin, count)
    return function() return #origin:requests() >= count end
  end
  local function ended(origin, count)
    return function() return #origin:ended() >= count end
  end
  local function wait_for_line(...)
    local text = ("%s %s %s %s %s\n"):format(...)
    wait.that(function() return system.read_file(moongate.directory .. "/stdout") == text end,
      nil, text)
  end

  it("asks another target when the first one takes long, and breaks the first one off", function()
    start(silent, quick, 'hedge = { after = "30ms" }')
    local answer = ask "/bytes/5"
    assert.same({ 200, "01234" }, { answer.status, answer.body })
    wait.that(ended(silent, 1))
    assert.equal(1, #silent:requests())
    local seen = orders()
    assert.same({ sent = 1, won = 1, refused = 0, reported = 0 }, seen.hedges)
    for _, target in ipairs(seen.targets) do
      assert.same({ 0, 0, true }, { target.failures, target.errors, target.healthy })
    end
    local metrics = admin "/metrics"
    assert.matches('moongate_hedges_total{upstream="orders"} 1', metrics, 1, true)
    assert.matches('moongate_hedges_won_total{upstream="orders"} 1', metrics, 1, true)
    local _, told = moongate:ask { "upstream", "orders" }
    assert.matches("orders, 1 hedges of 1 requests (1 sent, 1 won, 0 refused, 0 only reported)\n",
      told, 1, true)
    _, told = moongate:ask { "status" }
    assert.matches("\nupstream       orders, 1 hedges of 1 requests (1 sent, 1 won,", told, 1, true)
    _, told = moongate:ask { "status", "--json" }
    assert.equal(1, json.decode(told).protection.budgets[1].hedges.won)
    _, told = moongate:ask { "upstream", "--json" }
    assert.same({ requests = 1, taken = 1, sent = 1, won = 1, refused = 0, reported = 0 },
      json.decode(told).budgets[1].hedges)
    wait_for_line(2, 1, "true", quick.address, silent.address)
  end)

  it("takes the first one's answer when that comes first after all", function()
    local slow = peer.start(answering("slow", asked(silent, 1)))
    start(slow, silent, 'hedge = { after = "10ms" }')
    assert.equal("slow", ask("/").body)
    wait.that(ended(silent, 1))
    assert.equal(1, #silent:requests())
    assert.same({ sent = 1, won = 0, refused = 0, reported = 0 }, orders().hedges)
    wait_for_line(2, 1, "-", slow.address, silent.address)
    assert.equal("slow", ask("/").body) -- its connection was kept
    assert.equal(1, slow:connections())
  end)

  it("sends the body again, and nothing twice that is not idempotent", function()
    start(silent, quick, 'hedge = { after = "10ms" }', [[ }
      route "POST /{rest*}" { upstream = "orders", timeout = { response = "400ms" } ]])
    local answer = ask { method = "PUT", path = "/echo", body = "what was sent" }
    assert.equal("what was sent", json.decode(answer.body).body)
    wait.that(function() return silent:requests()[1].body == "what was sent" end)
    assert.equal(504, ask({ method = "POST", path = "/", body = "once" }).status)
    assert.equal(1, #quick:requests())
    wait.that(function() return #silent:requests() == 2 end)
  end)

  it("asks no target a second time", function()
    moongate = gateway.start { config = ([[
      workers(1)
      listen "127.0.0.1:0"
      upstream "orders" { "%s", hedge = { after = "10ms" } }
      route "/" { upstream = "orders", timeout = { response = "60ms" } }
    ]]):format(silent.url) }
    assert.equal(504, ask("/").status)
    wait.that(ended(silent, 1))
    assert.equal(1, #silent:requests())
  end)

  it("lets a failed attempt wait for the one that is under way", function()
    local slow
    local latch = latches.new()
    local closing = peer.start(function(connection)
      connection:read_request()
      connection:await(latch.is_open)
    end)
    slow = peer.start(function(connection)
      connection:read_request()
      latch.open()
      connection:await(ended(closing, 1))
      connection:sleep(0.1) -- for the gateway to see it
      connection:answer(200, nil, "slow")
    end)
    start(closing, slow, 'hedge = { after = "10ms" }')
    assert.equal("slow", ask("/").body)
    assert.same({ 1, 1 }, { #closing:requests(), #slow:requests() })
    wait_for_line(2, 1, "true", slow.address, closing.address)
  end)

  it("retries when both have failed, as one would", function()
    local latch = latches.new()
    local closing = peer.start(function(connection)
      connection:read_request()
      connection:await(latch.is_open)
    end)
    start(closing, closing, 'hedge = { after = "10ms" }, breaker = { minimum = 20 }', "retries = 1")
    local client = http.connect(moongate.port)
    client:send(http.format {})
    closing:wait_for_requests(2)
    latch.open()
    assert.equal(502, client:read_response().status)
    wait.that(ended(closing, 3))
    assert.equal(3, #closing:requests())
  end)

  it("keeps to its share, or one a second", function()
    local slow = peer.start(function(connection)
      while connection:read_request() do
        connection:sleep(0.05)
        if not connection:answer(200, nil, "slow") then return end
      end
    end)
    start(slow, quick, 'hedge = { after = "10ms", share = 0 }')
    local began, hedges = system.now(), nil
    wait.that(function()
      local status = ask("/bytes/5").status
      hedges = orders().hedges
      return status == 200 and hedges.sent >= 1 and hedges.refused >= 1
    end)
    -- In less than a second there may be parts of two.
    assert.is_true(hedges.sent <= 2 + (system.now() - began), json.encode(hedges))
    wait.that(function() return #quick:requests() == hedges.sent end)
    local _, told = moongate:ask { "upstream", "orders", "--json" }
    local shown = json.decode(told).budgets[1].hedges
    assert.same({ hedges.sent, hedges.refused }, { shown.sent, shown.refused })
  end)

  it("only counts where it is told to report", function()
    local latch = latches.new()
    start(peer.start(answering("slow", latch.is_open)), quick,
      'hedge = { after = "10ms", report_only = true }')
    local client = http.connect(moongate.port)
    client:send(http.format {})
    wait.that(function() return orders().hedges.reported == 1 end)
    latch.open()
    assert.equal("slow", client:read_response().body)
    assert.same({ sent = 0, won = 0, refused = 0, reported = 1 }, orders().hedges)
    local _, told = moongate:ask { "upstream", "orders" }
    assert.matches("(0 sent, 0 won, 0 refused, 1 only reported)", told, 1, true)
    assert.equal(0, #quick:requests())
  end)

  it("is of a request that has waited in the queue, once it was sent", function()
    local latch = latches.new()
    local first = peer.start(function(connection)
      if connection:read_request().method == "GET" then connection:sleep(3600) end
      connection:await(latch.is_open)
      connection:answer(200, nil, "first")
    end)
    start(first, quick, 'hedge = { after = "20ms", share = 1 }, queue = { deadline = "20s" },\n'
      .. "adaptive = { min = 1, max = 1 }")
    local ahead = http.connect(moongate.port)
    ahead:send(http.format { method = "POST", path = "/bytes/5" })
    first:wait_for_requests(1)
    local behind = http.connect(moongate.port)
    behind:send(http.format { path = "/bytes/5" })
    wait.that(function() return orders().concurrency.queue.length == 1 end)
    latch.open()
    local answer = behind:read_response()
    assert.same({ 200, "01234" }, { answer.status, answer.body })
    assert.equal("first", ahead:read_response().body)
    assert.equal(1, orders().concurrency.queue.waited)
    assert.equal(1, orders().hedges.won)
  end)

  it("learns nothing from the time for which requests waited in the queue", function()
    local latch, seconds = latches.new(), 2
    local first = peer.start(function(connection)
      while true do
        local request = connection:read_request()
        if not request then return end
        if request.target == "/slow" then connection:sleep(3600) end
        if request.method == "POST" then connection:await(latch.is_open) end
        connection:answer(200, nil, "first")
      end
    end)
    start(first, quick, 'hedge = { after = "p90", share = 1 }, queue = { deadline = "60s" },\n'
      .. "adaptive = { min = 1, max = 1 }")
    local ahead, behind = http.connect(moongate.port), {}
    ahead:send(http.format { method = "POST", path = "/" })
    first:wait_for_requests(1)
    for i = 1, 20 do
      behind[i] = http.connect(moongate.port)
      behind[i]:send(http.format { path = "/" })
    end
    wait.that(function() return orders().concurrency.queue.length == 20 end)
    system.sleep(seconds)
    latch.open()
    for i = 1, 20 do assert.equal(200, behind[i]:read_response().status) end
    assert.equal("first", ahead:read_response().body)
    local began = system.now()
    assert.equal("/slow", json.decode(ask("/slow").body).target)
    assert.is_true(system.now() - began < seconds)
  end)

  it("is a route's own matter where that says so", function()
    start(silent, quick, 'hedge = { after = "10ms" }',
      'hedge = { attempts = 0 }, timeout = { response = "60ms" }')
    assert.equal(504, ask("/").status)
    assert.equal(0, #quick:requests())
  end)

  it("learns from its answers what is long", function()
    local kind = peer.start(function(connection)
      while true do
        local request = connection:read_request()
        if not request then return end
        if request.target == "/slow" then connection:sleep(3600) end
        connection:sleep(0.001)
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkind"
      end
    end)
    start(kind, quick, 'hedge = { after = "p90", share = 1 }')
    local connection = http.connect(moongate.port)
    for _ = 1, 20 do connection:request { path = "/" } end
    assert.equal("/slow", json.decode(connection:request({ path = "/slow" }).body).target)
  end)

  it("goes by the answers of all workers, those that are dead included", function()
    local kind = peer.start(function(connection)
      while true do
        local request = connection:read_request()
        if not request then return end
        if request.target == "/slow" then connection:sleep(3600) end
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkind"
      end
    end)
    local text = TEXT:gsub("workers%(1%)", "workers(2)")
    moongate = gateway.start { files = each_worker.FILES, config = each_worker.ROUTE
      .. text:format(kind.url, quick.url, 'hedge = { after = "p90", share = 1 }', "") }
    local workers = each_worker.connect(moongate, 1)
    for _ = 1, 20 do workers[1].client:request { path = "/" } end
    local function hedged(worker)
      return json.decode(worker.client:request({ path = "/slow" }).body).target
    end
    assert.equal("/slow", hedged(workers[2]))
    for _, worker in ipairs(workers) do system.kill(worker.pid, system.SIGKILL) end
    workers = wait.that(function() return each_worker.connect(moongate, 1) end)
    for _, worker in ipairs(workers) do assert.equal("/slow", hedged(worker)) end
  end)

  it("ends all attempts when the client goes away", function()
    local other = peer.start(peer_answers.silent)
    start(silent, other, 'hedge = { after = "10ms" }')
    local connection = http.connect(moongate.port)
    connection:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    other:wait_for_requests(1)
    connection:close()
    wait.that(function() return #silent:ended() == 1 and #other:ended() == 1 end)
  end)

  it("is one request to a circuit breaker", function()
    start(silent, quick,
      'hedge = { after = "10ms", share = 1 }, breaker = { minimum = 3, open = "60s" }')
    for _ = 1, 3 do assert.equal(500, ask("/status/500").status) end
    assert.equal(503, ask("/bytes/5").status)
  end)

  it("leaves failures to a circuit breaker where there is no other target to ask", function()
    start(silent, quick, 'failures = 100, hedge = { after = "10ms", share = 1 }, '
      .. 'breaker = { minimum = 3, open = "60s" }', 'timeout = { response = "60ms" }, retries = 0')
    assert.equal(0, (moongate:ask { "upstream", "disable", "orders", quick.url }))
    for _ = 1, 3 do assert.equal(504, ask("/").status) end
    assert.equal(503, ask("/").status)
    assert.equal(0, #quick:requests())
  end)

  it("says what is wrong with its options", function()
    local code, _, why = gateway.run({ "check" }, { config = [[
      upstream "orders" { "http://127.0.0.1:1", hedge = { after = "p100", atempts = 2 } }
      route "/" { upstream = "orders", hedge = { after = 0 } }
    ]] })
    assert.equal(1, code)
    assert.matches('upstream "orders": hedge.after is "p100"; expected a duration from 1ms on, or a'
      .. ' percentile, as "p95"', why, 1, true)
    assert.matches("hedge.atempts is not known here; did you mean \"attempts\"", why, 1, true)
    assert.matches('route "/": hedge.after is 0', why, 1, true)
  end)
end)
