local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "upstream/deadline.h"

local SECONDS, MILLISECONDS, GRPC, UNIX = 0, 1, 2, 3
local CLOCK = 1790000000.25

describe("deadline", function()
  local arena, left

  setup(function() arena, left = runtime.new_arena(), ffi.new "double[1]" end)
  teardown(function() C.arena_clear(arena) end)

  local function slice(text) return ffi.new("struct slice", text, #text) end
  local function read(format, text)
    if C.deadline_read(format, slice(text), CLOCK, left) then return left[0] end
    return nil
  end
  local function write(format, seconds)
    local text = C.deadline_write(format, seconds, CLOCK, arena)
    return ffi.string(text.start, text.length)
  end

  it("reads seconds, milliseconds, gRPC's units and times", function()
    assert.equal(1.5, read(SECONDS, "1.5"))
    assert.equal(0, read(SECONDS, "0"))
    assert.equal(9999999999, read(SECONDS, "9999999999"))
    assert.equal(1.5, read(MILLISECONDS, "1500"))
    for text, seconds in pairs { ["2H"] = 7200, ["3M"] = 180, ["4S"] = 4, ["5m"] = 0.005 } do
      assert.equal(seconds, read(GRPC, text))
    end
    assert.is_true(math.abs(read(GRPC, "6u") - 6e-6) < 1e-12)
    assert.is_true(math.abs(read(GRPC, "7n") - 7e-9) < 1e-12)
    assert.equal(0.25, read(UNIX, "1790000000.5"))
    assert.equal(-0.25, read(UNIX, "1790000000"))
  end)

  it("takes nothing else", function()
    for _, text in ipairs { "", ".", "1.", ".5", "+1", "-1", "1e3", "1 ", " 1", "1,5", "0x1",
      "12345678901", "1.1234567890", "inf", "nan", "1.5.5", "1\0" } do
      assert.is_nil(read(SECONDS, text), text)
      assert.is_nil(read(UNIX, text), text)
    end
    for _, text in ipairs { "", "1.5", "-1", "1234567890123", "1m" } do
      assert.is_nil(read(MILLISECONDS, text), text)
    end
    for _, text in ipairs { "", "S", "5", "5s", "5h", "123456789S", "-5S", "5 S", "1.5S", "5SS" } do
      assert.is_nil(read(GRPC, text), text)
    end
  end)

  it("says no more than there is", function()
    assert.equal("1.999", write(SECONDS, 1.9999))
    assert.equal("1999", write(MILLISECONDS, 1.9999))
    assert.equal("1999m", write(GRPC, 1.9999))
    assert.equal("1790000001.250", write(UNIX, 1.0009))
    assert.equal("0", write(MILLISECONDS, 0.0009))
  end)

  it("writes what it can read, however much is left", function()
    for _, seconds in ipairs { 0.001, 1, 99999.999, 100000.5, 1e8, 1e9 } do
      for format = SECONDS, UNIX do
        local again = read(format, write(format, seconds))
        assert.is_true(again <= seconds + 1e-6 and again >= math.min(seconds - 1.1, 99999998),
          format .. ": " .. seconds)
      end
    end
  end)
end)
