local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local message = require "spec.support.message"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local wait = require "spec.support.wait"

local function ok(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

describe("a connection to an origin", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function start(handler, route)
    local origin = peer.start(handler)
    return gateway.start { files = probe.files, config = ([[
      listen "127.0.0.1:0"
      limits { body = "100m" }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin", %s }
    ]]):format(origin.url, route or "") }, origin
  end

  -- The first answer of an origin that sends `raw` and then does `after`.
  local function first(raw, after, options)
    local self, origin = start(function(connection)
      connection:read_head()
      connection:send(raw)
      if after == "reset" then return connection:reset() end
      if after ~= "close" then connection:is_closed(20) end
    end, 'timeout = { idle = "5s", response = "5s" }')
    local client = http.connect(self.port)
    client:send(http.format(options or {}))
    local answer, response = pcall(client.read_response, client, (options or {}).method)
    client:close()
    return answer and response or nil, origin, self
  end

  it("is not used again when the origin answered before it had all of the request", function()
    local self, origin = start(function(connection)
      while true do
        local request = connection:read_head()
        if not request then return end
        if request.target ~= "/early" then message.read_body(connection.stream, request) end
        connection:send(ok(request.target))
      end
    end)
    local client = http.connect(self.port)
    client:send "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    assert.equal("/early", client:read_response().body)
    client:send("defghij" .. http.format { path = "/next" })
    assert.equal("/next", client:read_response().body)
    client:close()
    assert.equal(2, origin:requests()[2].connection)
  end)

  it("is not used again when the origin says so", function()
    for _, line in ipairs { "Connection: close", "Connection: x, CLOSE" } do
      local self, origin = start("HTTP/1.1 200 OK\r\n" .. line .. "\r\nContent-Length: 1\r\n\r\na")
      for i = 1, 3 do
        assert.equal("a", http.request(self.port).body)
        assert.equal(i, origin:connections())
      end
    end
  end)

  it("is used again by 1.0 only when the origin says so", function()
    local self, origin = start "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"
    for _ = 1, 3 do assert.equal("a", http.request(self.port).body) end
    assert.equal(3, origin:connections())
    self, origin = start "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na"
    for _ = 1, 3 do assert.equal("a", http.request(self.port).body) end
    assert.equal(1, origin:connections())
  end)

  it("is not used again after bytes that nobody asked for, late ones too", function()
    local self, origin = start(function(connection)
      while connection:read_request() do
        connection:send(ok "mine")
        connection:sleep(0.05)
        connection:send(ok "poison")
      end
    end)
    for i = 1, 3 do
      assert.equal("mine", http.request(self.port).body)
      wait.that(function() return #origin:ended() >= i end, 20, "the connection to be closed")
    end
    assert.equal(3, origin:connections())
  end)

  it("is not used again when the origin spoke first", function()
    local self, origin = start(function(connection)
      connection:send(ok "first")
      while connection:read_request() do connection:send(ok "second") end
    end)
    for i = 1, 3 do
      http.request(self.port)
      wait.that(function() return #origin:ended() >= i end, 20, "the connection to be closed")
      assert.equal(i, origin:connections())
    end
  end)

  it("ends an answer by closing, not by a reset", function()
    local head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    assert.equal("abc", (first(head .. "abc", "close")).body)
    assert.is_nil((first(head .. ("x"):rep(300000), "reset")))
  end)

  it("passes an answer on that was whole before a reset", function()
    local self = start(function(connection)
      connection:read_head()
      connection:send(ok "abc")
      connection:sleep(0.05)
      connection:reset()
    end)
    for _ = 1, 3 do assert.equal("abc", http.request(self.port).body) end
  end)

  it("may bring a few informational answers, and no flood of them", function()
    local hint = "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
    local response = first(hint:rep(3) .. ok "abc")
    assert.equal("abc", response.body)
    assert.equal(3, #response.interim)
    response = first(hint:rep(5000) .. ok "abc")
    assert.equal(502, response.status)
  end)

  it("may bring a 100 that nobody waits for", function()
    local response = first("HTTP/1.1 100 Continue\r\n\r\n" .. ok "abc")
    assert.equal("abc", response.body)
  end)

  it("does not switch unless asked to", function()
    local raw = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    local response = first(raw .. ok "abc")
    assert.equal(502, response.status)
    assert.is_truthy(response.headers["proxy-status"]:find "http_upgrade_failed")
  end)

  it("brings no body to HEAD, 204 or 304, whatever they announce", function()
    for _, raw in ipairs {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    } do
      local self, origin = start(raw)
      for _ = 1, 3 do
        local response = http.request(self.port, { method = "HEAD" })
        assert.equal("", response.body)
      end
      assert.equal(1, origin:connections())
    end
  end)

  it("poisons nothing with a body after HEAD", function()
    local self, origin = start(ok "stolen")
    for _ = 1, 3 do
      assert.equal("", http.request(self.port, { method = "HEAD" }).body)
    end
    assert.equal(3, origin:connections())
  end)

  it("brings what a plugin collects, whole or not at all", function()
    local plugin = 'plugins = { { "probe", on_response_body = function(_, _, body) '
      .. 'return #body .. " bytes" end, body_limit = 1000 } }, timeout = { idle = %q }'
    local answers = {
      { ok(("x"):rep(1000)), 200, "1000 bytes" },
      { ok(("x"):rep(1001)), 502 },
      { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200,
        "3 bytes" },
      { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX", 502 },
      { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 504 },
      { ok "", 200, "0 bytes" },
    }
    for _, answer in ipairs(answers) do
      local self = start(answer[1], plugin:format(answer[2] == 504 and "300ms" or "20s"))
      for _ = 1, 2 do
        local response = http.request(self.port)
        assert.equal(answer[2], response.status, answer[1])
        if answer[3] then
          assert.equal(answer[3], response.body)
        else
          assert.is_truthy(response.headers["proxy-status"])
        end
      end
    end
  end)

  it("goes when its client goes in the middle of a body", function()
    local self, origin = start(function(connection)
      local request = connection:read_head()
      connection:note((message.read_body(connection.stream, request, { count = true })))
    end)
    local client = http.connect(self.port)
    client:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    origin:wait_for_requests(1)
    client:reset()
    local ended = wait.that(function() return origin:ended()[1] end, 20, "the end")
    assert.is_truthy(ended.how:find "after 3 bytes")
  end)

  it("tells the origin that a chunked body was cut", function()
    local self, origin = start(function(connection)
      local request = connection:read_head()
      message.read_body(connection.stream, request)
    end)
    local client = http.connect(self.port)
    client:send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. message.chunk "abc")
    origin:wait_for_requests(1)
    client:send "3\r\nabcX"
    assert.equal(400, client:read_response().status)
    local ended = wait.that(function() return origin:ended()[1] end, 20, "the end")
    assert.is_truthy(ended.how:find "early")
    assert.is_nil(origin:received():find "0\r\n\r\n$")
    client:close()
  end)
end)
