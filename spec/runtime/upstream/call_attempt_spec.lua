-- Calls over HTTP/1.1 connections whose other end the spec holds itself: what it does happens
-- exactly between two turns of the loop.

local socket = require "spec.support.socket"
local system = require "spec.support.system"
local upstream = require "spec.support.upstream"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

describe("call over HTTP/1.1", function()
  local driver, cluster, listener, calls, connections, directory

  local function start(options, host)
    listener = socket.listen(host or "127.0.0.1")
    local path = host and host:match "^unix:(.*)"
    driver = upstream.driver { http1 = true }
    cluster = driver:cluster({ path and { 0, host = path } or { listener:port() } }, options)
    calls, connections = {}, {}
  end

  before_each(function() directory = system.temporary_directory() end)

  after_each(function()
    for _, call in ipairs(calls) do call:free() end
    driver:close()
    for _, connection in ipairs(connections) do connection:close() end
    listener:close()
    os.execute(("rm -r '%s'"):format(directory))
  end)

  local function call(method)
    local made = driver:call(cluster, method, "/")
    calls[#calls + 1] = made
    return made
  end

  -- The connection made next, once its request's head has come.
  local function accept()
    driver:run(0.005)
    local connection = assert(listener:accept(1))
    connections[#connections + 1] = connection
    connection.seconds = 0.2
    driver:run(0.005)
    return connection, connection:receive_until "\r\n\r\n"
  end

  local function has_nobody_waiting()
    driver:run(0.02)
    return listener:accept(0.01) == nil
  end

  -- A kept connection: of one call that was answered.
  local function warm()
    local first = call()
    local connection = accept()
    connection:send(OK)
    first:wait_for "end"
    first:free()
    return connection
  end

  it("brings an answer, and keeps the connection for the next", upstream.in_time(function()
    start()
    local connection = warm()
    local second = call()
    driver:run(0.005)
    assert.is_truthy(connection:receive_until "\r\n\r\n")
    connection:send(OK)
    second:wait_for "end"
    assert.is_truthy(second:text():find("response 200, data ok, end, ", 1, true))
    assert.is_truthy(second:record():find "reused")
  end))

  it("sees the end of an answer with an empty body", function()
    start()
    local only = call()
    accept():send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    only:wait_for "response 200, end, "
  end)

  for _, kind in ipairs { "TCP", "a unix socket" } do
    for _, method in ipairs { "GET", "POST" } do
      local title = "hides that a kept connection of %s was closed before a %s"
      it(title:format(kind, method), function()
        start({ retries = 0 }, kind ~= "TCP" and "unix:" .. directory .. "/socket" or nil)
        warm():close()
        local second = call(method)
        if method == "POST" then
          second:data "body"
          second:finish()
        end
        local fresh, head = accept()
        assert.is_truthy(head:find("^" .. method))
        if method == "POST" then assert.equal("4\r\nbody\r\n0\r\n\r\n", fresh:receive(14)) end
        fresh:send(OK)
        second:wait_for "end"
        assert.is_nil(second:text():find "failed")
        assert.is_truthy(second:record():find "attempts 1 fault none")
      end)
    end
  end

  it("hides that a kept connection was reset", function()
    start { retries = 0 }
    warm():reset()
    local second = call "POST"
    second:finish()
    accept():send(OK)
    second:wait_for "end"
    assert.is_nil(second:text():find "failed")
  end)

  it("sends a GET again that was read on a kept connection, once", upstream.in_time(function()
    start { retries = 0 }
    local connection = warm()
    local second = call()
    driver:run(0.005)
    connection:receive_until "\r\n\r\n"
    connection:close()
    accept():close()
    second:wait_for "failed upstream%-closed"
  end))

  -- By a reset even before its kernel has said so.
  for _, ending in ipairs { "close", "reset" } do
    it("does not send a POST again that was read, then " .. ending, upstream.in_time(function()
      start()
      local connection = warm()
      local second = call "POST"
      second:finish()
      driver:run(0.005)
      connection:receive_until "0\r\n\r\n"
      connection[ending](connection)
      second:wait_for "failed upstream%-closed"
      assert.is_true(has_nobody_waiting())
    end))
  end

  it("tries a GET again on a fresh connection that is closed, as often as allowed", function()
    start { retries = 1 }
    local only = call()
    accept():close()
    accept():close()
    only:wait_for "failed upstream%-closed"
    assert.is_truthy(only:record():find "attempts 2")
    assert.is_true(has_nobody_waiting())
  end)

  for stage, bytes in pairs {
    ["in the head"] = "HTTP/1.1 200 OK\r\nConte",
    ["after the head"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ["in the body"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123",
  } do
    it("fails once when the connection is reset " .. stage, upstream.in_time(function()
      start { retries = 0 }
      local only = call "POST"
      only:finish()
      local connection = accept()
      connection:receive_until "0\r\n\r\n"
      connection:send(bytes)
      driver:run(0.01)
      connection:reset()
      only:wait_for "failed"
      local _, failures = only:text():gsub("failed upstream%-%a+, ", "")
      assert.equal(1, failures)
      assert.is_true(has_nobody_waiting())
    end))
  end

  it("keeps no connection where none may be kept", function()
    start { idle_connections_max = 0 }
    for _ = 1, 2 do
      local connection = warm()
      driver:run()
      assert.is_true(connection:is_closed(0.2))
      assert.is_truthy(driver:status(cluster):find "busy 0 idle 0")
    end
  end)

  it("drops a kept connection that says something unasked", upstream.in_time(function()
    start()
    local connection = warm()
    connection:send "HTTP/1.1 408 Request Timeout\r\n\r\n"
    driver:run(0.01)
    assert.is_truthy(driver:status(cluster):find "idle 0")
    assert.is_true(connection:is_closed(0.2))
    local second = call()
    accept():send(OK)
    second:wait_for "response 200"
  end))

  it("drops a connection that says more than its answer", function()
    start()
    local first = call()
    accept():send(OK .. OK)
    first:wait_for "end"
    first:free()
    local second = call()
    local fresh = accept()
    fresh:send "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    second:wait_for "response 201"
  end)

  it("does not take what follows an answer for the answer to the next request",
    upstream.in_time(function()
      start()
      local first, successor = call(), driver:silent_call(cluster)
      calls[#calls + 1] = successor
      first:follow_with(successor)
      accept():send(OK .. "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")
      driver:run(0.01)
      local _, head = accept()
      assert.is_truthy(head and head:find "^GET /successor")
      connections[#connections]:send(OK)
      successor:wait_for "end"
      assert.is_nil(successor:text():find "stolen")
    end))

  it("gives a peer time that takes the request slowly, but not one that stops",
    upstream.in_time(function()
      start { ["call.idle"] = 0.5 }
      local only = call "PUT"
      local connection = accept()
      only:bytes(8 * 1024 * 1024)
      only:finish()
      for _ = 1, 14 do
        driver:run(0.05)
        connection:discard(256 * 1024)
      end
      assert.equal("", only:text())
      only:wait_for("failed upstream%-write%-timeout", 3)
    end))

  it("aborts the connection of a call that is given back in the middle", upstream.in_time(function()
    start()
    local first = call()
    local connection = accept()
    connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12"
    first:wait_for "data 12"
    first:free()
    driver:run(0.01)
    assert.is_true(connection:is_closed(0.2))
    assert.is_truthy(driver:status(cluster):find "busy 0 idle 0")
  end))
end)
