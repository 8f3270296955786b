--- tables, scenarios: what a benchmark compares, and how it is shown.

local scenarios = require "spec.bench.scenarios"
local tables = require "spec.bench.tables"

describe("a benchmark's tables", function()
  local scenario = { name = "some", what = "of it" }
  local rows = {
    { name = "one", cpu_us = 20, memory = 1048576, ratios = {
      { what = "CPU", over = "one", median = 1, min = 1, max = 1 },
      { what = "p99", over = "two", median = 0.5, min = 0.25, max = 2 },
    } },
    { name = "two", cpu_us = 25.5, memory = 2097152, ratios = {
      { what = "CPU", over = "one", median = 1.275, min = 1.2, max = 1.3 },
      { what = "p99", over = "two", median = 1, min = 1, max = 1 },
    } },
  }

  it("say of each ratio over whom, and its spread", function()
    local text = tables.markdown({ scenario }, { { rows = rows } }, { rounds = 5, seconds = 2 })
    assert.equal([[
**some**: of it

|  | CPU us | memory MB | CPU over one | p99 over two |
|---|---:|---:|---:|---:|
| one | 20.00 | 1.0 | 1.00 (1.00 to 1.00) | 0.50 (0.25 to 2.00) |
| two | 25.50 | 2.0 | 1.27 (1.20 to 1.30) | 1.00 (1.00 to 1.00) |]], text:match "\n\n(.*)$")
    assert.truthy(text:find("medians of 5 rounds of 2 s", 1, true))
    local lines = tables.text(scenario, rows)
    assert.truthy(lines:find("CPU over one   p99 over two\n", 1, true))
    assert.truthy(lines:find("0.50 (0.25 to 2.00)", 1, true))
  end)

  it("compare each scenario's subjects with one of them", function()
    for _, one in ipairs(scenarios) do
      local names = {}
      for _, subject in ipairs(one.subjects) do
        assert.is_nil(names[subject.name], one.name .. ": " .. subject.name .. " twice")
        names[subject.name] = true
      end
      for _, ratio in ipairs(one.ratios or {}) do
        assert.is_true(names[ratio.over], ("%s: over %s"):format(one.name, ratio.over))
      end
      assert.equal(one.measure ~= "idle", one.ratios ~= nil, one.name)
    end
  end)
end)
