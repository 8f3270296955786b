local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/cache_tags.h"

local function tags(text)
  local rest, tag, list = ffi.new "struct slice[1]", ffi.new "struct slice[1]", {}
  rest[0] = runtime.slice(text)
  while C.cache_tags_next(rest, tag) do list[#list + 1] = runtime.text(tag[0]) end
  return table.concat(list, "|")
end

describe("cache_tags", function()
  it("are separated by blanks, commas or both", function()
    assert.equal("a|b|c", tags "a b c")
    assert.equal("a|b|c", tags "a,b, c")
    assert.equal("a|b:1/2", tags "  a ,\t b:1/2,, ")
    assert.equal("", tags "")
    assert.equal("", tags " , ")
  end)

  it("do not count when they are too long", function()
    local longest = ("x"):rep(256)
    assert.equal("a|" .. longest .. "|b", tags("a " .. longest .. " b"))
    assert.equal("a|b", tags("a x" .. longest .. " b"))
  end)
end)
