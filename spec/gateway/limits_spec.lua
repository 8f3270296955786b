--- limits: what a client may take of a running gateway, and what it gets beyond that.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local message = require "spec.support.message"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CHUNKED = { ["Transfer-Encoding"] = "chunked" }

describe("a limit", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function start(limits, route)
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      limits { %s }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin", %s }
    ]]):format(limits, origin.url, route or "") }
  end

  local function problem(response, status, kind)
    assert.equal(status, response.status)
    assert.equal("application/problem+json", response.headers["content-type"])
    local document = json.decode(response.body)
    assert.equal("urn:moongate:problem:" .. kind, document.type)
    assert.equal(status, document.status)
    assert.is_nil(response.headers["proxy-status"])
    return document
  end

  local function head_of(answer)
    return tonumber(answer:match "^HTTP/1%.1 (%d%d%d) ")
  end

  describe("of bodies", function()
    it("refuses a length beyond it, before anything goes to the origin", function()
      local self = start 'body = "1k"'
      assert.equal(200, http.request(self.port, { method = "POST", body = ("x"):rep(1024) }).status)
      origin:forget()
      local response = http.request(self.port, { method = "POST", body = ("x"):rep(1025) })
      problem(response, 413, "request-body-too-large")
      assert.equal(0, #origin:requests())
    end)

    it("cuts chunks beyond it", function()
      local self = start 'body = "1k"'
      local function post(size)
        return http.request(self.port, {
          method = "POST", path = "/count", body = ("x"):rep(size), headers = CHUNKED,
        })
      end
      assert.equal("1024", post(1024).body)
      problem(post(1025), 413, "request-body-too-large")
      assert.equal("3", post(3).body)
    end)

    it("is another one where a route says so", function()
      local self = start('body = "1k"', 'body_limit = "2k"')
      assert.equal(200, http.request(self.port, { method = "POST", body = ("x"):rep(2048) }).status)
      assert.equal(413, http.request(self.port, { method = "POST", body = ("x"):rep(2049) }).status)
    end)

    it("reaches a client that does not stop sending", function()
      local self = start 'body = "1k"'
      for _, head in ipairs { "Content-Length: 50000000", "Transfer-Encoding: chunked" } do
        local client = http.connect(self.port)
        client:send("POST / HTTP/1.1\r\nHost: a\r\n" .. head .. "\r\n\r\n")
        local piece = head:find "chunked" and message.chunk(("x"):rep(8192)) or ("x"):rep(8192)
        for _ = 1, 100 do
          if not client:send(piece) then break end
          system.sleep(0.0005)
        end
        local answer = client:read_until_close()
        assert.equal(413, head_of(answer))
        client:close()
      end
    end)
  end)

  it("of heads refuses a longer one", function()
    local self = start 'head = "2k"'
    local response = http.request(self.port, { headers = { X = ("x"):rep(1500) } })
    assert.equal(200, response.status)
    response = http.request(self.port, { headers = { X = ("x"):rep(2100) } })
    problem(response, 431, "request-head-too-large")
  end)

  it("of targets refuses a longer one", function()
    local self = start 'target = "256"'
    assert.equal(200, http.request(self.port, { path = "/" .. ("x"):rep(255) }).status)
    local response = http.request(self.port, { path = "/" .. ("x"):rep(256) })
    problem(response, 414, "request-target-too-long")
  end)

  it("of methods is what is known", function()
    local self = start ""
    problem(http.request(self.port, { method = "BREW" }), 501, "method-unknown")
    assert.equal(200, http.request(self.port, { method = "PROPFIND" }).status)
  end)

  it("of time for a head ends a slow one", function()
    local self = start 'head_timeout = "200ms"'
    local client = http.connect(self.port)
    client:send "GET / HTTP/1.1\r\nHo"
    local started = system.now()
    problem(client:read_response(), 408, "request-timeout")
    assert.is_true(client:is_closed(20))
    assert.is_true(system.now() - started >= 0.15)
    client:close()
  end)

  it("of time for a head is not begun again with each byte", function()
    local self = start 'head_timeout = "300ms"'
    local client = http.connect(self.port)
    client.stream.seconds = 0.02
    client:send "GET / HTTP/1.1\r\nX: "
    local answer
    wait.that(function()
      client:send "x"
      answer = client:receive_some()
      return answer
    end, 20, "an answer")
    assert.equal(408, head_of(answer))
    client:close()
  end)

  it("of time between pieces of a body ends a slow one", function()
    local self = start 'body_timeout = "200ms"'
    for _, framing in ipairs { "Content-Length: 100\r\n\r\n",
                               "Transfer-Encoding: chunked\r\n\r\n5\r\n" } do
      local client = http.connect(self.port)
      client:send("POST /count HTTP/1.1\r\nHost: a\r\n" .. framing .. "abc")
      problem(client:read_response(), 408, "request-timeout")
      assert.is_true(client:is_closed(20))
      client:close()
    end
  end)

  it("of time between pieces of a body spares one that goes on", function()
    local self = start 'body_timeout = "2s"'
    local client = http.connect(self.port)
    client:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
    for _ = 1, 10 do
      client:send "x"
      system.sleep(0.25)
    end
    assert.equal("10", client:read_response().body)
    client:close()
  end)

  it("of idle time closes without a word", function()
    local self = start 'idle_timeout = "200ms"'
    local client = http.connect(self.port)
    assert.is_true(client:is_closed(20))
    client:close()
    client = wait.that(function() -- who takes his time is closed before
      local other = http.connect(self.port)
      return other:request({ path = "/bytes/1" }).status == 200 and other
    end)
    local answer, how = client:read_until_close()
    assert.same({ "", "closed" }, { answer, how })
    client:close()
  end)

  it("of idle time spares a request that has come when a worker is late to see that it is over",
    function()
      local self = start 'idle_timeout = "500ms"'
      local worker = self:worker_pids()[1]
      local client = wait.that(function() -- at once after an answer
        local other = http.connect(self.port)
        local began = system.now()
        if other:request({ path = "/bytes/1" }).status ~= 200 then return end
        system.kill(worker, system.SIGSTOP)
        other:send(http.format { path = "/bytes/2" })
        if system.now() - began < 0.4 then return other end
        system.kill(worker, system.SIGCONT)
      end)
      system.sleep(0.8)
      system.kill(worker, system.SIGCONT)
      assert.equal("01", client:read_response().body)
      client:close()
    end)

  -- What `send` sends comes while the worker is held up for so long.
  local function hold_up(self, seconds, send)
    local worker = self:worker_pids()[1]
    system.kill(worker, system.SIGSTOP)
    send()
    system.sleep(seconds)
    system.kill(worker, system.SIGCONT)
  end

  it("of time between pieces of a body spares one that has come when a worker is late to see it",
    function()
      local self = start 'body_timeout = "1s"'
      local client = http.connect(self.port)
      client:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
      system.sleep(0.1)
      hold_up(self, 1.3, function() client:send "defghij" end)
      assert.equal("10", client:read_response().body)
      client:close()
    end)

  it("of time for what is thrown away spares what has come when a worker is late to see it",
    function()
      local self = gateway.start { config = [[
        listen "127.0.0.1:0"
        route "/" { plugins = { { "mock", body = "here" } } }
      ]] }
      local client = http.connect(self.port)
      client:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
      assert.equal("here", client:read_response().body) -- before its body
      hold_up(self, 2.3, function() client:send("0123456789" .. http.format {}) end)
      assert.equal("here", client:read_response().body)
      client:close()
    end)

  it("of time for an answer to be taken ends one that is not", function()
    local self = start 'send_timeout = "300ms"'
    local client = http.connect(self.port)
    client:send(http.format { path = "/bytes/50000000" })
    client:read_head()
    wait.that(function() return #origin:ended() > 0 end, 20, "the origin to be left")
    client:close()
  end)

  it("of requests closes after the last", function()
    local self = start "requests = 3"
    local client = http.connect(self.port)
    for i = 1, 3 do
      local response = client:request { path = "/bytes/1" }
      assert.equal(i == 3 and "close" or nil, response.headers.connection)
    end
    assert.is_true(client:is_closed(20))
    client:close()
  end)

  -- Whether a connection is served, and stays.
  local function is_served(client)
    return pcall(client.request, client, { path = "/bytes/1" })
  end

  it("of connections refuses more of them", function()
    local self = start "connections = 2"
    local first, second = http.connect(self.port), http.connect(self.port)
    assert.is_true(is_served(first))
    assert.is_true(is_served(second))
    local third = http.connect(self.port)
    assert.is_false(is_served(third))
    first:close()
    wait.that(function()
      local another = http.connect(self.port)
      local served = is_served(another)
      another:close()
      return served
    end, 20, "room for a connection")
    assert.is_true(is_served(second))
    second:close()
    third:close()
  end)

  it("of connections from one address leaves others alone", function()
    local self = start "connections_per_address = 1"
    local first = http.connect(self.port, { from = "127.0.0.2" })
    assert.is_true(is_served(first))
    local second = http.connect(self.port, { from = "127.0.0.2" })
    assert.is_false(is_served(second))
    local other = http.connect(self.port, { from = "127.0.0.3" })
    assert.is_true(is_served(other))
    first:close()
    wait.that(function()
      local another = http.connect(self.port, { from = "127.0.0.2" })
      local served = is_served(another)
      another:close()
      return served
    end, 20, "room for a connection")
    second:close()
    other:close()
  end)
end)
