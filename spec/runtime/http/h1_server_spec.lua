local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local message = require "spec.support.message"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local system = require "spec.support.system"

describe("a connection from a client", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { files = probe.files, config = ([[
      listen "127.0.0.1:0"
      limits { body_timeout = "1500ms", body = "100m" }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
      route "/wait/{seconds}" { upstream = "origin", rewrite = "/count", plugins = { {
        "probe", on_request = function(req, moongate)
          moongate.sleep(tonumber(req.params.seconds))
        end } } }
      route "/body" { plugins = { { "answer", on_respond = function(req, moongate)
        local body = req:body(1000)
        return moongate.reply.text(200, "got " .. #body)
      end } } }
      route "/early" { plugins = { { "answer", on_respond = function(_, moongate)
        return moongate.reply.text(200, "early")
      end } } }
      route "/late/{seconds}" { plugins = { { "answer", on_respond = function(req, moongate)
        moongate.sleep(tonumber(req.params.seconds))
        return moongate.reply.text(200, "late")
      end } } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function head(path, more)
    return ("POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(path, more)
  end

  local function connect(bytes)
    local client = http.connect(moongate.port)
    client:send(bytes)
    return client
  end

  describe("that waits for its decision", function()
    it("has its time for the body afterwards", function()
      local client = connect(head("/wait/1.2", "Content-Length: 3\r\n"))
      system.sleep(2)
      client:send "abc"
      assert.equal("3", client:read_response().body)
      client:close()
    end)

    it("has no more than that", function()
      local client = connect(head("/wait/2", "Content-Length: 3\r\n"))
      client.stream.seconds = 20
      local response = client:read_response()
      assert.equal(408, response.status)
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("may have sent all, and the next request", function()
      local client = connect(head("/wait/0.1", "Content-Length: 3\r\n") .. "abc"
        .. head("/wait/0", "Transfer-Encoding: chunked\r\n") .. message.chunk "abcd"
        .. "0\r\n\r\n" .. http.format { path = "/bytes/1" })
      assert.equal("3", client:read_response().body)
      assert.equal("4", client:read_response().body)
      assert.equal("0", client:read_response().body)
      client:close()
    end)

    it("may have finished", function()
      local client = connect(head("/wait/0.2", "Content-Length: 3\r\n") .. "abc")
      client:finish()
      assert.equal("3", client:read_response().body)
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("may leave", function()
      for _, way in ipairs { "close", "reset" } do
        local client = connect(head("/wait/0.1", "Content-Length: 3\r\n") .. "a")
        client[way](client)
      end
      assert.equal(200, http.request(moongate.port, { path = "/bytes/1" }).status)
      system.sleep(0.15)
      assert.equal(200, http.request(moongate.port, { path = "/bytes/1" }).status)
    end)
  end)

  describe("whose origin is slow", function()
    it("is not said to be slow itself", function()
      local client = http.connect(moongate.port)
      local body = ("x"):rep(20000000)
      client:send(head("/slow-count/3", ("Content-Length: %d\r\n"):format(#body)) .. body)
      assert.equal("20000000", client:read_response().body)
      client:close()
    end)
  end)

  describe("whose body a plugin collects", function()
    local FRAMINGS = {
      length = { "Content-Length: 8\r\n", "12345678" },
      chunks = { "Transfer-Encoding: chunked\r\n", "3\r\n123\r\n5\r\n45678\r\n0\r\n\r\n" },
    }
    for name, framing in pairs(FRAMINGS) do
      it("by " .. name .. " goes on afterwards", function()
        local client = connect((head("/body", framing[1]) .. framing[2]):rep(3))
        for _ = 1, 3 do assert.equal("got 8", client:read_response().body) end
        client:close()
      end)

      it("by " .. name .. " is told to go on", function()
        local client = connect(head("/body", framing[1] .. "Expect: 100-continue\r\n"))
        assert.equal(100, client:read_head().status)
        client:send(framing[2])
        assert.equal("got 8", client:read_response().body)
        client:close()
      end)
    end

    it("is told when it is too much", function()
      local client = connect(head("/body", "Content-Length: 1001\r\n") .. ("x"):rep(1001))
      assert.equal(413, client:read_response().status)
      client:close()
      client = connect(head("/body", "Transfer-Encoding: chunked\r\n")
        .. message.chunk(("x"):rep(600)):rep(2) .. "0\r\n\r\n")
      assert.equal(413, client:read_response().status)
      client:close()
    end)

    it("is told when it is malformed", function()
      local client = connect(head("/body", "Transfer-Encoding: chunked\r\n") .. "3\r\nabcX")
      assert.equal(400, client:read_response().status)
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("is told when it is slow", function()
      local client = connect(head("/body", "Content-Length: 5\r\n") .. "abc")
      assert.equal(408, client:read_response().status)
      client:close()
    end)
  end)

  describe("that is answered early", function()
    it("goes on when little is left of the request", function()
      local client = connect(head("/early", "Content-Length: 100000\r\n") .. "x")
      local response = client:read_response()
      assert.equal("early", response.body)
      assert.is_nil(response.headers.connection)
      client:send(("x"):rep(99999) .. http.format { path = "/bytes/2" })
      assert.equal("01", client:read_response().body)
      client:close()
    end)

    it("ends when much is left of it", function()
      local client = connect(head("/early", "Content-Length: 10000000\r\n") .. "x")
      local response = client:read_response()
      assert.equal("early", response.body)
      assert.equal("close", response.headers.connection)
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("ends when more chunks come than are thrown away", function()
      local client = connect(head("/early", "Transfer-Encoding: chunked\r\n"))
      assert.equal("early", client:read_response().body)
      local piece, sent = message.chunk(("x"):rep(10000)), 0
      client.stream.seconds = 0.05
      while sent < 1000 and client:send(piece) and not client:is_closed(0.001) do
        sent = sent + 1
      end
      assert.is_true(sent < 1000)
      client:close()
    end)

    it("ends when it waits for a 100 that does not come", function()
      local client = connect(head("/early", "Content-Length: 3\r\nExpect: 100-continue\r\n"))
      local response = client:read_response()
      assert.same({}, response.interim)
      assert.equal("close", response.headers.connection)
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("does not take a body for a request", function()
      local smuggled = http.format { path = "/smuggled" }
      local client = connect(head("/early", ("Content-Length: %d\r\n"):format(#smuggled)))
      assert.equal("early", client:read_response().body)
      client:send(smuggled .. http.format { path = "/bytes/3" })
      assert.equal("012", client:read_response().body)
      client:close()
      assert.equal(1, #origin:requests())
    end)
  end)

  describe("that pipelines", function()
    it("is held back while its answers are not taken", function()
      local before = moongate:rss()
      local client = http.connect(moongate.port)
      client.stream.seconds = 0.3
      local requests = http.format({ path = "/late/0.3" })
        .. http.format({ path = "/early" }):rep(1000)
      local sent = 0
      while sent < 1000 and client:send(requests) do sent = sent + 1 end
      assert.is_true(sent < 1000, "nothing held it back")
      assert.is_true(moongate:rss() - before < 4 * 1024 * 1024)
      client:close()
    end)

    it("gets every answer, in order, up to the one that fails", function()
      local client = connect(http.format { path = "/early" } .. http.format { path = "/late/0.1" }
        .. "GET /x HTTP/1.1\r\nHost: a\r\nBad : x\r\n\r\n" .. http.format { path = "/early" })
      assert.equal("early", client:read_response().body)
      assert.equal("late", client:read_response().body)
      assert.equal(400, client:read_response().status)
      local rest, how = client:read_until_close()
      assert.same({ "", "closed" }, { rest, how })
      client:close()
    end)

    it("may finish when it has sent all", function()
      local client = connect(http.format({ path = "/late/0.05" }):rep(5))
      client:finish()
      for _ = 1, 5 do assert.equal("late", client:read_response().body) end
      assert.is_true(client:is_closed(20))
      client:close()
    end)

    it("may have CRLF after a body", function()
      local client = connect(head("/count", "Content-Length: 3\r\n") .. "abc\r\n"
        .. http.format { path = "/bytes/1" })
      assert.equal("3", client:read_response().body)
      assert.equal("0", client:read_response().body)
      client:close()
    end)
  end)

  it("may tear its requests anywhere", function()
    local request = "\r\n" .. head("/", "Transfer-Encoding: chunked\r\n")
      .. "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"
    for cut = 1, #request - 1, 3 do
      local client = connect(request:sub(1, cut))
      system.sleep(0.001)
      client:send(request:sub(cut + 1))
      local seen = json.decode(client:read_response().body)
      assert.same({ "abc", "y" }, { seen.body, seen.trailers.x })
      client:close()
    end
  end)
end)
