--- config_text: the pieces of what /config shows, up to a bound.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("base/slice.h", "base/buffer.h", "bridge/config_text.h")
local slice = runtime.slice

describe("what /config shows", function()
  it("is all pieces, or nothing when they are too large together", function()
    local buffer, into = ffi.new "struct buffer", ffi.new "struct buffer *[1]"
    C.buffer_init(buffer, 10, nil)
    into[0] = buffer
    C.config_text_add(into, slice "12345")
    C.config_text_add(into, slice "67890")
    local shown = C.buffer_slice(buffer)
    assert.equal("1234567890", ffi.string(shown.start, shown.length))
    C.config_text_add(into, slice "x")
    assert.is_true(into[0] == nil)
    assert.equal(0, tonumber(C.buffer_length(buffer)))
    C.config_text_add(into, slice "y")
    assert.equal(0, tonumber(C.buffer_length(buffer)))
  end)
end)
