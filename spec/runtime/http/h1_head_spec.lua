local h1 = require "spec.support.h1"
local runtime = require "spec.support.runtime"

local C, text = runtime.C, runtime.text

local UNKNOWN = 2 ^ 64 -- as MESSAGE_LENGTH_UNKNOWN, 2^64 - 1, reads as a Lua number

local function request(bytes, is_tls)
  local reading = h1.read_request(bytes, {}, is_tls)
  assert(reading.message, "refused by the scanner")
  return reading.message, reading
end

local function get(target, fields, version)
  return ("GET %s HTTP/%s\r\nHost: a.example\r\n%s\r\n")
    :format(target, version or "1.1", fields or "")
end

local function response(bytes, method)
  local reading = h1.read_response(bytes, {}, method)
  assert(reading.message, "refused by the scanner")
  return reading.message, reading
end

describe("h1_head, of a request,", function()
  it("fills in the start line", function()
    local message = request(get "/a/../b%2f?c=d")
    assert.equal(C.METHOD_GET, tonumber(message.method))
    assert.equal("GET", text(message.method_name))
    assert.equal("/a/../b%2f?c=d", text(message.target))
    assert.equal("/b%2F", text(message.path))
    assert.equal("c=d", text(message.query))
    assert.equal("http", text(message.scheme))
    assert.equal(1, message.minor_version)
  end)

  it("skips a leading CRLF before the method", function()
    assert.equal("GET", text(request("\r\n" .. get "/").method_name))
  end)

  it("keeps methods that the gateway has no number for", function()
    local message = request "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal(C.METHOD_OTHER, tonumber(message.method))
    assert.equal("PROPFIND", text(message.method_name))
  end)

  it("takes the scheme from the connection", function()
    assert.equal("https", text(request(get "/", true).scheme))
  end)

  it("splits Host", function()
    for host, expected in pairs {
      ["a.example"] = { "a.example", 0 }, ["A.Example:8080"] = { "a.example", 8080 },
      ["a.example."] = { "a.example", 0 }, ["a.example.:80"] = { "a.example", 80 },
      ["[2001:DB8::1]:81"] = { "2001:db8::1", 81 }, ["1.2.3.4"] = { "1.2.3.4", 0 },
    } do
      local message = request("GET / HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n")
      assert.equal(host, text(message.authority))
      assert.equal(expected[1], text(message.host))
      assert.equal(expected[2], message.port)
    end
  end)

  it("has an empty host in 1.0 without Host", function()
    local message = request "GET / HTTP/1.0\r\n\r\n"
    assert.equal("", text(message.authority))
    assert.equal("", text(message.host))
    assert.equal(0, message.minor_version)
  end)

  it("puts an absolute target's authority in the place of Host", function()
    local message, reading = request(
      "GET http://B.example:81/x?y HTTP/1.1\r\nA: 1\r\nHost: a.example\r\nB: 2\r\n\r\n")
    assert.equal("b.example", text(message.host))
    assert.equal(81, message.port)
    assert.equal("/x", text(message.path))
    assert.equal("y", text(message.query))
    assert.same({ "A: 1", "host: B.example:81", "B: 2" }, h1.fields(reading.message.headers))
  end)

  it("gives 1.0 without Host the one of an absolute target", function()
    local _, reading = request "GET http://b.example HTTP/1.0\r\n\r\n"
    assert.same({ "host: b.example" }, h1.fields(reading.message.headers))
  end)

  it("believes in an https target over TLS", function()
    assert.equal("https", text(request(get "https://a.example/", true).scheme))
    assert.equal("http", text(request(get "http://a.example/", true).scheme))
  end)

  it("reads CONNECT's target as an authority", function()
    local message = request "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert.equal("b.example", text(message.host))
    assert.equal(443, message.port)
    assert.equal("", text(message.path))
  end)

  it("asks for the server with OPTIONS * and an absolute form without a path", function()
    assert.equal("*", text(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path))
    assert.equal("*", text(request("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").path))
    assert.equal("/", text(request("OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n").path))
  end)

  it("keeps all fields as they were sent, framing and connection too", function()
    local _, reading = request("POST / HTTP/1.1\r\nHost:a.example\r\nConnection: close, x\r\n" ..
      "X:  b \t\r\nEmpty:\r\nContent-Length: 0\r\n\r\n")
    assert.same({ "Host: a.example", "Connection: close, x", "X: b", "Empty: ",
      "Content-Length: 0" }, h1.fields(reading.message.headers))
  end)

  it("knows the body", function()
    local none = request(get "/")
    assert.equal(C.BODY_NONE, tonumber(none.body))
    assert.equal(UNKNOWN, tonumber(none.content_length))
    local length = request(get("/", "Content-Length: 9223372036854775807\r\n"))
    assert.equal(C.BODY_LENGTH, tonumber(length.body))
    assert.is_true(length.content_length == 0x7fffffffffffffffULL)
    local empty = request(get("/", "Content-Length: 0\r\n"))
    assert.equal(C.BODY_LENGTH, tonumber(empty.body))
    assert.equal(0, tonumber(empty.content_length))
    local streamed, reading = request(get("/", "Transfer-Encoding: Chunked\r\n"))
    assert.equal(C.BODY_STREAMED, tonumber(streamed.body))
    assert.equal(UNKNOWN, tonumber(streamed.content_length))
    assert.is_true(reading.terms.is_chunked)
  end)

  for fields, expected in pairs {
    [""] = { true, false },
    ["Connection: close\r\n"] = { false, false },
    ["Connection: CLOSE\r\n"] = { false, false },
    ["Connection: keep-alive\r\n"] = { true, true },
    ["Connection: keep-alive, close\r\n"] = { false, false },
    ["Connection: x\r\nConnection: y, close\r\n"] = { false, false },
    ["Connection: close\t\r\n"] = { false, false },
    ["Connection: keep-alive, x\r\n"] = { true, true },
    ["Connection: disclose, close-x\r\n"] = { true, false },
  } do
    it(("keeps the connection after %q by version"):format(fields), function()
      local _, new = request(get("/", fields))
      local _, old = request(get("/", fields, "1.0"))
      assert.same(expected, { new.terms.keeps_alive, old.terms.keeps_alive })
    end)
  end

  for fields, upgrade in pairs {
    ["Connection: upgrade\r\nUpgrade: websocket\r\n"] = "websocket",
    ["Connection: close, UPGRADE\r\nUpgrade: a, b/1\r\n"] = "a, b/1",
    ["Upgrade: websocket\r\n"] = false,
    ["Connection: upgrade\r\n"] = false,
    ["Connection: upgrade\r\nUpgrade:\r\n"] = false,
    ["Connection: upgrade\r\nUpgrade: h2c\r\n"] = false,
    ["Connection: upgrade\r\nUpgrade: websocket, H2C\r\n"] = false,
    ["Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"] = false,
    ["Connection: x\r\nUpgrade: websocket\r\n"] = false,
  } do
    it(("takes %s as the upgrade of %q"):format(upgrade, fields), function()
      assert.equal(upgrade or nil, text(request(get("/", fields)).upgrade))
      assert.is_nil(text(request(get("/", fields, "1.0")).upgrade))
    end)
  end

  it("expects 100 Continue only in 1.1 and for a body", function()
    local fields = "Expect: 100-continue\r\nContent-Length: 3\r\n"
    assert.is_true(request(get("/", fields)).expects_continue)
    assert.is_false(request(get("/", fields, "1.0")).expects_continue)
    assert.is_false(request(get("/", "Expect: 100-continue\r\n")).expects_continue)
    assert.is_false(request(get("/", "Content-Length: 3\r\n")).expects_continue)
  end)

  it("accepts trailers when TE says so", function()
    assert.is_true(request(get("/", "TE: gzip;q=0.5, Trailers\r\n")).accepts_trailers)
    assert.is_false(request(get("/", "TE: gzip\r\n")).accepts_trailers)
  end)

  for bytes, offset in pairs {
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"] = 61,
    ["GET / HTTP/1.1\r\nA: b\r\n\r\n"] = 0,
    ["BREW / HTTP/1.1\r\nHost: a\r\n\r\n"] = 1,
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \r\n\r\n"] = 26,
    ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"] = 26,
    ["GET / HTTP/1.1\r\nA: b\r\nHost: a/b\r\n\r\n"] = 22,
    ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"] = 16,
    ["GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"] = 4,
  } do
    it(("finds the offence in %q"):format(bytes), function()
      local reading = h1.read_request(bytes)
      assert.not_equal("NONE", reading.fault)
      assert.equal(offset, reading.offset)
    end)
  end
end)

describe("h1_head, of a response,", function()
  it("fills in the status line", function()
    local message = response "HTTP/1.0 404 Not at all\r\n\r\n"
    assert.equal(404, message.status)
    assert.equal("Not at all", text(message.reason))
    assert.equal(0, message.minor_version)
  end)

  it("has an empty reason where there is none", function()
    assert.equal("", text(response("HTTP/1.1 200 \r\n\r\n").reason))
    assert.equal("", text(response("HTTP/1.1 200\r\n\r\n").reason))
  end)

  local OK = "HTTP/1.1 200 OK\r\n"

  -- Start line and fields, method; body, length, whether chunked, whether it keeps the connection.
  for _, row in ipairs {
    { OK .. "Content-Length: 3\r\n", "GET", "LENGTH", 3, false, true },
    { OK .. "Content-Length: 3\r\nConnection: close\r\n", "GET", "LENGTH", 3, false, false },
    { OK .. "Transfer-Encoding: chunked\r\n", "GET", "STREAMED", UNKNOWN, true, true },
    { OK, "GET", "STREAMED", UNKNOWN, false, false },
    { OK .. "Connection: keep-alive\r\n", "GET", "STREAMED", UNKNOWN, false, false },
    { "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n", "GET", "LENGTH", 3, false, false },
    { "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n", "GET", "LENGTH", 3,
      false, true },
    { OK .. "Content-Length: 3\r\n", "HEAD", "NONE", 3, false, true },
    { OK .. "Transfer-Encoding: chunked\r\n", "HEAD", "NONE", UNKNOWN, false, true },
    { OK, "HEAD", "NONE", UNKNOWN, false, true },
    { OK, "CONNECT", "NONE", UNKNOWN, false, true },
    { "HTTP/1.1 500 No\r\nContent-Length: 3\r\n", "CONNECT", "LENGTH", 3, false, true },
    { "HTTP/1.1 204 No Content\r\n", "GET", "NONE", UNKNOWN, false, true },
    { "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", "GET", "NONE", UNKNOWN, false, true },
    { "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", "HEAD", "NONE", UNKNOWN, false, true },
    { "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n", "GET", "NONE", 3, false, true },
    { "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n", "GET", "NONE", UNKNOWN, false,
      true },
    { "HTTP/1.1 100 Continue\r\n", "GET", "NONE", UNKNOWN, false, true },
  } do
    it(("finds body %s, %s in %q to %s"):format(row[3], row[4], row[1], row[2]), function()
      local message, reading = response(row[1] .. "\r\n", row[2])
      assert.equal(C["BODY_" .. row[3]], tonumber(message.body))
      assert.equal(row[4], tonumber(message.content_length))
      assert.equal(row[5], reading.terms.is_chunked)
      assert.equal(row[6], reading.terms.keeps_alive)
    end)
  end

  it("has the upgrade of 101", function()
    local message = response(
      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert.equal("websocket", text(message.upgrade))
  end)

  it("has no upgrade of another status", function()
    local message = response(
      "HTTP/1.1 426 No\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
    assert.is_nil(text(message.upgrade))
  end)
end)
