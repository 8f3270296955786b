local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/uri.h"
local slice, text = runtime.slice, runtime.text

local NORMAL = {
  ["/"] = "/",
  ["/a/b"] = "/a/b",
  ["/a/b/"] = "/a/b/",
  ["//"] = "/",
  ["//a///b//"] = "/a/b/",
  ["/."] = "/",
  ["/./"] = "/",
  ["/a/."] = "/a/",
  ["/a/./b"] = "/a/b",
  ["/a/.."] = "/",
  ["/a/../"] = "/",
  ["/a/b/.."] = "/a/",
  ["/a/b/../c"] = "/a/c",
  ["/a/b/../../c"] = "/c",
  ["/a//../b"] = "/b",
  ["/..."] = "/...",
  ["/.a/..b/c."] = "/.a/..b/c.",
  ["/.well-known/x"] = "/.well-known/x",
  ["/%61%2D%2e%5F%7E"] = "/a-._~",
  ["/%2e"] = "/",
  ["/a/%2e%2E/b"] = "/b",
  ["/a/.%2e"] = "/",
  ["/a%2fb"] = "/a%2Fb",
  ["/a%2f/.."] = "/",
  ["/a%2F..%2fb"] = "/a%2F..%2Fb",
  ["/%252e%252e/a"] = "/%252e%252e/a",
  ["/%25%32%65"] = "/%252e",
  ["/caf%c3%a9"] = "/caf%C3%A9",
  ["/a%20b"] = "/a%20b",
  ["/a;b=c,d"] = "/a;b=c,d",
  ["/a%3Bb"] = "/a%3Bb",
  ["/a:b@c"] = "/a:b@c",
  ["/a%5c..%5Cb"] = "/a%5C..%5Cb",
}

describe("the normal form of a path", function()
  local arena

  before_each(function() arena = runtime.new_arena() end)
  after_each(function() C.arena_clear(arena) end)

  local function normalise(path)
    local normal = ffi.new "struct slice[1]"
    return C.uri_normalise_path(slice(path), arena, normal) and text(normal[0]) or nil
  end

  for path, normal in pairs(NORMAL) do
    it("is " .. normal .. " for " .. path, function()
      assert.equal(normal, normalise(path))
      assert.equal(normal, normalise(normal))
    end)
  end

  for _, path in ipairs {
    "", "a", "a/b", "*", "/..", "/../", "/../a", "/a/../..", "/a/../../b", "/%2e%2e", "/.%2E/a",
    "/a%2f/../..", "//..", "/%", "/%4", "/%4g", "/%g4", "/%%41", "/a%00", "/%0a", "/%0D", "/%1f",
    "/%7f",
  } do
    it(("is not there for %q"):format(path), function()
      assert.is_nil(normalise(path))
    end)
  end

  it("copies nothing where nothing changes", function()
    local path, normal = slice "/users/42/orders", ffi.new "struct slice[1]"
    assert.is_true(C.uri_normalise_path(path, arena, normal))
    assert.equal(path.start, normal[0].start)
    assert.equal(0, tonumber(arena.bytes))
  end)
end)
