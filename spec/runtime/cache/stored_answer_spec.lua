local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C, NOW = caching.C, caching.NOW
local text = runtime.text
local UNKNOWN = 0xffffffffffffffffULL

describe("stored_answer", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local BODY = "0123456789"
  local STORED = {
    "Cache-Control: max-age=600", 'ETag: "abc"', "Last-Modified: {-1000}", "Date: {0}",
    "Content-Type: text/plain", "Content-Language: en", "X: 1",
  }

  -- The answer to a request, and its body.
  local function answer(request, stored, options)
    options = options or {}
    local asked = caching.ask(request)
    local head = caching.stored(caching.ask {}, stored or STORED)
    local made = caching.keep(ffi.new "struct stored_answer")
    local source = ffi.new("struct stored_answer_source",
      head, options.bytes or #BODY, NOW + (options.after or 0))
    C.stored_answer_make(made, asked, source, caching.arena)
    local parts = {}
    for i = 0, made.part_count - 1 do
      local part = made.parts[i]
      parts[#parts + 1] = text(part.before)
      parts[#parts + 1] = part.bytes == UNKNOWN and "(all)"
        or BODY:sub(tonumber(part.first) + 1, tonumber(part.first + part.bytes))
    end
    return made.response, table.concat(parts) .. (text(made.after) or "")
  end

  local function status(request, stored, options)
    return (answer(request, stored, options)).status
  end

  it("is the stored one, with its age (RFC 9111, 4, 5.1)", function()
    local response, body = answer({}, nil, { after = 7.9 })
    assert.equal(200, response.status)
    assert.equal("OK", text(response.reason))
    assert.equal(BODY, body)
    assert.equal(tonumber(C.BODY_LENGTH), tonumber(response.body))
    assert.equal(10, tonumber(response.content_length))
    assert.equal("7", caching.field(response.headers, "age"))
    assert.equal(caching.date(0), caching.field(response.headers, "date"))
    assert.equal("1", caching.field(response.headers, "x"))
    assert.equal("37", caching.field(answer({}, { "Cache-Control: max-age=60", "Age: 30" },
      { after = 7 }).headers, "age"))
    assert.equal("2147483648", caching.field(answer({}, {
      "Cache-Control: max-age=1, stale-if-error=9999999999", "Age: 99999999999" }).headers, "age"))
  end)

  it("has no body for HEAD, nor where the status has none", function()
    local response, body = answer { method = "HEAD" }
    assert.equal("", body)
    assert.equal(tonumber(C.BODY_NONE), tonumber(response.body))
    assert.equal(10, tonumber(response.content_length))
    response, body = answer({}, { "Cache-Control: max-age=60", status = 204 }, { bytes = 0 })
    assert.equal(204, response.status)
    assert.equal("", body)
    assert.is_true(response.content_length == UNKNOWN)
  end)

  it("streams while it is filled", function()
    local response, body = answer({ "Range: bytes=0-1" }, nil, { bytes = UNKNOWN })
    assert.equal(200, response.status)
    assert.equal("(all)", body)
    assert.equal(tonumber(C.BODY_STREAMED), tonumber(response.body))
  end)

  it("is a 304 for who has it: If-None-Match, weakly (RFC 9110, 13.1.2)", function()
    local function of(value, tag)
      return status({ "If-None-Match: " .. value },
        { "Cache-Control: max-age=60", tag and "ETag: " .. tag or "X: 1" })
    end
    assert.equal(304, of('"abc"', '"abc"'))
    assert.equal(304, of('W/"abc"', '"abc"'))
    assert.equal(304, of('"abc"', 'W/"abc"'))
    assert.equal(304, of('"x", "abc"', '"abc"'))
    assert.equal(304, of("*", '"abc"'))
    assert.equal(304, of("*"))
    assert.equal(200, of('"x"', '"abc"'))
    assert.equal(200, of('"abc"'))
    assert.equal(304, status { method = "HEAD", 'If-None-Match: "abc"' })
  end)

  it("is a 304 for who has it: If-Modified-Since (RFC 9110, 13.1.3)", function()
    assert.equal(304, status { "If-Modified-Since: {-1000}" })
    assert.equal(304, status { "If-Modified-Since: {-900}" })
    assert.equal(200, status { "If-Modified-Since: {-1001}" })
    assert.equal(200, status { "If-Modified-Since: foo" })
    local rfc850 = os.date("!%A, %d-%b-%y %H:%M:%S GMT", NOW - 1000)
    assert.equal(304, status { "If-Modified-Since: " .. rfc850 })
  end)

  it("compares with Date where there is no Last-Modified (RFC 9111, 4.3.2)", function()
    local stored = { "Cache-Control: max-age=60", "Date: {-5}" }
    assert.equal(304, status({ "If-Modified-Since: {-5}" }, stored))
    assert.equal(200, status({ "If-Modified-Since: {-6}" }, stored))
  end)

  it("listens to If-None-Match alone where both are there (RFC 9110, 13.2.2)", function()
    assert.equal(304, status { 'If-None-Match: "abc"', "If-Modified-Since: {-5000}" })
    assert.equal(200, status { 'If-None-Match: "x"', "If-Modified-Since: {0}" })
  end)

  it("says in a 304 what a 200 would, but for the body (RFC 9110, 15.4.5)", function()
    local response, body = answer { 'If-None-Match: "abc"' }
    assert.equal("Not Modified", text(response.reason))
    assert.equal("", body)
    assert.equal(tonumber(C.BODY_NONE), tonumber(response.body))
    assert.is_true(response.content_length == UNKNOWN)
    for name, value in pairs {
      ["cache-control"] = "max-age=600", etag = '"abc"', date = caching.date(0), age = "0", x = "1",
    } do
      assert.equal(value, caching.field(response.headers, name), name)
    end
    for _, name in ipairs { "content-type", "content-language" } do
      assert.is_nil(caching.field(response.headers, name), name)
    end
  end)

  it("looks at conditions and ranges where the answer is a 200", function()
    local lines = { "Cache-Control: max-age=60", 'ETag: "abc"', status = 404 }
    assert.equal(404, status({ 'If-None-Match: "abc"' }, lines))
    assert.equal(404, status({ "Range: bytes=0-1" }, lines))
  end)

  it("is a part (RFC 9110, 14)", function()
    for range, expected in pairs {
      ["0-1"] = { "01", "0-1" }, ["1-"] = { "123456789", "1-9" }, ["-1"] = { "9", "9-9" },
      ["5-500"] = { "56789", "5-9" }, ["0-"] = { BODY, "0-9" },
    } do
      local response, body = answer { "Range: bytes=" .. range }
      assert.equal(206, response.status)
      assert.equal("Partial Content", text(response.reason))
      assert.equal(expected[1], body)
      assert.equal(#body, tonumber(response.content_length))
      assert.equal(("bytes %s/10"):format(expected[2]),
        caching.field(response.headers, "content-range"))
      assert.equal("text/plain", caching.field(response.headers, "content-type"))
      assert.equal('"abc"', caching.field(response.headers, "etag"))
    end
  end)

  it("is several parts (RFC 9110, 14.6)", function()
    local response, body = answer { "Range: bytes=0-1,-2" }
    assert.equal(206, response.status)
    local boundary = caching.field(response.headers, "content-type")
      :match "^multipart/byteranges; boundary=(%x+)$"
    assert.equal(32, #boundary)
    assert.is_nil(caching.field(response.headers, "content-range"))
    assert.equal(#body, tonumber(response.content_length))
    assert.equal(("\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
      .. "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
      .. "\r\n--B--\r\n"):gsub("B", boundary), body)
    local later = answer({ "Range: bytes=0-1,-2" }, nil, { after = 1 })
    assert.is_nil(caching.field(later.headers, "content-type"):find(boundary, 1, true))
  end)

  it("is a 416 where no range is in it, and the whole where the field is malformed", function()
    local response, body = answer { "Range: bytes=10-" }
    assert.equal(416, response.status)
    assert.equal("", body)
    assert.equal(0, tonumber(response.content_length))
    assert.equal("bytes */10", caching.field(response.headers, "content-range"))
    assert.is_nil(caching.field(response.headers, "content-type"))
    assert.equal(200, status { "Range: bytes=2-1" })
    assert.equal(200, status { "Range: lines=1-2" })
    assert.equal(200, status { method = "HEAD", "Range: bytes=0-1" })
  end)

  it("is a part only of what If-Range names, strongly (RFC 9110, 13.1.5)", function()
    local function of(value, stored)
      return status({ "Range: bytes=0-1", "If-Range: " .. value }, stored)
    end
    local weak = { "Cache-Control: max-age=60", 'ETag: W/"abc"' }
    assert.equal(206, of '"abc"')
    assert.equal(200, of '"x"')
    assert.equal(200, of 'W/"abc"')
    assert.equal(200, of('W/"abc"', weak))
    assert.equal(200, of('"abc"', weak))
    assert.equal(206, of(caching.date(-1000)))
    assert.equal(200, of(caching.date(-999)))
    assert.equal(200, of(caching.date(-1001)))
    assert.equal(200, of "foo")
    local just_made = { "Cache-Control: max-age=60", "Last-Modified: {0}", "Date: {0}" }
    assert.equal(200, of(caching.date(0), just_made))
  end)

  it("looks at conditions before ranges", function()
    assert.equal(304, status { 'If-None-Match: "abc"', "Range: bytes=0-1" })
    assert.equal(206, status { 'If-None-Match: "x"', "Range: bytes=0-1" })
  end)

  it("makes a 304 of a new answer for who has it", function()
    local function is_unmodified(request, response)
      return C.stored_answer_is_unmodified(caching.ask(request), caching.response(response), NOW)
    end
    assert.is_true(is_unmodified({ 'If-None-Match: "a"' }, { 'ETag: "a"' }))
    assert.is_false(is_unmodified({ 'If-None-Match: "a"' }, { 'ETag: "b"' }))
    assert.is_false(is_unmodified({ 'If-None-Match: "a"' }, { 'ETag: "a"', status = 404 }))
    assert.is_true(is_unmodified({ "If-Modified-Since: {-5}" }, { "Last-Modified: {-5}" }))
    assert.is_false(is_unmodified({ "If-Modified-Since: {-5}" }, { "Last-Modified: {-4}" }))
    assert.is_false(is_unmodified({ "If-Modified-Since: {-5}" }, {}))
    assert.is_false(is_unmodified({ "If-Modified-Since: {-5}" }, { "Last-Modified: foo" }))
    assert.is_false(is_unmodified({}, { 'ETag: "a"' }))
  end)
end)
