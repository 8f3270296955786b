local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/h1_promptness.h"

local SAMPLED = 16 -- H1_PROMPTNESS_SAMPLED

describe("h1_promptness", function()
  local promptness

  before_each(function()
    promptness = ffi.new "struct h1_promptness"
    C.h1_promptness_init(promptness)
  end)

  -- How many of so many connections are read first, when they are as `was_there` says.
  local function read_first(count, was_there)
    local read = 0
    for i = 1, count do
      if C.h1_promptness_expected(promptness) then
        read = read + 1
        C.h1_promptness_note(promptness, was_there(i))
      end
    end
    return read
  end

  local function never() return false end
  local function always() return true end

  it("reads all first while they are prompt, the first ones too", function()
    assert.equal(100, read_first(100, always))
  end)

  it("reads one in sixteen of those that are not", function()
    assert.is_true(read_first(20, never) < 20)
    assert.equal(10, read_first(10 * SAMPLED, never))
  end)

  it("goes on while enough are prompt, however they come", function()
    math.randomseed(7)
    assert.is_true(read_first(10000, function() return math.random() < 0.9 end) > 9500)
    assert.is_true(read_first(10000, function() return math.random() < 0.4 end) < 1500)
  end)

  it("notices soon that they have become prompt", function()
    read_first(1000, never)
    read_first(16 * SAMPLED, always)
    assert.equal(20, read_first(20, always))
  end)

  for phase = 0, SAMPLED - 1 do
    it("is not led astray by one in sixteen, from the " .. phase + 1 .. ". on", function()
      read_first(1000, never)
      local read = read_first(1600, function(i) return i % SAMPLED == phase and i % 32 < 16 end)
      assert.is_true(read < 1600 / SAMPLED * 3, read .. " of 1600")
    end)
  end
end)
