local balance = require "spec.support.balance"
local upstream = require "spec.support.upstream"

local C = upstream.C
local ROUND_ROBIN, LEAST, LATENCY, HASH, RANDOM = 0, 1, 2, 3, 4

describe("balancer", function()
  local driver, cluster_of, picks, tally

  before_each(function()
    driver = balance.driver()
    cluster_of, picks, tally = driver.cluster_of, driver.picks, driver.tally
  end)
  after_each(function() driver:close() end)

  describe("by turns", function()
    it("asks equals one after the other", function()
      assert.equal("abcabc", picks(cluster_of { 1, 1, 1 }, 6))
      assert.equal("abcabc", picks(cluster_of { 7, 7, 7 }, 6))
    end)

    it("gives each its weight exactly in any turns that make a cycle", function()
      for _, weights in ipairs { { 5, 1, 1 }, { 7, 1, 30, 12 }, { 1000, 1, 999 }, { 3, 3, 2 } } do
        local cluster, total = cluster_of(weights), 0
        for _, weight in ipairs(weights) do total = total + weight end
        for _ = 1, 2 do
          picks(cluster, 3) -- wherever it begins
          local counts = tally(cluster, total)
          for i, weight in ipairs(weights) do assert.equal(weight, counts[i - 1]) end
        end
      end
    end)

    it("spreads them: nobody is ever far from what is due to it", function()
      for _, weights in ipairs { { 5, 1, 1 }, { 7, 1, 30, 12 }, { 100, 50, 25 }, { 9, 1 } } do
        local cluster, total, counts = cluster_of(weights), 0, {}
        for _, weight in ipairs(weights) do total = total + weight end
        for turn = 1, 3 * total do
          local index = C.driver_pick(cluster, 1, 0)
          counts[index] = (counts[index] or 0) + 1
          for i, weight in ipairs(weights) do
            local due = turn * weight / total
            assert.is_true(math.abs((counts[i - 1] or 0) - due) < 2.5)
          end
        end
      end
    end)

    it("goes on where it was when the options change, or who takes part does not", function()
      local cluster = cluster_of { 1, 1, 1 }
      assert.equal("ab", picks(cluster, 2))
      cluster_of({ 1, 1, 1 }, { failures_max = 9 })
      assert.equal("cab", picks(cluster, 3))
    end)

    it("has nothing to pick from an empty cluster", function()
      assert.equal("-", picks(cluster_of {}, 1))
    end)
  end)

  describe("whatever the method", function()
    for method = ROUND_ROBIN, RANDOM do
      it("skips what a call has tried, until nothing else is left: " .. method, function()
        local cluster = cluster_of({ 1, 1 }, { balance = method })
        assert.equal("bbb", picks(cluster, 3, 1, 1))
        assert.equal("aaa", picks(cluster, 3, 1, 2))
        assert.equal(6, #picks(cluster, 6, 1, 3):gsub("%-", ""))
      end)

      it("skips a target that is set aside: " .. method, function()
        local cluster = cluster_of({ 1, 1 }, { balance = method, set_aside_seconds = 5 })
        balance.set_aside(cluster, 0, 100)
        assert.equal("bbbb", picks(cluster, 4, 104.9))
      end)

      it("asks all when all are set aside: " .. method, function()
        local cluster = cluster_of({ 1, 1, 1 }, { balance = method })
        for index = 0, 2 do balance.set_aside(cluster, index, 3) end
        assert.is_nil(picks(cluster, 20, 4):find "-")
        assert.is_true(C.driver_panics(cluster))
      end)
    end
  end)

  describe("at random", function()
    it("gives each its weight in the long run", function()
      local cluster = cluster_of({ 1, 2, 3, 4 }, { balance = RANDOM })
      balance.assert_distributed({ [0] = 0.1, 0.2, 0.3, 0.4 }, tally(cluster, 20000), 20000)
    end)
  end)

  describe("by least connections", function()
    local function least(weights) return cluster_of(weights, { balance = LEAST }) end

    it("gives idle equals the same", function()
      local counts = tally(least { 1, 1, 1 }, 20000)
      balance.assert_distributed({ [0] = 1 / 3, 1 / 3, 1 / 3 }, counts, 20000)
    end)

    it("picks the one of two that has less to do", function()
      local cluster = least { 1, 1 }
      C.driver_begin(cluster, 0)
      assert.equal("bbbb", picks(cluster, 4))
      C.driver_begin(cluster, 1)
      C.driver_begin(cluster, 1)
      assert.equal("aaaa", picks(cluster, 4))
      C.driver_end(cluster, 1)
      C.driver_end(cluster, 1)
      assert.equal("bbbb", picks(cluster, 4))
    end)

    it("counts connections per weight", function()
      local cluster = least { 3, 1 }
      local counts = tally(cluster, 8, 1, function(index) C.driver_begin(cluster, index) end)
      assert.same({ [0] = 6, 2 }, counts)
    end)

    -- Balls into bins: with one choice the fullest of 100 would have about 20 more than the mean.
    it("stays within a few of the mean, looking at two only", function()
      local weights = {}
      for i = 1, 100 do weights[i] = 1 end
      local cluster = least(weights)
      local counts = tally(cluster, 5000, 1, function(index) C.driver_begin(cluster, index) end)
      for index = 0, 99 do assert.is_true(math.abs(counts[index] - 50) <= 6) end
    end)

    it("sends a target that is four times as slow a quarter", function()
      local cluster = least { 1, 1 }
      local ends, counts = {}, { [0] = 0, 0 }
      for now = 1, 20000 do
        for i = #ends, 1, -1 do
          if ends[i].at <= now then C.driver_end(cluster, table.remove(ends, i).index) end
        end
        local index = C.driver_pick(cluster, now, 0)
        counts[index] = counts[index] + 1
        C.driver_begin(cluster, index)
        ends[#ends + 1] = { at = now + (index == 0 and 10 or 40), index = index }
      end
      local share = counts[1] / 20000
      assert.is_true(share > 0.15 and share < 0.25, "share " .. share)
    end)
  end)

  describe("by latency", function()
    local function by_latency(weights) return cluster_of(weights, { balance = LATENCY }) end

    it("asks those that never answered once each, then those that answer sooner", function()
      local cluster = by_latency { 1, 1 }
      C.driver_begin(cluster, 0)
      assert.equal("bb", picks(cluster, 2))
      C.driver_answer(cluster, 0, 200, 0.010, 1)
      C.driver_answer(cluster, 1, 200, 0.050, 1)
      C.driver_end(cluster, 0)
      assert.equal("aaaa", picks(cluster, 4))
    end)

    it("weighs what waits there already", function()
      local cluster = by_latency { 1, 1 }
      C.driver_answer(cluster, 0, 200, 0.010, 1)
      C.driver_answer(cluster, 1, 200, 0.025, 1)
      C.driver_begin(cluster, 0)
      assert.equal("aa", picks(cluster, 2)) -- 2 * 10 ms
      C.driver_begin(cluster, 0)
      assert.equal("bb", picks(cluster, 2)) -- 3 * 10 ms
    end)

    it("leaves one that becomes slow at once, and comes back when it is quick again", function()
      local cluster = by_latency { 1, 1 }
      C.driver_answer(cluster, 0, 200, 0.010, 1)
      C.driver_answer(cluster, 1, 200, 0.020, 1)
      C.driver_answer(cluster, 0, 200, 2, 1.1)
      assert.equal("bbbb", picks(cluster, 4, 1.2))
      for now = 2, 120 do
        C.driver_answer(cluster, 0, 200, 0.010, now)
        C.driver_answer(cluster, 1, 200, 0.020, now)
      end
      assert.equal("aaaa", picks(cluster, 4, 120))
    end)

    it("takes a failure for slow, fast as it may be", function()
      local cluster = by_latency { 1, 1 }
      C.driver_answer(cluster, 0, 200, 0.010, 1)
      C.driver_answer(cluster, 1, 200, 0.020, 1)
      C.driver_fail(cluster, 0, upstream.fault "upstream-malformed", false, 1)
      assert.equal("bbbb", picks(cluster, 4, 1.1))
    end)
  end)

  describe("by hash", function()
    local KEYS = 20000

    -- As spread as keys are that somebody has hashed.
    local function key_of(i) return 0x9e3779b97f4a7c15ULL * (i + 1) end

    local function owners(cluster, count)
      local map, counts = {}, {}
      for i = 1, count or KEYS do
        local index = C.driver_pick_by(cluster, 1, key_of(i), 0)
        map[i] = index
        counts[index] = (counts[index] or 0) + 1
      end
      return map, counts
    end

    local function by_hash(weights, options)
      options = options or {}
      options.balance = HASH
      return cluster_of(weights, options)
    end

    it("sends a key always to the same target, and each target about its weight", function()
      local cluster = by_hash { 1, 1, 2 }
      local first, counts = owners(cluster)
      assert.same(first, (owners(cluster)))
      -- 160 points each: a standard deviation of a twelfth of the share.
      for index, share in pairs { [0] = 0.25, 0.25, 0.5 } do
        assert.is_true(math.abs(counts[index] / KEYS / share - 1) < 0.3)
      end
    end)

    it("moves only the keys of a target that goes, and of one that comes only what it gets",
      function()
        local cluster = by_hash { 1, 1, 1, 1, 1 }
        local before = owners(cluster)
        by_hash { 1, 1, 1, 1 }
        local after = owners(cluster)
        for i = 1, KEYS do
          if before[i] ~= 4 then assert.equal(before[i], after[i]) end
          assert.is_true(after[i] < 4)
        end
        by_hash { 1, 1, 1, 1, 1 }
        assert.same(before, (owners(cluster)))
      end)

    it("moves only the keys of a target that is set aside, and spreads them", function()
      local cluster = by_hash { 1, 1, 1, 1 }
      local before, all = owners(cluster)
      balance.set_aside(cluster, 0, 1)
      local after = owners(cluster)
      local taken = {}
      for i = 1, KEYS do
        if before[i] == 0 then
          taken[after[i]] = (taken[after[i]] or 0) + 1
        else
          assert.equal(before[i], after[i])
        end
      end
      assert.is_nil(taken[0])
      for index = 1, 3 do assert.is_true(taken[index] > all[0] / 6) end
    end)

    it("does not depend on the order in which targets are written", function()
      local one = driver:cluster({ 9001, 9002, 9003 }, { balance = HASH }, "one")
      local other = driver:cluster({ 9003, 9001, 9002 }, { balance = HASH }, "other")
      local a, b = owners(one, 500), owners(other, 500)
      for i = 1, 500 do assert.equal(a[i], (b[i] + 2) % 3) end
    end)

    it("lets no target have more than its bound of what is under way", function()
      local cluster = by_hash({ 1, 1, 1, 1 }, { hash_bound = 1.25 })
      local counts = {}
      for i = 1, 400 do
        local index = C.driver_pick_by(cluster, 1, key_of(7), 0) -- one key for all
        C.driver_begin(cluster, index)
        counts[index] = (counts[index] or 0) + 1
        for _, count in pairs(counts) do
          assert.is_true(count <= math.ceil(1.25 * i / 4))
        end
      end
      for index = 0, 3 do
        for _ = 1, counts[index] or 0 do C.driver_end(cluster, index) end
      end
    end)

    it("takes turns where there is no key", function()
      assert.equal("abcabc", picks(by_hash { 1, 1, 1 }, 6))
    end)
  end)
end)
