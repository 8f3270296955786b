local ffi = require "ffi"
local h1 = require "spec.support.h1"
local runtime = require "spec.support.runtime"

local C, slice = runtime.C, runtime.slice

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
local OK = "HTTP/1.1 200 OK\r\nX: a\r\n\r\n"

local function limits(head, target)
  return ffi.new("struct h1_scanner_limits", { head_bytes_max = head, target_bytes_max = target })
end

-- The fault and where it lies; with "NONE" where the head ends.
local function verdict(bytes, is_response, with)
  local head, scanner = h1.scan(bytes, is_response, {}, with)
  if head then return "NONE", head end
  return h1.fault_name(scanner.fault), tonumber(scanner.fault_offset)
end

describe("h1_scanner", function()
  it("says how long the head is, with its empty line", function()
    assert.same({ "NONE", #GET }, { verdict(GET .. "GET /next") })
    assert.same({ "NONE", #OK }, { verdict(OK .. "body", true) })
  end)

  it("counts a leading CRLF to the head of a request", function()
    assert.same({ "NONE", #GET + 2 }, { verdict("\r\n" .. GET) })
  end)

  it("asks for more as long as nothing is wrong", function()
    for length = 0, #GET - 1 do
      local head, scanner = h1.scan(GET:sub(1, length), false, {})
      assert.is_nil(head)
      assert.equal(C.FAULT_NONE, tonumber(scanner.fault))
      assert.equal(length, tonumber(scanner.offset))
    end
  end)

  it("stays done, and stays refused", function()
    local scanner = ffi.new "struct h1_scanner"
    C.h1_scanner_init(scanner, false, limits(100, 100))
    assert.equal(C.H1_SCAN_DONE, tonumber(C.h1_scanner_scan(scanner, slice(GET))))
    assert.equal(C.H1_SCAN_DONE, tonumber(C.h1_scanner_scan(scanner, slice(GET .. "\1"))))
    C.h1_scanner_init(scanner, false, limits(100, 100))
    assert.equal(C.H1_SCAN_REFUSED, tonumber(C.h1_scanner_scan(scanner, slice "\1")))
    assert.equal(C.H1_SCAN_REFUSED, tonumber(C.h1_scanner_scan(scanner, slice(GET))))
  end)

  for bytes, offset in pairs {
    ["GET / HTTP/1.1\nHost: a\r\n\r\n"] = 14,
    ["GET / HTTP/1.1\r\nHost : a\r\n\r\n"] = 20,
    ["GET / HTTP/1.1\r\n Host: a\r\n\r\n"] = 16,
    ["GET / HTTP/1.1\r\n: a\r\n\r\n"] = 16,
    ["GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"] = 25,
    ["GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"] = 24,
    ["GET / HTTP/1.1\r\nHost: a12345678901234567890\1b\r\n\r\n"] = 43,
    ["GET /\233 HTTP/1.1\r\n"] = 5,
    ["GET  / HTTP/1.1\r\n"] = 4,
    ["GET / HTTX/1.1\r\n"] = 9,
    ["GET /\r\n"] = 5,
  } do
    it(("finds the offence in %q"):format(bytes), function()
      assert.same({ "REQUEST_MALFORMED", offset }, { verdict(bytes) })
    end)
  end

  it("finds a control character wherever it stands in a value", function()
    for length = 0, 40 do
      for _, control in ipairs { "\0", "\8", "\10", "\31", "\127" } do
        local start = "GET / HTTP/1.1\r\nX: " .. ("a"):rep(length)
        local bytes = start .. control .. "12345678\r\n"
        assert.same({ "REQUEST_MALFORMED", #start }, { verdict(bytes) })
      end
    end
  end)

  it("passes tab and 8-bit wherever they stand in a value", function()
    for length = 0, 20 do
      for byte = 128, 255 do
        local value = ("a"):rep(length) .. string.char(byte) .. "\t " .. ("b"):rep(length)
        assert.equal("NONE", (verdict("GET / HTTP/1.1\r\nX: " .. value .. "\r\n\r\n")))
      end
    end
  end)

  it("passes a head of exactly its limit and no longer one", function()
    assert.equal("NONE", (verdict(GET, false, limits(#GET, 100))))
    assert.same({ "REQUEST_HEAD_TOO_LARGE", #GET - 1 },
      { verdict(GET, false, limits(#GET - 1, 100)) })
    assert.same({ "UPSTREAM_HEAD_TOO_LARGE", #OK - 1 },
      { verdict(OK, true, limits(#OK - 1, 0)) })
  end)

  it("refuses an endless head as soon as its limit is reached", function()
    local scanner = ffi.new "struct h1_scanner"
    C.h1_scanner_init(scanner, false, limits(100, 100))
    local head = "GET / HTTP/1.1\r\nX: " .. ("a"):rep(200)
    assert.equal(C.H1_SCAN_MORE, tonumber(C.h1_scanner_scan(scanner, slice(head:sub(1, 99)))))
    assert.equal(C.H1_SCAN_REFUSED, tonumber(C.h1_scanner_scan(scanner, slice(head:sub(1, 100)))))
    assert.equal("REQUEST_HEAD_TOO_LARGE", h1.fault_name(scanner.fault))
  end)

  it("passes a target of exactly its limit and no longer one", function()
    local head = "GET /2345 HTTP/1.1\r\n\r\n"
    assert.equal("NONE", (verdict(head, false, limits(100, 5))))
    assert.same({ "REQUEST_TARGET_TOO_LONG", 8 }, { verdict(head, false, limits(100, 4)) })
  end)

  it("passes a method of 32 bytes and no longer one", function()
    assert.equal("NONE", (verdict(("A"):rep(32) .. " / HTTP/1.1\r\n\r\n")))
    assert.equal("METHOD_UNKNOWN", (verdict(("A"):rep(33))))
  end)

  it("names a version that is not supported, in requests alone", function()
    for _, version in ipairs { "0.9", "1.2", "2.0", "3.0", "9.9" } do
      assert.equal("VERSION_UNSUPPORTED", (verdict("GET / HTTP/" .. version)))
      assert.equal("UPSTREAM_MALFORMED", (verdict("HTTP/" .. version .. " 200 OK", true)))
    end
  end)

  it("reads trailers without a start line", function()
    local scanner = ffi.new "struct h1_scanner"
    C.h1_scanner_init_trailers(scanner, true, 100)
    assert.equal(C.H1_SCAN_DONE, tonumber(C.h1_scanner_scan(scanner, slice "X: a\r\n\r\nmore")))
    assert.equal(8, tonumber(scanner.offset))
    C.h1_scanner_init_trailers(scanner, true, 100)
    assert.equal(C.H1_SCAN_REFUSED, tonumber(C.h1_scanner_scan(scanner, slice "X : a\r\n\r\n")))
    assert.equal("UPSTREAM_MALFORMED", h1.fault_name(scanner.fault))
  end)
end)
