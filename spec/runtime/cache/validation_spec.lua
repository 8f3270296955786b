local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/validation.h"
local text = runtime.text

describe("validation", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local MINUTE = "Cache-Control: max-age=60"

  local function stored(lines) return (caching.stored(caching.ask {}, lines)) end

  local function lines_of(headers)
    local lines, at = {}, ffi.new "uint32_t[1]"
    while true do
      local header = C.headers_next(headers, at)
      if header == nil then return lines end
      lines[#lines + 1] = text(header.name):lower() .. ": " .. text(header.value)
    end
  end

  it("asks with what the stored answer is known by, not the client's (9111, 4.3.1)", function()
    local function ask(lines)
      local request = caching.request {
        "Accept: x", 'If-None-Match: "client"', "If-Modified-Since: {-5}", "Range: bytes=0-1",
        'If-Range: "client"',
      }
      C.validation_prepare(request.headers, lines and stored(lines), caching.arena)
      return lines_of(request.headers)
    end
    assert.same({ "accept: x" }, ask(nil))
    assert.same({ "accept: x" }, ask { MINUTE })
    assert.same({ "accept: x", 'if-none-match: W/"a"' }, ask { MINUTE, 'ETag: W/"a"' })
    assert.same({ "accept: x", "if-modified-since: " .. caching.date(-100) },
      ask { MINUTE, "Last-Modified: {-100}" })
    assert.same({ "accept: x", 'if-none-match: "a"',
      "if-modified-since: " .. caching.date(-100) },
      ask { MINUTE, 'ETag: "a"', "Last-Modified: {-100}" })
  end)

  it("knows what the answer means", function()
    local tagged = stored { MINUTE, 'ETag: "a"' }
    local bare = stored { MINUTE }
    local function of(head, status)
      return tonumber(C.validation_of(head, caching.response { status = status }))
    end
    assert.equal(tonumber(C.VALIDATION_CONFIRMED), of(tagged, 304))
    assert.equal(tonumber(C.VALIDATION_FOREIGN), of(bare, 304))
    assert.equal(tonumber(C.VALIDATION_REPLACED), of(tagged, 200))
    assert.equal(tonumber(C.VALIDATION_REPLACED), of(tagged, 404))
    assert.equal(tonumber(C.VALIDATION_FAILED), of(tagged, 503))
  end)

  local function freshen(old, new)
    local freshened = caching.keep(ffi.new "struct response")
    new.status = 304
    C.validation_freshen(stored(old), caching.response(new), freshened, caching.arena)
    return freshened
  end

  it("takes the fields of a 304, but for those of the body (RFC 9111, 3.2, 4.3.4)", function()
    local found = freshen({
      "Date: {-10}", MINUTE, 'ETag: "a"', "X: 1", "X: 2", "Y: 1", "Content-Encoding: gzip",
      "Content-Type: text/plain", status = 404, reason = "Gone Fishing",
    }, {
      "Date: {0}", "Cache-Control: max-age=5", 'ETag: "b"', "X: 3", "Z: 1", "Z: 2",
      "Content-Encoding: br", "Content-Length: 7", "Content-Type: text/html", "Age: 3",
      "Connection: close",
    })
    assert.equal(404, found.status)
    assert.equal("Gone Fishing", text(found.reason))
    local lines = lines_of(found.headers)
    table.sort(lines)
    assert.same({
      "age: 3", "cache-control: max-age=5", "content-encoding: gzip", "content-type: text/html",
      "date: " .. caching.date(0), 'etag: "a"', "x: 3", "y: 1", "z: 1", "z: 2",
    }, lines)
  end)

  it("makes it fresh again", function()
    local asked = caching.ask {}
    local found = freshen({ MINUTE, 'ETag: "a"', "Age: 30" }, { "Date: {100}" })
    local storable = caching.keep(ffi.new "struct storable")
    local times = { caching.NOW + 99, caching.NOW + 100 }
    local result = C.storability_of(asked, found, times, caching.arena, storable)
    assert.equal(tonumber(C.STORABLE), tonumber(result))
    assert.equal(59, C.freshness_left(storable.freshness, caching.NOW + 100))
    assert.is_not_nil(text(C.stored_head_write(asked, found, storable, caching.arena)))
  end)

  it("believes a HEAD that agrees with what is stored (RFC 9111, 4.3.5)", function()
    local head = stored { MINUTE, 'ETag: "a"', "Last-Modified: {-100}" }
    local function agrees(response)
      return C.validation_agrees(head, 10, caching.response(response))
    end
    assert.is_true(agrees {})
    assert.is_true(agrees { 'ETag: "a"', "Last-Modified: {-100}", length = 10 })
    assert.is_false(agrees { 'ETag: "b"' })
    assert.is_false(agrees { 'ETag: W/"a"' })
    assert.is_false(agrees { "Last-Modified: {-99}" })
    assert.is_false(agrees { "Last-Modified: foo" })
    assert.is_false(agrees { length = 11 })
    assert.is_false(agrees { status = 404 })
    assert.is_false(C.validation_agrees(stored { MINUTE }, 10, caching.response { 'ETag: "a"' }))
  end)
end)
