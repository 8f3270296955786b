--- cache_fill_spec: many who want the same at once, over two workers, and what goes wrong.

local cache_origin = require "spec.support.cache_origin"
local each_worker = require "spec.support.each_worker"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local latches = require "spec.support.latch"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CLIENTS = 100

describe("a cache that is being filled", function()
  local origin, posted, moongate
  local half = latches.new() -- that POST a waits for

  -- What GET would get as well; half of it at once.
  local function answer_in_halves(connection)
    while true do
      local request = connection:read_request()
      if not request then return end
      connection:send(("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Location: %s\r\n"
        .. "Content-Length: 32000\r\n\r\n%s"):format(request.target, ("x"):rep(16000)))
      local is_held = request.method == "POST" and request.target:find "/a"
      if is_held then connection:await(half.is_open) end
      if not connection:send(("x"):rep(16000)) then return end
    end
  end

  setup(function()
    origin, posted = cache_origin.start(), peer.start(answer_in_halves)
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin", plugins = { { "cache" } } }
      route "/changed/{rest*}" { upstream = "origin", plugins = { "cache",
        { "transform", response = { set_headers = { ["x-changed"] = "yes" } } } } }
      upstream "posted" { "%s" }
      route "/posted/{rest*}" { upstream = "posted",
        plugins = { { "cache", methods = { "GET", "HEAD", "POST" } } } }
    ]] .. each_worker.ROUTE):format(origin.url, posted.url), files = each_worker.FILES }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function connect(count) return each_worker.connect(moongate, count) end

  -- One after the other, those of one worker first.
  local function ask_all(clients, path)
    for _, one in ipairs(clients) do one.client:send(http.format { path = path }) end
  end

  local function read_all(clients)
    local answers = {}
    for i, one in ipairs(clients) do answers[i] = one.client:read_response() end
    return answers
  end

  local function close_all(clients)
    for _, one in ipairs(clients) do one.client:close() end
  end

  it("asks once for what 100 clients want", function()
    local clients = connect(CLIENTS / 2)
    for _, form in ipairs { "", "&chunked" } do
      origin:freeze() -- until all have asked
      ask_all(clients, "/cold?Cache-Control=max-age=60&delay=1&bytes=20000" .. form)
      origin:thaw()
      local collapsed = 0
      for _, answer in ipairs(read_all(clients)) do
        assert.equal(200, answer.status)
        assert.equal(20000, #answer.body)
        if answer.headers["cache-status"]:find "collapsed" then collapsed = collapsed + 1 end
      end
      assert.equal(CLIENTS - 1, collapsed)
    end
    assert.equal(2, #origin:requests())
    close_all(clients)
  end)

  it("gives waiters what comes as it comes", function()
    local clients = connect(1)
    ask_all(clients, "/streamed?Cache-Control=max-age=60&bytes=32000&pause=1")
    for _, one in ipairs(clients) do
      assert.equal(200, one.client:read_head().status)
      assert.equal(16000, #one.client:receive(16000))
    end
    assert.equal(0, #origin:ended())
    for _, one in ipairs(clients) do assert.equal(16000, #one.client:receive(16000)) end
    assert.equal(1, #origin:requests())
    close_all(clients)
  end)

  -- A head that plugins change is held back for a moment.
  it("gives waiters what comes when plugins change the head", function()
    local clients = connect(2)
    ask_all(clients, "/changed/a?Cache-Control=max-age=60&bytes=32000&pause=0.5")
    for _, one in ipairs(clients) do
      local answer = one.client:read_response()
      assert.equal("yes", answer.headers["x-changed"])
      assert.equal(32000, #answer.body)
    end
    assert.equal(1, #origin:requests())
    local pids = moongate:worker_pids()
    for _, one in ipairs(clients) do
      assert.is_true(one.pid == pids[1] or one.pid == pids[2], "a worker was replaced")
      one.client:close()
    end
  end)

  it("lets a range wait for what has not come yet", function()
    local clients = connect(2)
    local path = "/range?Cache-Control=max-age=60&bytes=32000&pause=0.5"
    clients[1].client:send(http.format { path = path })
    assert.equal(200, clients[1].client:read_head().status)
    assert.equal(16000, #clients[1].client:receive(16000))
    for i = 2, 3 do -- of the same worker, and of the other
      clients[i].client:send(http.format { path = path, headers = { range = "bytes=20000-20099" } })
    end
    assert.equal(16000, #clients[1].client:receive(16000))
    for i = 2, 3 do
      local answer = clients[i].client:read_response()
      assert.equal(206, answer.status)
      assert.equal(100, #answer.body)
    end
    assert.equal(1, #origin:requests())
    close_all(clients)
  end)

  it("lets all who wait go at once when an answer is not for them", function()
    local clients = connect(10)
    ask_all(clients, "/unfit?Cache-Control=private&delay=1")
    local bodies, began = {}, system.now()
    for _, answer in ipairs(read_all(clients)) do bodies[answer.body] = true end
    local count = 0
    for _ in pairs(bodies) do count = count + 1 end
    assert.equal(20, count, "each has an answer of its own")
    assert.equal(20, #origin:requests())
    assert.is_true(system.now() - began < 20, "one after the other")
    close_all(clients)
  end)

  -- What many ask for at once, when somebody has had the answer before: all of it reaches the
  -- origin before there is any other answer.
  local function wait_for_nobody(path, headers)
    local clients, latch = connect(5), latches.new()
    local asked = http.format { path = path .. "&held=" .. latch.path, headers = headers }
    latch.open()
    clients[1].client:send(asked)
    clients[1].client:read_response()
    latch.close()
    for _, one in ipairs(clients) do one.client:send(asked) end
    origin:wait_for_requests(1 + #clients)
    latch.open()
    local answers = read_all(clients)
    for _, answer in ipairs(answers) do assert.equal(200, answer.status) end
    close_all(clients)
    return answers
  end

  it("lets nobody wait for what was not stored the last time", function()
    wait_for_nobody "/known?Cache-Control=no-store"
  end)

  it("lets no caller wait for what was not stored for a caller the last time", function()
    wait_for_nobody("/caller?Cache-Control=max-age=60", { authorization = "Basic eDp5" })
  end)

  it("lets others wait when only callers get what is not stored", function()
    local clients, path = connect(5), "/mixed?Cache-Control=max-age=60&delay=0.5"
    clients[1].client:request { path = path, headers = { authorization = "Basic eDp5" } }
    ask_all(clients, path)
    for _, answer in ipairs(read_all(clients)) do assert.equal(200, answer.status) end
    assert.equal(2, #origin:requests())
    close_all(clients)
  end)

  it("lets those wait again who ask for what turns out to be stored", function()
    local clients, latch = connect(2), latches.new()
    local path = "/turned?bytes=32000&status=206&again=200&Cache-Control=max-age=60&hold="
      .. latch.path
    latch.open()
    assert.equal(206, clients[1].client:request({ path = path }).status)
    latch.close()
    clients[1].client:send(http.format { path = path })
    assert.equal(200, clients[1].client:read_head().status)
    for i = 2, 4 do clients[i].client:send(http.format { path = path }) end
    for i = 2, 4 do
      local answer = clients[i].client:read_head()
      assert.matches("collapsed", answer.headers["cache-status"], 1, true)
    end
    latch.open()
    for i = 2, 4 do assert.equal(32000, #clients[i].client:receive(32000)) end
    assert.equal(2, #origin:requests())
    close_all(clients)
  end)

  it("lets nobody wait for a validation that is good for one alone", function()
    for _, lifetime in ipairs { "no-cache", "max-age=0" } do
      local answers = wait_for_nobody("/validated?ETag=%22a%22&Cache-Control=" .. lifetime)
      for _, answer in ipairs(answers) do
        assert.matches("fwd=stale", answer.headers["cache-status"], 1, true)
      end
      origin:forget()
    end
  end)

  it("goes on for those who wait when its client has gone", function()
    local clients = connect(1)
    clients[1].client:send(http.format { path = "/left?Cache-Control=max-age=60&delay=0.5" })
    origin:wait_for_requests(1)
    clients[2].client:send(http.format { path = "/left?Cache-Control=max-age=60&delay=0.5" })
    clients[1].client:close()
    assert.equal(200, clients[2].client:read_response().status)
    assert.equal(1, #origin:requests())
    clients[2].client:close()
  end)

  it("cuts nobody off whose answer a POST was about to store when its client goes", function()
    local post, reader = http.connect(moongate.port), http.connect(moongate.port)
    post:send(http.format { method = "POST", path = "/posted/a", body = "x" })
    assert.equal(200, post:read_head().status)
    reader:send(http.format { path = "/posted/a" })
    assert.equal(200, reader:read_head().status)
    post:close()
    assert.equal(32000, #reader:receive(32000))
    half.open()
    assert.equal(2, #posted:requests())
    reader:close()
    -- One whose client stays is stored.
    http.request(moongate.port, { method = "POST", path = "/posted/b", body = "x" })
    -- It has been read an instant before it can be had.
    local stored = wait.that(function()
      local answer = http.request(moongate.port,
        { path = "/posted/b", headers = { ["Cache-Control"] = "only-if-cached" } })
      return answer.status == 200 and answer
    end, 20, "what the POST stores")
    assert.equal(32000, #stored.body)
    assert.equal(3, #posted:requests())
  end)

  it("keeps nobody waiting for a client that does not read", function()
    local path = "/slow?Cache-Control=max-age=60&bytes=8000000"
    local slow = http.connect(moongate.port)
    slow:send(http.format { path = path })
    assert.equal(200, slow:read_head().status)
    for _ = 1, 4 do
      assert.equal(8000000, http.request(moongate.port, { path = path, count = true }).length)
    end
    assert.equal(8000000, #slow:receive(8000000))
    assert.equal(1, #origin:requests())
    slow:close()
  end)

  it("breaks off who got the beginning when the upstream is cut off, and stores nothing", function()
    local clients, latch = connect(2), latches.new()
    local path = "/cut?Cache-Control=max-age=60&bytes=32000&cut&hold=" .. latch.path
    ask_all(clients, path)
    for _, one in ipairs(clients) do assert.equal(200, one.client:read_head().status) end
    latch.open()
    for _, one in ipairs(clients) do assert.equal(16000, #one.client:read_until_close()) end
    assert.equal(1, #origin:requests())
    local again = http.connect(moongate.port)
    again:send(http.format { path = path })
    again:read_head()
    assert.equal(2, #origin:requests())
    again:close()
  end)

  it("lets the others fetch it when the worker that fills is killed", function()
    local path = "/killed?Cache-Control=max-age=60&delay=1"
    local clients = connect(10)
    local victim, others = clients[1], {}
    for _, one in ipairs(clients) do
      if one.pid ~= victim.pid then others[#others + 1] = one end
    end
    victim.client:send(http.format { path = path })
    origin:wait_for_requests(1)
    ask_all(others, path)
    system.kill(victim.pid, system.SIGKILL)
    for _, answer in ipairs(read_all(others)) do assert.equal(200, answer.status) end
    assert.is_true(#origin:requests() <= 1 + #others)
    local before = #origin:requests()
    wait.that(function() return #moongate:worker_pids() == 2 end, 20, "a successor")
    for _ = 1, 4 do http.request(moongate.port, { path = path }) end
    assert.equal(before, #origin:requests())
    close_all(clients)
  end)
end)
