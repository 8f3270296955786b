local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/byte_ranges.h"
local slice = runtime.slice

local RESULTS = {
  [tonumber(C.BYTE_RANGES_NONE)] = "whole",
  [tonumber(C.BYTE_RANGES_UNSATISFIABLE)] = "416",
}

-- "0-4 6-9", "whole" or "416".
local function parse(field, bytes)
  local ranges = ffi.new "struct byte_ranges"
  local result = C.byte_ranges_parse(slice(field), bytes or 1000, ranges)
  if RESULTS[tonumber(result)] then return RESULTS[tonumber(result)] end
  local list = {}
  for i = 0, ranges.count - 1 do
    local range = ranges.items[i]
    list[i + 1] = ("%d-%d"):format(tonumber(range.first), tonumber(range.last))
  end
  return table.concat(list, " ")
end

local function parses(rows)
  for _, row in ipairs(rows) do assert.equal(row[2], parse(row[1], row[3]), row[1]) end
end

describe("byte_ranges", function()
  it("reads one range (RFC 9110, 14.1.2)", function()
    parses {
      { "bytes=0-0", "0-0" }, { "bytes=0-499", "0-499" }, { "bytes=500-", "500-999" },
      { "bytes=-1", "999-999" }, { "bytes=-1000", "0-999" }, { "bytes=-5000", "0-999" },
      { "bytes=0-", "0-999" }, { "bytes=990-5000", "990-999" }, { "Bytes= 1-2 ", "1-2" },
      { "bytes=0-18446744073709551615", "0-999" },
    }
  end)

  it("cannot satisfy what begins behind the end", function()
    parses {
      { "bytes=1000-", "416" }, { "bytes=1000-2000,5000-", "416" }, { "bytes=-0", "416" },
      { "bytes=0-", "416", 0 }, { "bytes=-5", "416", 0 }, { "bytes=1000-,5-6", "5-6" },
    }
  end)

  it("does not count when it is malformed", function()
    for _, field in ipairs {
      "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=2-1", "items=0-1",
      "bytes=0-1,2-1", "bytes=0-1;2-3", "bytes=--1", "bytes=1-2-3", "bytes=0x1-2", "bytes 0-1",
      "bytes=+1-2", "bytes=0 - 1", "bytes=99999999999999999999-", "bytes=-99999999999999999999",
    } do
      assert.equal("whole", parse(field), field)
    end
  end)

  it("keeps several in the order asked for, and joins those that touch", function()
    parses {
      { "bytes=0-0,-1", "0-0 999-999" },
      { "bytes=500-600, 0-9", "500-600 0-9" },
      { "bytes=0-9,10-19", "0-19" },
      { "bytes=0-9,20-29,5-25", "0-29" },
      { "bytes=10-19,30-39,20-29", "10-39" },
      { "bytes=,0-1,,3-4,", "0-1 3-4" },
    }
  end)

  it("gives the whole instead of an attack (RFC 9110, 17.15)", function()
    local many = {}
    for i = 0, 16 do many[#many + 1] = ("%d-%d"):format(i * 10, i * 10) end
    parses {
      { "bytes=" .. table.concat(many, ",", 1, 16), (table.concat(many, " ", 1, 16)) },
      { "bytes=" .. table.concat(many, ","), "whole" },
      { "bytes=0-9,1-9,2-9,3-9", "whole" },
      { "bytes=0-9,1-9,2-9", "0-9" },
      { "bytes=0-,0-", "whole" },
      { "bytes=0-499,500-999", "whole" },
      { "bytes=0-999", "0-999" },
    }
  end)
end)
