--- base64_spec: bytes to text and back, one spelling for each.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/base64.h"
local slice = runtime.slice

describe("base64", function()
  local function encode(bytes, alphabet)
    local out = ffi.new("char[?]", #bytes * 2 + 4)
    return ffi.string(out, C.base64_encode(slice(bytes), alphabet, out))
  end

  local function decode(text, alphabet)
    local out, length = ffi.new("char[?]", #text + 4), ffi.new "size_t[1]"
    if not C.base64_decode(slice(text), alphabet, out, length) then return nil end
    return ffi.string(out, length[0])
  end

  -- RFC 4648, 10.
  for bytes, text in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
    fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" } do
    it(("writes and reads %q"):format(bytes), function()
      assert.equal(text, encode(bytes, C.BASE64_PLAIN))
      assert.equal(bytes, decode(text, C.BASE64_PLAIN))
      local bare = text:gsub("=", "")
      assert.equal(bare, encode(bytes, C.BASE64_URL))
      assert.equal(bytes, decode(bare, C.BASE64_URL))
      if bare ~= text then
        assert.is_nil(decode(text, C.BASE64_URL))
        assert.is_nil(decode(bare, C.BASE64_PLAIN))
      end
    end)
  end

  it("has an alphabet for URLs", function()
    assert.equal("+/+/", encode("\251\255\191", C.BASE64_PLAIN))
    assert.equal("-_-_", encode("\251\255\191", C.BASE64_URL))
    assert.is_nil(decode("+/+/", C.BASE64_URL))
    assert.is_nil(decode("-_-_", C.BASE64_PLAIN))
  end)

  it("refuses what it would not write", function()
    for _, text in ipairs { "Z", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "=", "Zm9v\n", " Zm9v",
      "Zm 9v", "Zm9v=", "Zg===", "Z===" } do
      assert.is_nil(decode(text, C.BASE64_PLAIN), text)
    end
    for _, text in ipairs { "Z", "Zh", "Zm9", "Zm9vZ", "Zm9v\0", "Zm9v.", "Zg=" } do
      assert.is_nil(decode(text, C.BASE64_URL), text)
    end
  end)
end)
