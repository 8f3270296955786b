--- breakers_simulation_spec: what a circuit breaker makes of upstreams that fail and answer by
-- stated distributions, over many windows, asked by four workers.

local breakers_of = require "spec.support.breakers"
local ffi = require "ffi"
local shared = require "spec.support.shared"
local simulation = require "spec.support.simulation"

local C = shared.C
local WELL, SLOW, FAILED = 0, 1, 2
local OPENED, CLOSED_AGAIN = 1, 2
local WORKERS = 4

-- What an upstream has by default: ten seconds of which at least twenty requests, half of them bad;
-- five seconds open, then three probes.
local WINDOW, OPEN, MINIMUM, PROBES = 10, 5, 20, 3
local BY_FAILURES = { WINDOW * 1000, OPEN * 1000, MINIMUM, PROBES, 0.5, 2 }
local NEVER = 1e9
local BY_SLOWNESS = { WINDOW * 1000, OPEN * 1000, MINIMUM, PROBES, 2, 0.8 }

describe("a simulated breaker", function()
  local views, number, names
  local quick = simulation.exponential(0.02)

  before_each(function()
    math.randomseed(20260101)
    local segment = breakers_of.segment()
    views, names = {}, 0
    for i = 1, WORKERS do views[i] = breakers_of.view(segment) end
  end)
  after_each(shared.finish)

  -- What ended until then is told to the breaker.
  local function report(pending, seen, options, now)
    while true do
      local one = pending:next(now)
      if not one then return end
      local change = C.breaker_report(one.view, options, one.pass, one.outcome, one.at * 1000)
      if change == OPENED then
        seen.tripped = seen.tripped + (one.pass.is_probe and 0 or 1)
        table.insert(seen.opened, one.at)
      elseif change == CLOSED_AGAIN then
        table.insert(seen.closed, one.at)
      end
    end
  end

  -- Requests that come when they come, `rate` a second for `seconds`, or `calm_rate` from
  -- `calm_from` on, to a breaker that is new; `outcome(now)` is what becomes of one, and after how
  -- many seconds. What happened when, in seconds from the beginning.
  local function run(options, world)
    names = names + 1
    number = C.breaker_number(views[1], shared.slice("upstream:" .. names))
    options = ffi.new("struct breaker_options", options)
    local pending, wait = simulation.agenda(), simulation.exponential(1)
    local seen = { opened = {}, closed = {}, refused = {}, probes = {}, tripped = 0 }
    local now = 0
    while now < world.seconds do
      report(pending, seen, options, now)
      local view = views[math.random(WORKERS)]
      local pass = C.breaker_admit(view, number, options, now * 1000)
      if pass.is_refused then
        table.insert(seen.refused, now)
      else
        if pass.is_probe then table.insert(seen.probes, now) end
        local outcome, seconds = world.outcome(now)
        pending:add { at = now + seconds, view = view, pass = pass, outcome = outcome }
      end
      local is_calm = world.calm_from and now >= world.calm_from
      now = now + wait() / (is_calm and world.calm_rate or world.rate)
    end
    report(pending, seen, options, world.seconds + 60)
    return seen
  end

  -- Bad ones, this share of all.
  local function bad(share, what)
    return function() return math.random() < share and what or WELL, quick() end
  end

  describe("in ten thousand windows of forty requests", function()
    -- How often it opened that was closed.
    local function tripped(options, share, what)
      local numbers = { unpack(options) }
      numbers[1] = 1000
      return run(numbers, { rate = 40, seconds = 10000, outcome = bad(share, what) }).tripped
    end

    it("opens in none when a tenth fails, or three tenths are slow", function()
      assert.equal(0, tripped(BY_FAILURES, 0.1, FAILED))
      assert.equal(0, tripped(BY_SLOWNESS, 0.3, SLOW))
    end)

    it("opens in fewer than one of a thousand when a fifth fails", function()
      assert.is_true(tripped(BY_FAILURES, 0.2, FAILED) < 10)
    end)
  end)

  -- Of a window that is full of good answers, half have to be bad before that is half of it.
  for _, row in ipairs { { 1, 0.5 }, { 0.8, 0.625 }, { 0.6, 0.833 } } do
    it(("opens when %g of all fail, after %g of the window"):format(row[1], row[2]), function()
      local times = {}
      for i = 1, 60 do
        local seen = run(BY_FAILURES, { rate = 20, seconds = 45, outcome = function(now)
          return now > 15 and math.random() < row[1] and FAILED or WELL, quick()
        end })
        times[i] = (seen.opened[1] or math.huge) - 15
      end
      local median, last = simulation.percentile(times, 0.5), simulation.percentile(times, 1)
      -- A piece of the window is an eighth; the one that is being filled counts whole.
      assert.is_true(math.abs(median - row[2] * WINDOW) < WINDOW / 8, "median " .. median)
      assert.is_true(last < 2 * WINDOW, "last " .. last)
    end)
  end

  it("opens with the twentieth request where there were none before", function()
    local seen = run(BY_FAILURES, { rate = 10, seconds = 10, outcome = function()
      return FAILED, 0.001
    end })
    assert.is_true(seen.opened[1] > 1 and seen.opened[1] < 3.5, "at " .. seen.opened[1])
  end)

  it("asks three times at most in five seconds while the upstream is down, and no longer is closed",
    function()
      local function outage(now)
        return now > 20 and now < 80 and FAILED or WELL, quick()
      end
      local seen = run(BY_FAILURES, { rate = 100, seconds = 120, outcome = outage })
      local opened = seen.opened[1]
      assert.is_true(opened > 20 and opened < 20 + WINDOW, "opened at " .. opened)
      local down = 0
      for _, at in ipairs(seen.probes) do if at < 80 then down = down + 1 end end
      assert.is_true(down >= (80 - opened) / OPEN - 1)
      assert.is_true(down <= PROBES * math.ceil((80 - opened) / OPEN), down .. " probes")
      assert.equal(1, #seen.closed)
      assert.is_true(seen.closed[1] - 80 < OPEN + 0.5, "closed at " .. seen.closed[1])
      assert.is_true(seen.refused[#seen.refused] <= seen.closed[1])
    end)

  it("needs exactly its probes to close", function()
    for _, probes in ipairs { 1, 3, 20 } do
      local options = { unpack(BY_FAILURES) }
      options[4] = probes
      local seen = run(options, { rate = 100, seconds = 60, outcome = function(now)
        return now < 5 and FAILED or WELL, quick()
      end })
      assert.equal(1, #seen.closed)
      local from = 0
      for _, at in ipairs(seen.probes) do
        if at > seen.opened[#seen.opened] then from = from + 1 end
      end
      assert.equal(probes, from)
    end
  end)

  -- With what an answer takes, with how many requests there are, and with workers that die with
  -- a third of the probes.
  for _, row in ipairs { { 1, 100, 0 }, { 4, 100, 0 }, { 8, 100, 0 }, { 30, 100, 0 },
                         { 0.02, 0.1, 0 }, { 1, 20, 0.33 } } do
    it(("closes again: %g s an answer, %g requests a second, %g lost"):format(unpack(row)),
      function()
        local seen = run(BY_FAILURES, { rate = 50, seconds = 400, calm_from = 150,
          calm_rate = row[2], outcome = function(now)
            return now < 150 and FAILED or WELL, math.random() < row[3] and NEVER or row[1]
          end })
        assert.equal(1, #seen.closed)
        -- What began before it was well again is bad yet.
        local most = row[1] + OPEN + row[1] + (PROBES + 6) / row[2]
        if row[3] > 0 then most = most + 3 * OPEN end
        assert.is_true(seen.closed[1] - 150 < most, ("after %g s"):format(seen.closed[1] - 150))
      end)
  end
end)
