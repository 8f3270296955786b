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
    -- The loop's clock is as of the start of its turn, which comes after this.
    local started = system.now()
    loop:pass(0.001)
    timeout = loop:timeout(function()
      passed = passed + 1
      assert.equal(0, timeout.deadline)
    end)
    C.net_timeout_set(timeout, 0.03)
    loop:run(function() return passed > 0 end)
    assert.is_true(system.now() - started > 0.03)
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
    C.net_timeout_set(timeout, 1)
    assert.equal(armed_at, timeout.timer.at)
    loop:pass(0.03)
    assert.equal(0, passed)
    loop:run(function() return passed == 1 end)
  end)

  it("moves forward", function()
    local passed = 0
    local timeout = loop:timeout(function() passed = passed + 1 end)
    C.net_timeout_set(timeout, 100)
    C.net_timeout_set(timeout, 0.01)
    loop:run(function() return passed == 1 end)
  end)

  it("can be set again where it passes", function()
    local passed, timeout = 0, nil
    timeout = loop:timeout(function()
      passed = passed + 1
      if passed < 3 then C.net_timeout_set(timeout, 0.005) end
    end)
    C.net_timeout_set(timeout, 0.005)
    loop:run(function() return passed == 3 end)
  end)

  it("is off the loop after it was stopped", function()
    local timeout = loop:timeout(function() error "passed" end)
    C.net_timeout_set(timeout, 0.01)
    C.net_timeout_stop(timeout)
    C.net_loop_run(loop.c)
    assert.equal(0, timeout.timer.active)
  end)

  describe("of the loop's own", function()
    it("passes like any other", function()
      local passed = 0
      local timeout = loop:borrow(function() passed = passed + 1 end)
      C.net_timeout_set(timeout, 0.01)
      loop:run(function() return passed == 1 end)
      loop:give_back(timeout)
    end)

    it("does not pass for who gave it back, nor early for who comes next", function()
      local passed = {}
      local first = loop:borrow(function() passed[#passed + 1] = "first" end)
      C.net_timeout_set(first, 0.01)
      loop:give_back(first)
      local second = loop:borrow(function() passed[#passed + 1] = "second" end)
      assert.equal(first, second)
      C.net_timeout_set(second, 100)
      loop:pass(0.02)
      assert.same({}, passed)
      C.net_timeout_set(second, 0.01)
      loop:run(function() return #passed > 0 end)
      assert.same({ "second" }, passed)
      loop:give_back(second)
    end)

    it("stays armed between two who use it", function()
      local timeout = loop:borrow(function() end)
      C.net_timeout_set(timeout, 10)
      local armed_at = timeout.timer.at
      loop:give_back(timeout)
      assert.is_true(timeout.timer.active > 0)
      loop:borrow(function() end)
      C.net_timeout_set(timeout, 20)
      assert.equal(armed_at, timeout.timer.at)
      loop:give_back(timeout)
    end)

    it("does not keep the loop running when nobody has it", function()
      local timeout = loop:borrow(function() end)
      C.net_timeout_set(timeout, 1000)
      loop:give_back(timeout)
      local soon = loop:timeout(function() end)
      C.net_timeout_set(soon, 0.005)
      C.net_loop_run(loop.c)
      assert.equal(0, soon.timer.active)
    end)

    it("keeps the loop running again after it passed unused", function()
      local unused = loop:borrow(function() error "passed" end)
      C.net_timeout_set(unused, 0.005)
      loop:give_back(unused)
      loop:pass(0.02)
      local passed = 0
      local again = loop:borrow(function() passed = passed + 1 end)
      C.net_timeout_set(again, 0.005)
      C.net_loop_run(loop.c)
      assert.equal(1, passed)
      loop:give_back(again)
    end)
  end)
end)
