-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local native = require "moongate.native"

describe("native", function()
  local LOG = 32
  local counts, other = { is_tally = true }, {}

  local function steps_of(list)
    for i, step in ipairs(list) do step.index = i end
    return list
  end

  it("is a response phase of which each step says what it changes", function()
    local RESPONSE, BODY = 4, 16
    local tells = { response_edits = function() return {} end }
    local function indices_of(list)
      local found = native.edit_steps(steps_of(list))
      for i, step in ipairs(found or {}) do found[i] = step.index end
      return found
    end
    assert.same({ 3, 1 }, indices_of { { plugin = tells, mask = RESPONSE },
      { plugin = other, mask = 1 + LOG, condition = 0 }, { plugin = tells, mask = 1 + RESPONSE } })
    for _, list in ipairs {
      { { plugin = tells, mask = RESPONSE, condition = 0 } },
      { { plugin = tells, mask = RESPONSE }, { plugin = other, mask = RESPONSE } },
      { { plugin = tells, mask = RESPONSE }, { plugin = other, mask = BODY } },
      { { plugin = tells, mask = 1 } },
      {},
    } do
      assert.is_nil(indices_of(list))
    end
  end)

  it("is a request phase of one step that always gathers, and nothing else", function()
    local REQUEST, RESPOND = 1, 2
    local gathers = { is_gatherer = true }
    local function is_alone(list) return native.answers_alone(steps_of(list)) end
    assert.is_true(is_alone { { plugin = gathers, mask = RESPOND } })
    assert.is_true(is_alone { { plugin = other, mask = LOG },
      { plugin = gathers, mask = RESPOND } })
    for _, list in ipairs {
      { { plugin = other, mask = RESPOND } },
      { { plugin = gathers, mask = RESPOND, condition = 0 } },
      { { plugin = other, mask = REQUEST }, { plugin = gathers, mask = RESPOND } },
      { { plugin = gathers, mask = RESPOND }, { plugin = gathers, mask = RESPOND } },
      {},
    } do
      assert.is_false(is_alone(list))
    end
  end)

  it("is the log phase of one step that only counts, and always does", function()
    local function step_of(list) return native.tally_step(steps_of(list)) end
    assert.equal(0, step_of { { plugin = counts, mask = LOG } })
    assert.equal(1, step_of { { plugin = other, mask = 1 }, { plugin = counts, mask = LOG } })
    assert.is_nil(step_of { { plugin = other, mask = LOG } })
    assert.is_nil(step_of { { plugin = counts, mask = LOG, condition = 0 } })
    assert.is_nil(step_of { { plugin = counts, mask = LOG }, { plugin = other, mask = LOG } })
    assert.is_nil(step_of { { plugin = counts, mask = LOG }, { plugin = counts, mask = LOG } })
  end)
end)
