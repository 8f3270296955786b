local is_whole = require "moongate.whole"

describe("a whole number", function()
  it("is one that a double holds exactly", function()
    for _, number in ipairs { 0, -1, 7, 2 ^ 53, -2 ^ 53 } do assert.is_true(is_whole(number)) end
    for _, value in ipairs { 0.5, 2 ^ 53 + 2, -2 ^ 60, 0 / 0, math.huge, -math.huge, "1", false } do
      assert.is_false(is_whole(value))
    end
    assert.is_false(is_whole(nil))
  end)
end)
