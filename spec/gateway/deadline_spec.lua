local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local peer_answers = require "spec.support.peer_answers"
local wait = require "spec.support.wait"

local PROBE = [[
  local moongate = require "moongate"
  local probe = { summary = "Waits, or asks.", options = {
    sleep = { type = "duration", default = 0, help = "before" },
    fetch = { type = "string", help = "asked first" },
  } }
  function probe:request(req)
    if self.sleep > 0 then moongate.sleep(self.sleep) end
    if self.fetch then
      local answer, fault = moongate.fetch(self.fetch)
      moongate.log.info("fetch: " .. tostring(answer and answer.status or fault))
    end
    req.headers["x-left"] = tostring(req.time_left)
  end
  return probe
]]

local TEXT = [[
  workers(1)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  deadline { least = "5ms" }
  upstream "echo" { "%s" }
  upstream "silent" { "%s" }
  upstream "flaky" { "%s" }
  upstream "trickling" { "%s" }
  route "/echo" { upstream = "echo" }
  route "/silent" { upstream = "silent" }
  route "/trickling" { upstream = "trickling" }
  route "/delay/2" { upstream = "echo", plugins = { { "cache", ttl = "1m" } } }
  route "/parts" { plugins = { { "aggregate", parts = {
    one = "http://echo/echo", two = "http://silent/" } } } }
  route "/flaky" { upstream = "flaky", timeout = "10s", deadline = { least = "1ms" } }
  route "/total" { upstream = "echo", timeout = "20s" }
  route "/off" { upstream = "echo", deadline = false }
  route "/quiet" { upstream = "echo", deadline = { pass_on = false } }
  route "/capped" { upstream = "echo", deadline = { max = "30s" } }
  route "/report" { upstream = "echo", deadline = { report_only = true } }
  route "/envoy" { upstream = "echo", deadline = { field = "X-Envoy-Expected-Rq-Timeout-Ms" } }
  route "/sleep" { upstream = "echo", plugins = { { "probe", sleep = "60ms" } } }
  route "/long-sleep" { upstream = "echo", plugins = { { "probe", sleep = "1m" } } }
  route "/fetch" { upstream = "echo", plugins = { { "probe", fetch = "http://silent/" } } }
  group { prefix = "/grpc", deadline = { field = "grpc-timeout" }, routes = function()
    route "/echo" { upstream = "echo" }
  end }
  group { prefix = "/unix", deadline = { field = "x-deadline", format = "unix" },
    routes = function() route "/echo" { upstream = "echo" } end }
  route "/report-time" { upstream = "echo",
    deadline = { field = "x-deadline", format = "unix", report_only = true } }
]]

describe("a deadline", function()
  local echo, silent, flaky, moongate

  setup(function()
    echo, silent = peer.start(), peer.start(peer_answers.silent)
    flaky = peer.start(function(connection)
      connection:read_request()
      connection:sleep(0.05)
    end)
    local trickling = peer.start(function(connection)
      connection:read_request()
      connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbeg"
      connection:sleep(60)
    end)
    moongate = gateway.start { config = TEXT:format(echo.url, silent.url, flaky.url, trickling.url),
      files = { ["plugins/probe.lua"] = PROBE } }
  end)
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, value, field)
    return http.request(moongate.port, { path = path,
      headers = { [field or "X-Request-Timeout"] = value } })
  end
  local function passed_on(path, value, field)
    local answer = get(path, value, field)
    assert.equal(200, answer.status)
    return json.decode(answer.body).headers[(field or "x-request-timeout"):lower()]
  end
  local function seen()
    return json.decode(http.request(moongate.admin_port, { path = "/status" }).body).deadlines
  end
  -- On a busy machine it may end sooner, elsewhere.
  local function assert_ended(where, act)
    local before, answer = seen().ended[where], nil
    wait.that(function()
      answer = act()
      return seen().ended[where] == before + 1
    end, 20, "the end of one that is " .. where)
    local _, told = moongate:ask { "status" }
    assert.matches(("\ndeadlines      [%%d%%a ,]*%d %s, "):format(before + 1, where), told)
    _, told = moongate:ask { "status", "--json" }
    assert.equal(before + 1, json.decode(told).protection.deadlines[where])
    assert.equal(504, answer.status)
    assert.matches("deadline%-ended", answer.body)
    assert.equal(before + 1, seen().ended[where])
  end
  local function assert_between(least, most, text)
    local number = tonumber(text)
    assert.is_true(number ~= nil and number >= least and number <= most, tostring(text))
  end

  it("is passed on, less what was spent here", function()
    assert_between(40, 50, passed_on("/echo", "50"))
    assert_between(40, 49.945, passed_on("/sleep", "50"))
    assert_between(40000, 50000, passed_on("/envoy", "50000", "X-Envoy-Expected-Rq-Timeout-Ms"))
    assert_between(40000, 50000, passed_on("/grpc/echo", "50S", "grpc-timeout"):match "^(%d+)m$")
    local at = os.time() + 100
    assert_between(at - 0.002, at, passed_on("/unix/echo", tostring(at), "x-deadline"))
  end)

  it("ends a request that waits for its upstream", function()
    assert_ended("waiting", function() return get("/silent", "0.2") end)
    wait.that(function() return #silent:ended() > 0 end)
  end)

  it("cuts off an answer that has begun", function()
    local before = seen().ended.answering
    local client = http.connect(moongate.port)
    client:send(http.format { path = "/trickling", headers = { ["X-Request-Timeout"] = "1" } })
    assert.equal(200, client:read_head().status)
    assert.equal("beg", client:read_until_close())
    wait.that(function() return seen().ended.answering == before + 1 end)
  end)

  it("is one client's: others who wait for the same to be stored get it", function()
    local patient = http.connect(moongate.port)
    local before = #echo:requests()
    local hasty = http.connect(moongate.port)
    hasty:send(http.format { path = "/delay/2", headers = { ["X-Request-Timeout"] = "1" } })
    echo:wait_for_requests(before + 1)
    patient:send(http.format { path = "/delay/2" })
    assert.equal(504, hasty:read_response().status)
    assert.equal(200, patient:read_response().status)
    assert.equal(before + 1, #echo:requests())
  end)

  it("ends what waits for parts of an answer", function()
    assert_ended("before", function() return get("/parts", "0.05") end)
  end)

  it("ends a request that plugins hold", function()
    assert_ended("before", function() return get("/long-sleep", "0.05") end)
  end)

  it("sends nothing when there is no time left", function()
    local before = #echo:requests()
    assert_ended("before", function() return get("/echo", "0") end)
    assert_ended("before", function() return get("/echo", "0.004") end)
    assert_ended("before", function() return get("/grpc/echo", "1n", "grpc-timeout") end)
    assert_ended("before", function() return get("/unix/echo", "1000000000", "x-deadline") end)
    assert.equal(before, #echo:requests())
  end)

  it("begins no attempt that has too little time, and tells each what is left", function()
    assert.equal(502, get("/flaky", "50").status)
    local left = {}
    for i, request in ipairs(flaky:wait_for_requests(3)) do
      left[i] = tonumber(request.headers["x-request-timeout"])
    end
    assert.is_true(left[2] <= left[1] - 0.045 and left[3] <= left[2] - 0.045)
    assert_ended("waiting", function()
      flaky:forget()
      return get("/flaky", "0.08")
    end)
    assert.is_true(#flaky:requests() <= 2)
  end)

  it("may only shorten what the route allows, and is told where the route has one", function()
    assert_between(10.1, 20, passed_on("/total", "100"))
    assert_between(10.1, 20, passed_on "/total")
    assert_between(1, 10, passed_on("/total", "10"))
    assert_between(20.1, 30, passed_on("/capped", "100"))
    assert.is_nil(passed_on "/echo")
  end)

  it("is as if it were not there when it cannot be read", function()
    local before = seen().malformed
    for _, value in ipairs { "soon", "-1", "1e3", "5s", "", "12345678901", "1.", "0x10", " 1 2" } do
      assert.is_nil(passed_on("/echo", value), value)
    end
    local twice = http.request(moongate.port, { path = "/echo",
      headers = { { "X-Request-Timeout", "5" }, { "X-Request-Timeout", "0" } } })
    assert.equal(200, twice.status)
    for _, value in ipairs { "5", "5s", "123456789S", "S" } do
      assert.is_nil(passed_on("/grpc/echo", value, "grpc-timeout"), value)
    end
    assert.equal(before + 14, seen().malformed)
  end)

  it("is nobody's business where a route says so", function()
    assert.equal("0", passed_on("/off", "0"))
    assert.is_nil(passed_on("/quiet", "5"))
    local before = seen().reported
    assert.equal("0", passed_on("/report", "0"))
    wait.that(function() return seen().reported == before + 1 end)
    assert.equal("1000000000", passed_on("/report-time", "1000000000", "x-deadline"))
    wait.that(function() return seen().reported == before + 2 end)
  end)

  it("is the bound of what plugins fetch", function()
    local position = #moongate:log()
    assert.equal(504, get("/fetch", "0.05").status)
    assert.is_nil(moongate:log():find("fetch: 200", position, true))
    local echoed = json.decode(get("/sleep", "50").body)
    assert_between(40, 49.945, echoed.headers["x-left"])
  end)

  it("says what is wrong with its options", function()
    local code, _, why = gateway.run({ "check" }, { config = [[
      listen "127.0.0.1:0"
      upstream "a" { "http://127.0.0.1:1" }
      route "/a" { upstream = "a", deadline = { field = "Host" } }
      route "/b" { upstream = "a", deadline = "5s" }
      route "/c" { upstream = "a", deadline = { feild = "x" } }
    ]] })
    assert.equal(1, code)
    assert.matches('deadline.field is "Host"; expected the name of a field', why, 1, true)
    assert.matches('deadline is "5s"; expected a table, or false', why, 1, true)
    assert.matches('deadline.feild is not known here; did you mean "field"', why, 1, true)
  end)
end)
