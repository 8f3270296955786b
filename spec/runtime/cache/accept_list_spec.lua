local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/accept_list.h"
local slice, text = runtime.slice, runtime.text

describe("accept_list", function()
  local arena

  before_each(function() arena = runtime.new_arena() end)
  after_each(function() C.arena_clear(arena) end)

  local function read(value)
    local list = ffi.new "struct accept_list"
    if not C.accept_list_read(slice(value), arena, list) then return nil end
    return text(C.accept_list_text(list, arena)), text(C.accept_list_first(list))
  end

  it("is written heaviest first, then by its bytes", function()
    for value, expected in pairs {
      [""] = "", ["en"] = "en", ["en;q=1"] = "en",
      ["a;q=0.1, b ;q=0.9,c"] = "c,b;q=0.900,a;q=0.100",
      ["B, a"] = "a,b", ["a;q=0"] = "a;q=0.000", ["a;q="] = false, ["a;q=1.001"] = false,
      ["a;q=0.1234"] = false, ["a;q=.5"] = false, ["a;q=0.5x"] = false, ["a;q=-1"] = false,
      ["a;q=1.000"] = "a", ["a;q=0."] = "a;q=0.000", ['a;b="c"'] = false,
      ["a;B=C;q=0.5;d"] = "a;b=C;d;q=0.500", [",, a ,"] = "a", ["a, ;q=1"] = false,
      [";a=b"] = false,
    } do
      assert.equal(expected or nil, (read(value)), value)
    end
  end)

  it("has a first one when it weighs more than the others", function()
    assert.equal("b", select(2, read "a;q=0.9, b"))
    assert.is_nil(select(2, read "a, b"))
    assert.is_nil(select(2, read "a;q=0"))
    assert.is_nil(select(2, read ""))
    assert.is_nil(select(2, read "*"))
  end)

  it("takes so many elements, and no more", function()
    assert.is_not_nil((read(("a,"):rep(32))))
    assert.is_nil((read(("a,"):rep(33))))
  end)
end)
