local ffi = require "ffi"
local native = require "spec.support.native"

local C = native.C

native.declare [[
struct retry_budget {
  double ratio;
  unsigned per_second_min;
  double window_started, second_started;
  uint64_t requests[2], retries[2];
  unsigned retries_in_second;
};
void retry_budget_configure(struct retry_budget *budget, double ratio, unsigned per_second_min);
void retry_budget_count(struct retry_budget *budget, double now);
bool retry_budget_take(struct retry_budget *budget, double now);
]]

describe("retry_budget", function()
  local budget

  before_each(function() budget = ffi.new "struct retry_budget" end)

  local function count(requests, now)
    for _ = 1, requests do C.retry_budget_count(budget, now) end
  end

  -- How many retries it allows at that time.
  local function take_all(now)
    local taken = 0
    while C.retry_budget_take(budget, now) do taken = taken + 1 end
    return taken
  end

  it("allows a share of the requests", function()
    C.retry_budget_configure(budget, 0.2, 0)
    count(100, 1)
    assert.equal(20, take_all(1))
    count(10, 2)
    assert.equal(2, take_all(2))
  end)

  it("allows nothing without requests", function()
    C.retry_budget_configure(budget, 0.2, 0)
    assert.equal(0, take_all(1))
  end)

  it("allows a few per second whatever the traffic", function()
    C.retry_budget_configure(budget, 0, 3)
    assert.equal(3, take_all(1))
    assert.equal(0, take_all(1.9))
    assert.equal(3, take_all(2.1))
  end)

  it("does not add the few to the share", function()
    C.retry_budget_configure(budget, 0.2, 3)
    count(100, 1)
    assert.equal(20, take_all(1))
  end)

  it("forgets requests after its window", function()
    C.retry_budget_configure(budget, 0.2, 0)
    count(100, 20)
    assert.equal(20, take_all(26))
    count(100, 60)
    assert.equal(0, take_all(70))
  end)

  it("forgets retries with the requests they were made for", function()
    C.retry_budget_configure(budget, 0.5, 0)
    count(10, 20)
    assert.equal(5, take_all(20))
    count(10, 31)
    assert.equal(5, take_all(31))
  end)
end)
