local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("an upstream", function()
  local directory

  setup(function() directory = system.temporary_directory() end)
  teardown(function() os.execute(("rm -r '%s'"):format(directory)) end)

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- A gateway that sends everything to these targets. `upstream` and `route`: more of their text.
  local function start(targets, upstream, route)
    local lines = {}
    for i, target in ipairs(targets) do
      lines[i] = target:find "^{" and target or ("%q"):format(target)
    end
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { %s, %s }
      route "/{rest*}" { upstream = "users", %s }
    ]]):format(table.concat(lines, ", "), upstream or "", route or "") }
  end

  local function get(self, path, options)
    options = options or {}
    options.path = path
    return http.request(self.port, options)
  end

  local function post(self, path, body)
    return get(self, path, { method = "POST", body = body or "body" })
  end

  it("keeps its connections", function()
    local origin = peer.start()
    local self = start { origin.url }
    for _ = 1, 5 do assert.equal(200, get(self, "/").status) end
    assert.equal(200, post(self, "/").status)
    assert.equal(1, origin:connections())
  end)

  it("may close kept connections whenever it likes", function()
    local origin = peer.start(require("spec.support.peer_answers").closing_after(2))
    local self = start({ origin.url }, nil, "retries = 0")
    local client = http.connect(self.port)
    for _ = 1, 150 do assert.equal(200, client:request({ path = "/count" }).status) end
    client:close()
    assert.is_true(origin:connections() >= 75)
  end)

  it("may have closed them before a request that cannot be repeated", function()
    local origin = peer.start(function(connection)
      local request = connection:read_request()
      if request then connection:answer(200, nil, request.body) end
    end)
    local self = start({ origin.url }, nil, "retries = 0")
    for i = 1, 10 do
      local body = "body " .. i
      assert.equal(body, post(self, "/", body).body)
      wait.that(function() return #origin:ended() == i end, 20, "the connection to end")
    end
  end)

  it("is another target when one refuses", function()
    local port, keeper = peer.refusing()
    local origin = peer.start()
    local self = start { "http://127.0.0.1:" .. port, origin.url }
    for _ = 1, 6 do
      assert.equal(200, get(self, "/").status)
      assert.equal(200, post(self, "/").status)
    end
    keeper:close()
  end)

  it("is not there: 502, and why", function()
    local port, keeper = peer.refusing()
    local self = start { "http://127.0.0.1:" .. port }
    local response = get(self, "/")
    assert.equal(502, response.status)
    assert.is_truthy(response.headers["proxy-status"]:find "connection_refused")
    assert.is_nil(response.body:find(tostring(port), 1, true))
    keeper:close()
  end)

  -- The status, how often a GET and a POST are sent, and what Proxy-Status says.
  local FAULTS = {
    ["reset-after-request"] = { 502, 3, 1, "connection_terminated" },
    ["close-after-request"] = { 502, 3, 1, "connection_terminated" },
    ["reset-in-head"] = { 502, 3, 1, "connection_terminated" },
    ["garbage"] = { 502, 1, 1, "http_protocol_error" },
    ["stall"] = { 504, 1, 1, "http_response_timeout" },
    ["stall-in-head"] = { 504, 1, 1, "http_response_timeout" },
  }

  -- What is said in time must not come too late on a busy machine.
  for fault, expected in pairs(FAULTS) do
    it(("that does %s costs one %d"):format(fault, expected[1]), function()
      local origin = peer.start()
      local self = start({ origin.url }, nil, ('timeout = { response = %q }'):format(
        expected[1] == 504 and "200ms" or "20s"))
      local sent = 0
      for i, method in ipairs { "GET", "POST" } do
        local options = { method = method, body = method == "POST" and "body" or nil }
        local response = get(self, "/fault/" .. fault, options)
        assert.equal(expected[1], response.status)
        assert.is_truthy(response.headers["proxy-status"]:find(expected[4], 1, true))
        sent = sent + expected[i + 1]
        wait.that(function() return #origin:requests() == sent end)
      end
      wait.that(function() return get(self, "/").status == 200 end)
    end)
  end

  for _, fault in ipairs { "reset-in-body", "close-in-body", "close-in-chunks", "stall-in-body",
                           "bad-chunk" } do
    it(("that does %s costs an aborted body"):format(fault), function()
      local origin = peer.start()
      local self = start({ origin.url }, nil, 'timeout = { idle = "200ms" }')
      local client = http.connect(self.port)
      client:send(http.format { path = "/fault/" .. fault })
      local bytes, how = client:read_until_close()
      assert.are_not.equal("timeout", how)
      assert.is_truthy(bytes:find "^HTTP/1.1 200")
      assert.is_nil(bytes:find "\r\n0\r\n\r\n$")
      assert.is_nil(bytes:find "56789")
      assert.equal(1, #origin:requests())
      client:close()
      assert.equal(200, get(self, "/").status)
    end)
  end

  for _, fault in ipairs { "extra-bytes", "extra-answer" } do
    it(("that does %s is not asked again on that connection"):format(fault), function()
      local origin = peer.start()
      local self = start { origin.url }
      local client = http.connect(self.port)
      for _ = 1, 3 do
        assert.equal("0123456789", client:request({ path = "/fault/" .. fault }).body)
        assert.equal("status 404", client:request({ path = "/status/404" }).body)
      end
      client:close()
      assert.is_true(origin:connections() >= 4)
    end)
  end

  it("is given so long for everything, retries included", function()
    local origin = peer.start()
    local self = start({ origin.url }, nil, 'timeout = { total = "150ms" }')
    local response = get(self, "/delay/5")
    assert.equal(504, response.status)
    assert.is_truthy(response.headers["proxy-status"])
    wait.that(function() return get(self, "/delay/0.01").status == 200 end)
  end)

  it("is retried within a budget", function()
    local origin = peer.start()
    local self = start({ origin.url }, "retry_budget = 0, retry_budget_min = 4", "retries = 2")
    for _ = 1, 10 do assert.equal(502, get(self, "/fault/close-after-request").status) end
    assert.is_true(#origin:requests() >= 14 and #origin:requests() <= 18)
  end)

  it("is retried beyond its budget where that only reports, and shows what is refused", function()
    local origin = peer.start()
    local self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(2)
      upstream "strict" { "%s", retry_budget = 0, retry_budget_min = 1, failures = 1000 }
      upstream "lenient" { "%s", retry_budget = 0, retry_budget_min = 0, failures = 1000,
        retry_budget_report_only = true }
      route "/fault/close-after-request" { upstream = "strict", retries = 1 }
      route "/fault/close-after-head" { upstream = "lenient", retries = 2,
        rewrite = "/fault/close-after-request" }
    ]]):format(origin.url, origin.url) }
    assert.equal(502, get(self, "/fault/close-after-head").status)
    assert.equal(3, #origin:requests())
    for _ = 1, 8 do assert.equal(502, get(self, "/fault/close-after-request").status) end
    local shown = json.decode(http.request(self.admin_port, { path = "/upstreams" }).body)
    local budgets = {}
    for _, upstream in ipairs(shown) do budgets[upstream.name] = upstream.retry_budget end
    assert.same({ requests = 1, retries = 0, refused = 2 }, budgets.lenient)
    local strict = budgets.strict
    assert.equal(8, strict.requests)
    assert.equal(8, strict.retries + strict.refused)
    assert.equal(3 + 8 + strict.retries, #origin:requests())
    local _, told = self:ask { "upstream", "lenient" }
    assert.matches("lenient, 0 retries of 1 requests (2 refused)\n", told, 1, true)
    _, told = self:ask { "upstream", "lenient", "--json" }
    assert.same({ { upstream = "lenient", retries = { requests = 1, taken = 0, refused = 2 },
      hedges = { requests = 0, taken = 0, sent = 0, won = 0, refused = 0, reported = 0 } } },
      json.decode(told).budgets)
    local text = http.request(self.admin_port, { path = "/metrics" }).body
    assert.equal(2, tonumber(
      text:match 'moongate_retries_refused_total{upstream="lenient"} (%d+)'))
  end)

  it("gets requests where the least is to do", function()
    local slow, quick = peer.start(), peer.start()
    local self = start({ slow.url, quick.url }, 'balance = "least_conn"')
    local waiting = http.connect(self.port)
    waiting:send(http.format { path = "/delay/1" })
    wait.that(function() return #slow:requests() + #quick:requests() == 1 end, 20, "the request")
    local busy, idle = slow, quick
    if #quick:requests() == 1 then busy, idle = quick, slow end
    busy:freeze()
    for _ = 1, 5 do assert.equal(200, get(self, "/").status) end
    assert.equal(1, #busy:requests())
    assert.equal(5, #idle:requests())
    busy:thaw()
    assert.equal(200, waiting:read_response().status)
    waiting:close()
  end)

  it("gets requests by weight", function()
    local one, three = peer.start(), peer.start()
    local self = start { one.url, ('{ "%s", weight = 3 }'):format(three.url) }
    for _ = 1, 12 do get(self, "/") end
    assert.equal(3, #one:requests())
    assert.equal(9, #three:requests())
  end)

  it("is set aside when it fails, and tried again", function()
    local port, keeper = peer.refusing()
    local good = peer.start()
    local self = start({ "http://127.0.0.1:" .. port, good.url },
                       'failures = 1, set_aside = "300ms"')
    for _ = 1, 4 do assert.equal(200, get(self, "/").status) end
    assert.equal(4, #good:requests())
    keeper:close()
    local back = peer.start(nil, { port = port })
    local failed
    wait.that(function()
      local status = get(self, "/").status
      if status ~= 200 then failed = status end
      return #back:requests() > 0
    end, 20, "requests at the target that is back")
    assert.is_nil(failed)
    local name = "127.0.0.1:" .. port
    self:wait_for_log(('upstream "users": %s is set aside: upstream%%-refused'):format(name))
    self:wait_for_log(('upstream "users": %s answers again'):format(name))
  end)

  it("can be a name", function()
    local origin = peer.start()
    local self = start { "http://localhost:" .. origin.port }
    assert.equal(200, get(self, "/").status)
    local lost = start { "http://no-such-name.invalid" }
    local response = get(lost, "/")
    assert.is_truthy(response.status == 502 or response.status == 504)
    assert.is_truthy(response.headers["proxy-status"]:find "dns_")
  end)

  it("can be a unix socket", function()
    local origin = peer.start(nil, { host = "unix:" .. directory .. "/origin" })
    local self = start { "unix:" .. directory .. "/origin" }
    for _ = 1, 3 do
      assert.equal(200, get(self, "/").status)
      assert.equal(200, post(self, "/").status)
    end
    assert.equal(1, origin:connections())
    origin:stop()
    assert.equal(502, get(self, "/").status)
  end)

  describe("with TLS", function()
    local own, server, client

    setup(function()
      own = certificates.authority(directory, "own")
      server = own:issue { name = "localhost", alternatives = "DNS:localhost,DNS:api.test" }
      client = own:issue { name = "gateway" }
    end)

    -- The status that a gateway with these TLS options answers, and what the origin saw.
    local function ask(tls, ca)
      local origin = peer.start(function(connection)
        while connection:read_request() do
          connection:note {
            name = connection.stream:server_name(), subject = connection.stream:peer_subject(),
          }
          connection:answer(200, nil, "secret")
        end
      end, { tls = { cert = server.certificate, key = server.key, ca = ca } })
      local self = start({ "https://localhost:" .. origin.port }, tls)
      local response = get(self, "/")
      for _ = 1, 3 do assert.equal(response.status, get(self, "/").status) end
      return response, origin:notes()[1], origin
    end

    it("is verified against its own authority, by its name", function()
      local response, seen, origin = ask(('tls = { ca = "%s" }'):format(own.certificate))
      assert.equal(200, response.status)
      assert.equal("localhost", seen.name)
      assert.equal(1, origin:connections())
    end)

    it("is asked for the name that is configured", function()
      local response, seen = ask(('tls = { ca = "%s", server_name = "api.test" }'):format(
        own.certificate))
      assert.equal(200, response.status)
      assert.equal("api.test", seen.name)
    end)

    it("is refused when its certificate is for another name", function()
      local response = ask(('tls = { ca = "%s", server_name = "other.test" }'):format(
        own.certificate))
      assert.equal(502, response.status)
      assert.is_truthy(response.headers["proxy-status"]:find "tls_certificate_error")
    end)

    it("is refused by default when nobody known vouches for it", function()
      local response = ask ""
      assert.equal(502, response.status)
      assert.is_truthy(response.headers["proxy-status"]:find "tls_certificate_error")
    end)

    it("is taken as it is on an operator's explicit word", function()
      assert.equal(200, ask("tls = { verify = false }").status)
    end)

    it("sees the gateway's own certificate", function()
      local response, seen = ask(('tls = { ca = "%s", cert = "%s", key = "%s" }'):format(
        own.certificate, client.certificate, client.key), own.certificate)
      assert.equal(200, response.status)
      assert.equal("/CN=gateway", seen.subject)
    end)
  end)
end)
