local cost = require "moongate.cost"

describe("cost", function()
  it("is a whole number of units", function()
    for _, units in ipairs { 0, 1, 1e9 } do assert.is_true(cost.is_valid(units)) end
    for _, units in ipairs { -1, 0.5, 1e9 + 1, 0 / 0, math.huge, "1", false } do
      assert.is_false(cost.is_valid(units))
    end
    assert.is_false(cost.is_valid(nil))
  end)

  it("is the option, or what its function says of request and response", function()
    assert.equal(3, cost.of(3))
    assert.equal(5, cost.of(function(req, res) return req.a + res.b end, { a = 2 }, { b = 3 }))
  end)

  it("is nothing else that a function says", function()
    for _, said in ipairs { -1, 0.5, "many" } do
      assert.has_error(function() cost.of(function() return said end) end,
        ("the cost of a request is %s; expected a whole number up to 1e9"):format(said))
    end
  end)
end)
