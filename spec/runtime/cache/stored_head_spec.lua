local bit = require "bit"
local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C, NOW = caching.C, caching.NOW
local text = runtime.text

describe("stored_head", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local FULL = {
    "Cache-Control: max-age=60, stale-if-error=5", 'ETag: W/"abc"', "Date: {-10}",
    "Last-Modified: {-1000}", "Content-Type: text/plain", "X-Odd:", "Vary: Foo, Bar", "a: 1",
    "A: 2", status = 404, reason = "Nothing Here",
  }

  local function lines_of(head, without)
    local headers = caching.keep(ffi.new "struct headers")
    C.stored_head_fields(head, without or 0, 4, headers, caching.arena)
    local lines, bytes, at = {}, 0, ffi.new "uint32_t[1]"
    while true do
      local header = C.headers_next(headers, at)
      if header == nil then break end
      assert.is_true(header.is_line)
      assert.equal(tonumber(C.header_id_of(header.name)), tonumber(header.id))
      lines[#lines + 1] = text(header.name) .. ": " .. text(header.value)
      bytes = bytes + #lines[#lines] + 2
    end
    assert.equal(bytes, tonumber(headers.bytes))
    return lines, headers
  end

  it("gives back what was written", function()
    local head = caching.stored(caching.ask { "Foo: 1" }, FULL)
    assert.equal(404, head.status)
    assert.equal("Nothing Here", text(head.reason))
    assert.equal(NOW, head.freshness.received)
    assert.equal(60, head.freshness.lifetime)
    assert.equal(5, head.freshness.stale_if_error)
    assert.equal(10, head.freshness.initial_age)
    assert.equal(NOW - 10, tonumber(head.date))
    assert.equal(NOW - 1000, tonumber(head.last_modified))
    assert.equal('W/"abc"', text(head.etag))
    assert.equal("bar,foo", text(head.vary))
    assert.same({
      "Cache-Control: max-age=60, stale-if-error=5", 'ETag: W/"abc"',
      "Date: " .. caching.date(-10), "Last-Modified: " .. caching.date(-1000),
      "Content-Type: text/plain", "X-Odd: ", "Vary: Foo, Bar", "a: 1", "A: 2",
    }, lines_of(head))
  end)

  it("has lines as they go out, one behind the other", function()
    local head = caching.stored(caching.ask {}, { "Cache-Control: max-age=60", "Date: {0}" })
    assert.equal("Cache-Control: max-age=60\r\nDate: " .. caching.date(0) .. "\r\n",
      text(head.lines))
  end)

  it("has no tag and no date where there is none", function()
    local head = caching.stored(caching.ask {}, { "Cache-Control: max-age=60",
      "Last-Modified: foo" })
    assert.is_nil(text(head.etag))
    assert.equal(-2 ^ 63, tonumber(head.last_modified))
    assert.equal("", text(head.vary))
  end)

  it("has a Date of when it came, where it had none (RFC 9110, 6.6.1)", function()
    local head = caching.stored(caching.ask {}, { "Cache-Control: max-age=60" })
    assert.same({ "Cache-Control: max-age=60", "date: " .. caching.date(0) }, lines_of(head))
  end)

  it("leaves fields out when it is asked to", function()
    local head = caching.stored(caching.ask {}, FULL)
    local lines, headers = lines_of(head, 2 ^ tonumber(C.HEADER_ETAG) + 2 ^ tonumber(C.HEADER_DATE))
    assert.equal(7, #lines)
    assert.is_true(C.headers_find_known(headers, C.HEADER_ETAG) == nil)
    assert.is_true(C.headers_add_known(headers, caching.arena, C.HEADER_ETAG, caching.slice "x"))
  end)

  it("is not written when it is too large", function()
    local asked = caching.ask {}
    local function write(lines)
      local response = caching.response(lines)
      local storable = caching.keep(ffi.new "struct storable")
      C.storability_of(asked, response, { NOW, NOW }, caching.arena, storable)
      return text(C.stored_head_write(asked, response, storable, caching.arena))
    end
    local many = { "Cache-Control: max-age=60", "Date: {0}" }
    for i = 1, 238 do many[#many + 1] = "x" .. i .. ": 1" end
    assert.is_not_nil(write(many))
    many[#many + 1] = "y: 1"
    assert.is_nil(write(many))
    assert.is_nil(write { "Cache-Control: max-age=60", "X: " .. ("x"):rep(32000) })
  end)

  it("is refused when anything of its frame is damaged or missing", function()
    local _, bytes = caching.stored(caching.ask {}, FULL)
    local original = text(bytes)
    local function read(changed)
      local buffer = ffi.new("char[?]", #changed + 1)
      ffi.copy(buffer, changed, #changed)
      local slice, head = ffi.new("struct slice", buffer, #changed), ffi.new "struct stored_head"
      local ok = C.stored_head_read(slice, head)
      -- Whatever it says, it says it of those bytes.
      if ok then
        local headers = ffi.new "struct headers"
        C.stored_head_fields(head, 0, 0, headers, caching.arena)
        for _, part in ipairs { head.reason, head.vary, head.lines } do
          assert.is_true(part.start >= buffer and part.start + part.length <= buffer + #changed)
        end
      end
      return ok
    end
    assert.is_true(read(original))
    for length = 0, #original - 1 do assert.is_false(read(original:sub(1, length)), length) end
    assert.is_false(read(original .. "x"))
    local refused = 0
    for at = 1, #original do
      for _, mask in ipairs { 1, 128, 255 } do
        local byte = bit.bxor(original:byte(at), mask)
        local ok = read(original:sub(1, at - 1) .. string.char(byte) .. original:sub(at + 1))
        if not ok then refused = refused + 1 end
      end
    end
    assert.is_true(refused > 200, refused)
  end)

  it("is refused when another build has written it", function()
    local _, bytes = caching.stored(caching.ask {}, FULL)
    local original = text(bytes)
    local changed = original:sub(1, 4) .. "\0\0\0\0" .. original:sub(9)
    local head = ffi.new "struct stored_head"
    assert.is_true(C.stored_head_read(caching.slice(original), head))
    assert.is_false(C.stored_head_read(caching.slice(changed), head))
  end)
end)
