--- The admin listener: who may read it, and what it says.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local function get(moongate, path, headers, method)
  return http.request(moongate.admin_port, { path = path, headers = headers, method = method })
end

local function status(moongate)
  local answer = get(moongate, "/status")
  assert.equal(200, answer.status)
  return json.decode(answer.body)
end

describe("an admin listener on loopback", function()
  local moongate, upstream

  setup(function()
    upstream = peer.start()
    moongate = gateway.start {
      config = ([[
        workers(2)
        listen "127.0.0.1:0"
        admin "127.0.0.1:0"
        upstream "users" { "%s" }
        consumer "mobile" { keys = { env "MOBILE_KEY" },
          tags = { note = "see " .. env "NOTE", pin = env "PIN" } }
        route "/status/{code}" { upstream = "users",
          headers = { authorization = "Basic b3duZXI6eA==", ["x-open"] = "kept" } }
        route "/{rest*}" { upstream = "users", query = { q = env "QUOTED" } }
        route "/files/{rest*}" { upstream = "users", upstream_host = file "host.txt" }
      ]]):format(upstream.url),
      env = { MOBILE_KEY = "m0bile-key-1", NOTE = "n0te-secret", QUOTED = 'quo"ted\1',
        PIN = "x9z" },
      files = { ["host.txt"] = "hidden.example\n" },
    }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  it("is ready", function()
    local answer = get(moongate, "/ready")
    assert.equal(200, answer.status)
    assert.same({ status = "ready", generation = 1 }, json.decode(answer.body))
    assert.equal("no-store", answer.headers["cache-control"])
  end)

  it("has its own routes, and the operator's listener has none of them", function()
    assert.equal(404, get(moongate, "/bytes/1").status)
    assert.equal(404, get(moongate, "/").status)
    assert.equal(404, http.request(moongate.port, { path = "/ready" }).status)
  end)

  it("only reads", function()
    for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS", "PATCH" } do
      local answer = get(moongate, "/config", nil, method)
      assert.equal(405, answer.status, method)
      assert.equal("GET, HEAD", answer.headers.allow)
    end
    local answer = get(moongate, "/config", nil, "HEAD")
    assert.equal(200, answer.status)
    assert.is_true(tonumber(answer.headers["content-length"]) > 100)
  end)

  it("refuses hosts that are not this machine's", function()
    for _, host in ipairs { "evil.example", "localhost.evil.example", "10.0.0.1",
        "127.0.0.1.nip.io", "[::2]:80" } do
      assert.equal(403, get(moongate, "/status", { Host = host }).status, host)
    end
    for _, host in ipairs { "localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:80", "LOCALHOST" } do
      assert.equal(200, get(moongate, "/status", { Host = host }).status, host)
    end
  end)

  it("shows the configuration without what came from env and file", function()
    local body = get(moongate, "/config").body
    for _, secret in ipairs { "m0bile-key-1", "n0te-secret", 'quo\\"ted', "hidden.example",
        "b3duZXI6eA", "x9z" } do
      assert.is_nil(body:find(secret, 1, true), secret)
    end
    local config = json.decode(body)
    assert.same({ { host = "127.0.0.1", port = upstream.port, weight = 1, tls = false,
      priority = 0, backup = false } },
      config.upstreams[1].targets)
    assert.equal("mobile", config.consumers[1].name)
    assert.equal(1, config.consumers[1].key_count)
    assert.equal(2, config.workers)
    assert.equal(60, config.limits.idle_timeout)
    assert.equal(3, #config.routes)
    assert.same({ authorization = "(secret)", ["x-open"] = "kept" }, config.routes[1].headers)
    assert.matches("gateway.lua:7$", config.routes[1].at)
  end)

  it("adds up what all workers did", function()
    local connections = {}
    for i = 1, 40 do
      connections[i] = http.connect(moongate.port)
      connections[i]:request { path = "/files/x" }
    end
    http.exchange(moongate.port, "GET / HTTP/1.1\r\nHost : x\r\n\r\n")
    local reader = http.connect(moongate.admin_port) -- of one worker
    local shown = wait.that(function()
      local now = json.decode(reader:request({ path = "/status" }).body)
      local target = now.upstreams[1].targets[1]
      return now.requests.total >= 41 and target.attempts == 40 and now.requests.malformed >= 1
        and now
    end)
    assert.equal(2, #shown.workers.list)
    shown.workers.list = nil
    assert.same({ configured = 2, serving = 2, restarts = 0 }, shown.workers)
    assert.equal(3, shown.routes)
    assert.equal(1, shown.consumers)
    assert.equal("users", shown.upstreams[1].name)
    local target = shown.upstreams[1].targets[1]
    assert.is_true(target.healthy)
    assert.equal(upstream.address, target.target)
    assert.equal(0, target.errors)
    assert.is_false(shown.draining)
    assert.is_true(shown.uptime >= 0 and shown.uptime < 600)
    assert.matches("^%d+%.%d+%.%d+$", shown.version)
    assert.equal(0, shown.memory.limits.refused)
    assert.equal(0, shown.plugin_errors)
  end)

  it("tells which generation runs", function()
    local shown, metrics = status(moongate), get(moongate, "/metrics").body
    assert.equal(1, shown.generation)
    assert.equal("start", shown.cause)
    assert.is_true(math.abs(shown.since - shown.started) < 60)
    assert.is_false(shown.held)
    assert.same({ succeeded = 0, failed = 0 }, shown.reloads)
    assert.is_nil(shown.last_failure)
    assert.matches("\nmoongate_generation 1\n", metrics)
    assert.matches('\nmoongate_reloads_total{result="failed"} 0\n', metrics)
    assert.matches("\nmoongate_reload_failed 0\n", metrics)
  end)

  it("counts a worker that died no longer, what it did still", function()
    local before = wait.that(function()
      local now = status(moongate)
      return now.requests.total >= 20 and now.workers.serving == 2 and now
    end)
    moongate:kill_workers()
    local after = wait.that(function()
      local ok, now = pcall(status, moongate)
      return ok and now.workers.serving == 2 and now
    end)
    assert.is_true(after.requests.total >= before.requests.total)
    assert.equal(before.started, after.started)
  end)
end)

describe("an admin listener with a token", function()
  local moongate

  setup(function()
    moongate = gateway.start {
      config = [[
        listen "127.0.0.1:0"
        admin { "127.0.0.1:0", token = "open-s3same" }
        upstream "users" { "http://127.0.0.1:1" }
        route "/" { upstream = "users" }
      ]],
    }
  end)

  teardown(function() moongate:stop() end)

  it("answers who sends it, under any host", function()
    local headers = { Authorization = "bearer open-s3same", Host = "gateway.example" }
    for _, path in ipairs { "/metrics", "/status", "/ready", "/config" } do
      assert.equal(200, get(moongate, path, headers).status, path)
    end
  end)

  it("asks everybody else for it, whatever they want", function()
    for _, given in ipairs { "Bearer open-s3sam", "Bearer open-s3same1", "Bearer", "Bearer ",
        "Basic open-s3same", "open-s3same", "Bearer xpen-s3same", "Bearer open-s3same x" } do
      for _, path in ipairs { "/metrics", "/status", "/ready", "/config", "/none" } do
        local answer = get(moongate, path, { Authorization = given })
        assert.equal(401, answer.status, given .. path)
        assert.matches("^Bearer", answer.headers["www-authenticate"])
      end
    end
    assert.equal(401, get(moongate, "/ready").status)
    assert.equal(401, get(moongate, "/ready", nil, "POST").status)
  end)

  it("does not show it", function()
    local answer = get(moongate, "/config", { Authorization = "Bearer open-s3same" })
    assert.is_nil(answer.body:find("s3same", 1, true))
    assert.equal("(secret)", json.decode(answer.body).listeners[2].token)
  end)
end)

describe("an admin listener while the gateway drains", function()
  it("is not ready, and holds nothing up", function()
    local upstream = peer.start()
    local moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      route "/{rest*}" { upstream = "%s" }
    ]]):format(upstream.url) }
    local watcher = http.connect(moongate.admin_port)
    assert.equal(200, watcher:request({ path = "/ready" }).status)
    upstream:freeze()
    local client = http.connect(moongate.port)
    client:send(http.format { path = "/bytes/5" })
    wait.that(function() return status(moongate).upstreams[1].targets[1].connections.busy == 1 end)
    moongate:signal(system.SIGTERM)
    wait.that(function() return get(moongate, "/ready").status == 503 end)
    assert.same({ status = "draining" }, json.decode(watcher:request({ path = "/ready" }).body))
    assert.is_true(status(moongate).draining)
    upstream:thaw()
    assert.equal(200, client:read_response().status)
    moongate:stop()
    peer.stop_all()
  end)
end)

describe("an admin listener on a unix socket", function()
  it("answers under any host", function()
    local path = os.tmpname()
    os.remove(path)
    local moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "unix:%s"
      upstream "users" { "http://127.0.0.1:1" }
      route "/" { upstream = "users" }
    ]]):format(path) }
    local answer = http.request(nil, { unix = path, path = "/ready", headers = { Host = "any" } })
    assert.equal(200, answer.status)
    moongate:stop()
    os.remove(path)
  end)
end)
