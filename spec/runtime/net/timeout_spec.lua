jit.off(true, true) -- compiled code must not be called back

local streams = require "spec.support.streams"
local system = require "spec.support.system"
local C = streams.C

describe("timeout", function()
  local loop

  before_each(function() loop = streams.loop() end)
  after_each(function() loop:close() end)

  it("passes once, not before its time", function()
    local passed, timeout = 0, nil
    local started = system.now()
    timeout = loop:timeout(function()
      passed = passed + 1
      assert.equal(0, timeout.deadline)
    end)
    C.net_timeout_set(timeout, 0.03)
    loop:run(function() return passed > 0 end)
    -- The loop's clock is as of the start of its turn.
    assert.is_true(system.now() - started > 0.02)
    loop:pass(0.04)
    assert.equal(1, passed)
  end)

  it("does not pass after it was cleared", function()
    local passed = 0
    local timeout = loop:timeout(function() passed = passed + 1 end)
    C.net_timeout_set(timeout, 0.01)
    C.net_timeout_clear(timeout)
    loop:pass(0.03)
    C.net_timeout_set(timeout, 0.01)
    C.net_timeout_set(timeout, 0)
    loop:pass(0.03)
    assert.equal(0, passed)
  end)

  it("moves back without touching its timer", function()
    local passed = 0
    local timeout = loop:timeout(function() passed = passed + 1 end)
    C.net_timeout_set(timeout, 0.01)
    local armed_at = timeout.timer.at
    C.net_timeout_set(timeout, 0.05)
    C.net_timeout_clear(timeout)
    C.net_timeout_set(timeout, 0.06)
    assert.equal(armed_at, timeout.timer.at)
    loop:pass(0.03)
    assert.equal(0, passed)
    loop:run(function() return passed == 1 end, 5)
  end)

  it("moves forward", function()
    local passed = 0
    local timeout = loop:timeout(function() passed = passed + 1 end)
    C.net_timeout_set(timeout, 100)
    C.net_timeout_set(timeout, 0.01)
    loop:run(function() return passed == 1 end, 5)
  end)

  it("can be set again where it passes", function()
    local passed, timeout = 0, nil
    timeout = loop:timeout(function()
      passed = passed + 1
      if passed < 3 then C.net_timeout_set(timeout, 0.005) end
    end)
    C.net_timeout_set(timeout, 0.005)
    loop:run(function() return passed == 3 end, 5)
  end)

  it("is off the loop after it was stopped", function()
    local timeout = loop:timeout(function() error "passed" end)
    C.net_timeout_set(timeout, 0.01)
    C.net_timeout_stop(timeout)
    C.net_loop_run(loop.c)
    assert.equal(0, timeout.timer.active)
  end)
end)
