local breakers_of = require "spec.support.breakers"
local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local WELL, SLOW, FAILED, FAILED_SLOWLY, UNKNOWN = 0, 1, 2, 3, 4
local UNCHANGED, OPENED, CLOSED_AGAIN = 0, 1, 2
local CLOSED, OPEN, HALF_OPEN = 0, 1, 2

describe("a breaker", function()
  local segment, breakers, number, options, now

  before_each(function()
    segment = breakers_of.segment()
    breakers = breakers_of.view(segment)
    number = C.breaker_number(breakers, shared.slice "upstream:orders")
    options = ffi.new("struct breaker_options", { 8000, 5000, 10, 3, 0.5, 2 })
    now = 4000000000000 -- in 2096
  end)
  after_each(shared.finish)

  local function admit() return C.breaker_admit(breakers, number, options, now) end
  local function report(pass, outcome)
    return C.breaker_report(breakers, options, pass, outcome, now)
  end
  local function request(outcome)
    local pass = admit()
    assert(not pass.is_refused, "it was refused")
    return report(pass, outcome)
  end
  local function repeatedly(times, outcome)
    local last
    for _ = 1, times do last = request(outcome) end
    return last
  end
  local function view()
    local told = ffi.new "struct breaker_view"
    C.breaker_view(breakers, number, told)
    return told
  end
  local function open()
    assert.equal(OPENED, repeatedly(10, FAILED))
  end

  it("lets all through that goes well", function()
    assert.equal(UNCHANGED, repeatedly(1000, WELL))
    assert.equal(CLOSED, view().state)
  end)

  it("opens when the share of failures in the window is too large, and refuses", function()
    repeatedly(6, WELL)
    assert.equal(UNCHANGED, repeatedly(5, FAILED)) -- 5 of 11
    assert.equal(OPENED, request(FAILED)) -- 6 of 12
    local pass = admit()
    assert.is_true(pass.is_refused)
    assert.equal(5000, pass.retry_after_ms)
    now = now + 3500
    assert.equal(1500, admit().retry_after_ms)
    assert.equal(OPEN, view().state)
    assert.equal(1, tonumber(view().opened))
    assert.equal(2, tonumber(view().refused))
  end)

  it("judges nothing before it has seen the minimum", function()
    assert.equal(UNCHANGED, repeatedly(9, FAILED))
    assert.equal(OPENED, request(FAILED))
  end)

  it("forgets what is older than the window", function()
    repeatedly(9, FAILED)
    now = now + 9000
    assert.equal(UNCHANGED, repeatedly(9, FAILED))
    now = now + 4000
    assert.equal(OPENED, request(FAILED))
  end)

  it("opens by the share of slow ones where that counts, and of both by either", function()
    assert.equal(UNCHANGED, repeatedly(50, SLOW))
    assert.is_false(C.breaker_reset(breakers, shared.slice "upstream:others"))
    assert.is_true(C.breaker_reset(breakers, shared.slice "upstream:orders"))
    options.failed_share, options.slow_share = 2, 0.8
    repeatedly(2, WELL)
    assert.equal(UNCHANGED, repeatedly(7, FAILED_SLOWLY))
    assert.equal(OPENED, request(SLOW))
  end)

  it("does not count what cannot be told", function()
    assert.equal(UNCHANGED, repeatedly(100, UNKNOWN))
    assert.equal(UNCHANGED, repeatedly(9, FAILED))
  end)

  it("lets as many probes through as it needs, and closes when all went well", function()
    open()
    now = now + 5000
    local passes = { admit(), admit(), admit() }
    for i = 1, 3 do
      assert.is_false(passes[i].is_refused)
      assert.is_true(passes[i].is_probe)
    end
    assert.is_true(admit().is_refused)
    assert.equal(HALF_OPEN, view().state)
    assert.equal(UNCHANGED, report(passes[1], WELL))
    assert.equal(UNCHANGED, report(passes[2], WELL))
    assert.is_true(admit().is_refused)
    assert.equal(CLOSED_AGAIN, report(passes[3], WELL))
    -- With a clean window.
    assert.equal(UNCHANGED, repeatedly(9, FAILED))
  end)

  it("opens again with the first probe that fails; what others say then counts no more", function()
    open()
    now = now + 5000
    local first, second = admit(), admit()
    assert.equal(OPENED, report(first, FAILED))
    assert.equal(UNCHANGED, report(second, WELL))
    assert.is_true(admit().is_refused)
    now = now + 5000
    local third, fourth, fifth = admit(), admit(), admit()
    assert.equal(UNCHANGED, report(second, WELL))
    report(third, WELL)
    report(fourth, WELL)
    assert.equal(CLOSED_AGAIN, report(fifth, WELL))
    assert.equal(2, tonumber(view().opened))
  end)

  it("takes a slow probe for a failed one only where slow ones count", function()
    open()
    now = now + 5000
    assert.equal(UNCHANGED, report(admit(), SLOW))
    options.slow_share = 0.5
    assert.equal(OPENED, report(admit(), SLOW))
  end)

  it("gives the place of a probe that was given up to another one", function()
    open()
    now = now + 5000
    local passes = { admit(), admit(), admit() }
    assert.is_true(admit().is_refused)
    report(passes[2], UNKNOWN)
    assert.is_true(admit().is_probe)
    assert.is_true(admit().is_refused)
  end)

  it("does not wait for ever for probes whose worker is gone", function()
    open()
    now = now + 5000
    for _ = 1, 3 do admit() end
    now = now + 4999
    assert.is_true(admit().is_refused)
    now = now + 1
    for _ = 1, 3 do assert.equal(false, admit().is_refused) end
    assert.is_true(admit().is_refused)
  end)

  it("closes though its probes take longer than it is open", function()
    open()
    now = now + 5000
    local slow = { admit(), admit(), admit() }
    now = now + 5000
    local later = admit()
    assert.is_true(later.is_probe)
    assert.equal(UNCHANGED, report(slow[1], WELL))
    assert.equal(UNCHANGED, report(slow[2], WELL))
    assert.equal(CLOSED_AGAIN, report(slow[3], WELL))
    assert.equal(UNCHANGED, report(later, FAILED))
    assert.equal(CLOSED, view().state)
  end)

  it("closes though there are fewer requests than probes in the time for which it is open",
    function()
      open()
      local last
      for _ = 1, 3 do
        now = now + 6000
        last = request(WELL)
      end
      assert.equal(CLOSED_AGAIN, last)
    end)

  it("lets no more through for a probe that was given up after its place was taken", function()
    open()
    now = now + 5000
    local passes = { admit(), admit(), admit() }
    now = now + 5000
    for _ = 1, 3 do assert.is_true(admit().is_probe) end
    report(passes[1], UNKNOWN)
    assert.is_true(admit().is_refused)
    assert.equal(OPENED, report(passes[2], FAILED))
  end)

  it("does not stay open for ever when the clock is set back", function()
    open()
    now = now - 1
    assert.is_true(admit().is_probe)
  end)

  it("does not take in what began before it opened", function()
    local passes = {}
    for i = 1, 20 do passes[i] = admit() end
    open()
    for i = 1, 20 do assert.equal(UNCHANGED, report(passes[i], i % 2 == 0 and WELL or FAILED)) end
    assert.equal(OPEN, view().state)
  end)

  it("keeps shares right with more requests than a piece of the window counts", function()
    for _ = 1, 30000 do
      request(WELL)
      request(FAILED)
      if view().state ~= CLOSED then break end
      request(WELL)
    end
    assert.equal(CLOSED, view().state)
    repeatedly(8000, WELL)
    for _ = 1, 30000 do
      local pass = admit()
      if pass.is_refused then break end
      report(pass, FAILED)
    end
    assert.equal(OPEN, view().state)
  end)

  it("keeps its state by its name when numbers change, and tells names apart", function()
    open()
    options.open_ms, options.window_ms = 9000, 16000
    assert.is_true(admit().is_refused)
    local other = C.breaker_number(breakers, shared.slice "route:orders")
    assert.equal(false, C.breaker_admit(breakers, other, options, now).is_refused)
    assert.equal(number, C.breaker_number(breakers, shared.slice "upstream:orders"))
    local names, cursor = {}, ffi.new "size_t[1]"
    local told = ffi.new "struct breaker_view"
    while C.breakers_next(breakers, cursor, told) do names[shared.text(told.name)] = told.state end
    assert.same({ ["upstream:orders"] = OPEN, ["route:orders"] = CLOSED }, names)
  end)

  it("is never open for who got no number, and there is room for 4,095", function()
    for i = 1, 4200 do C.breaker_number(breakers, shared.slice("upstream:" .. i)) end
    number = C.breaker_number(breakers, shared.slice "one more")
    assert.equal(0, number)
    assert.equal(UNCHANGED, repeatedly(100, FAILED))
  end)

  it("lets exactly the probes through that it needs, whoever asks", function()
    open()
    now = now + 5000
    options.probes = 700
    local words = ffi.cast("uint64_t *", C.segment_allot(segment, "report", 1, 4096))
    shared.crowd(4, function(process)
      for _ = 1, 1000 do
        if not admit().is_refused then words[process] = words[process] + 1 end
      end
    end)
    assert.equal(700, tonumber(words[1] + words[2] + words[3] + words[4]))
  end)

  it("opens once for many who report at once, and counts each", function()
    options.minimum = 8000
    local words = ffi.cast("uint64_t *", C.segment_allot(segment, "report", 1, 4096))
    shared.crowd(4, function(process)
      for _ = 1, 2000 do
        if report(admit(), FAILED) == OPENED then words[process] = words[process] + 1 end
      end
    end)
    assert.equal(1, tonumber(words[1] + words[2] + words[3] + words[4]))
    assert.equal(1, tonumber(view().opened))
  end)
end)
