local ffi = require "ffi"
local h1 = require "spec.support.h1"
local runtime = require "spec.support.runtime"

local C = runtime.include("http/h1_lines.h", "http/h1_scanner.h")
local text = runtime.text

local LIMITS = ffi.new("struct h1_scanner_limits",
  { head_bytes_max = 65536, target_bytes_max = 8192 })

describe("h1_lines", function()
  local lines = ffi.new "struct h1_lines"

  -- How many bytes it took of these.
  local function take(bytes)
    C.h1_lines_begin(lines, nil)
    local copy = ffi.new("char[?]", #bytes + 1, bytes)
    return tonumber(C.h1_lines_take(lines, copy, copy + #bytes) - copy), copy
  end

  -- The verdict on a head that comes in pieces which end there, and in the end whole.
  local function scan(bytes, ...)
    local scanner = ffi.new "struct h1_scanner"
    C.h1_scanner_init(scanner, false, LIMITS)
    for _, cut in ipairs { ... } do
      C.h1_scanner_scan_lines(scanner, runtime.slice(bytes:sub(1, cut)), lines)
    end
    return tonumber(C.h1_scanner_scan_lines(scanner, runtime.slice(bytes), lines))
  end

  it("takes names, values and what they are called here", function()
    local _, copy = take "Host: a.example\r\nx-very-long-name-of-nobody:\tb \r\nvia:\r\n\r\n"
    assert.equal(3, lines.count)
    local host, other, via = lines.items[0], lines.items[1], lines.items[2]
    assert.same({ "Host", "a.example" }, { text(host.name), text(host.value) })
    assert.same({ "x-very-long-name-of-nobody", "b" }, { text(other.name), text(other.value) })
    assert.same({ "via", "" }, { text(via.name), text(via.value) })
    assert.same({ C.HEADER_HOST, C.HEADER_OTHER, C.HEADER_VIA },
      { tonumber(host.id), tonumber(other.id), tonumber(via.id) })
    assert.same({ true, false, false }, { host.is_line, other.is_line, via.is_line })
    assert.is_not_nil(copy)
  end)

  for bytes, taken in pairs {
    ["a: b\r\n\r\n"] = 6, -- up to the empty line
    ["a: b\r\n"] = 6,
    ["a: b\r\nc: d\r"] = 6,
    ["a: b\r\nc: d"] = 6,
    ["a: b\r\nc"] = 6,
    ["a: b\r\nc: d\ne: f\r\n"] = 6,
    ["a: b\r\n c: d\r\n"] = 6,
    ["a: b\r\n: d\r\n"] = 6,
    ["a: b\r\nc : d\r\n"] = 6,
    ["a: b\r\nc\0d: d\r\n"] = 6,
    ["a: b\r\nHost\n: d\r\n0123456789abcdef"] = 6,
    ["a: b\r\nHost: d\127\r\n"] = 6,
    ["a: b\r\nc\r\nHost: a\r\n0123456789abcdef"] = 6,
  } do
    it(("leaves to the machine what is not a line in %q"):format(bytes), function()
      assert.equal(taken, (take(bytes)))
      assert.equal(1, lines.count)
    end)
  end

  it("are the scanner's notes of a head that comes in one piece", function()
    local head = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n"
    assert.equal(C.H1_SCAN_DONE, scan(head))
    assert.is_true(lines.head ~= nil)
    assert.equal(18, tonumber(lines.fields - lines.head))
    assert.equal(2, lines.count)
    assert.equal(#"Host: a\r\nX: b\r\n", tonumber(lines.bytes))
  end)

  it("are of no head that comes in pieces", function()
    local head = "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n"
    for cut = 1, #head - 1 do
      assert.equal(C.H1_SCAN_DONE, scan(head, cut))
      assert.is_true(lines.head == nil)
    end
  end)

  it("are of no head with more fields than a message has", function()
    local head = "GET / HTTP/1.1\r\n" .. ("X: b\r\n"):rep(256)
    assert.equal(C.H1_SCAN_DONE, scan(head .. "\r\n"))
    assert.is_true(lines.head ~= nil)
    assert.equal(C.H1_SCAN_DONE, scan(head .. "X: b\r\n\r\n"))
    assert.is_true(lines.head == nil)
    assert.equal("REQUEST_HEAD_TOO_LARGE",
      h1.read_request("GET / HTTP/1.1\r\nHost: a\r\n" .. ("X: b\r\n"):rep(256) .. "\r\n").fault)
  end)
end)
