local ffi = require "ffi"
local upstream = require "spec.support.upstream"

local C = upstream.C
local answer = upstream.answer

local function sent(stream)
  return ffi.string(C.fake_sent(stream))
end

describe("call", function()
  local driver, calls

  local function start(options)
    driver = upstream.driver(options)
  end

  before_each(function() calls = {} end)

  after_each(function()
    for _, call in ipairs(calls) do call:free() end
    driver:close()
  end)

  -- As driver:call and driver:called, given back after the spec.
  local function call(...)
    calls[#calls + 1] = driver:call(...)
    return calls[#calls]
  end

  local function called(...)
    local made, stream = driver:called(...)
    calls[#calls + 1] = made
    return made, stream
  end

  local function called_within(option, seconds, method)
    return called(driver:cluster({ (driver:listen()) }, { [option] = seconds }), method)
  end

  local function warm(cluster)
    answer(driver:called(cluster))
  end

  local function streams(count)
    driver:run_until(function() return C.fake_streams_opened() >= count end)
  end

  it("hands on what comes, in order", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) })
    assert.equal("GET /|$", sent(stream))
    C.fake_tell_sent(stream)
    C.fake_informational(stream, 103)
    C.fake_respond(stream, 200)
    C.fake_data(stream, "abc")
    C.fake_end(stream)
    assert.equal("sent, informational 103, response 200, data abc, end, ", one:text())
    assert.is_truthy(one:record():find "attempts 1 fault none sent 0 received 3")
  end)

  it("is no load of its target any more when both directions have ended", function()
    start()
    for _, order in ipairs { { "fake_tell_sent", "fake_end" }, { "fake_end", "fake_tell_sent" } } do
      local cluster = driver:cluster { (driver:listen()) }
      local _, stream = called(cluster)
      C.fake_respond(stream, 200)
      C[order[1]](stream)
      assert.equal(1, C.driver_under_way(cluster, 0))
      C[order[2]](stream) -- its user has not let go of it
      assert.equal(0, C.driver_under_way(cluster, 0))
    end
  end)

  it("keeps a body that has to wait for the connection, and says when there is room", function()
    start()
    local one = call(driver:cluster { (driver:listen()) }, "POST", "/a")
    assert.is_false(one:data "hello ")
    assert.is_false(one:data "world")
    assert.equal("", one:text())
    streams(1)
    one:wait_for "writable"
    assert.equal("POST /a|hello world", sent(1))
    assert.is_true(one:data "!")
    one:finish()
    assert.equal("POST /a|hello world!$", sent(1))
    assert.equal("writable, ", one:text())
  end)

  it("passes back-pressure on, both ways", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) }, "POST")
    C.fake_block(true)
    assert.is_false(one:data "abc")
    C.fake_tell_writable(stream)
    C.fake_tell_writable(stream)
    assert.equal("writable, ", one:text())
    one:pause()
    one:resume()
    assert.equal("POST /|abcPR", sent(stream))
  end)

  it("stays paused when it gets its connection later", function()
    start()
    local one = call(driver:cluster { (driver:listen()) })
    one:pause()
    streams(1)
    assert.equal("P", sent(1):sub(1, 1))
  end)

  it("fails when the target refuses, once its attempts are used up", function()
    start()
    local cluster = driver:cluster({ driver:refusing_port() }, { retries = 2 })
    local one = call(cluster)
    assert.equal("", one:text())
    one:wait_for "failed"
    driver:run()
    assert.equal("failed upstream-refused, ", one:text())
    assert.is_truthy(one:record():find "attempts 3 fault upstream%-refused")
    assert.is_truthy(driver:status(cluster):find "failures 3 aside attempts 3 errors 3")
  end)

  it("goes to another target when one refuses, whatever the method", function()
    for _, method in ipairs { "GET", "POST" } do
      start()
      local good = driver:listen()
      local cluster = driver:cluster { { driver:refusing_port() }, { good } }
      for i = 1, 4 do
        local one = call(cluster, method)
        streams(i)
        assert.is_truthy(one:record():find("^127.0.0.1:" .. good))
      end
      for _, one in ipairs(calls) do one:free() end
      calls = {}
      if method == "GET" then driver:close() end
    end
  end)

  it("prefers a target that it has not tried", function()
    start()
    local cluster = driver:cluster { { driver:refusing_port(), weight = 9 }, { (driver:listen()) } }
    local one = called(cluster)
    assert.is_truthy(one:record():find "attempts 2")
  end)

  it("gives up after so many attempts, whatever is allowed", function()
    start()
    local one = call(driver:cluster({ driver:refusing_port() },
                                    { retries = 100, retry_budget_min = 1000 }))
    one:wait_for "failed"
    assert.is_truthy(one:record():find "attempts 10 ")
  end)

  it("reports a name that does not resolve", upstream.in_time(function()
    start()
    local one = call(driver:cluster({ { 80, host = "no-such-name.invalid" } }, { retries = 0 }))
    one:wait_for("failed", 5)
    assert.is_truthy(one:text():find "^failed upstream%-dns")
  end))

  it("fails at once when the cluster is empty", function()
    start()
    local one = call(driver:cluster {})
    assert.equal("", one:text())
    one:wait_for "failed"
    assert.equal("failed upstream-empty, ", one:text())
    assert.is_truthy(one:record():find "attempts 0")
  end)

  it("sends an idempotent request again after a reset", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) }, "PUT")
    one:data "abc"
    C.fake_fail(stream, upstream.fault "upstream-closed")
    streams(2)
    one:data "def"
    one:finish()
    assert.equal("PUT /|abcdef$", sent(2))
    answer(one, 2)
    calls = {}
    assert.is_truthy(one:record():find "attempts 2")
    assert.is_nil(one:text():find "failed")
  end)

  it("does not send it again once a part of an answer was handed on", function()
    start()
    for _, begin in ipairs { C.fake_informational, C.fake_respond } do
      local one, stream = called(driver:cluster { (driver:listen()) })
      begin(stream, begin == C.fake_respond and 200 or 103)
      C.fake_fail(stream, upstream.fault "upstream-closed")
      one:wait_for "failed upstream%-closed, $"
    end
  end)

  it("does not send again what may have been processed", upstream.in_time(function()
    start { writes_heads = true }
    local one, stream = called(driver:cluster { (driver:listen()) }, "POST")
    one:finish()
    driver:run(0.02)
    C.fake_fail(stream, upstream.fault "upstream-closed")
    one:wait_for "failed upstream%-closed"
    assert.equal(1, C.fake_streams_opened())
  end))

  it("sends again what never arrived, even if it is not idempotent", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) }, "POST")
    C.fake_fail(stream, upstream.fault "upstream-closed")
    streams(2)
    one:finish()
    assert.equal("POST /|$", sent(2))
  end)

  it("never shows that a kept connection had died", function()
    for _, method in ipairs { "GET", "POST" } do
      start()
      local cluster = driver:cluster({ (driver:listen()) }, { retries = 0, retry_budget_min = 1 })
      warm(cluster)
      local one, stream = called(cluster, method)
      C.fake_hang_up(C.fake_session_of(stream))
      streams(3)
      assert.equal(method == "GET" and "GET /|$" or "POST /|", sent(3))
      assert.equal("", one:text())
      assert.is_truthy(one:record():find "attempts 1 fault none")
      assert.is_truthy(driver:status(cluster):find "failures 0 .* errors 0")
      one:free()
      calls = {}
      if method == "GET" then driver:close() end
    end
  end)

  it("takes a fresh connection after a kept one had died, though others are kept", function()
    start()
    local cluster = driver:cluster({ (driver:listen()) }, { retries = 0 })
    local first = { driver:called(cluster) }
    local second = { driver:called(cluster) }
    answer(unpack(first))
    answer(unpack(second))
    local one, stream = called(cluster)
    C.fake_hang_up(C.fake_session_of(stream))
    streams(4)
    assert.equal(3, C.fake_session_of(4))
    C.fake_hang_up(3)
    one:wait_for "failed upstream%-closed"
  end)

  it("does not send a request on a kept connection twice if some of it arrived",
    upstream.in_time(function()
      start { writes_heads = true }
      local cluster = driver:cluster { (driver:listen()) }
      warm(cluster)
      local one, stream = called(cluster, "POST")
      driver:run(0.02)
      C.fake_hang_up(C.fake_session_of(stream))
      one:wait_for "failed upstream%-closed"
    end))

  it("does not send a body twice that is too long to keep", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) }, "PUT")
    one:bytes(65536)
    one:data "x"
    C.fake_fail(stream, upstream.fault "upstream-closed")
    one:wait_for "failed upstream%-closed"
  end)

  it("does not keep what waited for a connection longer than what may be sent again", function()
    start()
    local one = call(driver:cluster { (driver:listen()) }, "PUT")
    one:bytes(65537)
    streams(1)
    C.fake_fail(1, upstream.fault "upstream-closed")
    one:wait_for "failed upstream%-closed"
    assert.equal(1, C.fake_streams_opened())
  end)

  it("counts it against the target when a kept connection dies in an answer", function()
    start()
    local cluster = driver:cluster { (driver:listen()) }
    warm(cluster)
    local one, stream = called(cluster)
    C.fake_informational(stream, 103)
    C.fake_hang_up(C.fake_session_of(stream))
    one:wait_for "failed upstream%-closed"
    assert.is_truthy(driver:status(cluster):find "failures 1 attempts 2 errors 1")
  end)

  it("takes a body of any length while it has no connection yet", function()
    start()
    local cluster = driver:cluster { { driver:refusing_port() }, { (driver:listen()) } }
    local one = call(cluster, "POST")
    assert.is_false(one:bytes(1000000))
    one:wait_for "writable"
    assert.is_truthy(one:record():find "sent 1000000")
  end)

  it("ends who goes on sending without a connection, instead of growing", function()
    start()
    local one = call(driver:cluster { (driver:listen()) }, "POST")
    for _ = 1, 5 do assert.is_false(one:bytes(16 * 1024 * 1024)) end
    one:wait_for "failed internal%-error"
    assert.equal(0, C.fake_streams_opened())
  end)

  it("sends again what never arrived, then elsewhere what was refused", function()
    start()
    local port, fd = driver:listen()
    local one, stream = called(driver:cluster { port }, "POST")
    driver:stop_listening(fd)
    C.fake_fail(stream, upstream.fault "upstream-closed")
    one:wait_for "failed upstream%-refused"
    assert.is_truthy(one:record():find "attempts 3")
  end)

  it("says of which connection its last attempt was", function()
    start()
    local port, fd = driver:listen()
    local cluster = driver:cluster({ port }, { retries = 0 })
    warm(cluster)
    local one, stream = called(cluster)
    assert.is_truthy(one:record():find "reused")
    driver:stop_listening(fd)
    C.fake_hang_up(C.fake_session_of(stream))
    one:wait_for "failed upstream%-refused"
    assert.is_nil(one:record():find "reused")
  end)

  it("tells once that all is sent, however often that was", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) })
    C.fake_tell_sent(stream)
    C.fake_fail(stream, upstream.fault "upstream-closed")
    streams(2)
    C.fake_tell_sent(2)
    C.fake_respond(2, 200)
    assert.equal("sent, response 200, ", one:text())
  end)

  it("forgets a target's failures when it answers", function()
    start()
    local cluster = driver:cluster { (driver:listen()) }
    C.driver_fail(cluster, 0, upstream.fault "upstream-refused", false, 0)
    local _, stream = called(cluster)
    assert.is_truthy(driver:status(cluster):find "failures 1")
    C.fake_respond(stream, 200)
    assert.is_truthy(driver:status(cluster):find "failures 0")
  end)

  it("counts as a connection of its target only as long as it is one", function()
    start()
    local cluster = driver:cluster({ (driver:listen()), (driver:listen()) }, { balance = 1 })
    local busy = called(cluster)
    for i = 2, 5 do
      local one, stream = driver:called(cluster)
      assert.are_not.equal(busy:record():match "^%S+", one:record():match "^%S+")
      assert.equal(i, stream)
      answer(one, stream)
    end
  end)

  it("may retry as many as the share of requests allows", function()
    start()
    local cluster = driver:cluster({ driver:refusing_port() },
                                   { retries = 1, retry_budget = 1, retry_budget_min = 1 })
    for _ = 1, 5 do call(cluster) end
    for i = 1, 5 do
      calls[i]:wait_for "failed"
      assert.is_truthy(calls[i]:record():find "attempts 2")
    end
  end)

  it("retries within its budget", function()
    start()
    local cluster = driver:cluster({ driver:refusing_port() },
                                   { retries = 3, retry_budget = 0.001, retry_budget_min = 2 })
    local one, two = call(cluster), call(cluster)
    one:wait_for "failed"
    two:wait_for "failed"
    local attempts = one:record():match "attempts (%d)" + two:record():match "attempts (%d)"
    assert.equal(4, attempts)
  end)

  it("sets a target aside that fails, and asks it again with one request",
    upstream.in_time(function()
      start()
      local bad, fd = driver:listen()
      local good = driver:listen()
      local cluster = driver:cluster({ bad, good }, { failures_max = 1, set_aside_seconds = 0.4 })
      driver:stop_listening(fd)
      for i = 1, 6 do call(cluster) streams(i) end
      assert.is_truthy(driver:status(cluster):find(
        bad .. " w1 busy 0 idle 0 failures 1 aside attempts 1 errors 1", 1, true))
      driver:run(0.45)
      for i = 7, 10 do call(cluster) streams(i) end
      assert.is_truthy(driver:status(cluster):find("failures 2 aside attempts 2 errors 2", 1, true))
    end))

  describe("in time", function()
    it("waits for an answer so long, from the end of the request on", upstream.in_time(function()
      start()
      local one, stream = called_within("call.response", 0.2)
      driver:run(0.25)
      assert.equal("", one:text())
      C.fake_tell_sent(stream)
      driver:run(0.03)
      assert.equal("sent, ", one:text())
      one:wait_for "failed upstream%-timeout"
      assert.equal(0, C.fake_session_of(stream))
      assert.equal(1, C.fake_streams_opened())
    end))

    it("waits anew after an informational answer", upstream.in_time(function()
      start()
      local one, stream = called_within("call.response", 0.2)
      C.fake_tell_sent(stream)
      driver:run(0.12)
      C.fake_informational(stream, 103)
      driver:run(0.12)
      assert.is_nil(one:text():find "failed")
      one:wait_for "failed upstream%-timeout"
    end))

    it("waits so long for the word that lets a body come", upstream.in_time(function()
      start { writes_heads = true }
      local cluster = driver:cluster({ (driver:listen()) }, { ["call.response"] = 0.2 })
      for i, word in ipairs { false, true } do
        calls[i] = driver:silent_call(cluster)
        calls[i]:send_expectation()
        streams(i)
        if word then C.fake_informational(i, 100) end
        driver:run(0.3)
        assert.equal(word and "informational 100, " or "failed upstream-timeout, ", calls[i]:text())
      end
    end))

    it("ends an answer that stalls, but not one that flows or is held back",
      upstream.in_time(function()
        start()
        local one, stream = called_within("call.idle", 0.2)
        C.fake_tell_sent(stream)
        C.fake_respond(stream, 200)
        for _ = 1, 6 do
          driver:run(0.04)
          C.fake_data(stream, "x")
        end
        one:pause()
        driver:run(0.25)
        assert.is_nil(one:text():find "failed")
        one:resume()
        one:wait_for "failed upstream%-stalled"
      end))

    it("ends a request that is not taken, but does not wait for its own user",
      upstream.in_time(function()
        start()
        local one, stream = called_within("call.idle", 0.04, "PUT")
        driver:run(0.07)
        one:data "abc"
        driver:run(0.07)
        assert.equal("", one:text())
        C.fake_block(true)
        one:data "def"
        one:wait_for "failed upstream%-write%-timeout"
        assert.equal(0, C.fake_session_of(stream))
      end))

    it("ends in total after so long, over all attempts", upstream.in_time(function()
      start()
      local one, stream = called_within("call.total", 0.2)
      driver:run(0.05)
      C.fake_fail(stream, upstream.fault "upstream-closed")
      streams(2)
      driver:run(0.2)
      assert.equal("failed timeout, ", one:text())
    end))

    it("has no such end once both messages are complete, nor in a tunnel",
      upstream.in_time(function()
        start()
        local cluster = driver:cluster({ (driver:listen()) }, { ["call.total"] = 0.2 })
        local one, stream = called(cluster)
        C.fake_tell_sent(stream)
        C.fake_respond(stream, 200)
        C.fake_end(stream)
        local tunnel, other = called(cluster)
        C.fake_tell_sent(other)
        C.fake_respond(other, 101)
        driver:run(0.25)
        assert.equal("sent, response 200, end, ", one:text())
        assert.equal("sent, response 101, ", tunnel:text())
      end))

    it("has no such end either when the answer was complete before the request",
      upstream.in_time(function()
        start()
        local one, stream = called_within("call.total", 0.2)
        C.fake_respond(stream, 200)
        C.fake_end(stream)
        C.fake_tell_sent(stream)
        driver:run(0.25)
        assert.equal("response 200, end, sent, ", one:text())
      end))

    it("does not end a tunnel in which nobody says anything for a while",
      upstream.in_time(function()
        start()
        local one, stream = called_within("call.idle", 0.03)
        C.fake_tell_sent(stream)
        C.fake_respond(stream, 101)
        driver:run(0.1)
        assert.is_nil(one:text():find "failed")
      end))

    it("leaves no deadline behind", upstream.in_time(function()
      start()
      local cluster = driver:cluster({ (driver:listen()) },
                                     { ["call.total"] = 0.03, ["call.response"] = 0.03 })
      local one, stream = driver:called(cluster)
      C.fake_tell_sent(stream)
      one:free()
      driver:run(0.05)
    end))

    it("gives up connecting after so long", upstream.in_time(function()
      start()
      -- 192.0.2.0/24 is for documentation: nobody answers, or the network says so at once.
      local one = call(driver:cluster({ { 9, host = "192.0.2.1" } },
                                      { ["call.connect"] = 0.05, retries = 0 }))
      one:wait_for("failed upstream%-%a+")
      assert.is_truthy(one:text():find "connect%-timeout" or one:text():find "unroutable"
        or one:text():find "refused")
    end))
  end)

  it("half-closes a tunnel after the request had its own end", function()
    start()
    local one, stream = called(driver:cluster { (driver:listen()) })
    C.fake_tell_sent(stream)
    C.fake_respond(stream, 101)
    one:data "up"
    one:finish()
    C.fake_tell_sent(stream)
    assert.equal("GET /|$up$", sent(stream))
    assert.equal("sent, response 101, sent, ", one:text())
  end)

  it("can be given back at any moment", upstream.in_time(function()
    local moments = {
      function() end,
      function() driver:run(0.001) end,
      function() streams(1) end,
      function() streams(1) C.fake_tell_sent(1) C.fake_respond(1, 200) end,
      function() streams(1) C.fake_fail(1, upstream.fault "upstream-closed") end,
    }
    for _, moment in ipairs(moments) do
      start()
      local cluster = driver:cluster { (driver:listen()) }
      local one = driver:call(cluster)
      moment()
      one:free()
      driver:run()
      assert.is_truthy(driver:status(cluster):find "busy 0 idle 0")
      assert.equal(0, C.fake_sessions_alive())
      driver:close()
    end
    start()
  end))

  it("can be given back from within each of its events", function()
    start()
    local events = {
      function(stream) C.fake_tell_sent(stream) end,
      function(stream) C.fake_informational(stream, 103) end,
      function(stream) C.fake_respond(stream, 200) end,
      function(stream) C.fake_fail(stream, upstream.fault "upstream-malformed") end,
    }
    for _, event in ipairs(events) do
      local one, stream = called(driver:cluster { (driver:listen()) })
      one:release_when_told()
      event(stream)
      one:wait_for ", $"
      driver:run()
      assert.equal(0, C.fake_session_of(stream))
    end
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("takes little memory, and none but its arena's, on a kept connection", function()
    start()
    local cluster = driver:cluster { (driver:listen()) }
    warm(cluster)
    local one = call(cluster)
    assert.is_true(C.driven_arena_bytes(one.call) <= 1200)
  end)
end)
