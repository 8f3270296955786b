local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/stored_fields.h"

describe("stored_fields", function()
  before_each(caching.begin)
  after_each(caching.finish)

  -- The names of the fields of an answer that lie in the store.
  local function stored(lines, policy)
    local head = caching.stored(caching.ask({}, policy), lines)
    local names = {}
    for name in runtime.text(head.lines):gmatch "([^\r\n:]+):[^\r\n]*\r\n" do
      names[#names + 1] = name:lower()
    end
    return table.concat(names, " ")
  end

  it("are all that describe the answer", function()
    local lines = { "Date: {0}", "Cache-Control: max-age=60", "Test-Header: 1", "Content-Foo: 1",
      "Content-Encoding: x", "Content-Location: /foo", "Content-MD5: x", "Content-Range: x",
      "Content-Security-Policy: x", "Content-Type: x", "Clear-Site-Data: x", "ETag: x",
      "Public-Key-Pins: x", "X-Frame-Options: deny", "X-XSS-Protection: 1", "Via: x" }
    local names = {}
    for i, line in ipairs(lines) do names[i] = line:match "^[^:]+":lower() end
    assert.equal(table.concat(names, " "), stored(lines))
  end)

  it("are not those of a connection, a proxy, or one answer alone (RFC 9111, 3.1)", function()
    assert.equal("date cache-control c", stored {
      "Date: {0}", "Cache-Control: max-age=60", "Connection: a, B, cache-control", "a: 1", "b: 2",
      "c: 3", "Keep-Alive: x", "Proxy-Connection: x", "TE: x", "Transfer-Encoding: chunked",
      "Upgrade: x", "Proxy-Authenticate: x", "Proxy-Authentication-Info: x",
      "Proxy-Authorization: x", "Content-Length: 5", "Age: 5", "Cache-Status: other; hit",
    })
  end)

  it("are not those that no-cache or private name (RFC 9111, 5.2.2.4, 5.2.2.7)", function()
    assert.equal("date cache-control d", stored {
      "Date: {0}", 'Cache-Control: max-age=60, no-cache="a, B", private=c', "a: 1", "b: 2", "c: 3",
      "d: 4",
    })
  end)

  it("are without Set-Cookie where the policy strips it", function()
    local lines = { "Date: {0}", "Cache-Control: max-age=60", "Set-Cookie: a=b", "Set-Cookie2: c" }
    assert.equal("date cache-control", stored(lines, { set_cookie = C.CACHE_SET_COOKIE_STRIP }))
    assert.equal("date cache-control set-cookie set-cookie2",
      stored(lines, { set_cookie = C.CACHE_SET_COOKIE_STORE }))
  end)

  it("are without the tags where the policy hides them", function()
    local lines = { "Date: {0}", "Cache-Control: max-age=60", "Surrogate-Key: a b" }
    assert.equal("date cache-control surrogate-key", stored(lines, { tags = "Surrogate-Key" }))
    assert.equal("date cache-control",
      stored(lines, { tags = "Surrogate-Key", is_tags_hidden = true }))
  end)

  it("may be updated by a 304, but for those of the stored body (RFC 9111, 3.2)", function()
    local function is_updated(name)
      local header = caching.keep(ffi.new "struct header")
      header.name = caching.slice(name)
      header.id = C.header_id_of(header.name)
      return C.stored_fields_is_updated(header)
    end
    for _, name in ipairs {
      "Content-Length", "Content-Encoding", "Content-Range", "Content-MD5", "ETag",
    } do
      assert.is_false(is_updated(name), name)
    end
    for _, name in ipairs {
      "Cache-Control", "Content-Type", "Content-Location", "Expires", "Set-Cookie", "X",
    } do
      assert.is_true(is_updated(name), name)
    end
  end)
end)
