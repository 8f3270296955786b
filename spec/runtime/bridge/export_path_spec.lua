local ffi = require "ffi"
local path_pattern = require "moongate.path_pattern"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/uri.h"

local registry = debug.getregistry()
if not registry.moongate_export_path_spec then
  registry.moongate_export_path_spec = true
  ffi.cdef 'bool export_path_spec_is_plain(const char *, size_t) __asm__("moon_path_is_plain");'
end

local function is_plain(path) return C.export_path_spec_is_plain(path, #path) end

local TOO_MANY = ""
for i = 1, 17 do TOO_MANY = TOO_MANY .. "/{a" .. i .. "}" end

describe("export_path: a route's path", function()
  for _, path in ipairs { "/", "/a", "/a/", "/a/{id}", "/{a}/b-c/{d_1}", "/files/{rest*}", "/~x/Y",
    "/a.b", ("/a"):rep(64), "/" .. ("a"):rep(4095) } do
    it(("is plain: %.40s"):format(path), function() assert.is_true(is_plain(path)) end)
  end

  for _, path in ipairs { "", "a", "//", "/a//b", "/.", "/..", "/a/../b", "/.a", "/%41", "/a b",
    "/a?b", "/{", "/}", "/{}", "/{*}", "/{A}", "/{1}", "/a{b}", "/{b}c", "/{a*}/b", "/{a*}/",
    "/{a}/{a}", "/{a}/{a*}", "/{a{b}", "/\0", "/\xc3\xa4", ("/a"):rep(65), TOO_MANY,
    "/" .. ("a"):rep(4096) } do
    it(("is not, or has to be looked at closer: %.40s"):format(path), function()
      assert.is_false(is_plain(path))
    end)
  end

  it("that is plain is right, and as it stands", function()
    local arena = runtime.new_arena()
    local function normalise(path)
      local normal = ffi.new "struct slice[1]"
      if not C.uri_normalise_path(runtime.slice(path), arena, normal) then return nil end
      return runtime.text(normal[0])
    end
    math.randomseed(7)
    local PARTS, plain = { "/", "/", "a", ".", "{", "}", "*", "{a}", "{b}", "_", "%41", "/{c*}" }, 0
    for _ = 1, 20000 do
      local parts = { "/" }
      for i = 2, math.random(8) do parts[i] = PARTS[math.random(#PARTS)] end
      local path = table.concat(parts)
      if is_plain(path) then
        plain = plain + 1
        local pattern, message = path_pattern.parse(path, normalise)
        assert.equal(path, pattern and pattern.path, message)
      end
    end
    assert.is_true(plain > 1000)
    C.arena_clear(arena)
  end)
end)
