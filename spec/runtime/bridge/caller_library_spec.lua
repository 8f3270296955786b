local caller = require "moongate.core.caller"

describe("the library of callers", function()
  it("tells source and line as debug.getinfo has them, level by level", function()
    for level = 0, 3 do
      local info, source, line = debug.getinfo(level, "Sl"), caller.line(level)
      assert.same({ info.source, info.currentline }, { source, line })
    end
  end)

  it("has nothing to tell where nobody called", function()
    assert.equal(0, select("#", caller.line(1000)))
  end)
end)
