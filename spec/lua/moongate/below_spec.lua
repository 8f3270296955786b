local below = require "moongate.below"

describe("below", function()
  it("makes a table under a key once, and gives the same one from then on", function()
    local node = {}
    local child = below(node, "a")
    assert.equal(child, node.a)
    assert.equal(child, below(node, "a"))
    assert.is_true(child ~= below(node, "b"))
  end)
end)
