--- balancer_simulation_spec: what balancers and ejection do with servers of stated distributions,
-- over many requests, from two to four workers.

local simulation = require "spec.support.simulation"

local ROUND_ROBIN, LEAST, LATENCY, HASH, RANDOM = 0, 1, 2, 3, 4
local REQUESTS = 40000

describe("simulated", function()
  local workers

  before_each(function() math.randomseed(20260101) end)
  after_each(function()
    workers:close()
    workers = nil
  end)

  local function start(count, weights, options)
    if workers then workers:close() end
    math.randomseed(20260101)
    workers = simulation.workers(count, weights, options)
    return workers
  end

  local function equal(count, value)
    local list = {}
    for i = 1, count do list[i] = value or 1 end
    return list
  end

  -- Servers of these means, all of one distribution.
  local function servers(distribution, means)
    local service = {}
    for i, mean in ipairs(means) do service[i] = simulation[distribution](mean) end
    return service
  end

  describe("weights", function()
    -- The largest difference to its part, as a share of the part.
    local function worst(method, count)
      local outcome = start(count, { 5, 3, 2 }, { balance = method }):run { rate = 600,
        requests = REQUESTS, service = servers("exponential", { 0.002, 0.01 / 3, 0.005 }) }
      local most = 0
      for index, part in pairs { [0] = 0.5, 0.3, 0.2 } do
        most = math.max(most, math.abs(outcome.counts[index] / REQUESTS / part - 1))
      end
      return most
    end

    for count = 2, 4 do
      it("are what each gets, of " .. count .. " workers: exactly, or within what chance does",
        function()
          assert.is_true(worst(ROUND_ROBIN, count) < 0.0002)
          assert.is_true(worst(RANDOM, count) < 0.03)
          assert.is_true(worst(LEAST, count) < 0.1)
        end)
    end
  end)

  describe("one of ten that takes two and a half times as long", function()
    local function outcome_of(method, count, distribution)
      local means = equal(10, 0.01)
      means[1] = 0.025
      local outcome = start(count, equal(10), { balance = method }):run { rate = 500,
        requests = REQUESTS, service = servers(distribution, means) }
      return outcome.counts[0] / REQUESTS, simulation.percentile(outcome.seconds, 0.99)
    end

    -- At half the load of the others it gets more by turns than it can do.
    for _, distribution in ipairs { "exponential", "heavy" } do
      for count = 2, 4, 2 do
        it(("gets less, and the slowest hundredth waits a fiftieth: %s, %d workers"):format(
          distribution, count), function()
          local turns_share, turns = outcome_of(ROUND_ROBIN, count, distribution)
          assert.is_true(math.abs(turns_share - 0.1) < 0.001)
          for _, method in ipairs { LEAST, LATENCY } do
            local share, seconds = outcome_of(method, count, distribution)
            assert.is_true(share < 0.075, "share " .. share)
            assert.is_true(seconds < turns / 50, ("p99 %g, by turns %g"):format(seconds, turns))
          end
        end)
      end
    end
  end)

  -- Refuses from the tenth second to the thirtieth.
  local function outage(method)
    local first
    local outcome = start(4, equal(5), { balance = method, failures_max = 3,
      set_aside_seconds = 1, set_aside_seconds_max = 4 }):run {
        rate = 200, requests = 12000, service = servers("exponential", equal(5, 0.01)),
        status = function(index, now)
          if index ~= 0 or now < 10 or now > 30 then return 200 end
          first = first or now
          return "refused"
        end }
    local back
    for _, one in ipairs(outcome.asked) do
      if one.index == 0 and one.at > 30 then back = back or one.at end
    end
    return outcome.failed, back - 30
  end

  for _, method in ipairs { ROUND_ROBIN, LEAST, LATENCY, HASH, RANDOM } do
    it("one that is down for twenty seconds costs ten requests, and is back soon: " .. method,
      function()
        local failed, back = outage(method)
        -- Three until it is set aside, then one after 1, 2, 4, 4, 4 and 4 seconds.
        assert.is_true(failed <= 3 + 6, failed .. " failed")
        assert.is_true(back <= 4.2, "after " .. back)
      end)
  end

  describe("outliers", function()
    local CAP = 3

    -- Ten servers, of which the first `bad` fail in `share` of all; who was set aside at any time,
    -- and how many there were at once.
    local function run(bad, share)
      local aside, most, last = {}, 0, {}
      local outcome = start(4, equal(10), { balance = ROUND_ROBIN, ["outliers.share"] = 0.5,
        ["outliers.requests"] = 20, ["outliers.window"] = 5, ["outliers.ejected"] = CAP / 10,
        set_aside_seconds = 10, set_aside_seconds_max = 60 }):run {
          rate = 300, requests = 30000, service = servers("exponential", equal(10, 0.005)),
          status = function(index)
            return math.random() < (index < bad and share or 0.05) and 500 or 200
          end,
          -- Who takes part is asked thirty times a second.
          look = function(index, now)
            last[index] = now
            local count = 0
            for i = 0, 9 do
              local is_aside = now - (last[i] or 1) > 0.5
              count = count + (is_aside and 1 or 0)
              if is_aside and not aside[i] then aside[i] = now - 0.5 end
            end
            most = math.max(most, count)
          end }
      return outcome, aside, most
    end

    it("are found, and only they", function()
      local outcome, aside, most = run(1, 0.8)
      assert.equal(1, most)
      assert.is_true(aside[0] < 2, "after " .. tostring(aside[0])) -- twenty requests: 0.7 s
      for index = 1, 9 do assert.is_nil(aside[index]) end
      -- Of 3,000 that would have been its own.
      assert.is_true(outcome.counts[0] < 200, outcome.counts[0] .. " requests")
    end)

    it("are never more than may be set aside, however many there are", function()
      for bad = 2, 10, 2 do
        local _, aside, most = run(bad, 0.8)
        assert.equal(math.min(bad, CAP), most)
        for index = bad, 9 do assert.is_nil(aside[index]) end
      end
    end)

    it("are not those who fail in less than that share", function()
      local _, aside = run(10, 0.2)
      assert.is_nil(next(aside))
    end)
  end)

  describe("keys", function()
    -- As Zipf has it: the first of a thousand is asked for in every ninth request or so.
    local function zipf()
      local sums, sum = {}, 0
      for i = 1, 1000 do
        sum = sum + 1 / i ^ 0.95
        sums[i] = sum
      end
      return function()
        local wanted, low, high = math.random() * sum, 1, 1000
        while low < high do
          local middle = math.floor((low + high) / 2)
          if sums[middle] < wanted then low = middle + 1 else high = middle end
        end
        return 0x9e3779b97f4a7c15ULL * low
      end
    end

    it("load no target beyond its bound, whatever is popular and slow", function()
      local sum = 0
      start(4, equal(10), { balance = HASH, hash_bound = 1.25 }):run { rate = 800,
        requests = REQUESTS, key = zipf(), service = servers("heavy", equal(10, 0.01)),
        look = function(index, _, active)
          sum = 0
          for i = 0, 9 do sum = sum + (active[i] or 0) end
          assert(active[index] <= math.ceil(1.25 * sum / 10), "beyond its bound")
        end }
    end)

    it("stay where they are when a target goes, but for its own and a few", function()
      local function owners(count)
        workers:configure(equal(count), { balance = HASH, hash_bound = 0 })
        local by_key, at = {}, 0
        local outcome = workers:run { rate = 100, requests = 20000,
          service = servers("exponential", equal(10, 0.001)),
          key = function()
            at = at + 1
            return 0x9e3779b97f4a7c15ULL * at
          end }
        for i, one in ipairs(outcome.asked) do by_key[i] = one.index end
        return by_key
      end
      start(3, equal(10), { balance = HASH, hash_bound = 0 })
      local before, after, moved = owners(10), owners(9), 0
      for i = 1, 20000 do
        if before[i] ~= after[i] then
          moved = moved + 1
          assert.equal(9, before[i])
        end
      end
      assert.is_true(moved / 20000 < 0.13, moved .. " moved")
    end)
  end)
end)
