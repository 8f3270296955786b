--- relay: requests and answers on their way through a running gateway.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local latches = require "spec.support.latch"
local message = require "spec.support.message"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("a relayed exchange", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      limits { body = "1m" }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function get(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options)
  end

  -- Connects, sends bytes, and gives the connection to `use`.
  local function with(bytes, use)
    local client = http.connect(moongate.port)
    client:send(bytes)
    use(client)
    client:close()
  end

  it("is followed by others on the same connections", function()
    local client = http.connect(moongate.port)
    for i = 1, 5 do
      local response = client:request { path = "/" .. i, method = "POST", body = ("x"):rep(i) }
      assert.equal(200, response.status)
      assert.equal(i, json.decode(response.body).length)
      assert.is_nil(response.headers.connection)
    end
    client:close()
    assert.equal(5, #origin:requests())
    for _, request in ipairs(origin:requests()) do assert.equal(1, request.connection) end
  end)

  it("of three in one packet is answered in order", function()
    local requests = http.format { path = "/delay/0.1" } .. http.format { path = "/bytes/3" }
      .. http.format { path = "/status/404" }
    with(requests, function(client)
      assert.equal("late", client:read_response().body)
      assert.equal("012", client:read_response().body)
      assert.equal(404, client:read_response().status)
    end)
  end)

  it("of many in one packet, with bodies, is answered in order", function()
    local requests = {}
    for i = 1, 50 do
      requests[i] = http.format { path = "/" .. i, method = "POST", body = ("b"):rep(i * 100) }
    end
    with(table.concat(requests), function(client)
      for i = 1, 50 do
        local seen = json.decode(client:read_response().body)
        assert.equal("/" .. i, seen.target)
        assert.equal(i * 100, seen.length)
      end
    end)
  end)

  it("comes byte by byte", function()
    local client = http.connect(moongate.port)
    local request = http.format { method = "POST", body = "abcdef",
                                  headers = { ["Transfer-Encoding"] = "chunked" } }
    for byte in request:gmatch "." do client:send(byte) end
    assert.equal("abcdef", json.decode(client:read_response().body).body)
    client:close()
  end)

  it("may be chunked both ways, with trailers", function()
    local body = message.chunk("one ") .. message.chunk("two") .. "0\r\nX-Sum: 7\r\n\r\n"
    local head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    with(head .. "Trailer: X-Sum\r\n\r\n" .. body, function(client)
      local seen = json.decode(client:read_response().body)
      assert.equal("one two", seen.body)
      assert.equal("chunked", seen.headers["transfer-encoding"])
      assert.equal("7", seen.trailers["x-sum"])
    end)
    local response = get "/chunked/3"
    assert.equal("chunk 1;chunk 2;chunk 3;", response.body)
    assert.equal("chunked", response.headers["transfer-encoding"])
    assert.is_nil(response.headers["content-length"])
    assert.same({ ["x-count"] = "3", ["x-done"] = "yes" }, response.trailers)
  end)

  it("drops trailers that have no place there", function()
    with("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "0\r\nHost: b\r\nAuthorization: c\r\nX-Ok: d\r\n\r\n", function(client)
        local seen = json.decode(client:read_response().body)
        assert.same({ ["x-ok"] = "d" }, seen.trailers)
      end)
  end)

  it("keeps the length that was announced", function()
    local response = get "/bytes/100000"
    assert.equal("100000", response.headers["content-length"])
    assert.equal(100000, #response.body)
  end)

  it("passes Expect on, and the origin's 100", function()
    local client = http.connect(moongate.port)
    client:send("POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      .. "Content-Length: 3\r\n\r\n")
    assert.equal(100, client:read_head().status)
    client:send "abc"
    assert.equal("3", client:read_response().body)
    client:close()
    assert.equal("100-continue", origin:requests()[1].headers.expect)
  end)

  it("lets the origin refuse a body before it comes", function()
    local client = http.connect(moongate.port)
    client:send("POST /reject HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      .. "Content-Length: 9\r\n\r\n")
    local response = client:read_response()
    assert.equal(417, response.status)
    assert.same({}, response.interim)
    assert.equal("close", response.headers.connection)
    assert.is_true(client:is_closed(5))
    client:close()
  end)

  it("refuses what is announced as too large without a 100", function()
    local client = http.connect(moongate.port)
    client:send("POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      .. "Content-Length: 1048577\r\n\r\n")
    local response = client:read_response()
    assert.equal(413, response.status)
    assert.same({}, response.interim)
    assert.is_true(client:is_closed(5))
    client:close()
    assert.equal(0, #origin:requests())
  end)

  it("passes informational answers on", function()
    local response = get "/hints"
    assert.equal("hinted", response.body)
    assert.equal(103, response.interim[1].status)
    assert.equal("</style.css>; rel=preload", response.interim[1].headers.link)
  end)

  it("sends no informational answers to 1.0", function()
    local answer = http.exchange(moongate.port, "GET /hints HTTP/1.0\r\n\r\n")
    assert.is_truthy(answer:find "^HTTP/1.1 200 ")
    assert.is_nil(answer:find "103")
  end)

  it("of HEAD has no body, and the connection goes on", function()
    local client = http.connect(moongate.port)
    local response = client:request { method = "HEAD", path = "/bytes/1000" }
    assert.equal("1000", response.headers["content-length"])
    assert.equal(404, client:request({ method = "HEAD", path = "/status/404" }).status)
    assert.equal("01", client:request({ path = "/bytes/2" }).body)
    client:close()
  end)

  it("of HEAD that the gateway answers itself has no body", function()
    local client = http.connect(moongate.port)
    local bytes = http.format { method = "HEAD", path = "/count", headers = {
      ["Content-Length"] = "2000000" } }
    client:send(bytes)
    local answer = client:read_until_close()
    client:close()
    assert.is_truthy(answer:find "^HTTP/1.1 413 ")
    assert.is_truthy(answer:find "\r\n\r\n$")
  end)

  it("with 204 or 304 has no body, and the connection goes on", function()
    local client = http.connect(moongate.port)
    assert.equal(204, client:request({ path = "/status/204" }).status)
    assert.equal(304, client:request({ path = "/status/304" }).status)
    assert.equal("0", client:request({ path = "/bytes/1" }).body)
    client:close()
  end)

  it("is answered to a client that has finished sending", function()
    for _, path in ipairs { "/bytes/100", "/delay/0.3", "/chunked/2" } do
      local client = http.connect(moongate.port)
      client:send(http.format { path = path })
      client:finish()
      assert.equal(200, client:read_response().status)
      assert.is_true(client:is_closed(5))
      client:close()
    end
  end)

  it("passes server-sent events one by one", function()
    local told = {}
    for i = 1, 4 do told[i] = latches.new() end
    -- Each is sent when the one before has come to the client.
    local source = peer.start(function(connection)
      connection:read_request()
      connection:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n")
      for i = 1, 4 do
        connection:send(message.chunk(("data: %d\n\n"):format(i)))
        connection:await(told[i].is_open)
      end
      connection:send "0\r\n\r\n"
    end)
    local self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "source" { "%s" }
      route "/" { upstream = "source" }
    ]]):format(source.url) }
    local client = http.connect(self.port)
    client:send(http.format {})
    assert.equal("text/event-stream", client:read_head().headers["content-type"])
    for i = 1, 4 do
      assert.is_truthy(client:receive_until(("data: %d\n\n"):format(i)), "event " .. i)
      told[i].open()
    end
    client:close()
    self:stop()
  end)

  it("of 1.0 is answered and closed", function()
    local answer, how = http.exchange(moongate.port, "GET /chunked/2 HTTP/1.0\r\n\r\n")
    assert.equal("closed", how)
    assert.is_truthy(answer:find "^HTTP/1.1 200 ")
    assert.is_nil(answer:lower():find("transfer-encoding", 1, true))
    assert.is_truthy(answer:find "\r\n\r\nchunk 1;chunk 2;$")
  end)

  it("of 1.0 goes on when asked to keep alive", function()
    local client = http.connect(moongate.port)
    for _ = 1, 2 do
      local response = client:request { path = "/bytes/5", version = "HTTP/1.0",
                                        headers = { Connection = "keep-alive" } }
      assert.equal("01234", response.body)
      assert.equal("keep-alive", response.headers.connection:lower())
    end
    client:close()
  end)

  it("ends where an origin ends it by closing", function()
    local response = get "/until-close/70000"
    assert.equal(70000, #response.body)
    assert.equal("chunked", response.headers["transfer-encoding"])
    local answer, how = http.exchange(moongate.port, "GET /until-close/70000 HTTP/1.0\r\n\r\n")
    assert.equal("closed", how)
    assert.equal(70000, #answer:match "\r\n\r\n(.*)$")
  end)

  it("can be answered before its body has come", function()
    local client = http.connect(moongate.port)
    client:send "POST /reject HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nfirst"
    assert.equal(417, client:read_response().status)
    client:send(("x"):rep(100000 - 5) .. http.format { path = "/bytes/1" })
    assert.equal("0", client:read_response().body)
    client:close()
  end)

  it("of Connection: close is the last", function()
    local answer, how = http.exchange(moongate.port,
      http.format { headers = { Connection = "close" }, path = "/bytes/1" }
      .. http.format { path = "/bytes/2" })
    assert.equal("closed", how)
    assert.is_truthy(answer:lower():find("\r\nconnection: close\r\n", 1, true))
    assert.is_truthy(answer:find "\r\n\r\n0$")
    assert.equal(1, #origin:requests())
  end)

  it("adds a date where there is none", function()
    assert.is_truthy(get("/bytes/1").headers.date:find "^%a%a%a, %d%d %a%a%a 20%d%d .* GMT$")
    assert.equal("yesterday", get("/headers/date=yesterday").headers.date)
  end)
end)

describe("an exchange whose client leaves", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function is_given_up(moment, connection)
    local what = "is given up %s its answer, and the origin is told: %s"
    it(what:format(moment, connection), function()
      local origin = peer.start(function(client)
        client:read_head()
        if moment == "during" then
          client:send "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"
        end
        client:note(client:is_closed(20))
      end)
      local self = gateway.start { config = ([[
        listen "127.0.0.1:0"
        upstream "origin" { "%s" }
        route "/{rest*}" { upstream = "origin" }
      ]]):format(origin.url) }
      -- It is not watched at once when all that it will say is there as it is accepted.
      local worker = self:worker_pids()[1]
      system.kill(worker, system.SIGSTOP)
      local client = http.connect(self.port)
      client:send(http.format { headers = { Connection = connection } })
      system.kill(worker, system.SIGCONT)
      origin:wait_for_requests(1)
      if moment == "during" then client:read_head() end
      client:reset()
      wait.that(function() return origin:notes()[1] ~= nil end, 30, "a note")
      assert.is_true(origin:notes()[1])
    end)
  end

  for _, moment in ipairs { "before", "during" } do
    is_given_up(moment, "keep-alive")
    is_given_up(moment, "close")
  end
end)

describe("an exchange whose client says more behind its last request", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local LAST = {
    ["HTTP/1.1"] = "GET /bytes/50000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ["HTTP/1.0"] = "GET /bytes/50000 HTTP/1.0\r\n\r\n",
    ["a body that nobody announced"] = "POST /bytes/50000 HTTP/1.0\r\n\r\n",
    ["an upgrade"] = "GET /bytes/50000 HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\n"
      .. "Upgrade: chat\r\n\r\n",
  }

  -- Keeps the worker busy from when it has written one file until there is another.
  local SPIN = [[
    local moongate = require "moongate"
    local spin = { summary = "keeps the worker busy", options = {
      began = { type = "string", required = true, help = "the file that it writes" },
      ends = { type = "string", required = true, help = "the file that it waits for" },
    } }
    function spin:respond()
      io.open(self.began, "w"):close()
      local file
      repeat file = io.open(self.ends) until file
      file:close()
      return moongate.reply.text(200, "over")
    end
    return spin
  ]]

  local CONFIG = [[
    listen "127.0.0.1:0"
    limits { turn_timeout = "60s" }
    upstream "origin" { "%s" }
    route "/{rest*}" { upstream = "origin" }
    route "/busy" { plugins = { { "spin", began = "%s", ends = "%s" } } }
  ]]

  -- A gateway, and the files that its busy worker writes and waits for.
  local function start(origin)
    local folder = system.temporary_directory()
    finally(function() process.remove(folder) end)
    local began, ends = folder .. "/began", folder .. "/ends"
    return gateway.start {
      files = { ["plugins/spin.lua"] = SPIN }, config = CONFIG:format(origin.url, began, ends),
    }, began, ends
  end

  local function freeze_worker(self)
    local worker = self:worker_pids()[1]
    system.kill(worker, system.SIGSTOP)
    wait.that(function() return system.read_file(("/proc/%d/stat"):format(worker)):find "%) T" end)
    return worker
  end

  -- Such a connection is not watched at once.
  local function answer_of_busy_worker(request)
    local origin = peer.start()
    local self, began, ends = start(origin)
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status) -- connects
    local worker = freeze_worker(self)
    local client = http.connect(self.port, { receive_buffer = 2048 })
    client:send(request)
    local busy = http.connect(self.port)
    busy:send(http.format { path = "/busy" })
    origin:freeze() -- the worker is busy before there is an answer
    system.kill(worker, system.SIGCONT)
    wait.that(function() return system.read_file(began) end)
    client:send(http.format { path = "/bytes/2" })
    origin:thaw()
    origin:wait_for_requests(2)
    system.write_file(ends, "")
    assert.equal("over", busy:read_response().body)
    local answer, how = client:read_until_close()
    client:close()
    busy:close()
    return #answer:match "\r\n\r\n(.*)$", how
  end

  for version, request in pairs(LAST) do
    it("has its whole answer: " .. version, function()
      local length, how = answer_of_busy_worker(request)
      assert.same({ 50000, "closed" }, { length, how })
    end)
  end

  -- The gateway has written all by the time that `say_more` is called, the kernel has not.
  local function assert_whole(listen, options, request, say_more)
    local self = gateway.start { config = listen .. [[
      route "/" { plugins = { { "mock", body = ("x"):rep(1000000) } } }
    ]] }
    options.receive_buffer = 2048
    for _ = 1, 5 do
      local client = http.connect(self.port, options)
      client:send(request)
      client:read_head()
      say_more(client)
      local rest, how = client:read_until_close()
      assert.same({ 1000000, "closed" }, { #rest, how })
      client:close()
    end
  end

  it("has its whole answer where that is its goodbye over TLS", function()
    local folder = system.temporary_directory()
    finally(function() process.remove(folder) end)
    local identity = certificates.authority(folder, "authority"):issue { name = "x.test" }
    assert_whole(([[listen { "127.0.0.1:0", tls = { cert = %q, key = %q } }]]):format(
      identity.certificate, identity.key), { tls = {} },
      http.format { path = "/", headers = { connection = "close" } },
      function(client) client:finish() end)
  end)

  it("has its whole answer where it says that while it reads", function()
    assert_whole('listen "127.0.0.1:0"', {}, "GET / HTTP/1.0\r\n\r\n",
      function(client) client:send "\r\n" end)
  end)
end)

describe("a tunnel", function()
  local function start(handler)
    local origin = peer.start(handler)
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
      route "/plain" { upstream = "origin", upgrade = false }
    ]]):format(origin.url) }, origin
  end

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function upgrade(self, path, more)
    local client = http.connect(self.port)
    client:send(http.format { path = path, headers = {
      Connection = "Upgrade", Upgrade = "echo" } } .. (more or ""))
    return client, client:read_response()
  end

  it("passes bytes both ways as they come", function()
    local self, origin = start()
    local client, response = upgrade(self, "/upgrade", "early")
    assert.equal(101, response.status)
    assert.equal("echo", response.headers.upgrade)
    assert.equal("upgrade", response.headers.connection:lower())
    assert.equal("early", client:receive(5))
    for i = 1, 20 do
      local bytes = ("\0\r\n%d"):format(i):rep(i * 50)
      client:send(bytes)
      assert.equal(bytes, client:receive(#bytes))
    end
    client:close()
    assert.equal("echo", origin:requests()[1].headers.upgrade)
  end)

  it("lets the client finish first", function()
    local self = start(function(connection)
      connection:read_head()
      connection:send "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
      local bytes = connection.stream:receive_all()
      connection:send("all: " .. bytes)
    end)
    local client = upgrade(self, "/")
    client:send "question"
    client:finish()
    local bytes, how = client:read_until_close()
    assert.same({ "all: question", "closed" }, { bytes, how })
    client:close()
  end)

  it("lets the origin finish first", function()
    local self, origin = start(function(connection)
      connection:read_head()
      connection:send "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nlast word"
      connection:finish()
      connection:note(connection.stream:receive_all())
    end)
    local client = upgrade(self, "/")
    local bytes, how = client:read_until_close()
    assert.same({ "last word", "closed" }, { bytes, how })
    client:send "still here"
    client:finish()
    wait.that(function() return origin:notes()[1] end, 20, "a note")
    assert.equal("still here", origin:notes()[1])
    client:close()
  end)

  it("does not begin where the origin does not want it", function()
    local self = start()
    local client, response = upgrade(self, "/bytes/3")
    assert.equal(200, response.status)
    assert.equal("0", client:request({ path = "/bytes/1" }).body)
    client:close()
  end)

  it("does not begin where the route does not allow it", function()
    local self, origin = start()
    local client, response = upgrade(self, "/plain")
    assert.equal(200, response.status)
    assert.is_nil(origin:requests()[1].headers.upgrade)
    assert.is_nil(origin:requests()[1].headers.connection)
    client:close()
  end)

  it("is not limited as a body is", function()
    local self = start()
    local client = upgrade(self, "/upgrade")
    local piece, total = ("t"):rep(65536), 0
    for _ = 1, 200 do
      client:send(piece)
      total = total + #assert(client:receive(#piece))
    end
    assert.equal(200 * 65536, total)
    client:close()
  end)
end)
