local bit = require "bit"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"
runtime.include "http/octet.h"

-- The sets as the RFCs write them, as Lua patterns of one character.
local SETS = {
  [1] = "[%w!#$%%&'*+%-.^_`|~]", -- token, RFC 9110, 5.6.2
  [2] = "[\t\32-\126\128-\255]", -- field value, RFC 9110, 5.5
  [4] = "[%w%-._~:/?%[%]@!$&'()*+,;=%%]", -- URI without fragment, RFC 3986, 2
  [8] = "[%w%-._~]", -- unreserved, RFC 3986, 2.3
  [16] = "%x",
  [32] = "%d",
}

describe("octet", function()
  for set, pattern in pairs(SETS) do
    it("has exactly " .. pattern .. " in set " .. set, function()
      for byte = 0, 255 do
        local char = string.char(byte)
        local expected = byte < 128 and char:find(pattern) ~= nil
        if byte >= 128 then expected = set == 2 end
        assert.equal(expected, bit.band(runtime.C.OCTETS[byte], set) ~= 0, "byte " .. byte)
      end
    end)
  end

  -- Where octet_value_end() ends in a value of that length with one byte replaced.
  local function value_end(length, place, byte)
    local text = ("a\t"):rep(20):sub(1, place) .. string.char(byte)
      .. ("\255 "):rep(20):sub(1, length - place - 1)
    local start = ffi.cast("const char *", text)
    return tonumber(runtime.C.octet_value_end(start, start + length) - start)
  end

  it("ends a value at the first byte that is none of it, wherever that stands", function()
    for byte = 0, 255 do
      local is_value = string.char(byte):find "[\t\32-\126\128-\255]" ~= nil
      for length = 1, 40 do
        for place = 0, length - 1 do
          local expected = is_value and length or place
          if value_end(length, place, byte) ~= expected then
            error(("byte %d at %d of %d"):format(byte, place, length))
          end
        end
      end
    end
  end)

  it("reads hexadecimal digits in both cases", function()
    for value = 0, 15 do
      for _, format in ipairs { "%x", "%X" } do
        assert.equal(value, runtime.C.octet_hex(format:format(value):byte()))
      end
    end
  end)
end)
