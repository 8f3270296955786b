--- priority_spec: who gives way to others, and how long is waited for it.

local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

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

describe("giving way", function()
  -- How often a process slept that was busy for a while and gave way as often as it could.
  local function sleeps(prepare)
    local child = process.fork(function()
      local function count()
        local status = system.read_file "/proc/self/status"
        return tonumber(status:match "\nvoluntary_ctxt_switches:%s*(%d+)")
      end
      prepare()
      local before, till = count(), os.clock() + 0.05
      while os.clock() < till do C.priority_give_way() end
      os.exit(math.min(100, count() - before))
    end)
    assert(child:wait(60))
    return child.code
  end

  it("is a moment's sleep now and then for one that is idle, or lowered", function()
    assert.is_true(sleeps(function() C.priority_set_idle(0, true) end) > 50)
    assert.is_true(sleeps(function() C.priority_lower(0) end) > 50)
  end)

  it("is nothing for others", function()
    assert.is_true(sleeps(function() end) < 20)
  end)
end)
