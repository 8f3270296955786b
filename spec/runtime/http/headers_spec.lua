local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/headers.h"
local slice, text = runtime.slice, runtime.text

describe("headers", function()
  local arena, headers

  before_each(function()
    arena = runtime.new_arena()
    headers = ffi.new "struct headers"
  end)


  -- "Name: value" lines, which stay alive as long as this file.
  local kept = {}

  local function add(line)
    local name, value = line:match "^(.-): ?(.*)$"
    kept[#kept + 1], kept[#kept + 2] = name, value
    return C.headers_add(headers, arena, slice(name), slice(value))
  end

  local function fill(...)
    for _, line in ipairs { ... } do assert.is_true(add(line)) end
  end

  local function all(of)
    local lines, at = {}, ffi.new "uint32_t[1]"
    while true do
      local header = C.headers_next(of or headers, at)
      if header == nil then return lines end
      lines[#lines + 1] = text(header.name) .. ": " .. text(header.value)
    end
  end

  after_each(function()
    local bytes = 0
    for _, line in ipairs(all()) do bytes = bytes + #line + 2 end
    assert.equal(bytes, tonumber(headers.bytes))
    C.arena_clear(arena)
  end)

  local function value_of(header)
    return header ~= nil and text(header.value) or nil
  end

  it("are kept as lines in the arena, once", function()
    local raw = ffi.new("char[?]", 17, "X-Raw: as it is\r\n")
    fill("X-One: 1", "X-Empty: ", "X-Gone: 2")
    C.headers_remove(headers, slice "x-gone")
    assert.is_true(C.headers_add_field(headers, arena, ffi.new("struct header", {
      name = ffi.new("struct slice", raw, 5), value = ffi.new("struct slice", raw + 7, 8),
      id = C.HEADER_OTHER, is_line = true })))
    C.headers_keep(headers, arena)
    assert.same({ "X-One: 1", "X-Empty: ", "X-Raw: as it is" }, all())
    local one, empty = headers.items[0], headers.items[1]
    assert.equal("X-One: 1\r\n", ffi.string(one.name.start, 10))
    assert.equal("X-Empty: \r\n", ffi.string(empty.name.start, 11))
    assert.is_true(one.is_line and empty.is_line)
    assert.is_true(headers.items[3].name.start == raw)
    local start, bytes = one.name.start, arena.bytes
    C.headers_keep(headers, arena)
    assert.is_true(one.name.start == start)
    assert.is_true(bytes == arena.bytes)
  end)

  it("keeps order, spelling and repetitions", function()
    fill("Host: a", "X-One: 1", "x-one: 2", "Accept: b")
    assert.same({ "Host: a", "X-One: 1", "x-one: 2", "Accept: b" }, all())
  end)

  it("finds by name in any case, the first of several", function()
    fill("X-One: 1", "X-ONE: 2", "Content-Type: text/plain")
    assert.equal("1", value_of(C.headers_find(headers, slice "x-onE")))
    assert.equal("text/plain", value_of(C.headers_find(headers, slice "CONTENT-type")))
    assert.equal("text/plain", value_of(C.headers_find_known(headers, C.HEADER_CONTENT_TYPE)))
    assert.is_nil(value_of(C.headers_find(headers, slice "x-on")))
    assert.is_nil(value_of(C.headers_find_known(headers, C.HEADER_HOST)))
  end)

  it("walks over all of one name", function()
    fill("X-One: 1", "Via: a", "x-one: 2", "X-Two: 3", "X-ONE: 4")
    local header, values = C.headers_find(headers, slice "x-one"), {}
    while header ~= nil do
      values[#values + 1] = text(header.value)
      header = C.headers_find_next(headers, header)
    end
    assert.same({ "1", "2", "4" }, values)
  end)

  it("joins repeated fields as a list", function()
    fill("Accept: a", "Via: b", "accept: ", "ACCEPT: c")
    assert.equal("a, , c", text(C.headers_joined(headers, arena, slice "accept")))
    assert.equal("b", text(C.headers_joined(headers, arena, slice "via")))
    assert.is_nil(text(C.headers_joined(headers, arena, slice "x")))
  end)

  it("sets in the place of the first and removes the others", function()
    fill("A: 1", "X-One: 1", "B: 2", "x-one: 2", "X-ONE: 3")
    assert.is_true(C.headers_set(headers, arena, slice "x-one", slice "4"))
    assert.same({ "A: 1", "x-one: 4", "B: 2" }, all())
  end)

  it("adds what it sets when there is none", function()
    fill "A: 1"
    assert.is_true(C.headers_set_known(headers, arena, C.HEADER_VIA, slice "x"))
    assert.is_true(C.headers_add_known(headers, arena, C.HEADER_VIA, slice "y"))
    assert.same({ "A: 1", "via: x", "via: y" }, all())
  end)

  it("removes all of one name and says how many", function()
    fill("X: 1", "Via: 2", "x: 3", "via: 4")
    assert.equal(2, tonumber(C.headers_remove(headers, slice "X")))
    assert.equal(0, tonumber(C.headers_remove(headers, slice "X")))
    assert.same({ "Via: 2", "via: 4" }, all())
    assert.equal(2, tonumber(C.headers_remove_known(headers, C.HEADER_VIA)))
    assert.same({}, all())
  end)

  it("removes all that begin so, but what frames the message", function()
    fill("X-User-Name: 1", "x_user_id: 2", "x-users: 3", "x-use: 4", "Content-Length: 5")
    assert.equal(2, tonumber(C.headers_remove_prefix(headers, slice "x-user-")))
    assert.equal(0, tonumber(C.headers_remove_prefix(headers, slice "content-")))
    assert.same({ "x-users: 3", "x-use: 4", "Content-Length: 5" }, all())
  end)

  it("removes what is called so in any spelling, and nothing else", function()
    fill("X-User-Id: 1", "x_user_id: 2", "X_User-ID: 3", "x-user-id2: 4", "x-user: 5")
    assert.equal(3, tonumber(C.headers_remove_alike(headers, slice "x-user-id")))
    assert.same({ "x-user-id2: 4", "x-user: 5" }, all())
  end)

  it("does not find what was removed", function()
    fill("X: 1", "X: 2")
    C.headers_remove(headers, slice "x")
    assert.is_nil(value_of(C.headers_find(headers, slice "x")))
    fill "X: 3"
    assert.equal("3", value_of(C.headers_find(headers, slice "x")))
  end)

  it("takes 256 fields and not one more", function()
    for i = 1, 256 do assert.is_true(add("X-" .. i .. ": " .. i)) end
    assert.is_false(add "X-257: 257")
    assert.is_false(C.headers_set(headers, arena, slice "y", slice ""))
    assert.is_true(C.headers_set(headers, arena, slice "x-7", slice "seven"))
    assert.equal("256", value_of(C.headers_find(headers, slice "x-256")))
  end)

  it("uses the room of removed fields again", function()
    for i = 1, 256 do add("X-" .. i .. ": " .. i) end
    C.headers_remove(headers, slice "x-1")
    C.headers_remove(headers, slice "x-100")
    fill("Y: 1", "Z: 2")
    assert.is_false(add "A: 3")
    local lines = all()
    assert.equal(256, #lines)
    assert.equal("X-2: 2", lines[1])
    assert.equal("Z: 2", lines[256])
  end)

  it("copies to a table of its own", function()
    for i = 1, 20 do add("X-" .. i .. ": " .. i) end
    C.headers_remove(headers, slice "x-1")
    local copy = ffi.new "struct headers"
    C.headers_copy(copy, headers, arena)
    C.headers_set(copy, arena, slice "x-2", slice "other")
    C.headers_add(copy, arena, slice "Y", slice "new")
    assert.equal("2", value_of(C.headers_find(headers, slice "x-2")))
    assert.equal(20, #all(copy))
    assert.equal(19, #all())
  end)

  it("knows names", function()
    for _, name in ipairs { "a", "X-1", "!#$%&'*+-.^_`|~" } do
      assert.is_true(C.headers_is_name(slice(name)), name)
    end
    for _, name in ipairs { "", "a b", "a:", "a\r", "(a)", "a/b", "\233", "a\0", '"a"', "a\127" } do
      assert.is_false(C.headers_is_name(slice(name)), name)
    end
  end)

  it("knows values", function()
    for _, value in ipairs { "", "a", "a b", "a\tb", "\233", '"{}"', "a, b" } do
      assert.is_true(C.headers_is_value(slice(value)), value)
    end
    for _, value in ipairs { " a", "a ", "a\t", "\ta", "a\r\nb", "a\nb", "a\rb", "a\0", "\127" } do
      assert.is_false(C.headers_is_value(slice(value)), value)
    end
  end)

  describe("without what belongs to one connection", function()
    it("has no hop-by-hop field left", function()
      fill("Connection: close", "Keep-Alive: x", "Proxy-Connection: y", "TE: trailers",
        "Transfer-Encoding: chunked", "Upgrade: websocket", "HTTP2-Settings: z", "Via: a")
      C.headers_remove_hop_by_hop(headers)
      assert.same({ "Via: a" }, all())
    end)

    it("has none that Connection nominates, in several lists", function()
      fill("X-One: 1", "Connection: close, x-one", "X-Two: 2", "connection:,X-TWO ,,\tx-three",
        "x-one: 1", "X-Three: 3", "X-Four: 4")
      C.headers_remove_hop_by_hop(headers)
      assert.same({ "X-Four: 4" }, all())
    end)

    it("has all that lie in front of the nomination removed too", function()
      fill("X-Secret: 1", "Referer: /a", "Connection: x-secret, referer")
      C.headers_remove_hop_by_hop(headers)
      assert.same({}, all())
    end)

    it("reads all lines of Connection, though one nominates it", function()
      fill("Connection: connection, x-one", "X-One: 1", "Connection: x-two", "X-Two: 2", "Via: a")
      C.headers_remove_hop_by_hop(headers)
      assert.same({ "Via: a" }, all())
    end)

    it("keeps end-to-end fields that Connection names", function()
      fill("Host: a", "Authorization: b", "Content-Length: 3", "X-Forwarded-For: c", "Cookie: d",
        "Accept-Language: de", "Connection: host, authorization, content-length, x-forwarded-for, "
          .. "cookie, accept-language, connection")
      C.headers_remove_hop_by_hop(headers)
      assert.same({ "Host: a", "Authorization: b", "Content-Length: 3", "X-Forwarded-For: c",
        "Cookie: d", "Accept-Language: de" }, all())
    end)
  end)
end)
