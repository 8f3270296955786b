local runtime = require "spec.support.runtime"
local C = runtime.include "gateway/trace_context.h"

local TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
local PARENT = "00f067aa0ba902b7"

local function id(text)
  return runtime.text(C.trace_context_id(runtime.slice(text)))
end

local function field(version, trace, parent, flags)
  return table.concat({ version or "00", trace or TRACE, parent or PARENT, flags or "01" }, "-")
end

describe("trace_context", function()
  it("reads the trace id", function()
    assert.equal(TRACE, id(field()))
    assert.equal(TRACE, id(field("00", TRACE, PARENT, "ff")))
  end)

  it("reads later versions by what they begin with", function()
    assert.equal(TRACE, id(field "cc"))
    assert.equal(TRACE, id(field "cc" .. "-what the future brings"))
    assert.is_nil(id(field "cc" .. ".what"))
  end)

  it("refuses the version that is not one, and more after version 00", function()
    assert.is_nil(id(field "ff"))
    assert.is_nil(id(field() .. "-01"))
    assert.is_nil(id(field() .. "0"))
  end)

  it("refuses ids of zeros", function()
    assert.is_nil(id(field("00", ("0"):rep(32))))
    assert.is_nil(id(field("00", TRACE, ("0"):rep(16))))
    assert.equal(("0"):rep(31) .. "1", id(field("00", ("0"):rep(31) .. "1")))
  end)

  it("refuses what is no lower-case hexadecimal, wherever it stands", function()
    local whole = field()
    for at = 1, #whole do
      for _, wrong in ipairs { "A", "g", " ", "\0" } do
        local text = whole:sub(1, at - 1) .. wrong .. whole:sub(at + 1)
        assert.is_nil(id(text), ("%q"):format(text))
      end
    end
  end)

  it("refuses every cut", function()
    local whole = field()
    assert.is_nil(id(nil))
    for length = 0, #whole - 1 do assert.is_nil(id(whole:sub(1, length))) end
  end)
end)
