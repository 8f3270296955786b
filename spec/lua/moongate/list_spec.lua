local list = require "moongate.list"

describe("list", function()
  it("has what is among its items, and nothing like it", function()
    assert.is_true(list.has({ "a", "b", 1 }, "b"))
    assert.is_true(list.has({ "a", "b", 1 }, 1))
    assert.is_false(list.has({ "a", "b", 1 }, "1"))
    assert.is_false(list.has({ "a" }, nil))
    assert.is_false(list.has({}, "a"))
  end)
end)
