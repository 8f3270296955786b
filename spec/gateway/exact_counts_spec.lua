--- exact_counts: what has been counted is not lost with the worker that counted it.

local ffi = require "ffi"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local shared = require "spec.support.shared"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CLIENTS, KILLS, ANSWERS_BETWEEN = 4, 12, 200

local CONFIG = [[
  workers(2)
  limits { connections_per_address = 100 }
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  upstream "origin" { "%s", idle_connections = 64 }
  route "GET /counted" { upstream = "origin", rewrite = "/bytes/1000", plugins = {
    { "probe", on_request = function(_, moongate)
      moongate.counter("app_asked_total"):add(1)
      moongate.metrics.histogram("app_asked_seconds"):observe(0.001)
    end },
    { "probe", on_response = function(_, _, moongate)
      moongate.counter("app_answered_total"):add(1)
    end },
    { "probe", on_log = function(_, _, moongate)
      moongate.counter("app_logged_total"):add(1)
    end },
  } }
  route "GET /held" { upstream = "origin", rewrite = "/fault/stall", plugins = {
    { "probe", on_request = function(_, moongate)
      moongate.metrics.gauge("app_held"):add(1)
    end },
    { "probe", on_log = function(_, _, moongate)
      moongate.metrics.gauge("app_held"):add(-1)
    end },
  } }
  route "GET /raising" { plugins = { { "answer", on_respond = function() error "now" end } } }
]]

describe("what a gateway counts", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  after_each(function()
    gateway.stop_all()
    shared.finish()
  end)

  local function metrics(self) return http.request(self.admin_port, { path = "/metrics" }).body end

  local function metric(text, series)
    return tonumber(text:match("\n" .. series:gsub("%p", "%%%0") .. " (%S+)"))
  end

  -- One client's sums, in memory that the spec shares with it.
  ffi.cdef [[
    struct client_sums { volatile uint64_t connects, asked, answered, failed, is_done, pad[3]; };
  ]]

  -- Asks over connections that stay open, until it is told to end; begins again where one fails.
  local function ask_on(port, sums, stop)
    local text = http.format { path = "/counted" }
    local client
    while stop[0] == 0 do
      if not client then
        client = http.connect(port)
        sums.connects = sums.connects + 1
      end
      sums.asked = sums.asked + 1
      client:send(text)
      local ok, answer = pcall(client.read_response, client)
      if ok and answer.status == 200 and #answer.body == 1000 then
        sums.answered = sums.answered + 1
      else
        sums.failed = sums.failed + 1
        client:close()
        client = nil
      end
    end
  end

  local function start_clients(port)
    local segment = shared.segment(65536 + 4096)
    local memory = shared.C.segment_allot(segment, "clients", 1, 64 * (CLIENTS + 1))
    local list = ffi.cast("struct client_sums *", memory)
    local stop = ffi.cast("volatile uint64_t *", list + CLIENTS)
    local children = {}
    for i = 1, CLIENTS do
      children[i] = process.fork(function() ask_on(port, list[i - 1], stop) end)
    end
    local clients = {}
    function clients.sum(name)
      local sum = 0
      for i = 0, CLIENTS - 1 do sum = sum + tonumber(list[i][name]) end
      return sum
    end
    function clients.finish()
      stop[0] = 1
      for _, child in ipairs(children) do assert.equal(0, child:wait(30)) end
    end
    return clients
  end

  local function kill_one(self, at)
    local pids = wait.that(function()
      local list = self:worker_pids()
      return #list == 2 and list
    end, 30, "two workers")
    local killed = pids[1 + at % 2]
    system.kill(killed, system.SIGKILL)
    -- Only then are its connections closed, all of them.
    wait.that(function()
      for _, pid in ipairs(self:worker_pids()) do
        if pid == killed then return false end
      end
      return true
    end, 30, "its end")
  end

  it("has every answer that a client saw, whichever workers are killed", function()
    local self = gateway.start { config = CONFIG:format(origin.url), files = probe.files }
    local clients = start_clients(self.port)
    for i = 1, KILLS do
      local before = clients.sum "answered"
      wait.that(function() return clients.sum "answered" >= before + ANSWERS_BETWEEN end, 60,
        "answers")
      kill_one(self, i)
    end
    clients.finish()
    local text = metrics(self)
    local asked, answered = clients.sum "asked", clients.sum "answered"
    local function is_exact(name, extra, missing)
      local counted = (metric(text, name) or 0) - (extra or 0)
      assert.is_true(counted >= answered - (missing or 0) and counted <= asked,
        ("%s: %d, of %d asked, %d answered"):format(name, counted, asked, answered))
    end
    is_exact("moongate_http_requests_total", 1) -- the one for /metrics
    is_exact(('moongate_target_attempts_total{upstream="origin",target="%s"}'):format(
      origin.address))
    is_exact "app_asked_total"
    is_exact "app_asked_seconds_count"
    is_exact "app_answered_total"
    -- The log is written after the last byte: a worker may be killed in between.
    is_exact("app_logged_total", 0, KILLS * CLIENTS)
    -- A worker may be killed between a call and what it counts itself.
    local calls = metric(text, 'moongate_plugin_calls_total{plugin="probe",route="GET /counted"}')
    local counted = metric(text, "app_asked_total") + metric(text, "app_answered_total")
      + metric(text, "app_logged_total")
    assert.is_true(calls >= counted and calls <= counted + KILLS, calls .. " for " .. counted)
    local accepted = metric(text, "moongate_connections_accepted_total") - 1
    assert.is_true(accepted <= clients.sum "connects" and accepted >= CLIENTS, accepted)
    assert.is_true(clients.sum "failed" <= KILLS * CLIENTS)
  end)

  it("has what went wrong, the moment after", function()
    local self = gateway.start { config = CONFIG:format("http://127.0.0.1:1"),
      files = probe.files }
    assert.equal(500, http.request(self.port, { path = "/raising" }).status)
    assert.equal(502, http.request(self.port, { path = "/counted" }).status)
    assert.is_truthy(http.exchange(self.port, "GET / HTTP/9.9\r\n\r\n"):find "^HTTP/1.1 [45]")
    local before = {}
    for _, pid in ipairs(self:worker_pids()) do before[pid] = true end
    self:kill_workers()
    wait.that(function()
      local pids = self:worker_pids()
      return #pids == 2 and not before[pids[1]] and not before[pids[2]]
    end, 30, "other workers")
    local text = metrics(self)
    assert.equal(1, metric(text,
      'moongate_plugin_errors_total{plugin="answer",route="GET /raising"}'))
    assert.equal(1, metric(text, "moongate_http_requests_malformed_total"))
    assert.equal(3, metric(text, "moongate_http_requests_total"))
    assert.equal(4, metric(text, "moongate_connections_accepted_total"))
    local errors = 'moongate_target_errors_total{upstream="origin",target="127.0.0.1:1"}'
    assert.is_true(metric(text, errors) >= 1)
  end)

  -- Over one connection that stays open: it is one of those that are counted.
  local function watch(self)
    local admin = http.connect(self.admin_port)
    return function(series)
      local ok, answer = pcall(admin.request, admin, { path = "/metrics" })
      if ok then return metric(answer.body, series) end
      admin:close()
      admin = http.connect(self.admin_port) -- it was the dead one's
    end
  end

  local function open(self, count, path)
    local clients = {}
    for i = 1, count do
      clients[i] = http.connect(self.port)
      clients[i]:send(http.format { path = path })
    end
    return clients
  end

  local function living(lists)
    local count = 0
    for _, clients in ipairs(lists) do
      for _, client in ipairs(clients) do
        if not client:is_closed(0) then count = count + 1 end
      end
    end
    return count
  end

  it("holds nothing of a dead worker", function()
    local self = gateway.start { config = CONFIG:format(origin.url), files = probe.files }
    local now = watch(self)
    local idle, held = open(self, 40, "/bytes/10"), open(self, 40, "/held")
    for _, client in ipairs(idle) do client:read_response() end
    local function becomes(series, value)
      wait.that(function() return now(series) == value end, 30, ("%s %d"):format(series, value))
    end
    becomes("app_held", 40)
    becomes("moongate_connections", 81)
    becomes("moongate_requests_active", 41)
    for at = 1, 2 do
      kill_one(self, at)
      becomes("moongate_workers", 2)
      becomes("moongate_connections", living { idle, held } + 1)
      becomes("moongate_requests_active", living { held } + 1)
      becomes("app_held", living { held })
      assert.is_true(living { held } < (at == 1 and 40 or 20))
    end
    -- The address may have as many again.
    for _, client in ipairs(open(self, 50, "/counted")) do
      assert.equal(200, client:read_response().status)
    end
    for _, list in ipairs { idle, held } do
      for _, client in ipairs(list) do client:close() end
    end
  end)
end)
