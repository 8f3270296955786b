local ffi = require "ffi"
local h1 = require "spec.support.h1"
local runtime = require "spec.support.runtime"

local C, slice, text = runtime.C, runtime.slice, runtime.text

local LIMITS = ffi.new("struct h1_body_limits",
  { extension_bytes_max = 10, trailer_bytes_max = 30 })

describe("h1_body", function()
  local body

  before_each(function() body = ffi.new "struct h1_body" end)
  after_each(function() C.h1_body_clear(body) end)

  local function init(kind, length, is_chunked, is_response)
    local framing = ffi.new("struct h1_body_framing",
      { C["BODY_" .. kind], length or 0, is_chunked or false })
    C.h1_body_clear(body)
    C.h1_body_init(body, is_response or false, framing, LIMITS)
  end

  -- One call: the fault's name, the data, what is left.
  local function read(bytes)
    local input, data = ffi.new("struct slice[1]", { slice(bytes) }), ffi.new "struct slice[1]"
    local fault = C.h1_body_read(body, input, data)
    return h1.fault_name(fault), text(data[0]), text(input[0])
  end

  local function read_all(bytes)
    local all = {}
    repeat
      local fault, data, rest = read(bytes)
      if fault ~= "NONE" then return fault end
      all[#all + 1] = data
      bytes = rest
    until body.is_complete or bytes == ""
    return table.concat(all), bytes
  end

  local function trailers_of()
    local arena, trailers = runtime.new_arena(), ffi.new "struct headers"
    assert(C.h1_body_trailers(body, arena, trailers) == C.FAULT_NONE)
    local fields = h1.fields(trailers)
    C.arena_clear(arena)
    return fields
  end

  it("is complete at once without a body", function()
    init "NONE"
    assert.is_true(body.is_complete)
    init("LENGTH", 0)
    assert.is_true(body.is_complete)
  end)

  it("takes as many bytes as its length and leaves the rest", function()
    init("LENGTH", 5)
    assert.same({ "NONE", "abc", "" }, { read "abc" })
    assert.is_false(body.is_complete)
    assert.same({ "NONE", "de", "GET /" }, { read "deGET /" })
    assert.is_true(body.is_complete)
    assert.equal(5, tonumber(body.offset))
  end)

  it("takes all there is until the connection closes", function()
    init("STREAMED", 0, false, true)
    assert.same({ "NONE", "0\r\n\r\n", "" }, { read "0\r\n\r\n" })
    assert.is_false(body.is_complete)
    assert.equal(C.FAULT_NONE, tonumber(C.h1_body_end(body)))
    assert.is_true(body.is_complete)
  end)

  it("gives data without a copy", function()
    init("STREAMED", 0, true)
    local bytes = "3\r\nabc\r\n"
    local input, data = ffi.new("struct slice[1]", { slice(bytes) }), ffi.new "struct slice[1]"
    local start = input[0].start
    assert.equal(C.FAULT_NONE, tonumber(C.h1_body_read(body, input, data)))
    assert.equal(start + 3, data[0].start)
  end)

  it("leaves the next message alone", function()
    init("STREAMED", 0, true)
    assert.same({ "abc", "GET / HTTP/1.1" }, { read_all "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1" })
  end)

  it("leaves the next message alone behind trailers that came in pieces", function()
    init("STREAMED", 0, true)
    assert.same({ "abc", "" }, { read_all "3\r\nabc\r\n0\r\nX: " })
    assert.same({ "", "GET / HTTP/1.1" }, { read_all "a\r\n\r\nGET / HTTP/1.1" })
    assert.same({ "X: a" }, trailers_of())
    assert.equal(#"3\r\nabc\r\n0\r\nX: a\r\n\r\n", tonumber(body.offset))
  end)

  it("passes chunks that are larger than what comes at once", function()
    init("STREAMED", 0, true)
    local block = ("x"):rep(65536)
    assert.equal("", (read_all "40000\r\n"))
    for _ = 1, 4 do assert.equal(block, (read_all(block))) end
    assert.equal("", (read_all "\r\n0\r\n\r\n"))
    assert.is_true(body.is_complete)
  end)

  it("passes a chunk of 2^63 - 1 bytes as far as it comes", function()
    init("STREAMED", 0, true)
    assert.equal("abc", (read_all "7fffffffffffffff\r\nabc"))
    assert.equal("def", (read_all "def"))
  end)

  it("ends too early when the connection ends before it", function()
    for _, row in ipairs {
      { false, "CLIENT_GONE" }, { true, "UPSTREAM_INCOMPLETE" },
    } do
      init("LENGTH", 5, false, row[1])
      read "abc"
      assert.equal(row[2], h1.fault_name(C.h1_body_end(body)))
      init("STREAMED", 0, true, row[1])
      read_all "3\r\nabc\r\n0\r\n"
      assert.equal(row[2], h1.fault_name(C.h1_body_end(body)))
    end
  end)

  it("has the fields that trailers may have, in order", function()
    init("STREAMED", 0, true)
    read_all "0\r\nX-B: 1\r\nHost: b\r\nX-A:\r\n\r\n"
    assert.same({ "X-B: 1", "X-A: " }, trailers_of())
  end)

  it("has no trailers when there were none", function()
    for _, bytes in ipairs { "0\r\n\r\n", "0\r\n" } do
      init("STREAMED", 0, true)
      read_all(bytes)
      if not body.is_complete then
        read_all "\r"
        read_all "\n"
      end
      assert.is_true(body.is_complete)
      assert.same({}, trailers_of())
      C.h1_body_clear(body)
    end
  end)

  it("drops what routes, authenticates or frames from trailers", function()
    for _, name in ipairs {
      "Authorization", "Cookie", "Set-Cookie", "Host", "Connection", "TE", "Trailer", "Upgrade",
      "Cache-Control", "Content-Type", "X-Real-IP", "Forwarded",
    } do
      init("STREAMED", 0, true)
      read_all("0\r\n" .. name .. ": x\r\n\r\n")
      assert.same({}, trailers_of(), name)
      C.h1_body_clear(body)
    end
  end)

  it("bounds trailers", function()
    init("STREAMED", 0, true)
    read_all("0\r\nX: " .. ("a"):rep(23) .. "\r\n\r\n")
    assert.is_true(body.is_complete)
    C.h1_body_clear(body)
    init("STREAMED", 0, true)
    assert.equal("REQUEST_HEAD_TOO_LARGE", (read_all("0\r\nX: " .. ("a"):rep(24) .. "\r\n\r\n")))
    C.h1_body_clear(body)
    init("STREAMED", 0, true, true)
    read_all "0\r\n"
    local fault
    for _ = 1, 31 do fault = read "a" end
    assert.equal("UPSTREAM_HEAD_TOO_LARGE", fault)
  end)

  it("bounds the extensions of one line", function()
    init("STREAMED", 0, true)
    assert.equal("abc", (read_all "3;123456789\r\nabc\r\n"))
    assert.equal("REQUEST_MALFORMED", (read_all "3;1234567890\r\nabc\r\n"))
  end)

  it("bounds the extensions of all lines", function()
    init("STREAMED", 0, true)
    for _ = 1, 16 do assert.equal("a", (read_all "1;123456789\r\na\r\n")) end
    assert.equal("REQUEST_MALFORMED", (read_all "1;1\r\na\r\n"))
  end)

  for bytes, offset in pairs {
    ["3 \r\nabc"] = 1,
    ["3\rX"] = 2,
    ["3\r\nabcXX"] = 6,
    ["3;a\1\r\n"] = 3,
    ["3\r\nabc\r\n0\r\nX : a\r\n\r\n"] = 12,
    ["10000000000000000\r\n"] = 16,
  } do
    it(("finds the offence in %q"):format(bytes), function()
      init("STREAMED", 0, true)
      assert.equal("REQUEST_MALFORMED", (read_all(bytes)))
      assert.equal(offset, tonumber(body.offset))
    end)
  end
end)
