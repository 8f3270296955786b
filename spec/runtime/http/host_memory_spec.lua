local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/host_memory.h"
local text = runtime.text

describe("host_memory", function()
  local memory

  before_each(function() memory = ffi.new "struct host_memory" end)

  -- The host, the port and whether the host is plain, or nil.
  local function parse(authority, from)
    local parts, is_plain = ffi.new "struct uri_authority", ffi.new "bool[1]"
    if not C.host_memory_parse(from or memory, runtime.slice(authority), parts, is_plain) then
      return nil
    end
    return { text(parts.host), parts.port, is_plain[0] }
  end

  for authority, expected in pairs {
    ["a.example"] = { "a.example", 0, true },
    ["a.example:8080"] = { "a.example", 8080, true },
    ["A.example"] = { "A.example", 0, false },
    ["a.example."] = { "a.example.", 0, false },
    ["[::1]:81"] = { "::1", 81, true },
    [("a"):rep(64)] = { ("a"):rep(64), 0, true },
    [("b"):rep(65)] = { ("b"):rep(65), 0, true },
  } do
    it(("says the same of %s once it is known"):format(authority), function()
      for _ = 1, 3 do assert.same(expected, parse(authority)) end
    end)
  end

  it("keeps nothing of what is no authority", function()
    for _ = 1, 2 do
      assert.is_nil(parse "a..b")
      assert.is_nil(parse "")
    end
  end)

  it("tells authorities apart that share a place", function()
    for _ = 1, 2 do
      assert.same({ "a.example", 0, true }, parse "a.example")
      assert.same({ "b.example", 0, true }, parse "b.example")
      assert.same({ ("c"):rep(25), 0, true }, parse(("c"):rep(25)))
    end
  end)

  it("points into what it was asked about", function()
    parse "a.example:80"
    local again = ffi.new("char[?]", 13, "a.example:80")
    local parts, is_plain = ffi.new "struct uri_authority", ffi.new "bool[1]"
    local slice = ffi.new("struct slice", again, 12)
    assert.is_true(C.host_memory_parse(memory, slice, parts, is_plain))
    assert.is_true(parts.host.start == ffi.cast("const char *", again))
  end)

  it("can be left out", function()
    local none = ffi.cast("struct host_memory *", nil)
    assert.same({ "a.example", 1, true }, parse("a.example:1", none))
  end)
end)
