local values = require "moongate.config.values"

describe("config.values", function()
  it("reads durations", function()
    local rows = {
      { 5, 5 }, { 0, 0 }, { 0.25, 0.25 }, { "250ms", 0.25 }, { "5s", 5 }, { "1.5s", 1.5 },
      { "1m", 60 }, { "1h", 3600 }, { "2d", 172800 },
    }
    for _, row in ipairs(rows) do assert.near(row[2], values.duration(row[1]), 1e-9) end
  end)

  it("refuses what is no duration", function()
    for _, value in ipairs { "", "5", "s", "5 s", "-5s", "5x", "1m30s", "5S", -1, math.huge, true,
      {} } do
      assert.is_nil(values.duration(value), tostring(value))
    end
    assert.is_nil(values.duration(0 / 0))
  end)

  it("reads sizes", function()
    local rows = {
      { 5, 5 }, { 0, 0 }, { "5", 5 }, { "5b", 5 }, { "64k", 65536 }, { "64K", 65536 },
      { "10m", 10485760 }, { "1g", 1073741824 },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], values.size(row[1])) end
  end)

  it("refuses what is no size", function()
    for _, value in ipairs { "", "k", "1.5k", "-1", "1kb", "1 k", "1t", -1, 1.5, 2 ^ 53, false } do
      assert.is_nil(values.size(value), tostring(value))
    end
  end)

  it("shows values on one line, and not for long", function()
    assert.equal('"a"', values.show "a")
    assert.equal("a table", values.show {})
    assert.equal("a function", values.show(print))
    assert.equal("true", values.show(true))
    assert.is_nil(values.show("a\nb"):find "\n")
    local long = values.show(("x"):rep(100))
    assert.equal(42, #long)
    assert.truthy(long:find "%.%.%.")
  end)
end)
