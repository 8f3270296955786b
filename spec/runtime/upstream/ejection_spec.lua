local balance = require "spec.support.balance"
local upstream = require "spec.support.upstream"

local C = upstream.C
local REFUSED = upstream.fault "upstream-refused"

describe("ejection", function()
  local driver, cluster_of, picks

  before_each(function()
    driver = balance.driver()
    cluster_of, picks = driver.cluster_of, driver.picks
  end)
  after_each(function() driver:close() end)

  describe("one that is set aside", function()
    it("is only after failures in a row", function()
      local cluster = cluster_of({ 1, 1 }, { failures_max = 3 })
      for _, failure in ipairs { REFUSED, REFUSED, "answer", REFUSED, REFUSED } do
        if failure == "answer" then
          C.driver_answer(cluster, 0, 200, 0, 1)
        else
          C.driver_fail(cluster, 0, failure, false, 1)
        end
      end
      assert.equal("abab", picks(cluster, 4))
      C.driver_fail(cluster, 0, REFUSED, false, 1)
      assert.equal("bbbb", picks(cluster, 4))
    end)

    it("may have closed a connection without an answer", function()
      local cluster = cluster_of({ 1, 1 }, { failures_max = 1 })
      C.driver_fail(cluster, 0, upstream.fault "upstream-closed", false, 1)
      assert.equal("bbbb", picks(cluster, 4))
    end)

    it("is not for a late or wrong answer", function()
      local cluster = cluster_of { 1, 1 }
      for _, name in ipairs { "upstream-timeout", "upstream-malformed", "upstream-stalled" } do
        for _ = 1, 3 do C.driver_fail(cluster, 0, upstream.fault(name), false, 1) end
      end
      assert.equal("abab", picks(cluster, 4))
    end)

    it("is tried with one request when its time has passed", function()
      local cluster = cluster_of({ 1, 1 }, { set_aside_seconds = 5 })
      balance.set_aside(cluster, 0, 1)
      assert.equal("a", picks(cluster, 1, 6.01))
      assert.is_true(C.driver_is_trial(cluster))
      assert.equal("bbbb", picks(cluster, 4, 6.1))
      assert.is_false(C.driver_is_trial(cluster))
      assert.equal("a", picks(cluster, 1, 11.1)) -- nobody told how that went
    end)

    it("is set aside again when that fails in whatever way, for twice as long", function()
      local cluster = cluster_of({ 1, 1 },
        { set_aside_seconds = 5, set_aside_seconds_max = 12 })
      balance.set_aside(cluster, 0, 0)
      local now = 5
      for _, seconds in ipairs { 10, 12, 12 } do
        assert.equal("a", picks(cluster, 1, now + 0.1))
        C.driver_fail(cluster, 0, upstream.fault "upstream-timeout", true, now + 0.1)
        now = now + 0.1 + seconds
        assert.equal("bbbb", picks(cluster, 4, now - 0.1))
      end
    end)

    it("begins with a short time again when it has been well for that long", function()
      local cluster = cluster_of({ 1, 1 }, { set_aside_seconds = 5, failures_max = 1 })
      C.driver_fail(cluster, 0, REFUSED, false, 0)
      assert.equal(2, C.driver_answer(cluster, 0, 200, 0, 6))
      C.driver_fail(cluster, 0, REFUSED, false, 7) -- soon: ten seconds
      assert.equal("bb", picks(cluster, 2, 16.9))
      assert.equal(2, C.driver_answer(cluster, 0, 200, 0, 18))
      C.driver_fail(cluster, 0, REFUSED, false, 40)
      assert.equal("a", picks(cluster, 1, 45.1))
    end)

    it("is not tried while probes find it down, or its tier is not needed", function()
      C.driver_believe_probes(driver.driver, true)
      local cluster = cluster_of({ 1, 1, { backup = true } }, { set_aside_seconds = 5 })
      balance.set_aside(cluster, 0, 1)
      balance.set_aside(cluster, 2, 1)
      C.driver_probe(cluster, 0, false, 2)
      assert.equal("bbbb", picks(cluster, 4, 7))
      C.driver_probe(cluster, 0, true, 8)
      C.driver_probe(cluster, 0, true, 9)
      assert.equal("a", picks(cluster, 1, 10))
      assert.is_true(C.driver_is_trial(cluster))
      assert.equal("bbbb", picks(cluster, 4, 11)) -- no "c"
    end)

    it("needs one failure to be so again, though more are allowed by now", function()
      local cluster = cluster_of({ 1, 1 }, { failures_max = 3, set_aside_seconds = 5 })
      balance.set_aside(cluster, 0, 0)
      cluster_of({ 1, 1 }, { failures_max = 9 })
      assert.equal("a", picks(cluster, 1, 5.1))
      C.driver_fail(cluster, 0, REFUSED, true, 5.1)
      assert.equal("bbbb", picks(cluster, 4, 9.9))
    end)
  end)

  describe("by outliers", function()
    local OPTIONS = { ["outliers.share"] = 0.5, ["outliers.requests"] = 10,
      ["outliers.window"] = 10, ["outliers.slow"] = 0, ["outliers.ejected"] = 0.5 }

    local function outliers_of(changes)
      local options = {}
      for name, value in pairs(OPTIONS) do options[name] = value end
      for name, value in pairs(changes or {}) do options[name] = value end
      return cluster_of({ 1, 1, 1, 1 }, options)
    end

    it("sets aside who answers badly for too large a share, of enough answers", function()
      local cluster = outliers_of()
      for i = 1, 9 do
        assert.equal(0, C.driver_answer(cluster, 0, i % 2 == 0 and 200 or 503, 0, 1))
      end
      assert.equal(0, C.driver_answer(cluster, 0, 404, 0, 1))
      assert.equal(1, C.driver_answer(cluster, 0, 500, 0, 1))
      assert.is_nil(picks(cluster, 12, 2):find "a")
    end)

    it("counts each window on its own", function()
      local cluster = outliers_of()
      for _ = 1, 9 do C.driver_answer(cluster, 0, 503, 0, 1) end
      assert.equal(0, C.driver_answer(cluster, 0, 503, 0, 11))
    end)

    it("counts who is slow, where that is limited", function()
      local cluster = outliers_of { ["outliers.slow"] = 0.5 }
      for _ = 1, 9 do assert.equal(0, C.driver_answer(cluster, 1, 200, 0.6, 1)) end
      assert.equal(1, C.driver_answer(cluster, 1, 200, 0.6, 1))
    end)

    it("sets aside no more than a share of all for that", function()
      local cluster = outliers_of()
      local out = 0
      for index = 0, 3 do
        for _ = 1, 10 do out = out + C.driver_answer(cluster, index, 503, 0, 1) end
      end
      assert.equal(2, out)
      assert.equal("cdcd", picks(cluster, 4, 2))
    end)
  end)
end)
