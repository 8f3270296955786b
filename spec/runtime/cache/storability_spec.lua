local ffi = require "ffi"
local caching = require "spec.support.caching"
local runtime = require "spec.support.runtime"

local FRESH = "Cache-Control: max-age=60"

describe("storability", function()
  before_each(caching.begin)
  after_each(caching.finish)

  -- Why the answer to a request may not be stored; nil: it may.
  local function why_not(request, response, policy)
    return (caching.judge(caching.ask(request, policy), response))
  end

  it("stores answers to GET alone (RFC 9111, 3)", function()
    assert.is_nil(why_not({}, { FRESH }))
    for _, method in ipairs { "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH" } do
      assert.equal("request", why_not({ method = method }, { FRESH }), method)
    end
    assert.equal("request", why_not({ body = "x" }, { FRESH }))
    assert.equal("request", why_not({ upgrade = "websocket" }, { FRESH }))
    assert.equal("request", why_not({ 'If-Match: "a"' }, { FRESH }))
  end)

  it("stores any final status that says its lifetime", function()
    for _, status in ipairs {
      200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599,
    } do
      assert.is_nil(why_not({}, { FRESH, status = status }), status)
    end
    for _, status in ipairs { 100, 103, 206, 304, 416 } do
      assert.equal("status", why_not({}, { FRESH, status = status }), status)
    end
  end)

  it("stores nothing that nobody can ever use", function()
    assert.equal("no-lifetime", why_not({}, {}))
    assert.equal("no-lifetime", why_not({}, { "Cache-Control: max-age=0" }))
    assert.equal("no-lifetime", why_not({}, { "Cache-Control: max-age=10", "Age: 10" }))
    assert.equal("no-lifetime", why_not({}, { "Cache-Control: no-cache, max-age=60" }))
    assert.equal("no-lifetime", why_not({}, { 'ETag: "a"' }, { keep = 0 }))
    assert.equal("no-lifetime", why_not({}, { status = 201 }))
    assert.is_nil(why_not({}, { 'ETag: "a"' }))
    assert.is_nil(why_not({}, { 'ETag: "a"', "Cache-Control: no-cache" }))
    assert.is_nil(why_not({}, { "Cache-Control: max-age=0, stale-while-revalidate=5" }))
    assert.is_nil(why_not({}, {}, { ttl = 1 }))
  end)

  it("obeys no-store and private (RFC 9111, 5.2.2)", function()
    for line, expected in pairs {
      ["no-store"] = "no-store", ["max-age=60, No-Store"] = "no-store",
      ["private, max-age=60"] = "private", ["max-age=60, private=\"a\", private"] = "private",
    } do
      assert.equal(expected, why_not({}, { "Cache-Control: " .. line, "Expires: {60}" }), line)
    end
    assert.equal("no-store", why_not({}, { FRESH, "Cache-Control: no-store" }, { ttl = 5 }))
    assert.equal("no-store",
      why_not({}, { "Cache-Control: no-store" }, { ttl = 5, is_ttl_forced = true }))
    assert.is_nil(why_not({}, { 'Cache-Control: max-age=60, private="set-cookie"' }))
  end)

  it("obeys no-store of the request (RFC 9111, 5.2.1.5), whatever the policy", function()
    local request = { "Cache-Control: no-store" }
    assert.equal("request", why_not(request, { FRESH }))
    assert.equal("request", why_not(request, { FRESH }, { obeys_clients = false }))
  end)

  it("stores with must-understand what is understood alone (RFC 9111, 5.2.2.3)", function()
    local line = "Cache-Control: max-age=60, must-understand, no-store"
    for _, status in ipairs { 200, 203, 204, 301, 302, 308, 404, 410, 501 } do
      assert.is_nil(why_not({}, { line, status = status }), status)
    end
    for _, status in ipairs { 299, 499, 500, 599 } do
      assert.equal("status", why_not({}, { line, status = status }), status)
    end
    assert.equal("status",
      why_not({}, { "Cache-Control: max-age=60, must-understand", status = 599 }))
  end)

  it("needs permission beside Authorization (RFC 9111, 3.5)", function()
    local request = { "Authorization: Basic eA==" }
    assert.equal("authorization", why_not(request, { "Expires: {60}" }))
    assert.equal("authorization", why_not(request, { FRESH }))
    assert.equal("authorization", why_not(request, {}, { ttl = 60 }))
    for _, directive in ipairs { "public", "must-revalidate", "s-maxage=60" } do
      assert.is_nil(why_not(request, { FRESH .. ", " .. directive }), directive)
    end
    assert.equal("authorization", why_not(request, { FRESH .. ", proxy-revalidate" }))
    assert.is_nil(why_not(request, { FRESH }, { key_headers = { "authorization" } }))
  end)

  it("needs it beside credentials that a plugin has taken off, too, or knows by itself", function()
    local keyed = { key_headers = { "authorization" } }
    local asked = caching.ask({ "Authorization: Basic eA==" }, keyed)
    local headers = ffi.cast("struct headers *", asked.request.headers) -- not const
    caching.C.headers_remove(headers, caching.slice "authorization")
    assert.equal("authorization", (caching.judge(asked, { FRESH })))
    asked = caching.ask {}
    asked.context.is_authenticated = true
    assert.equal("authorization", (caching.judge(asked, { FRESH })))
    assert.is_nil((caching.judge(asked, { FRESH .. ", public" })))
  end)

  it("takes a consumer in the key for permission, once there is one", function()
    local asked = caching.ask({ "Authorization: Bearer x" }, { is_key_by_consumer = true })
    assert.equal("authorization", (caching.judge(asked, { FRESH })))
    asked.context.consumer = caching.slice "mobile"
    assert.is_nil((caching.judge(asked, { FRESH })))
  end)

  it("stores nothing that varies by what the gateway says of the client's address", function()
    for _, name in ipairs { "X-Forwarded-For", "x-real-ip", "Forwarded" } do
      assert.equal("vary", why_not({}, { FRESH, "Vary: Accept, " .. name }), name)
    end
  end)

  it("stores nothing that varies by everything (RFC 9111, 4.1)", function()
    for _, value in ipairs { "*", "*, *", ", *", "*, foo", "foo, *", "foo bar", "a:b" } do
      assert.equal("vary", why_not({}, { FRESH, "Vary: " .. value }), value)
    end
    assert.equal("vary", why_not({}, { FRESH, "Vary: ", "Vary: *" }))
    local _, storable = caching.judge(caching.ask {}, { FRESH, "Vary: Foo, accept" })
    assert.equal("accept,foo", runtime.text(storable.vary))
  end)

  it("leaves Set-Cookie alone, strips it, or stores it", function()
    local answer = { FRESH, "Set-Cookie: a=b" }
    assert.equal("set-cookie", why_not({}, answer))
    for _, name in ipairs { "STRIP", "STORE" } do
      assert.is_nil(why_not({}, answer, { set_cookie = caching.C["CACHE_SET_COOKIE_" .. name] }))
    end
  end)

  it("stores nothing that is known to be too large", function()
    assert.is_nil(why_not({}, { FRESH, length = 10 }, { object_bytes_max = 10 }))
    assert.equal("size", why_not({}, { FRESH, length = 11 }, { object_bytes_max = 10 }))
    assert.is_nil(why_not({}, { FRESH }, { object_bytes_max = 10 }))
  end)

  it("stores nothing for a request that the policy excepts", function()
    local policy = {
      bypass = { { "header", "x-preview" } }, no_store = { { "cookie", "admin", "1" } },
    }
    assert.equal("request", why_not({ "X-Preview: " }, { FRESH }, policy))
    assert.equal("request", why_not({ "Cookie: admin=1" }, { FRESH }, policy))
    assert.is_nil(why_not({ "Cookie: admin=0" }, { FRESH }, policy))
  end)

  it("stores what a POST answers for GET, where it says so (RFC 9110, 9.3.3)", function()
    local get, post = tonumber(caching.C.METHOD_GET), tonumber(caching.C.METHOD_POST)
    local policy = { methods = 2 ^ get + 2 ^ post }
    local request = { method = "POST", path = "/a/b", query = "c", body = "x" }
    local function answered(location, ...)
      return why_not(request, { "Content-Location: " .. location, ... }, policy)
    end
    assert.is_nil(answered("/a/b?c", FRESH))
    assert.is_nil(answered("http://EXAMPLE.com:80/a/b?c", "Expires: {60}"))
    assert.is_nil(answered("b?c", FRESH))
    assert.equal("request", answered("/a/b", FRESH))
    assert.equal("request", answered("http://example.org/a/b?c", FRESH))
    assert.equal("request", answered("/a/b?c", "Last-Modified: {-1000}"))
    assert.equal("request", why_not(request, { FRESH }, policy))
    assert.equal("request", why_not(request, { FRESH, "Content-Location: /a/b?c" }))
  end)
end)
