-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local buffer = require "string.buffer"
local digest_of = require "moongate.digest"

describe("digest_of", function()
  local function of(text) return digest_of(buffer.new():put(text)) end

  it("is sixteen bytes, the same for the same content alone", function()
    local seen = {}
    for i = 1, 10000 do
      local one = of(("a"):rep(40) .. i .. ("b"):rep(40))
      assert.equal(16, #one)
      assert.is_nil(seen[one])
      seen[one] = true
    end
    assert.equal(of "text", of "text")
    assert.equal(16, #of "")
  end)

  it("has two halves that say different things", function()
    assert.are_not.equal(of("text"):sub(1, 8), of("text"):sub(9))
  end)
end)
