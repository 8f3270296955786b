local balance = require "spec.support.balance"
local upstream = require "spec.support.upstream"

local C = upstream.C
local HASH = 3
local REFUSED = upstream.fault "upstream-refused"

describe("lineup", function()
  local driver, cluster_of, picks, tally

  before_each(function()
    driver = balance.driver()
    cluster_of, picks, tally = driver.cluster_of, driver.picks, driver.tally
  end)
  after_each(function() driver:close() end)

  describe("in tiers", function()
    it("asks backups only when nobody else can be", function()
      local cluster = cluster_of({ 1, 1, { backup = true } }, { spill = 0.7 })
      assert.equal("abab", picks(cluster, 4))
      balance.set_aside(cluster, 0, 1)
      assert.equal("bbbb", picks(cluster, 4, 2))
      balance.set_aside(cluster, 1, 2)
      assert.equal("cccc", picks(cluster, 4, 3))
      C.driver_answer(cluster, 0, 200, 0, 3.5)
      assert.equal("aaaa", picks(cluster, 4, 4))
    end)

    it("asks the next priority when nobody is left in the first", function()
      local cluster = cluster_of({ { priority = 1 }, 1, 1, { priority = 2 } }, { spill = 0 })
      assert.equal("bcbc", picks(cluster, 4))
      balance.set_aside(cluster, 1, 1)
      assert.equal("cccc", picks(cluster, 4, 2))
      balance.set_aside(cluster, 2, 2)
      assert.equal("aaaa", picks(cluster, 4, 3))
      balance.set_aside(cluster, 0, 3)
      assert.equal("dddd", picks(cluster, 4, 4))
    end)

    it("lets what a tier falls short of spill over into the next", function()
      local cluster = cluster_of({ 1, 1, 1, 1, { priority = 1 }, { priority = 1 } },
        { spill = 0.7 })
      balance.set_aside(cluster, 0, 1)
      assert.is_nil(picks(cluster, 60, 1):find "[aef]") -- three of four are enough
      balance.set_aside(cluster, 1, 1)
      -- Two of four are 0.5 / 0.7 of what they should be.
      local total, first = 21000, 0.5 / 0.7 / 2
      local counts = tally(cluster, total, 1)
      assert.is_nil(counts[0])
      for index, share in pairs { [2] = first, [3] = first, [4] = 0.5 - first,
          [5] = 0.5 - first } do
        assert.is_true(math.abs(counts[index] / total - share) < 0.002)
      end
    end)

    it("prefers its own zone, and spills over when that is not enough", function()
      local cluster = cluster_of({ 1, { remote = true }, 1, { remote = true } }, { spill = 0.7 })
      assert.equal("acac", picks(cluster, 4))
      balance.set_aside(cluster, 0, 1)
      local counts = tally(cluster, 7000, 1)
      assert.is_true(math.abs(counts[2] / 7000 - 0.5 / 0.7) < 0.002)
      assert.is_true(math.abs(counts[1] - counts[3]) <= 2)
      balance.set_aside(cluster, 2, 1)
      assert.equal("bdbd", picks(cluster, 4, 1))
    end)

    it("keeps a key in one tier while nothing changes", function()
      local cluster = cluster_of({ 1, 1, { priority = 1 } }, { balance = HASH, spill = 1 })
      balance.set_aside(cluster, 0, 1)
      local counts = {}
      for i = 1, 2000 do
        local key = 0x9e3779b97f4a7c15ULL * i
        local index = C.driver_pick_by(cluster, 1, key, 0)
        assert.equal(index, C.driver_pick_by(cluster, 1, key, 0))
        counts[index] = (counts[index] or 0) + 1
      end
      balance.assert_distributed({ [1] = 0.5, [2] = 0.5 }, counts, 2000)
    end)

    it("asks all when fewer than a share of them can be", function()
      local cluster = cluster_of({ 1, 1, 1, 1 }, { panic = 0.5 })
      balance.set_aside(cluster, 0, 1)
      balance.set_aside(cluster, 1, 1)
      assert.equal("cdcd", picks(cluster, 4, 1))
      balance.set_aside(cluster, 2, 1)
      assert.is_truthy(picks(cluster, 4, 1):find "a")
      assert.is_true(C.driver_panics(cluster))
    end)
  end)

  describe("with a slow start", function()
    it("gives one that comes back a part of its weight that grows", function()
      local cluster = cluster_of({ 1, 1 }, { slow_start = 10, failures_max = 1 })
      C.driver_fail(cluster, 0, REFUSED, false, 100)
      picks(cluster, 1, 101)
      assert.equal(2, C.driver_answer(cluster, 0, 200, 0, 110))
      for _, row in ipairs { { 0, 0.1 }, { 2.5, 0.25 }, { 5, 0.5 }, { 9.9, 0.99 } } do
        local part = row[2]
        local counts = tally(cluster, 4000, 110 + row[1])
        assert.is_true(math.abs(counts[0] / 4000 - part / (1 + part)) < 0.005)
      end
      assert.equal(2000, tally(cluster, 4000, 120.1)[0])
    end)

    it("does so for one that is added later, not for those that are there from the start",
      function()
        local cluster = cluster_of({ 1, 1 }, { slow_start = 3600 })
        assert.equal("abab", picks(cluster, 4))
        cluster_of { 1, 1, 1 }
        assert.equal("0.48 0.05", ("%.2f %.2f"):format(C.driver_part(cluster, 0),
          C.driver_part(cluster, 2)))
      end)
  end)

  describe("what operators and probes say", function()
    it("gives no new requests to one that drains, but those that a cookie binds", function()
      local cluster = cluster_of { 1, 1 }
      C.driver_overlay(cluster, 0, 1, 0)
      assert.equal("bbbb", picks(cluster, 4))
      assert.equal(0, C.driver_pick_by(cluster, 1, 0, C.driver_sticky(cluster, 0)))
      C.driver_overlay(cluster, 0, 0, 0)
      assert.is_truthy(picks(cluster, 2):find "a")
    end)

    it("gives none at all to one that is disabled, and answers nothing when all are", function()
      local cluster = cluster_of { 1, 1 }
      C.driver_overlay(cluster, 0, 2, 0)
      assert.equal("bbbb", picks(cluster, 4))
      assert.equal(1, C.driver_pick_by(cluster, 1, 0, C.driver_sticky(cluster, 0)))
      C.driver_overlay(cluster, 1, 2, 0)
      assert.equal("-", picks(cluster, 1))
    end)

    it("weighs by what an operator says", function()
      local cluster = cluster_of { 1, 1 }
      C.driver_overlay(cluster, 0, 0, 3)
      assert.same({ [0] = 300, 100 }, tally(cluster, 400))
    end)

    it("skips what probes found down, until they found it up twice", function()
      C.driver_believe_probes(driver.driver, true)
      local cluster = cluster_of { 1, 1 }
      C.driver_probe(cluster, 0, true, 1)
      C.driver_probe(cluster, 0, false, 2)
      assert.is_truthy(picks(cluster, 2, 2):find "a")
      C.driver_probe(cluster, 0, false, 3)
      assert.equal("bbbb", picks(cluster, 4, 3))
      C.driver_probe(cluster, 0, true, 4)
      assert.equal("bbbb", picks(cluster, 4, 4))
      C.driver_probe(cluster, 0, true, 5)
      assert.is_truthy(picks(cluster, 2, 5):find "a")
    end)

    it("does not once nobody probes any more", function()
      C.driver_believe_probes(driver.driver, true)
      local cluster = cluster_of { 1, 1 }
      C.driver_probe(cluster, 0, false, 2)
      assert.equal("bb", picks(cluster, 2, 3))
      C.driver_believe_probes(driver.driver, false)
      cluster_of { 1, 1 }
      assert.is_truthy(picks(cluster, 2, 3):find "a")
    end)

    it("goes where a cookie says, and elsewhere when that is not well", function()
      local cluster = cluster_of { 1, 1, 1 }
      local sticky = C.driver_sticky(cluster, 1)
      for _ = 1, 5 do assert.equal(1, C.driver_pick_by(cluster, 1, 0, sticky)) end
      balance.set_aside(cluster, 1, 1)
      assert.are_not.equal(1, C.driver_pick_by(cluster, 2, 0, sticky))
      assert.are_not.equal(-1, C.driver_pick_by(cluster, 2, 0, 12345))
    end)
  end)
end)
