local interpreter = require "moongate.core.interpreter"

describe("a function that is left to the interpreter", function()
  it("takes and returns what it did", function()
    local count = interpreter.leave(function(...) return select("#", ...), ... end)
    assert.same({ 0 }, { count() })
    assert.same({ 3, "a", false, 2 }, { count("a", false, 2) })
  end)

  it("raises what it did", function()
    local ok, why = pcall(interpreter.leave(function(what) error(what, 0) end), "no")
    assert.is_false(ok)
    assert.equal("no", why)
  end)

  it("keeps nothing that calls it from being compiled", function()
    local util = require "jit.util"
    local left = interpreter.leave(function(i) return i end)
    local function sum()
      local total = 0
      for i = 1, 1000 do total = total + left(i) end
      return total
    end
    jit.flush()
    assert.equal(500500, sum())
    assert.is_truthy(util.traceinfo(1))
  end)

  it("is a function", function()
    assert.has_error(function() interpreter.leave() end)
    assert.has_error(function() interpreter.leave "f" end)
  end)
end)
