local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "crypto/sha256.h"

describe("sha256", function()
  it("digests again and again, with nothing left of the text before (FIPS 180-2)", function()
    local room = ffi.new "char[32]"
    local function hex(text)
      C.sha256_of(runtime.slice(text), room)
      return (ffi.string(room, 32):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
    end
    local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    local ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert.equal(ABC, hex "abc")
    assert.equal(EMPTY, hex "")
    assert.equal(ABC, hex "abc")
  end)
end)
