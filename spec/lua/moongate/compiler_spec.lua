--- compiler_spec: who is asked while code is compiled.

describe("compiler", function()
  local NAMES = { "moongate.compiler", "moongate.core.interpreter" }
  local before, events

  before_each(function()
    before, events = {}, {}
    for _, name in ipairs(NAMES) do
      before[name], package.loaded[name] = package.loaded[name], nil
    end
    package.loaded["moongate.core.interpreter"] = {
      offer = function(what) events[#events + 1] = what end,
    }
  end)
  after_each(function()
    for _, name in ipairs(NAMES) do package.loaded[name] = before[name] end
    jit.opt.start "hotloop=56"
  end)

  -- A loop that was never compiled before.
  local function run()
    local sum = loadstring "local sum = 0 for i = 1, 10000 do sum = sum + i % 3 end return sum" ()
    assert.equal(10000, sum)
  end

  local function count(what)
    local found = 0
    for _, event in ipairs(events) do if event == what then found = found + 1 end end
    return found
  end

  it("offers the processor with each trace of what is read, and of nothing that serves", function()
    local compiler = require "moongate.compiler"
    run()
    assert.same({}, events)
    compiler.reads()
    run()
    assert.is_true(count "start" > 0)
    assert.is_true(count "stop" > 0)
    compiler.serves()
    events = {}
    run()
    assert.same({}, events)
  end)
end)
