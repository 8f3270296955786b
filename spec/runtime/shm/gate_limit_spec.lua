local servers = require "spec.support.servers"
local shared = require "spec.support.shared"

-- Servers of an exponential 50 ms each; what comes is by chance (M/M/C), or from so many clients.
describe("a learnt limit", function()
  after_each(shared.finish)

  local function within(least, number, most, what)
    assert(number >= least and number <= most,
      ("%s is %.4g, not %.4g to %.4g"):format(what, number, least, most))
  end

  local function simulate(count, more)
    local given = { count = count, service = 0.05 }
    for key, value in pairs(more or {}) do given[key] = value end
    return servers.simulate(given)
  end

  local CASES = { { 6, 1 }, { 30, 1 }, { 30, 2 }, { 120, 3 } }
  for _, case in ipairs(CASES) do
    local count, workers = case[1], case[2]
    it(("settles near %d servers, with %d workers, under twice their load"):format(count, workers),
      function()
        local capacity = count / 0.05
        local simulation = simulate(count, { workers = workers })
        simulation:arrive(capacity / 2)
        simulation:run(10)
        simulation:arrive(capacity * 2)
        simulation:run(10)
        local seen = simulation:run(30)
        within(0.85, simulation.limit_least / count, 1.5, "the least limit, in servers,")
        within(1, simulation.limit_most / count, count < 10 and 3.6 or 2.8,
          "the highest limit, in servers,")
        within(0.93, seen.rate / capacity, 1.05, "the share of the capacity that is used")
        within(0.05, seen.mean, 0.05 * (count < 10 and 2.4 or 1.8), "the mean time")
        assert.is_true(seen.peak <= math.floor(simulation.limit_most))
      end)
  end

  it("settles when the gateway begins under overload, too", function()
    local simulation = simulate(10, { options = { initial = 100 } })
    simulation:arrive(400)
    simulation:run(30)
    local seen = simulation:run(20)
    within(8, simulation.limit_least, 20, "the least limit")
    within(10, simulation.limit_most, 28, "the highest limit")
    within(0.93, seen.rate / 200, 1.05, "the share of the capacity that is used")
  end)

  it("follows clients that ask again as soon as they are answered", function()
    local simulation = simulate(20, { workers = 2 })
    -- Who is refused comes again a little later.
    local function ask(was_refused)
      local pause = was_refused and 0.02 or 0
      simulation.agenda:add(simulation.now + simulation:exponential(pause + 1e-6), function()
        simulation:ask(ask)
      end)
    end
    for _ = 1, 80 do ask() end
    simulation:run(15)
    local seen = simulation:run(20)
    within(0.9, seen.rate / 400, 1.05, "the share of the capacity that is used")
    within(20, simulation:limit(), 50, "the limit")
  end)

  it("refuses nothing below the capacity", function()
    local simulation = simulate(40)
    simulation:arrive(0.7 * 800)
    simulation:run(10)
    local seen = simulation:run(60)
    within(0, seen.refused / 33600, 0.002, "the share that is refused")
  end)

  it("does not grow while it is not used", function()
    local simulation = simulate(1000)
    simulation:arrive(100) -- five at once, on average
    simulation:run(60)
    within(15, simulation:limit(), 40, "the limit")
  end)

  it("keeps what it has learnt while nothing comes", function()
    local simulation = simulate(30)
    simulation:arrive(1200)
    simulation:run(20)
    local before = simulation:limit()
    simulation:arrive(0.5)
    simulation:run(120)
    within(0.5, simulation:limit() / before, 1.01, "what is left of the limit")
  end)

  it("finds out when answers take longer for good, without falling for long", function()
    local simulation = simulate(30)
    simulation:arrive(1200)
    simulation:run(20)
    simulation.service = 0.15
    simulation:run(10)
    local seen = simulation:run(20)
    within(0.9, seen.rate / 200, 1.05, "the share of the capacity that is used")
    within(25, simulation:limit(), 75, "the limit")
    within(0.11, tonumber(simulation:view().usual_seconds), 0.25, "what is usual")
  end)

  it("follows what drifts slowly", function()
    local simulation = simulate(30)
    simulation:arrive(150)
    for _ = 1, 50 do
      simulation.service = simulation.service * 1.02
      simulation:run(2)
    end
    assert.is_true(simulation:run(5).refused < 15)
    within(0.75, tonumber(simulation:view().usual_seconds) / simulation.service, 1.3,
      "what is usual, to what it is,")
  end)

  it("takes requests that fail for overload, however fast, and recovers", function()
    local simulation = simulate(60)
    simulation:arrive(1000)
    simulation:run(20)
    local usual = tonumber(simulation:view().usual_seconds)
    simulation.is_down = true
    simulation:run(10)
    assert.equal(4, simulation:limit())
    within(0.8, tonumber(simulation:view().usual_seconds) / usual, 1.25, "what is usual by then")
    simulation.is_down = false
    simulation:run(4)
    local seen = simulation:run(10)
    within(0.9, seen.rate / 1000, 1.1, "the share of what comes that is answered")
  end)

  it("never lowers it much to find out what is usual", function()
    local simulation = simulate(50)
    simulation:arrive(2000)
    simulation:run(30)
    local least, before = math.huge, simulation.run
    for _ = 1, 60 do
      local seen = before(simulation, 1)
      least = math.min(least, seen.rate)
    end
    within(0.6, least / 1000, 1.1, "the share of the capacity in the worst second")
  end)

  it("stays within its bounds, also where the configuration has made them others", function()
    local simulation = simulate(30, { options = { max = 12, initial = 12 } })
    simulation:arrive(1200)
    assert.equal(12, simulation:run(10).peak)
    simulation.options.max, simulation.options.min = 100, 60
    assert.is_true(simulation:run(20).peak >= 60)
  end)

  it("lets all through where it only reports, and counts what it would not have", function()
    local simulation = simulate(20, { options = { is_report_only = true } })
    simulation:arrive(380)
    simulation:run(10)
    simulation:arrive(900)
    local seen = simulation:run(3)
    assert.equal(0, seen.refused)
    assert.is_true(simulation:view().limited > 100)
    assert.is_true(seen.peak > simulation.limit_most)
  end)
end)
