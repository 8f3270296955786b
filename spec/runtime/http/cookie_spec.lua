local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/cookie.h"
local slice, text = runtime.slice, runtime.text

describe("cookie", function()
  it("is found by its name, in all lines", function()
    local arena, headers = runtime.new_arena(), ffi.new "struct headers"
    local lines = { slice "a=1; bb = 2 ;c;d=x=y;a=9", slice "e=5" }
    local name = slice "Cookie"
    for _, line in ipairs(lines) do C.headers_add(headers, arena, name, line) end
    local function value(wanted) return text(C.cookie_value(headers, slice(wanted))) end
    assert.equal("1", value "a")
    assert.equal("2", value "bb")
    assert.equal("", value "c")
    assert.equal("x=y", value "d")
    assert.equal("5", value "e")
    assert.is_nil(value "b")
    assert.is_nil(value "A")
    assert.is_nil(value "9")
    C.arena_clear(arena)
  end)
end)
