--- priority_spec: how long is waited for those that give way to others.

local runtime = require "spec.support.runtime"

local C = runtime.include "base/priority.h"

describe("patience with an idle thread", function()
  it("is short for what takes a moment, or what is not known", function()
    assert.equal(0.1, C.priority_patience(0))
    assert.equal(0.1, C.priority_patience(0.03))
  end)

  it("is longer for what takes longer, to a bound", function()
    assert.equal(1, C.priority_patience(0.125))
    assert.equal(4, C.priority_patience(0.25))
    assert.equal(4, C.priority_patience(3))
  end)
end)
