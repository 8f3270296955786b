local buffer = require "string.buffer"
local canonical = require "moongate.canonical"

local function written(value)
  local into, others = buffer.new(), 0
  canonical.put(into, value, function(bytes, other)
    others = others + 1
    bytes:put("<", type(other), ">")
  end)
  return into:tostring(), others
end

-- The same keys, put in from the other end: they stand elsewhere in the table.
local function reversed(count)
  local forwards, backwards = {}, {}
  for i = 1, count do forwards["key" .. i] = i end
  for i = count, 1, -1 do backwards["key" .. i] = i end
  return forwards, backwards
end

describe("canonical", function()
  it("writes equal values equally, whatever order their keys came in", function()
    for _, count in ipairs { 0, 1, 2, 100 } do
      local one, other = reversed(count)
      assert.equal(written(one), written(other))
      assert.equal(written { list = { one, "x" } }, written { list = { other, "x" } })
    end
  end)

  it("writes different values differently", function()
    local seen = {}
    for i, value in ipairs {
      false, true, 0, 1, 1.5, 1e300, 2 ^ 53, 2 ^ 53 + 2, math.huge, 0 / 0, "", "1", "nil", "{;}",
      {}, { 1 }, { "1" }, { 1, 2 }, { { 1 }, 2 }, { { 1, 2 } }, { ["1"] = 1 }, { a = 1 },
      { a = "1" }, { a = 1, b = 2 }, { a = 2, b = 1 }, { 1, a = 1 }, { [2] = 1 }, { [1.5] = 1 },
      { ["a=n1,s1:b"] = 2 }, { a = { b = 1 } },
    } do
      local text = written(value)
      assert.is_nil(seen[text], ("%d is written like %s"):format(i, tostring(seen[text])))
      seen[text] = i
    end
    assert.is_nil(seen[written(nil)])
  end)

  it("leaves functions, metatables and what is too deep to others", function()
    assert.equal(3, select(2, written { print, { f = print }, setmetatable({}, {}) }))
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    assert.equal(1, select(2, written(deep)))
    local round = {}
    round[1] = round
    assert.equal(1, select(2, written(round)))
  end)
end)
