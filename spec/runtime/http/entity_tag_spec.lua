local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/entity_tag.h"
local slice = runtime.slice

describe("entity_tag", function()
  it("knows what is one (RFC 9110, 8.8.3)", function()
    for _, tag in ipairs { '"a"', 'W/"a"', '""', 'W/""', '"\195\188!#"', "\"'\"" } do
      assert.is_true(C.entity_tag_is_valid(slice(tag)), tag)
    end
    for _, tag in ipairs {
      "", '"', "a", 'w/"a"', 'W/a', 'W"a"', '"a', 'a"', '"a"b"', '"a b"', '"a\127"', 'W/"a" ',
    } do
      assert.is_false(C.entity_tag_is_valid(slice(tag)), tag)
    end
  end)

  it("compares strongly and weakly (RFC 9110, 8.8.3.2)", function()
    for _, row in ipairs {
      { 'W/"1"', 'W/"1"', false, true }, { 'W/"1"', 'W/"2"', false, false },
      { 'W/"1"', '"1"', false, true }, { '"1"', '"1"', true, true }, { '"1"', '"2"', false, false },
    } do
      local one, other = slice(row[1]), slice(row[2])
      assert.equal(row[3], C.entity_tag_equals_strongly(one, other), row[1] .. row[2])
      assert.equal(row[4], C.entity_tag_equals_weakly(one, other), row[1] .. row[2])
    end
  end)

  it("is found in a list, weakly", function()
    local arena = runtime.new_arena()
    local function has(tag, ...)
      local headers, lines = ffi.new "struct headers", { ... }
      local name = slice "If-None-Match"
      for i, line in ipairs(lines) do
        lines[i] = slice(line)
        C.headers_add(headers, arena, name, lines[i])
      end
      return C.entity_tag_is_in(headers, C.HEADER_IF_NONE_MATCH, slice(tag))
    end
    assert.is_true(has('"abc"', '"abc"'))
    assert.is_true(has('"abc"', 'W/"abc"'))
    assert.is_true(has('"abc"', '"x" , "abc"'))
    assert.is_true(has('"abc"', '"x"', '"y", W/"abc" ,'))
    assert.is_true(has('"a,b"', '"x,"abc", "a,b"'))
    assert.is_true(has('"abc"', "*"))
    assert.is_true(has("", "*"))
    assert.is_true(has("bare", "bare"))
    assert.is_false(has('"abc"'))
    assert.is_false(has('"abc"', ""))
    assert.is_false(has("", ""))
    assert.is_false(has('"abc"', '"abcd", "ab", abc'))
    assert.is_false(has('"b"', '"a,"b",c"'))
    C.arena_clear(arena)
  end)
end)
