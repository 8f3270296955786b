local caching = require "spec.support.caching"
local runtime = require "spec.support.runtime"

local C = caching.C
local WAYS = {
  [tonumber(C.CACHE_WAY_LOOKUP)] = "lookup", [tonumber(C.CACHE_WAY_PASS)] = "pass",
  [tonumber(C.CACHE_WAY_WRITE)] = "write",
}

local function way(request, policy) return WAYS[tonumber(caching.ask(request, policy).way)] end

describe("cache_request", function()
  before_each(caching.begin)
  after_each(caching.finish)

  it("looks up GET and HEAD, and lets what writes invalidate", function()
    for method, expected in pairs {
      GET = "lookup", HEAD = "lookup", OPTIONS = "pass", POST = "write", PUT = "write",
      DELETE = "write", PATCH = "write", ["M-SEARCH"] = "write",
    } do
      assert.equal(expected, way { method = method }, method)
    end
  end)

  it("looks up the methods of the policy alone", function()
    local policy = { methods = 2 ^ tonumber(C.METHOD_GET) }
    assert.equal("lookup", way({}, policy))
    assert.equal("pass", way({ method = "HEAD" }, policy))
    assert.is_false(caching.ask({ method = "HEAD" }, policy).may_store)
  end)

  it("passes what only the origin can answer (RFC 9111, 4.3.2)", function()
    for _, line in ipairs { 'If-Match: "a"', "If-Unmodified-Since: {0}" } do
      local asked = caching.ask { line }
      assert.equal(C.CACHE_WAY_PASS, asked.way)
      assert.is_true(asked.is_origins)
    end
    assert.equal("pass", way { body = "x" })
    assert.equal("pass", way { upgrade = "websocket" })
  end)

  it("passes what the policy excepts", function()
    local policy = { bypass = { { "header", "X-Preview" }, { "cookie", "session" },
      { "query", "nocache", "1" } } }
    for _, request in ipairs {
      { "X-Preview: 1" }, { "x-preview: " }, { "Cookie: a=b; session=c" },
      { query = "a=1&nocache=1" },
    } do
      local asked = caching.ask(request, policy)
      assert.is_true(asked.is_bypassed)
      assert.equal(C.CACHE_WAY_PASS, asked.way)
    end
    for _, request in ipairs { {}, { "Cookie: sessions=c" }, { query = "nocache=2" } } do
      assert.equal("lookup", way(request, policy))
    end
    assert.equal("write", way({ method = "PUT", "X-Preview: 1" }, policy))
  end)

  it("knows conditions and ranges", function()
    assert.is_true(caching.ask({ 'If-None-Match: "a"' }).is_conditional)
    assert.is_true(caching.ask({ "If-Modified-Since: {0}" }).is_conditional)
    assert.is_false(caching.ask({ 'If-Range: "a"' }).is_conditional)
    assert.equal("bytes=0-1", runtime.text(caching.ask({ "Range: bytes=0-1" }).range))
    assert.is_nil(runtime.text(caching.ask({ method = "HEAD", "Range: bytes=0-1" }).range))
    assert.is_true(caching.ask({ "Authorization: x" }).has_authorization)
  end)
end)
