--- thread_states: how long threads were in each state.

local thread_states = require "spec.bench.thread_states"

describe("states of threads", function()
  it("are added up within any time", function()
    local states = thread_states.new { 1, 2 }
    states:on_state(1, "running", 10)
    states:on_state(2, "runnable", 12)
    states:on_state(1, "runnable", 14)
    states:on_state(1, "running", 15)
    states:on_state(1, "sleeping", 20)
    assert.same({ running = 7, runnable = 1, sleeping = 5 }, states:between(1, 12, 25))
    assert.same({ running = 2, runnable = 0, sleeping = 0 }, states:between(1, 16, 18))
    assert.same({ running = 0, runnable = 1, sleeping = 0 }, states:between(1, 14, 15))
    assert.same({ running = 0, runnable = 5, sleeping = 0 }, states:between(2, 30, 35))
    assert.same({ running = 0, runnable = 0, sleeping = 0 }, states:between(1, 16, 16))
  end)

  it("are known when that of each is", function()
    local states = thread_states.new { 1, 2 }
    states:on_state(1, "running", 10)
    states:on_state(3, "running", 11)
    assert.equal(math.huge, states:known_since())
    states:on_state(2, "sleeping", 12)
    states:on_state(1, "sleeping", 13)
    assert.equal(12, states:known_since())
  end)
end)
