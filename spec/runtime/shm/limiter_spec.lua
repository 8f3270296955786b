local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local SECOND = 1000000000
local ALLOWED, DENIED, FULL = 0, 1, 2
local NEVER = 0xffffffffffffffffULL

describe("limiter", function()
  local segment, limiter, take, verdict

  local function make(places)
    segment = shared.segment(4194304)
    limiter = ffi.new "struct limiter"
    assert.is_true(C.limiter_init(limiter, segment, "limits", places))
  end

  local function key(scope, name)
    return C.limiter_key(limiter, shared.slice(name or "limit"), shared.slice(scope))
  end

  -- `limit` in a window of seconds, at second 100.
  local function rate(limit, seconds, burst)
    assert.is_true(C.limiter_rate(limit, seconds * SECOND, burst or limit, take))
    take.now_ns, take.cost = 100 * SECOND, 1
  end

  before_each(function()
    take, verdict = ffi.new "struct limiter_take", ffi.new "struct limiter_verdict"
    make(4096)
    take.key = key "somebody"
  end)
  after_each(shared.finish)

  local function try() return C.limiter_take(limiter, take, verdict) end

  local function admitted(attempts)
    local count = 0
    for _ = 1, attempts do
      if try() == ALLOWED then count = count + 1 end
    end
    return count
  end

  it("admits exactly the limit at one moment", function()
    for _, limit in ipairs { 1, 2, 7, 100, 999 } do
      take.key = key("limit " .. limit)
      rate(limit, 60)
      assert.equal(limit, admitted(limit + 5))
    end
  end)

  it("admits one more after each interval", function()
    rate(10, 1)
    assert.equal(10, admitted(20))
    take.now_ns = take.now_ns + SECOND / 10 - 1
    assert.equal(0, admitted(1))
    take.now_ns = take.now_ns + 1
    assert.equal(1, admitted(5))
    take.now_ns = take.now_ns + SECOND * 1000
    assert.equal(10, admitted(20))
  end)

  it("says what remains, when to retry and when all is back", function()
    rate(4, 1)
    try()
    assert.equal(3, tonumber(verdict.remaining))
    assert.equal(0, tonumber(verdict.retry_after_ns))
    assert.equal(SECOND / 4, tonumber(verdict.reset_ns))
    admitted(3)
    assert.equal(DENIED, try())
    assert.equal(0, tonumber(verdict.remaining))
    assert.equal(SECOND / 4, tonumber(verdict.retry_after_ns))
    assert.equal(SECOND, tonumber(verdict.reset_ns))
    take.now_ns = take.now_ns + verdict.retry_after_ns
    assert.equal(ALLOWED, try())
  end)

  it("takes several units at once, or none", function()
    rate(10, 1)
    take.cost = 7
    assert.equal(ALLOWED, try())
    assert.equal(DENIED, try())
    assert.equal(SECOND * 4 / 10, tonumber(verdict.retry_after_ns))
    assert.equal(3, tonumber(verdict.remaining))
    take.cost = 3
    assert.equal(ALLOWED, try())
  end)

  it("gives back what was taken, and no more than is in use", function()
    rate(10, 10)
    take.cost = 7
    assert.equal(ALLOWED, try())
    assert.equal(DENIED, try())
    C.limiter_give(limiter, take)
    assert.equal(ALLOWED, try())
    assert.equal(3, tonumber(verdict.remaining))
    take.now_ns = take.now_ns + 5 * SECOND
    C.limiter_give(limiter, take)
    take.cost = 1
    assert.equal(10, admitted(12))
  end)

  it("never allows what costs more than the burst", function()
    rate(10, 1, 5)
    for _, cost in ipairs { 6ULL, NEVER, NEVER / 2 } do
      take.cost = cost
      assert.equal(DENIED, try())
      assert.equal(NEVER, verdict.retry_after_ns)
    end
    take.cost = 5
    assert.equal(ALLOWED, try())
  end)

  it("only looks when nothing is taken", function()
    rate(3, 1)
    take.cost = 0
    assert.equal(ALLOWED, try())
    assert.equal(3, tonumber(verdict.remaining))
    take.cost = 2
    try()
    take.cost = 0
    for _ = 1, 5 do try() end
    assert.equal(1, tonumber(verdict.remaining))
  end)

  it("keeps what was used when the numbers change", function()
    rate(10, 10)
    assert.equal(10, admitted(10))
    rate(100, 10)
    assert.equal(0, tonumber(admitted(1)))
    take.now_ns = take.now_ns + SECOND
    assert.equal(10, admitted(50))
  end)

  it("has nobody wait for a larger allowance than there is now", function()
    rate(10, 3600)
    assert.equal(10, admitted(10))
    rate(10, 60)
    assert.equal(DENIED, try())
    assert.equal(60 * SECOND, tonumber(verdict.reset_ns))
    assert.equal(6 * SECOND, tonumber(verdict.retry_after_ns))
    take.now_ns = take.now_ns + 6 * SECOND
    assert.equal(1, admitted(5))
  end)

  it("does not take a clock that is a little behind for a smaller allowance", function()
    rate(10, 60)
    assert.equal(10, admitted(10))
    take.now_ns = take.now_ns - SECOND
    assert.equal(0, admitted(3))
    take.now_ns = take.now_ns + SECOND
    assert.equal(0, admitted(3))
  end)

  it("rounds so that never more than the limit gets through", function()
    for _, case in ipairs { { 7, 1 }, { 3, 60 }, { 300000, 1 }, { 999999937, 1 } } do
      assert.is_true(C.limiter_rate(case[1], case[2] * SECOND, 1, take))
      assert.is_true(take.interval_ns * case[1] >= case[2] * SECOND)
    end
  end)

  it("refuses numbers that mean nothing or overflow", function()
    assert.is_false(C.limiter_rate(0, SECOND, 1, take))
    assert.is_false(C.limiter_rate(1, 0, 1, take))
    assert.is_false(C.limiter_rate(1, SECOND, 0, take))
    assert.is_false(C.limiter_rate(1, NEVER, 1, take))
    assert.is_false(C.limiter_rate(1, SECOND, 1e10, take))
    assert.is_true(C.limiter_rate(1e12, SECOND, 1e9, take))
  end)

  it("tells limits and scopes apart", function()
    rate(1, 1)
    for _, pair in ipairs { { "a", "bc" }, { "ab", "c" }, { "b", "bc" }, { "a", "" } } do
      take.key = key(pair[2], pair[1])
      assert.equal(ALLOWED, try())
      assert.equal(DENIED, try())
    end
  end)

  it("denies when every place is in use, and counts it", function()
    make(8)
    rate(1, 10)
    local admissions, refusals = 0, 0
    for i = 1, 20 do
      take.key = key(tostring(i))
      local outcome = try()
      if outcome == ALLOWED then admissions = admissions + 1 end
      if outcome == FULL then refusals = refusals + 1 end
    end
    assert.equal(8, admissions)
    assert.equal(12, refusals)
    assert.equal(12, tonumber(C.limiter_full(limiter)))
    assert.is_true(verdict.retry_after_ns > 0)
  end)

  it("gives a place to another key only after the allowance is back", function()
    make(8)
    rate(1, 10)
    for i = 1, 8 do
      take.key = key(tostring(i))
      assert.equal(ALLOWED, try())
    end
    take.key = key "new"
    take.now_ns = take.now_ns + 10 * SECOND
    assert.equal(FULL, try())
    take.now_ns = take.now_ns + 2 * SECOND
    assert.equal(ALLOWED, try())
    assert.equal(DENIED, try())
    assert.equal(1, tonumber(C.limiter_reused(limiter)))
  end)

  it("is found again by a process that maps the segment later", function()
    rate(5, 1)
    assert.equal(2, admitted(2))
    local other = ffi.new "struct segment"
    assert.is_true(C.segment_init_from_fd(other, ffi.C.spec_dup(segment.fd)))
    assert.is_true(C.limiter_init(limiter, other, "limits", 4096))
    take.key = key "somebody"
    assert.equal(3, admitted(10))
    assert.is_false(C.limiter_init(limiter, other, "limits", 8192))
    C.segment_clear(other)
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

  it("admits exactly the limit to many processes together", function()
    rate(30011, 60)
    assert.equal(30011, hammer(4, function() return admitted(20000) end))
  end)

  it("admits exactly the limit of each key that many insert at once", function()
    make(2048)
    rate(3, 60)
    local keys = {}
    for i = 1, 1200 do keys[i] = key(tostring(i)) end
    local sum = hammer(4, function()
      local count = 0
      for i = 1, #keys do
        take.key = keys[i]
        count = count + admitted(2)
      end
      return count
    end)
    assert.equal(0, tonumber(C.limiter_full(limiter)))
    assert.equal(3600, sum)
  end)

  it("admits exactly the limit while keys take each other's expired places", function()
    make(16)
    rate(3, 1)
    local keys = {}
    for i = 1, 8 * 50 do keys[i] = key(tostring(i)) end
    local sum = hammer(4, function()
      local count = 0
      for i = 0, #keys - 1 do
        take.key = keys[i + 1]
        take.now_ns = (100 + 10 * math.floor(i / 8)) * SECOND
        count = count + admitted(2)
      end
      return count
    end)
    -- A process that is behind in time uses what another one has freed: hence at most.
    assert.is_true(sum >= 3 * 8 and sum <= 4 * 2 * #keys)
    assert.is_true(C.limiter_reused(limiter) > 0)
  end)

  -- A place that one worker's clock lets it take is not yet free to another, so that each
  -- inserts the key in a place of its own.
  it("makes one entry of a key that two insert in different places", function()
    make(8)
    rate(1, 60)
    local meeting = ffi.cast("volatile uint64_t *", C.segment_allot(segment, "meet", 1, 4096))
    local cells = limiter.cells.cells
    local early, late = 100 * SECOND, 200 * SECOND
    local outcomes = ffi.cast("volatile int64_t *", meeting + 64)
    local function prepare(round)
      for i = 0, 7 do
        cells[i].tag = 1000 + i
        cells[i].word = i < 4 and late or early
      end
      outcomes[1], outcomes[2] = -1, -1
      take.key = 1000000 + round
    end
    local function body(number, round)
      take.key = 1000000 + round
      take.now_ns = (number == 1 and early or late) + 10 * SECOND
      outcomes[number] = try()
    end
    local function check(round)
      local entries = 0
      for i = 0, 7 do
        if cells[i].tag == take.key then entries = entries + 1 end
      end
      assert(entries == 1, ("round %d: %d entries"):format(round, entries))
    end
    shared.duel(meeting, 1, prepare, body, check)
  end)

  it("neither loses nor admits a unit too many when workers are killed", function()
    local KILLS, LIMIT = 500, 100000000
    make(64)
    rate(LIMIT, LIMIT * 10) -- one unit in ten seconds: in use as long as this lasts
    local report = ffi.cast("volatile uint64_t *", C.segment_allot(segment, "report", 1, 4096))
    local old = ffi.new "struct limiter_take[64]"
    for i = 0, 63 do
      ffi.copy(old[i], take, ffi.sizeof(take))
      old[i].key = key("passing " .. i)
    end
    shared.massacre(KILLS, function(number)
      local i = 0
      while true do
        if try() == ALLOWED then report[number] = report[number] + 1 end
        -- Keys that come and go: a second passes for each unit, and a place is free after twelve.
        i = i + 1
        old[i % 64].now_ns = take.now_ns + i * SECOND
        C.limiter_take(limiter, old[i % 64], verdict)
      end
    end)
    take.cost = 0
    try()
    local counted = tonumber(verdict.remaining)
    for i = 1, 4 do counted = counted + tonumber(report[i]) end
    assert.is_true(counted <= LIMIT and counted >= LIMIT - KILLS, "counted " .. counted)
    assert.is_true(C.limiter_reused(limiter) > 100)
  end)
end)
