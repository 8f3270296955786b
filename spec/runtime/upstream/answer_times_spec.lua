local ffi = require "ffi"
local native = require "spec.support.native"

local C = native.C

native.declare [[
struct answer_times {
  double window_started;
  uint32_t counts[2][168];
  uint64_t totals[2];
};
void answer_times_add(struct answer_times *times, double seconds, double now);
double answer_times_quantile(struct answer_times *times, double quantile, double now);
]]

describe("answer_times", function()
  local times

  before_each(function() times = ffi.new "struct answer_times" end)

  local function add(count, seconds, now)
    for _ = 1, count do C.answer_times_add(times, seconds, now) end
  end
  local function quantile(share, now) return C.answer_times_quantile(times, share, now or 1) end
  local function assert_near(expected, found)
    assert.is_true(found >= expected and found <= expected * 1.13, ("%g is not near %g"):format(
      found, expected))
  end

  it("tells how long a share of the answers took at most", function()
    for ms = 1, 1000 do add(1, ms / 1000, 1) end
    for _, share in ipairs { 0.1, 0.5, 0.9, 0.95, 0.99 } do assert_near(share, quantile(share)) end
  end)

  it("knows nothing of few answers, and needs more for what is rare", function()
    add(19, 0.01, 1)
    assert.equal(0, quantile(0.5))
    add(1, 0.01, 1)
    assert_near(0.01, quantile(0.95))
    assert.equal(0, quantile(0.99))
    add(80, 0.01, 1)
    assert_near(0.01, quantile(0.99))
  end)

  it("is not misled by those of which only a part of the time is known", function()
    add(95, 0.01, 1)
    add(5, 10, 1)
    local known = quantile(0.95)
    times = ffi.new "struct answer_times"
    add(95, 0.01, 1)
    add(5, known + 0.001, 1)
    assert.equal(known, quantile(0.95))
  end)

  it("forgets", function()
    add(100, 1, 1)
    add(100, 0.001, 45)
    assert_near(1, quantile(0.9, 45))
    assert_near(0.001, quantile(0.9, 80))
    assert.equal(0, quantile(0.9, 200))
  end)

  it("has room for every time", function()
    for _, seconds in ipairs { 0, -1, 1e-9, 1e9, 60, 127 } do add(20, seconds, 1) end
    assert.is_true(quantile(0.99) <= 128 * 1.2)
    assert.is_true(quantile(0.01) > 0)
  end)
end)
