--- backoff_spec: who ends again and again is started again later and later.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "server/backoff.h"

describe("backoff", function()
  local backoff

  before_each(function() backoff = ffi.new "struct backoff" end)

  -- The pauses after it has ended `count` times, each time after `served` seconds.
  local function pauses(count, served, random)
    local list = {}
    for i = 1, count do list[i] = C.backoff_pause(backoff, served or 0, random or 0.5) end
    return list
  end

  local function near(expected, list)
    for i, pause in ipairs(list) do assert.is_true(math.abs(expected[i] - pause) < 1e-9, pause) end
    assert.equal(#expected, #list)
  end

  it("begins at once, then doubles up to a limit", function()
    near({ 0, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 }, pauses(8))
  end)

  it("stays at the limit for ever", function()
    pauses(5000)
    near({ 5 }, pauses(1))
  end)

  it("is a quarter random", function()
    pauses(2)
    near({ 0.3, 0.6 }, pauses(2, 0, 0))
    near({ 2, 4 }, pauses(2, 0, 1))
  end)

  it("does not concern who has served for a while", function()
    near({ 0, 0, 0 }, pauses(3, 1))
    near({ 0, 0.2 }, pauses(2, 0.9))
  end)

  it("remembers what was before, unless that is long ago", function()
    pauses(3)
    near({ 0 }, pauses(1, 9))
    near({ 0.8 }, pauses(1))
    near({ 0 }, pauses(1, 10))
    near({ 0, 0.2 }, pauses(2))
  end)
end)
