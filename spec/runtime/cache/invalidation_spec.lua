local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/invalidation.h"

describe("invalidation", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function uris(request, response)
    request.path, request.host = "/a/b", "h"
    local found, list = ffi.new "struct slice[3]", {}
    local count = C.invalidation_uris(caching.ask(request), caching.response(response),
      caching.arena, found)
    for i = 0, count - 1 do list[i + 1] = runtime.text(found[i]) end
    return table.concat(list, " ")
  end

  it("is of a write that did something (RFC 9111, 4.4)", function()
    for _, method in ipairs { "POST", "PUT", "DELETE", "PATCH", "M-SEARCH" } do
      for _, status in ipairs { 200, 201, 204, 303 } do
        assert.equal("http://h/a/b", uris({ method = method }, { status = status }), method)
      end
      for _, status in ipairs { 100, 400, 404, 500 } do
        assert.equal("", uris({ method = method }, { status = status }), method)
      end
    end
    for _, method in ipairs { "GET", "HEAD", "OPTIONS" } do
      assert.equal("", uris({ method = method }, {}), method)
    end
  end)

  it("is of Location and Content-Location, on the same origin alone", function()
    local post = { method = "POST" }
    assert.equal("http://h/a/b http://h/c http://h/a/d",
      uris(post, { "Location: /c", "Content-Location: d" }))
    assert.equal("http://h/a/b http://h/c", uris(post, { "Location: http://H:80/c" }))
    for _, location in ipairs {
      "http://other/c", "https://h/c", "http://h:81/c", "//other/c", "mailto:x", "http://h.x/c",
      "/a/b", "",
    } do
      assert.equal("http://h/a/b", uris(post, { "Location: " .. location }), location)
    end
  end)
end)
