local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/h1_writer.h"
local slice, text = runtime.slice, runtime.text

local UNKNOWN = 0xffffffffffffffffULL

describe("h1_writer", function()
  local arena, out

  before_each(function()
    arena, out = runtime.new_arena(), ffi.new "struct buffer"
    C.buffer_init(out, 4096, nil)
  end)

  after_each(function()
    C.buffer_clear(out)
    C.arena_clear(arena)
  end)

  local kept = {} -- what messages point to

  local function fill(headers, fields)
    kept[#kept + 1] = fields
    for _, field in ipairs(fields or {}) do
      C.headers_add(headers, arena, slice(field[1]), slice(field[2]))
    end
  end

  local function written()
    return ffi.string(out.data + out.start, out["end"] - out.start)
  end

  local function optional(written_slice)
    return written_slice and slice(written_slice) or ffi.new "struct slice"
  end

  -- Options: method, authority, path, query, body, length, upgrade, accepts_trailers.
  local function request(fields, options)
    local with = setmetatable(options or {}, { __index = {
      method = "GET", authority = "", path = "/", body = "NONE", length = UNKNOWN,
      accepts_trailers = false,
    } })
    local message = ffi.new "struct request"
    message.method_name = slice(with.method)
    message.method = C.method_of(message.method_name)
    message.path = slice(with.path)
    message.query = optional(with.query)
    message.authority = slice(with.authority)
    message.upgrade = optional(with.upgrade)
    message.accepts_trailers = with.accepts_trailers
    message.body = C["BODY_" .. with.body]
    message.content_length = with.length
    fill(message.headers, fields)
    return message
  end

  -- Options: body, length, upgrade.
  local function response(status, fields, options)
    local with = setmetatable(options or {}, { __index = { body = "NONE", length = UNKNOWN } })
    local message = ffi.new "struct response"
    message.status = status
    message.reason = C.status_reason(status)
    message.upgrade = optional(with.upgrade)
    message.body = C["BODY_" .. with.body]
    message.content_length = with.length
    fill(message.headers, fields)
    return message
  end

  local function write_request(message, connection)
    assert.is_true(C.h1_writer_request(out, message, connection or C.H1_WRITER_KEEP_ALIVE))
    return written()
  end

  local function write_response(message, minor, connection)
    assert.is_true(C.h1_writer_response(out, message, minor or 1,
      connection or C.H1_WRITER_KEEP_ALIVE))
    return written()
  end

  it("writes a request with its fields as they are", function()
    assert.equal("GET /a?b HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-One: 2\r\nempty: \r\n\r\n",
      write_request(request({ { "Host", "a" }, { "X-One", "1" }, { "X-One", "2" },
        { "empty", "" } }, { path = "/a", query = "b" })))
  end)

  it("writes an empty query, an asterisk and an authority", function()
    assert.equal("GET /? HTTP/1.1\r\n\r\n", write_request(request({}, { query = "" })))
    C.buffer_clear(out)
    assert.equal("OPTIONS * HTTP/1.1\r\n\r\n",
      write_request(request({}, { method = "OPTIONS", path = "*" })))
    C.buffer_clear(out)
    assert.equal("CONNECT a:1 HTTP/1.1\r\n\r\n",
      write_request(request({}, { method = "CONNECT", authority = "a:1", path = "" })))
  end)

  it("frames a request by its body alone", function()
    local fields = { { "Content-Length", "7" }, { "Transfer-Encoding", "gzip" } }
    assert.equal("GET / HTTP/1.1\r\n\r\n", write_request(request(fields)))
    C.buffer_clear(out)
    assert.equal("GET / HTTP/1.1\r\ncontent-length: 18446744073709551614\r\n\r\n",
      write_request(request(fields, { body = "LENGTH", length = UNKNOWN - 1 })))
    C.buffer_clear(out)
    assert.equal("GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
      write_request(request(fields, { body = "LENGTH", length = 0 })))
    C.buffer_clear(out)
    assert.equal("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
      write_request(request(fields, { body = "STREAMED" })))
  end)

  it("writes connection fields of its own alone", function()
    local fields = { { "Connection", "x" }, { "Keep-Alive", "y" }, { "TE", "gzip" },
      { "Upgrade", "z" }, { "Proxy-Connection", "close" } }
    assert.equal("GET / HTTP/1.1\r\n\r\n", write_request(request(fields)))
    C.buffer_clear(out)
    assert.equal("GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
      write_request(request(fields), C.H1_WRITER_CLOSE))
    C.buffer_clear(out)
    assert.equal("GET / HTTP/1.1\r\nconnection: close, te, upgrade\r\nte: trailers\r\n" ..
      "upgrade: websocket\r\n\r\n", write_request(request(fields,
        { upgrade = "websocket", accepts_trailers = true }), C.H1_WRITER_CLOSE))
  end)

  it("writes nothing of fields that were removed", function()
    local message = request { { "A", "1" }, { "B", "2" } }
    C.headers_remove(message.headers, slice "a")
    assert.equal("GET / HTTP/1.1\r\nB: 2\r\n\r\n", write_request(message))
  end)

  it("writes a response of each body to 1.1", function()
    assert.equal("HTTP/1.1 204 No Content\r\n\r\n", write_response(response(204)))
    C.buffer_clear(out)
    assert.equal("HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n",
      write_response(response(304, {}, { length = 3 })))
    C.buffer_clear(out)
    assert.equal("HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 3\r\n\r\n",
      write_response(response(200, { { "A", "b" } }, { body = "LENGTH", length = 3 })))
    C.buffer_clear(out)
    assert.equal("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
      write_response(response(200, {}, { body = "STREAMED" })))
  end)

  it("says so when the connection closes", function()
    assert.equal("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\n",
      write_response(response(200, {}, { body = "LENGTH", length = 3 }), 1, C.H1_WRITER_CLOSE))
  end)

  it("keeps a connection of 1.0 only with a length", function()
    assert.equal("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\n",
      write_response(response(200, {}, { body = "LENGTH", length = 3 }), 0))
    C.buffer_clear(out)
    assert.equal("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
      write_response(response(200, {}, { body = "STREAMED" }), 0))
  end)

  it("writes 1xx without framing or connection fields", function()
    assert.equal("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
      write_response(response(103, { { "Link", "x" }, { "Connection", "y" } }), 1,
        C.H1_WRITER_CLOSE))
    C.buffer_clear(out)
    assert.equal("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n" ..
      "upgrade: websocket\r\n\r\n",
      write_response(response(101, { { "Upgrade", "other" } }, { upgrade = "websocket" })))
  end)

  it("writes all or nothing", function()
    C.buffer_init(out, 200, nil)
    local message = request { { "A", ("b"):rep(100) } }
    assert.is_false(C.h1_writer_request(out, message, C.H1_WRITER_KEEP_ALIVE))
    assert.equal(0, tonumber(out["end"]))
    local answer = response(200, { { "A", ("b"):rep(100) } }, { body = "STREAMED" })
    assert.is_false(C.h1_writer_response(out, answer, 1, C.H1_WRITER_KEEP_ALIVE))
    assert.is_false(C.h1_writer_last_chunk(out, response(200, { { "A", ("b"):rep(200) } }).headers))
    assert.equal(0, tonumber(out["end"]))
  end)

  it("writes chunk sizes in hexadecimal", function()
    for size, line in pairs { [1] = "1\r\n", [10] = "a\r\n", [16] = "10\r\n", [500] = "1f4\r\n" } do
      assert.is_true(C.h1_writer_chunk_start(out, size))
      assert.equal(line, written())
      C.buffer_clear(out)
    end
    assert.is_true(C.h1_writer_chunk_start(out, UNKNOWN))
    assert.is_true(C.h1_writer_chunk_end(out))
    assert.equal("ffffffffffffffff\r\n\r\n", written())
  end)

  it("ends chunks with the trailers that may stand there", function()
    assert.is_true(C.h1_writer_last_chunk(out, nil))
    assert.equal("0\r\n\r\n", written())
    C.buffer_clear(out)
    local trailers = response(200, { { "X", "a" }, { "Host", "b" }, { "Content-Length", "3" },
      { "Y", "" } }).headers
    assert.is_true(C.h1_writer_last_chunk(out, trailers))
    assert.equal("0\r\nX: a\r\nY: \r\n\r\n", written())
    assert.equal("X", text(trailers.items[0].name))
  end)
end)
