local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local BUCKETS = 23

describe("histogram", function()
  local segment, histograms, sum, limits

  before_each(function()
    segment = shared.segment(4194304)
    histograms, sum = ffi.new "struct histogram_table", ffi.new "struct histogram_sum"
    limits = ffi.new("struct histogram_limits", 4, 1000, 65536)
    assert.is_true(C.histogram_table_init(histograms, segment, "histograms", limits))
    C.histogram_table_attach(histograms, 0)
  end)
  after_each(shared.finish)

  local function slot(name, labels)
    return C.histogram_slot(histograms, shared.slice(name), shared.slice(labels or ""))
  end

  local function read(number)
    C.histogram_read(histograms, number, sum)
    return sum
  end

  it("has bounds that rise from 10 µs to 5 minutes", function()
    assert.equal(10000, tonumber(C.histogram_bound_ns(0)))
    assert.equal(300e9, tonumber(C.histogram_bound_ns(BUCKETS - 2)))
    for i = 1, BUCKETS - 1 do
      assert.is_true(C.histogram_bound_ns(i) > C.histogram_bound_ns(i - 1))
    end
  end)

  it("counts each duration in the first bucket whose bound it does not exceed", function()
    for i = 0, BUCKETS - 2 do
      local number, bound = slot("bound " .. i), C.histogram_bound_ns(i)
      C.histogram_observe(histograms, number, bound)
      C.histogram_observe(histograms, number, bound + 1)
      C.histogram_observe(histograms, number, bound - 1)
      read(number)
      assert.equal(2, tonumber(sum.buckets[i]))
      assert.equal(1, tonumber(sum.buckets[i + 1]))
      assert.equal(3, tonumber(sum.count))
    end
  end)

  it("agrees with a search through all bounds, for any size of number", function()
    local expected = {}
    for i = 0, BUCKETS - 1 do expected[i] = 0 end
    for shift = 0, 63 do
      for _, offset in ipairs { -1, 0, 1 } do
        local duration = bit.lshift(1ULL, shift) + offset
        local bucket = 0
        while duration > C.histogram_bound_ns(bucket) do bucket = bucket + 1 end
        expected[bucket] = expected[bucket] + 1
        C.histogram_observe(histograms, slot "all", duration)
      end
    end
    read(slot "all")
    for i = 0, BUCKETS - 1 do assert.equal(expected[i], tonumber(sum.buckets[i])) end
  end)

  it("adds up the times", function()
    for i = 1, 100 do C.histogram_observe(histograms, slot "times", i * 1000) end
    assert.equal(5050000, tonumber(read(slot "times").total_ns))
    assert.equal(100, tonumber(sum.count))
  end)

  it("sums over workers that observe at once", function()
    local number = slot "all"
    shared.crowd(4, function(worker)
      C.histogram_table_attach(histograms, worker - 1)
      for _ = 1, 50000 do C.histogram_observe(histograms, number, 20000) end
    end)
    read(number)
    assert.equal(200000, tonumber(sum.buckets[1]))
    assert.equal(200000 * 20000, tonumber(sum.total_ns))
  end)

  it("shows every name once", function()
    for i = 1, 50 do slot("route", "n=" .. i) end
    local cursor, view, found = ffi.new "size_t[1]", ffi.new "struct histogram_view", {}
    while C.histogram_next(histograms, cursor, view) do
      assert.equal("route", shared.text(view.name))
      found[shared.text(view.labels)] = view.slot
    end
    for i = 1, 50 do assert.equal(slot("route", "n=" .. i), found["n=" .. i]) end
    assert.equal(50, C.histogram_count(histograms))
  end)

  it("observes in one slot what has no room, and says so", function()
    for i = 1, 999 do assert.is_true(slot("n", tostring(i)) > 0) end
    assert.equal(0, slot("n", "1000"))
    C.histogram_observe(histograms, 0, 1)
    assert.equal(1, tonumber(read(0).count))
    assert.equal(1, tonumber(C.histogram_dropped(histograms)))
  end)

  it("takes 192 bytes a lane and histogram, names aside", function()
    local function bytes(lanes)
      limits.lanes, limits.slots = lanes, 10240
      return tonumber(C.histogram_table_bytes(limits))
    end
    assert.equal(10240 * 192, bytes(3) - bytes(2))
  end)

  it("loses at most the time of an observation whose worker is killed", function()
    local KILLS, TIME = 100, 20000
    local number = slot "all"
    shared.massacre(KILLS, function(worker)
      C.histogram_table_attach(histograms, worker - 1)
      while true do C.histogram_observe(histograms, number, TIME) end
    end)
    read(number)
    local untimed = tonumber(sum.count) - tonumber(sum.total_ns) / TIME
    assert.equal(sum.count, sum.buckets[1])
    assert.is_true(untimed >= 0 and untimed <= KILLS and sum.count > 1000)
  end)
end)
