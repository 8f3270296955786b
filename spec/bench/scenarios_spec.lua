--- scenarios: each can be measured and shown.

local scenarios = require "spec.bench.scenarios"

-- Of load.measure(), load.measure_paced().
local FIGURES = { cpu_us = "CPU", p99_ms = "p99", rps = "requests/s" }

describe("a benchmark's scenarios", function()
  it("compare their subjects with some of them", function()
    for _, one in ipairs(scenarios) do
      local names = {}
      for _, subject in ipairs(one.subjects) do
        assert.is_nil(names[subject.name], one.name .. ": " .. subject.name .. " twice")
        names[subject.name] = true
      end
      assert.equal(one.measure ~= "idle", one.ratios ~= nil, one.name)
      for _, ratio in ipairs(one.ratios or {}) do
        assert.is_true(names[ratio.over], ("%s: over %s"):format(one.name, ratio.over))
        assert.equal(ratio.what, FIGURES[ratio.figure], one.name)
      end
      assert.is_true(one.measure ~= "paced" or names.nginx, one.name)
    end
  end)

  it("are found by their names, as subjects are", function()
    local proxy = scenarios.named(scenarios, "proxy")
    assert.equal("proxy", proxy.name)
    assert.equal("four", scenarios.named(proxy.subjects, "four").name)
    assert.is_nil(scenarios.named(scenarios, "four"))
  end)
end)
