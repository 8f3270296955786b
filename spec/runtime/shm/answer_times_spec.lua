--- answer_times_spec: how long answers took, as all workers together tell it.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = runtime.include("shm/segment.h", "shm/answer_times.h")
local slice = runtime.slice
local HALF = 30
local BEGIN = 1000 * HALF -- a half begins

describe("answer_times", function()
  local segment, times

  local function view(upstream)
    local table = ffi.new "struct answer_times_table"
    assert.is_true(C.answer_times_init(table, segment, "answer times"))
    return C.answer_times_of(table, slice(upstream or "orders"))
  end

  before_each(function()
    segment = ffi.new "struct segment"
    assert(C.segment_init(segment, 65536 + C.answer_times_bytes()))
    times = view()
  end)

  after_each(function() C.segment_clear(segment) end)

  local function add(count, seconds, now)
    for _ = 1, count do C.answer_times_add(times, seconds, BEGIN + (now or 1)) end
  end
  local function quantile(share, now)
    return C.answer_times_quantile(times, share, BEGIN + (now or 1))
  end
  local function assert_near(expected, found)
    assert.is_true(found >= expected and found <= expected * 1.13, ("%g is not near %g"):format(
      found, expected))
  end

  it("tells how long a share of the answers took at most", function()
    for ms = 1, 1000 do add(1, ms / 1000) end
    for _, share in ipairs { 0.1, 0.5, 0.9, 0.95, 0.99 } do assert_near(share, quantile(share)) end
  end)

  it("knows nothing of few answers, and needs more for what is rare", function()
    add(19, 0.01)
    assert.equal(0, quantile(0.5))
    add(1, 0.01)
    assert_near(0.01, quantile(0.95))
    assert.equal(0, quantile(0.99))
    add(80, 0.01)
    assert_near(0.01, quantile(0.99))
  end)

  it("is not misled by those of which only a part of the time is known", function()
    add(95, 0.01)
    add(5, 10)
    local known = quantile(0.95)
    times = view "others"
    add(95, 0.01)
    add(5, known + 0.001)
    assert.equal(known, quantile(0.95))
  end)

  it("forgets", function()
    add(100, 1)
    add(100, 0.001, HALF + 15)
    assert_near(1, quantile(0.9, HALF + 15))
    assert_near(0.001, quantile(0.9, 2 * HALF + 1))
    assert.equal(0, quantile(0.9, 4 * HALF))
    for half = 4, 40 do -- whatever is in the places from before
      add(100, half % 2 == 0 and 1 or 0.001, half * HALF)
      assert_near(half % 2 == 0 and 1 or 0.001, quantile(half % 2 == 0 and 0.9 or 0.4,
        half * HALF))
    end
    for _, pause in ipairs { 2, 3, 4, 5, 6, 100 } do
      add(100, 1, 50 * HALF * pause)
      assert.equal(0, quantile(0.1, (50 * pause + pause) * HALF))
    end
  end)

  it("takes a clock that is behind for the one that is ahead", function()
    add(20, 0.01, HALF)
    add(20, 0.01, HALF - 1)
    assert_near(0.01, quantile(0.9, HALF))
    add(19, 0.01, 2 * HALF)
    assert_near(0.01, quantile(0.9, HALF - 1))
  end)

  it("has room for every time", function()
    for _, seconds in ipairs { 0, -1, 1e-9, 1e9, 60, 127 } do add(20, seconds) end
    assert.is_true(quantile(0.99) <= 128 * 1.2)
    assert.is_true(quantile(0.01) > 0)
  end)

  it("are those of one upstream, of all processes", function()
    local workers = {}
    for i = 1, 2 do
      workers[i] = process.fork(function()
        times = view()
        add(2000, i * 0.01)
      end)
    end
    for i = 1, 2 do assert.equal(0, (workers[i]:wait(20))) end
    assert_near(0.01, quantile(0.499))
    assert_near(0.02, quantile(0.501))
    local sum = 0
    for _, place in ipairs { 0, 1, 2 } do
      for bucket = 0, 8 * 21 - 1 do sum = sum + times.counts[place][bucket] end
    end
    assert.equal(4000, sum)
    times = view "users"
    assert.equal(0, quantile(0.5))
  end)

  it("are nobody's when there are too many upstreams", function()
    for i = 1, 4094 do assert.is_true(view("u" .. i) ~= nil) end
    assert.is_true(view "one more" == nil)
    assert.is_true(view "u4094" ~= nil)
  end)

  it("are right after whoever was killed between two stores", function()
    if not stores.are_seen() then return pending "stores are not seen here" end
    for half = 0, 1 do -- two places have something everywhere
      for eighth = 0, 8 * 21 - 1 do add(5, 2 ^ (-14 + (eighth + 0.5) / 8), half * HALF) end
    end
    local count = stores.each(segment, function()
      times = view()
      add(30, 0.001, 3 * HALF)
    end, function(store)
      times = view()
      -- Of what was counted three halves ago nothing is left, and what is added counts.
      add(20, 0.001, 3 * HALF + 1)
      local message = "after store " .. store
      assert.is_true(quantile(0.97, 3 * HALF + 1) < 0.01, message)
      assert.is_true(quantile(0.9, 3 * HALF + 1) > 0, message)
    end)
    assert.is_true(count > 30 + 2 * 2, "there were only " .. count) -- of each place a few are seen
  end)
end)
