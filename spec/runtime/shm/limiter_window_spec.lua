--- limiter_window_spec: limits that count in windows, of one process and of many.

local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local SECOND = 1000000000
local ALLOWED, DENIED, FULL, UNKNOWN = 0, 1, 2, 3
local FIXED, SLIDING, FROM_FIRST = 0, 1, 2
local NEVER = 0xffffffffffffffffULL
local NAMES = { [FIXED] = "fixed", [SLIDING] = "sliding", [FROM_FIRST] = "from the first" }

describe("limiter_window", function()
  local segment, limiter, window, verdict

  local function make(places)
    segment = shared.segment(4194304)
    limiter = ffi.new "struct limiter"
    assert.is_true(C.limiter_init(limiter, segment, "limits", places))
  end

  local function key(scope)
    return C.limiter_key(limiter, shared.slice "name", shared.slice(scope))
  end

  -- At so many seconds of windows that begin at multiples of their length.
  local function at(seconds, length)
    window.now_ns = seconds * SECOND
    window.start_s = math.floor(seconds / length) * length
    window.end_s = window.start_s + length
    if window.kind == FROM_FIRST then
      window.start_s = math.floor(seconds)
      window.end_s = window.start_s + length
    end
  end

  local function limit(kind, count)
    window.kind, window.limit, window.cost = kind, count, 1
  end

  before_each(function()
    window, verdict = ffi.new "struct limiter_window", ffi.new "struct limiter_verdict"
    make(4096)
    window.key = key "somebody"
  end)
  after_each(shared.finish)

  local function try() return tonumber(C.limiter_window_take(limiter, window, verdict)) end

  local function admitted(attempts)
    local count = 0
    for _ = 1, attempts do
      if try() == ALLOWED then count = count + 1 end
    end
    return count
  end

  for kind, name in pairs(NAMES) do
    it("admits exactly the limit in one window: " .. name, function()
      for _, count in ipairs { 1, 2, 7, 100, 999 } do
        window.key = key("limit " .. count)
        limit(kind, count)
        at(1000, 100)
        assert.equal(count, admitted(count + 5))
        at(1050, 100)
        if kind == FROM_FIRST then at(1050, 100) end
        assert.equal(0, admitted(5))
      end
    end)

    it("takes several units at once, or none, and gives them back: " .. name, function()
      limit(kind, 10)
      at(1000, 100)
      window.cost = 7
      assert.equal(ALLOWED, try())
      assert.equal(3, tonumber(verdict.remaining))
      assert.equal(DENIED, try())
      assert.equal(3, tonumber(verdict.remaining))
      C.limiter_window_give(limiter, window)
      assert.equal(ALLOWED, try())
      window.cost = 11
      assert.equal(DENIED, try())
      assert.equal(NEVER, verdict.retry_after_ns)
      window.cost = 0
      assert.equal(ALLOWED, try())
      assert.equal(3, tonumber(verdict.remaining))
    end)

    it("charges what has been used already, whatever the limit: " .. name, function()
      limit(kind, 10)
      at(1000, 100)
      window.cost, window.may_exceed = 15, true
      assert.equal(ALLOWED, try())
      assert.equal(0, tonumber(verdict.remaining))
      window.cost, window.may_exceed = 1, false
      assert.equal(DENIED, try())
    end)
  end

  it("begins anew with each fixed window, and says when", function()
    limit(FIXED, 3)
    at(1010, 100)
    assert.equal(3, admitted(4))
    assert.equal(90 * SECOND, tonumber(verdict.retry_after_ns))
    assert.equal(90 * SECOND, tonumber(verdict.reset_ns))
    at(1099.999, 100)
    assert.equal(0, admitted(1))
    at(1100, 100)
    assert.equal(3, admitted(4))
  end)

  it("lets the first take begin a window", function()
    limit(FROM_FIRST, 3)
    at(1010, 100)
    assert.equal(1, admitted(1))
    at(1090, 100)
    assert.equal(2, admitted(4))
    assert.equal(20 * SECOND, tonumber(verdict.retry_after_ns))
    at(1109, 100)
    assert.equal(0, admitted(1))
    at(1110, 100)
    assert.equal(3, admitted(4))
    assert.equal(100 * SECOND, tonumber(verdict.reset_ns))
  end)

  it("counts the part of the window before that a sliding one overlaps", function()
    limit(SLIDING, 100)
    at(1090, 100)
    assert.equal(100, admitted(200))
    at(1100, 100) -- all of it
    assert.equal(0, admitted(1))
    at(1125, 100) -- three quarters
    assert.equal(25, admitted(200))
    assert.equal(DENIED, try())
    at(1150, 100)
    assert.equal(25, admitted(200))
    at(1200, 100) -- fifty in the window before now
    assert.equal(50, admitted(200))
    at(1400, 100)
    assert.equal(100, admitted(200))
  end)

  it("says of a sliding window when the next unit fits", function()
    limit(SLIDING, 100)
    at(1090, 100)
    admitted(100)
    assert.equal(DENIED, try())
    assert.equal(11 * SECOND, tonumber(verdict.retry_after_ns)) -- a hundredth of the next one
    assert.equal(110 * SECOND, tonumber(verdict.reset_ns))
    at(1101, 100)
    assert.equal(1, admitted(2))
    assert.equal(SECOND, tonumber(verdict.retry_after_ns))
    window.cost = 50
    assert.equal(DENIED, try())
    local wait = tonumber(verdict.retry_after_ns) / SECOND
    at(1101 + wait - 0.001, 100)
    assert.equal(DENIED, try())
    at(1101 + wait, 100)
    assert.equal(ALLOWED, try())
  end)

  it("keeps what was used when the numbers change", function()
    limit(FIXED, 10)
    at(1010, 100)
    assert.equal(10, admitted(12))
    window.limit = 15
    assert.equal(5, admitted(12))
    window.limit = 3
    assert.equal(0, admitted(1))
    window.limit = 20
    at(1010, 3600)
    assert.equal(5, admitted(12))
    window.limit = 10
    at(1010, 20) -- ends sooner than what is there: so soon it ends
    assert.equal(0, admitted(1))
    assert.is_true(verdict.retry_after_ns <= 10 * SECOND)
    at(1020, 20)
    assert.equal(10, admitted(12))
  end)

  it("does not take a clock that is a little behind for another window", function()
    limit(FIXED, 10)
    at(1100, 100)
    assert.equal(10, admitted(12))
    at(1099.9, 100)
    assert.equal(0, admitted(1))
    at(1100, 100)
    assert.equal(0, admitted(1))
  end)

  it("says when there is no window, if it is to, and takes what it is told", function()
    limit(FIXED, 10)
    at(1010, 100)
    window.must_exist = true
    assert.equal(UNKNOWN, try())
    window.cost = 0
    assert.equal(UNKNOWN, try())
    window.cost = 1
    assert.is_true(C.limiter_window_begin(limiter, window, 7))
    assert.is_true(C.limiter_window_begin(limiter, window, 0))
    assert.equal(3, admitted(5))
    at(1100, 100)
    assert.equal(UNKNOWN, try())
    assert.is_true(C.limiter_window_begin(limiter, window, 0))
    assert.equal(10, admitted(12))
  end)

  it("tells what was used, and when that window ends", function()
    local found = ffi.new "uint64_t[2]"
    local function used()
      if not C.limiter_window_used(limiter, window, found, found + 1) then return nil end
      return { tonumber(found[0]), tonumber(found[1]) }
    end
    for kind, ends in pairs { [FIXED] = 1100, [SLIDING] = 1100, [FROM_FIRST] = 1140 } do
      make(1024)
      limit(kind, 10)
      at(1040, 100)
      assert.is_nil(used())
      assert.equal(3, admitted(3))
      at(1050, 100)
      assert.same({ 3, ends }, used(), NAMES[kind])
    end
    limit(SLIDING, 10)
    make(1024)
    at(1040, 100)
    admitted(3)
    at(1150, 100)
    assert.is_nil(used())
    window.start_s, window.end_s = 1000, 1100
    assert.same({ 3, 1100 }, used())
  end)

  it("denies when every place is in use, and gives one away when its window is over", function()
    make(8)
    limit(FIXED, 1)
    at(1010, 100)
    for i = 1, 8 do
      window.key = key(tostring(i))
      assert.equal(ALLOWED, try())
    end
    window.key = key "new"
    assert.equal(FULL, try())
    at(1101.9, 100)
    assert.equal(FULL, try())
    at(1102, 100)
    assert.equal(ALLOWED, try())
  end)

  it("refuses windows and limits beyond its numbers", function()
    limit(FIXED, 1)
    at(1000, 100)
    assert.is_true(C.limiter_window_is_sane(window))
    for _, change in ipairs { { limit = 0 }, { limit = 2 ^ 30 }, { start_s = 1100 },
      { end_s = 2 ^ 32 } } do
      limit(FIXED, 1)
      at(1000, 100)
      for name, value in pairs(change) do window[name] = value end
      assert.is_false(C.limiter_window_is_sane(window))
    end
  end)

  -- Each process reports its admissions in a word of its own.
  local function hammer(processes, body)
    local words = ffi.cast("uint64_t *", C.segment_allot(segment, "report", 1, 4096))
    ffi.fill(words, 4096)
    shared.crowd(processes, function(number) words[number] = body(number) end)
    local sum = 0
    for i = 1, processes do sum = sum + tonumber(words[i]) end
    return sum
  end

  for kind, name in pairs(NAMES) do
    it("admits exactly the limit to many processes together: " .. name, function()
      limit(kind, 30011)
      at(1010, 100)
      assert.equal(30011, hammer(4, function() return admitted(20000) end))
    end)

    it("counts exactly what is taken and given back by many: " .. name, function()
      limit(kind, 100000)
      at(1010, 100)
      hammer(4, function()
        for _ = 1, 5000 do
          window.cost = 3
          try()
          window.cost = 2
          C.limiter_window_give(limiter, window)
        end
        return 0
      end)
      window.cost = 0
      try()
      assert.equal(80000, tonumber(verdict.remaining))
    end)
  end
end)
