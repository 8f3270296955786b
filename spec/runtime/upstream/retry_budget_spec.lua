--- retry_budget_spec: what is allowed of retries, to one worker and to several together.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "upstream/retry_budget.h")
local LANES = 3

describe("retry_budget", function()
  local budget, lane, taken

  before_each(function()
    budget, lane = ffi.new "struct retry_budget", ffi.new "uint64_t[2]"
    taken = ffi.new "uint64_t[2]"
    C.retry_budget_settle(budget, ffi.new("struct retry_budget_home", { lane = lane,
      taken = taken }))
  end)

  local function count(requests, now)
    for _ = 1, requests do C.retry_budget_count(budget, now) end
  end

  -- How many retries it allows at that time.
  local function take_all(now)
    local allowed = 0
    while C.retry_budget_take(budget, now) do allowed = allowed + 1 end
    return allowed
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

  it("tells what is in its window", function()
    C.retry_budget_configure(budget, 0.5, 0)
    count(10, 20)
    take_all(21)
    count(4, 26)
    local state = C.retry_budget_read(budget, 27)
    assert.same({ 14, 5 }, { tonumber(state.requests), tonumber(state.retries) })
    state = C.retry_budget_read(budget, 31)
    assert.same({ 4, 0 }, { tonumber(state.requests), tonumber(state.retries) })
  end)

  describe("of several workers", function()
    local segment, series

    before_each(function()
      segment, series = ffi.new "struct segment", ffi.new "struct series"
      local limits = ffi.new("struct series_limits", { lanes = LANES, rows = 2, words = 8 })
      assert(C.segment_init(segment, 65536 + C.series_bytes(limits)))
      assert.is_true(C.series_init(series, segment, "lanes", limits))
      taken = ffi.cast("uint64_t *", C.segment_allot(segment, "taken", 1, 4096))
    end)

    after_each(function() C.segment_clear(segment) end)

    local function of_lane(number, ratio, per_second_min)
      C.series_attach(series, number)
      local one = ffi.new "struct retry_budget"
      C.retry_budget_settle(one, ffi.new("struct retry_budget_home", {
        lane = C.series_mine(series, 1) + 4, taken = taken, lanes = series, row = 1, word = 4 }))
      C.retry_budget_configure(one, ratio, per_second_min)
      return one
    end

    it("is one: of what all are asked, whoever needs it", function()
      local one, other = of_lane(0, 0.2, 0), of_lane(1, 0.2, 0)
      for _ = 1, 50 do C.retry_budget_count(one, 1) end
      for _ = 1, 50 do C.retry_budget_count(other, 2) end
      budget = one
      assert.equal(20, take_all(2))
      budget = other
      assert.equal(0, take_all(2))
    end)

    it("has its few a second once", function()
      budget = of_lane(0, 0, 3)
      assert.equal(3, take_all(1))
      budget = of_lane(1, 0, 3)
      assert.equal(0, take_all(1))
      assert.equal(3, take_all(2))
    end)

    it("begins a second once, though the clock of one is behind", function()
      local one, other, allowed = of_lane(0, 0, 3), of_lane(1, 0, 3), 0
      for _ = 1, 20 do
        if C.retry_budget_take(one, 1.99) then allowed = allowed + 1 end
        if C.retry_budget_take(other, 2.01) then allowed = allowed + 1 end
      end
      assert.equal(4, allowed)
    end)

    it("is exact while all take from it at once, and counts on in a dead one's lane", function()
      local one = of_lane(0, 0.1, 0)
      for _ = 1, 20000 do C.retry_budget_count(one, 1) end
      local granted = ffi.cast("uint64_t *", C.segment_allot(segment, "granted", 1, 4096))
      local workers = {}
      for i = 1, 2 do
        workers[i] = process.fork(function()
          local mine = of_lane(i, 0.1, 0)
          while C.retry_budget_take(mine, 1) do granted[i] = granted[i] + 1 end
        end)
      end
      for i = 1, 2 do workers[i]:wait(20) end
      assert.equal(2000, tonumber(granted[1] + granted[2]))
      budget = of_lane(0, 0.1, 0)
      for _ = 1, 100 do C.retry_budget_count(budget, 2) end
      assert.equal(10, take_all(2))
    end)
  end)
end)
