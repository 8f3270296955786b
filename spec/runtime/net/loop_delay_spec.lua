--- loop_delay_spec: how late a loop is, told by its turns.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "net/loop_delay.h"

describe("the delay of a loop", function()
  local delay, now

  before_each(function() delay, now = ffi.new "struct loop_delay", 1000 end)

  -- Turns one after the other, with a wait before each.
  local function turns(count, seconds, waited, behind)
    local step
    for _ = 1, count do
      step = C.loop_delay_end_turn(delay, now + (waited or 0), seconds, behind or 0)
      now = now + (waited or 0) + seconds
    end
    return step
  end
  local function near(expected, number)
    assert(math.abs(expected - number) < 1e-3, ("%g is not near %g"):format(number, expected))
  end

  it("is a turn where one follows the other at once", function()
    turns(100, 0.03)
    near(0.03, delay.seconds)
  end)

  it("is that of both where long and short turns alternate", function()
    for _ = 1, 50 do
      turns(1, 0.04)
      turns(1, 0.001)
    end
    near(0.0205, delay.seconds)
  end)

  it("is half a turn where the loop had to wait for it", function()
    turns(200, 0.03, 0.001)
    assert.is_true(delay.seconds > 0.0145 and delay.seconds < 0.0155)
  end)

  it("is longer by the turns that it takes to accept what waits", function()
    turns(100, 0.01, 0, 5)
    near(0.06, delay.seconds)
    turns(100, 0.01)
    near(0.01, delay.seconds)
  end)

  it("goes while the loop waits", function()
    turns(100, 0.03)
    local step = turns(1, 0.00001, 1)
    near(0, delay.seconds)
    near(1, step.waited)
  end)

  it("rises little for one turn, however long it was", function()
    turns(100, 0.001, 0.001)
    turns(1, 0.05)
    assert.is_true(delay.seconds < 0.025)
    turns(100, 0.001, 0.001)
    assert.is_true(delay.seconds < 0.002)
  end)

  it("grows in the course of a turn, which is counted once", function()
    local step = C.loop_delay_look(delay, now, 0.1)
    near(0.1, step.worked)
    assert.is_true(delay.seconds > 0.04)
    step = C.loop_delay_look(delay, now, 0.1)
    assert.equal(0, step.worked)
    step = C.loop_delay_end_turn(delay, now, 0.15, 0)
    near(0.05, step.worked)
    near(0.15, delay.turn)
    assert.equal(now + 0.15, delay.ended)
  end)

  it("does not believe a clock that goes back", function()
    turns(10, 0.03)
    local before = delay.seconds
    C.loop_delay_end_turn(delay, now - 5, -1, 1)
    assert.equal(before, delay.seconds)
    turns(1, 0)
    assert.is_true(delay.seconds <= before)
  end)
end)
