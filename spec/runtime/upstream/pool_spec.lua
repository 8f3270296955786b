local upstream = require "spec.support.upstream"

local C = upstream.C
local answer = upstream.answer

describe("pool", function()
  local driver, port

  local function start(capacity)
    driver = upstream.driver { capacity = capacity }
    port = driver:listen()
  end

  after_each(function() driver:close() end)

  -- So many calls at once, then answered in order: so many idle connections.
  local function warm(cluster, count)
    local calls = {}
    local before = C.fake_streams_opened()
    for i = 1, count do calls[i] = driver:called(cluster) end
    for i = 1, count do answer(calls[i], before + i) end
  end

  local function idle(cluster)
    return tonumber(driver:status(cluster):match "idle (%d+)")
  end

  it("lends a connection again", function()
    start()
    local cluster = driver:cluster { port }
    warm(cluster, 1)
    assert.equal(1, idle(cluster))
    local call, stream = driver:called(cluster)
    assert.equal(1, C.fake_session_of(stream))
    assert.equal(0, idle(cluster))
    assert.is_truthy(call:record():find " reused ")
    answer(call, stream)
    assert.equal(1, C.fake_sessions_opened())
  end)

  it("sends at once on a kept connection, within the call", function()
    start()
    local cluster = driver:cluster { port }
    warm(cluster, 1)
    local call = driver:call(cluster)
    assert.equal(2, C.fake_streams_opened())
    call:free()
  end)

  it("lends the newest first", function()
    start()
    local cluster = driver:cluster { port }
    warm(cluster, 3)
    local call, stream = driver:called(cluster)
    assert.equal(3, C.fake_session_of(stream))
    local other, other_stream = driver:called(cluster)
    assert.equal(2, C.fake_session_of(other_stream))
    answer(other, other_stream)
    answer(call, stream)
    call, stream = driver:called(cluster)
    assert.equal(3, C.fake_session_of(stream))
    answer(call, stream)
  end)

  it("keeps more than the maximum of idle connections for a second, then the last used",
    upstream.in_time(function()
      start()
      local cluster = driver:cluster({ port }, { idle_connections_max = 2 })
      warm(cluster, 4)
      driver:run(0.5)
      assert.equal(4, idle(cluster))
      assert.equal(4, C.fake_sessions_alive())
      driver:run(0.7)
      assert.equal(2, idle(cluster))
      assert.equal(2, C.fake_sessions_alive())
      local call, stream = driver:called(cluster)
      assert.equal(4, C.fake_session_of(stream))
      call:free()
    end))

  it("keeps none where the maximum is none", function()
    start()
    local cluster = driver:cluster({ port }, { idle_connections_max = 0 })
    warm(cluster, 2)
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("closes what stays idle too long, and only that", upstream.in_time(function()
    start()
    local cluster = driver:cluster({ port }, { idle_seconds = 0.2 })
    warm(cluster, 2)
    for _ = 1, 6 do
      driver:run(0.05)
      local call, stream = driver:called(cluster)
      assert.equal(2, C.fake_session_of(stream))
      answer(call, stream)
    end
    assert.equal(1, C.fake_sessions_alive())
    driver:run(0.25)
    assert.equal(0, C.fake_sessions_alive())
    warm(cluster, 1)
    driver:run(0.25)
    assert.equal(0, idle(cluster))
  end))

  it("closes each in its time, also when nothing else happens", upstream.in_time(function()
    start()
    local cluster = driver:cluster({ port }, { idle_seconds = 0.2 })
    local one, one_stream = driver:called(cluster)
    local two, two_stream = driver:called(cluster)
    answer(one, one_stream)
    driver:run(0.1)
    answer(two, two_stream)
    driver:run(0.13)
    assert.equal(1, idle(cluster))
    driver:run(0.12)
    assert.equal(0, idle(cluster))
  end))

  it("does not lend connections again that were made in another way", function()
    start(2)
    local cluster = driver:cluster { port }
    warm(cluster, 1)
    local busy, busy_stream = driver:called(cluster)
    C.driver_speak_http1(driver.driver)
    driver:cluster { port }
    local next_one = driver:call(cluster)
    driver:run()
    assert.equal(2, C.fake_streams_opened())
    next_one:free()
    answer(busy, busy_stream)
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("closes an idle connection for one that must be fresh, at the limit", function()
    start()
    local cluster = driver:cluster({ port }, { connections_max = 2, retries = 0 })
    warm(cluster, 2)
    local stale, stale_stream = driver:called(cluster)
    local busy, busy_stream = driver:called(cluster)
    C.fake_hang_up(C.fake_session_of(stale_stream))
    local dialling = driver:call(cluster)
    C.fake_tell_sent(busy_stream)
    C.fake_respond(busy_stream, 200)
    C.fake_end(busy_stream)
    busy:free()
    driver:run_until(function() return C.fake_streams_opened() == 6 end)
    assert.equal("", stale:text() .. dialling:text())
    assert.equal(0, idle(cluster))
    stale:free()
    dialling:free()
  end)

  it("forgets a connection whose peer hangs up", function()
    start()
    local cluster = driver:cluster { port }
    warm(cluster, 1)
    C.fake_hang_up(1)
    assert.equal(0, idle(cluster))
    warm(cluster, 1)
    assert.equal(2, C.fake_sessions_opened())
  end)

  it("does not keep a connection whose exchange was broken off", function()
    start()
    local cluster = driver:cluster { port }
    local call, stream = driver:called(cluster)
    C.fake_tell_sent(stream)
    C.fake_respond(stream, 200)
    call:free()
    driver:run()
    assert.equal(0, C.fake_sessions_alive())
    assert.equal(0, idle(cluster))
  end)

  it("refuses a call beyond the maximum of connections, until there is room", function()
    start()
    local cluster = driver:cluster({ port }, { connections_max = 2 })
    local one, one_stream = driver:called(cluster)
    local two = driver:call(cluster)
    local three = driver:call(cluster)
    three:wait_for "failed"
    assert.equal("failed upstream-limit, ", three:text())
    three:free()
    answer(one, one_stream)
    local four, four_stream = driver:called(cluster)
    four:free()
    two:free()
    assert.equal(1, C.fake_session_of(one_stream) + C.fake_session_of(four_stream) + 1)
  end)

  it("leaves a target at its limit to itself while another one has room", function()
    start()
    local cluster = driver:cluster({ { port }, { (driver:listen()), weight = 5 } },
                                   { connections_max = 1 })
    local calls = {}
    for i = 1, 2 do calls[i] = driver:called(cluster) end
    for line in driver:status(cluster):gmatch "[^\n]+" do
      assert.is_truthy(line:find "busy 1 idle 0 failures 0 attempts 1")
    end
    for i = 1, 2 do calls[i]:free() end
  end)

  it("does so also when all are set aside", function()
    start()
    local cluster = driver:cluster({ { port }, { (driver:listen()) } },
                                   { connections_max = 1, failures_max = 1 })
    local calls = {}
    for i = 1, 2 do calls[i] = driver:called(cluster) end
    for i = 0, 1 do C.driver_fail(cluster, i, upstream.fault "upstream-refused", false, i) end
    calls[2]:free()
    driver:run()
    calls[2] = driver:called(cluster)
    local third = driver:call(cluster)
    third:wait_for "failed upstream%-limit"
    third:free()
    for i = 1, 2 do calls[i]:free() end
  end)

  it("counts connections being made, also those given up", function()
    start()
    local cluster = driver:cluster({ port }, { connections_max = 1 })
    local one = driver:call(cluster)
    local two = driver:call(cluster)
    one:free()
    local three = driver:called(cluster)
    three:free()
    two:wait_for "failed upstream%-limit"
    two:free()
    local refused = driver:cluster({ driver:refusing_port() }, { connections_max = 1 }, "refused")
    for _ = 1, 3 do
      local call = driver:call(refused)
      call:wait_for "failed upstream%-refused"
      call:free()
    end
  end)

  it("shares a session that carries several streams, up to its capacity", function()
    start(2)
    local cluster = driver:cluster { port }
    local one, one_stream = driver:called(cluster)
    local two, two_stream = driver:called(cluster)
    local three, three_stream = driver:called(cluster)
    assert.equal(1, C.fake_session_of(one_stream))
    assert.equal(1, C.fake_session_of(two_stream))
    assert.equal(2, C.fake_session_of(three_stream))
    assert.equal(0, idle(cluster))
    answer(one, one_stream)
    assert.equal(0, idle(cluster))
    local four, four_stream = driver:called(cluster)
    assert.equal(1, C.fake_session_of(four_stream))
    answer(four, four_stream)
    answer(two, two_stream)
    assert.equal(1, idle(cluster))
    answer(three, three_stream)
    assert.equal(2, idle(cluster))
  end)
end)
