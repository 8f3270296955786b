--- ledger_spec: which exchanges are measured, and whose the time is.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "bridge/ledger.h"
local MEAN_MAX = 1024

describe("a sampler", function()
  local sampler

  before_each(function() sampler = ffi.new "struct sampler" end)

  -- How many of `count` are in the sample, and how many these stand for.
  local function draw(count)
    local measured, weights = 0, 0
    for _ = 1, count do
      local weight = C.sampler_next(sampler)
      weights = weights + weight
      if weight > 0 then measured = measured + 1 end
    end
    return measured, weights
  end

  it("takes each exchange while there are few", function()
    for _ = 1, 50 do
      sampler.drawn = sampler.drawn - 1 -- a second ago
      assert.equal(1, C.sampler_next(sampler))
    end
  end)

  it("takes few where there are many, which stand for all", function()
    local measured, weights = draw(1000000)
    assert.is_true(measured < 100000, measured)
    assert.is_true(math.abs(weights / 1000000 - 1) < 0.3, weights)
    assert.is_true(sampler.mean <= MEAN_MAX)
  end)

  it("takes each again when there are few again", function()
    draw(100000)
    for _ = 1, 10 * MEAN_MAX do
      sampler.drawn = sampler.drawn - 1
      C.sampler_next(sampler)
    end
    assert.equal(1, sampler.mean)
  end)

  it("does not keep in step with the traffic", function()
    sampler.mean, sampler.random, sampler.left = MEAN_MAX, 88172645463325252ULL, 1
    local even, odd = 0, 0
    for i = 1, 400 * MEAN_MAX do
      sampler.mean = MEAN_MAX
      if C.sampler_next(sampler) > 0 then
        if i % 2 == 0 then even = even + 1 else odd = odd + 1 end
      end
    end
    assert.is_true(even > 100 and odd > 100, even .. " and " .. odd)
  end)
end)

describe("a ledger", function()
  local ledger, costs, rows

  local function burn(seconds)
    local stop = os.clock() + seconds
    while os.clock() < stop do end
  end

  local function seconds(ns) return tonumber(ns) * 1e-9 end

  local function is_near(expected, value)
    assert.is_true(value >= 0.9 * expected and value <= 3 * expected + 0.005, value)
  end

  -- Others may have had the processor.
  local function is_at_least(expected, value) assert.is_true(value >= 0.9 * expected, value) end

  before_each(function()
    costs, rows = ffi.new "struct plugin_cost[3]", ffi.new "struct plugin_cost *[3]"
    for i = 0, 2 do rows[i] = costs[i] end
    ledger = ffi.new("struct ledger", { rows = rows, weight = 10 })
  end)

  it("counts calls, and measures nothing, when it is not in the sample", function()
    ledger.weight = 0
    C.ledger_enter(ledger, 1, 1)
    C.ledger_enter(ledger, 1, 1)
    C.ledger_enter(ledger, 2, 0)
    burn(0.01)
    C.ledger_enter(ledger, 0, 1)
    assert.same({ 1, 2, 0 }, { tonumber(costs[0].calls), tonumber(costs[1].calls),
      tonumber(costs[2].calls) })
    for i = 0, 2 do assert.equal(0, tonumber(costs[i].cpu_ns)) end
  end)

  it("gives each step its own time, for as many as it stands for", function()
    C.ledger_resume(ledger, false)
    burn(0.02) -- before the first step
    C.ledger_enter(ledger, 0, 1)
    burn(0.01)
    C.ledger_enter(ledger, 2, 1)
    burn(0.03)
    C.ledger_pause(ledger, false, false)
    burn(0.02)
    is_near(0.1, seconds(costs[0].cpu_ns))
    assert.equal(0, tonumber(costs[1].cpu_ns))
    is_near(0.3, seconds(costs[2].cpu_ns))
    assert.same({ 10, 0, 10 }, { tonumber(costs[0].measured), tonumber(costs[1].measured),
      tonumber(costs[2].measured) })
    assert.equal(0, tonumber(costs[2].wait_ns))
  end)

  it("takes what the clock takes off, and is never less than nothing", function()
    ledger.clock_ns = 1000000000
    C.ledger_resume(ledger, false)
    C.ledger_enter(ledger, 0, 1)
    C.ledger_enter(ledger, 1, 1)
    assert.equal(0, tonumber(costs[0].cpu_ns))
  end)

  it("tells waiting from work, and waits once for what is done side by side", function()
    C.ledger_resume(ledger, false)
    C.ledger_enter(ledger, 1, 1)
    C.ledger_resume(ledger, true) -- a part begins within
    C.ledger_pause(ledger, true, true)
    C.ledger_pause(ledger, false, true)
    burn(0.02) -- others do
    C.ledger_resume(ledger, true)
    burn(0.01)
    C.ledger_pause(ledger, true, false)
    C.ledger_resume(ledger, false)
    C.ledger_pause(ledger, false, false)
    is_near(0.1, seconds(costs[1].cpu_ns))
    is_at_least(0.3, seconds(costs[1].wait_ns))
    assert.is_true(costs[1].wait_ns < 1000 * costs[1].cpu_ns)
  end)

  it("counts the waiting of what is cancelled", function()
    C.ledger_resume(ledger, false)
    C.ledger_enter(ledger, 1, 1)
    C.ledger_pause(ledger, false, true)
    burn(0.01)
    C.ledger_cancel(ledger)
    C.ledger_cancel(ledger)
    is_at_least(0.1, seconds(costs[1].wait_ns))
  end)
end)
