local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local C = runtime.C

runtime.include "gateway/path_template.h"

describe("path_template", function()
  local arena

  before_each(function()
    arena = runtime.new_arena()
  end)

  after_each(function()
    C.arena_clear(arena)
  end)

  local function compile(text, names)
    local list, message = ffi.new("struct slice[?]", #names + 1), ffi.new "struct slice[1]"
    for i, name in ipairs(names) do list[i - 1] = runtime.slice(name) end
    local template = C.path_template_compile(runtime.slice(text), list, #names, arena, message)
    if template == nil then return nil, runtime.text(message[0]) end
    return template
  end

  local function render(text, names, values)
    local template = assert(compile(text, names))
    local captures = ffi.new("struct path_capture[?]", #values + 1)
    for i, value in ipairs(values) do captures[i - 1].value = runtime.slice(value) end
    return runtime.text(C.path_template_render(template, captures, arena))
  end

  local CASES = {
    { "a text without places", "/v2/x", {}, {}, "/v2/x" },
    { "nothing", "", {}, {}, "" },
    { "a capture", "/v2/{id}", { "id" }, { "7" }, "/v2/7" },
    { "a text behind it", "/v2/{id}/x", { "id" }, { "7" }, "/v2/7/x" },
    { "captures in another order", "/{b}/{a}", { "a", "b" }, { "1", "2" }, "/2/1" },
    { "one capture twice", "/{a}/{a}", { "a" }, { "1" }, "/1/1" },
    { "two side by side", "/{a}{b}", { "a", "b" }, { "1", "2" }, "/12" },
    { "escapes as they came", "/{a}", { "a" }, { "x%2Fy" }, "/x%2Fy" },
    { "a rest", "/v2/{rest*}", { "rest*" }, { "a/b" }, "/v2/a/b" },
    { "a rest without its star", "/v2/{rest}", { "rest*" }, { "a/b" }, "/v2/a/b" },
    { "a rest in the middle", "/{rest*}/x", { "rest" }, { "a/b" }, "/a/b/x" },
    { "an empty rest", "/v2/{rest*}", { "rest" }, { "" }, "/v2/" },
    { "an empty rest in the middle", "/{rest*}/x", { "rest" }, { "" }, "/x" },
    { "an empty rest behind a text", "/a{rest*}/x", { "rest" }, { "" }, "/a/x" },
    { "two slashes that somebody wrote", "/a//x", {}, {}, "/a//x" },
  }
  for _, case in ipairs(CASES) do
    local name, text, names, values, expected = unpack(case)
    it("renders " .. name, function()
      assert.equal(expected, render(text, names, values))
    end)
  end

  local ERRORS = {
    { "/{idd}", { "id" }, "unknown placeholder {idd}; the pattern has {id}" },
    { "/{c}", { "a", "b*" }, "unknown placeholder {c}; the pattern has {a}, {b*}" },
    { "/{c}", {}, "unknown placeholder {c}; the pattern has no placeholders" },
    { "/{}", { "a" }, "unknown placeholder {}; the pattern has {a}" },
    { "/{id", { "id" }, "unclosed placeholder; expected {name}" },
    { "/id}", { "id" }, '"}" without a "{" before it' },
    { "/{id}}", { "id" }, '"}" without a "{" before it' },
    { ("/{a}"):rep(65), { "a" }, "more than 64 placeholders" },
  }
  for _, case in ipairs(ERRORS) do
    local text, names, expected = unpack(case)
    it("refuses " .. text:sub(1, 20), function()
      local template, message = compile(text, names)
      assert.is_nil(template)
      assert.equal(expected, message)
    end)
  end

  it("takes as many places as it says", function()
    local expected = ("/1"):rep(64)
    assert.equal(expected, render(("/{a}"):rep(64), { "a" }, { "1" }))
  end)

  it("keeps no pointer into the text it was made from", function()
    local text = ffi.new "char[8]"
    ffi.copy(text, "/v2/{id}", 8)
    local names, message = ffi.new "struct slice[1]", ffi.new "struct slice[1]"
    names[0] = runtime.slice "id"
    local copy = ffi.new("struct slice", text, 8)
    local template = C.path_template_compile(copy, names, 1, arena, message)
    ffi.fill(text, 8, 88)
    local captures = ffi.new "struct path_capture[1]"
    captures[0].value = runtime.slice "7"
    assert.equal("/v2/7", runtime.text(C.path_template_render(template, captures, arena)))
  end)

  it("equals what renders the same captures alike, whatever they are called", function()
    local one = compile("/v2/{a}/{b}", { "a", "b" })
    assert.is_true(C.path_template_equals(one, compile("/v2/{x}/{y}", { "x", "y" })))
    assert.is_true(C.path_template_equals(compile("", {}), compile("", {})))
    for _, other in ipairs { { "/v2/{a}/{b}", { "b", "a" } }, { "/v3/{a}/{b}", { "a", "b" } },
      { "/v2/{a}/{b}/", { "a", "b" } }, { "/v2/{a}", { "a", "b" } }, { "/v2/a/b", {} },
      { "/v2{a}//{b}", { "a", "b" } } } do
      assert.is_false(C.path_template_equals(one, compile(unpack(other))))
    end
  end)

  it("is copied with its texts", function()
    local other, captures = runtime.new_arena(), ffi.new "struct path_capture[1]"
    captures[0].value = runtime.slice "7"
    local copy = C.path_template_copy(compile("/v2/{a}/x", { "a" }), other)
    C.arena_clear(arena)
    assert.equal("/v2/7/x", runtime.text(C.path_template_render(copy, captures, other)))
    C.arena_clear(other)
  end)
end)
