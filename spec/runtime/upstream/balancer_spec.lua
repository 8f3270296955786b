local upstream = require "spec.support.upstream"

local C = upstream.C

describe("balancer", function()
  local driver

  before_each(function() driver = upstream.driver() end)
  after_each(function() driver:close() end)

  local function cluster_of(weights, options)
    local targets = {}
    for i, weight in ipairs(weights) do targets[i] = { 9000 + i, weight = weight } end
    return driver:cluster(targets, options)
  end

  -- Letters of the targets picked one after the other.
  local function picks(cluster, count, now, tried)
    local letters = {}
    for i = 1, count do
      local index = C.driver_pick(cluster, now or 0, tried or 0)
      letters[i] = index < 0 and "-" or ("abcdefgh"):sub(index + 1, index + 1)
    end
    return table.concat(letters)
  end

  local function set_aside(cluster, index, now)
    for _ = 1, 3 do
      C.driver_begin(cluster, index, now)
      C.driver_fail(cluster, index, upstream.fault "upstream-refused", false, now)
      C.driver_end(cluster, index, false)
    end
  end

  it("takes turns among equals", function()
    assert.equal("abcabc", picks(cluster_of { 1, 1, 1 }, 6))
  end)

  it("gives each its weight in every cycle, spread out", function()
    assert.equal("aabacaa" .. "aabacaa", picks(cluster_of { 5, 1, 1 }, 14))
  end)

  it("keeps weights exact whatever they are", function()
    local weights = { 7, 1, 30, 12 }
    local text = picks(cluster_of(weights), 50)
    for i, weight in ipairs(weights) do
      local _, count = text:gsub(("abcd"):sub(i, i), "")
      assert.equal(weight, count)
    end
  end)

  it("has nothing to pick from an empty cluster", function()
    assert.equal("-", picks(cluster_of {}, 1))
  end)

  it("skips what a call has tried, until nothing else is left", function()
    local cluster = cluster_of { 1, 1 }
    assert.equal("bbb", picks(cluster, 3, 0, 1))
    assert.equal("aaa", picks(cluster, 3, 0, 2))
    assert.equal(6, #picks(cluster, 6, 0, 3):gsub("%-", ""))
  end)

  it("skips a target that is set aside until its time has passed", function()
    local cluster = cluster_of({ 1, 1 }, { set_aside_seconds = 5 })
    set_aside(cluster, 0, 100)
    assert.equal("bbbb", picks(cluster, 4, 104.9))
    assert.is_truthy(picks(cluster, 4, 105):find "a")
  end)

  it("sets aside only after failures in a row", function()
    local cluster = cluster_of({ 1, 1 }, { failures_max = 3 })
    local refused = upstream.fault "upstream-refused"
    for _, failure in ipairs { refused, refused, "success", refused, refused } do
      C.driver_begin(cluster, 0, 0)
      if failure == "success" then
        C.driver_succeed(cluster, 0)
      else
        C.driver_fail(cluster, 0, failure, false, 0)
      end
      C.driver_end(cluster, 0, false)
    end
    assert.equal("abab", picks(cluster, 4, 0))
    C.driver_fail(cluster, 0, refused, false, 0)
    assert.equal("bbbb", picks(cluster, 4, 0))
  end)

  it("counts a connection that closes without an answer like one that is refused", function()
    local cluster = cluster_of({ 1, 1 }, { failures_max = 1 })
    C.driver_fail(cluster, 0, upstream.fault "upstream-closed", false, 0)
    assert.equal("bbbb", picks(cluster, 4, 0))
  end)

  it("does not count a late or wrong answer against a target", function()
    local cluster = cluster_of { 1, 1 }
    for _, name in ipairs { "upstream-timeout", "upstream-malformed", "upstream-stalled" } do
      for _ = 1, 3 do C.driver_fail(cluster, 0, upstream.fault(name), false, 0) end
    end
    assert.equal("abab", picks(cluster, 4, 0))
  end)

  it("lets one request try a target whose time has passed", function()
    local cluster = cluster_of({ 1, 1 }, { set_aside_seconds = 5 })
    set_aside(cluster, 0, 0)
    assert.is_true(C.driver_begin(cluster, 0, 5))
    assert.equal("bbbb", picks(cluster, 4, 6))
    C.driver_end(cluster, 0, true)
    assert.is_truthy(picks(cluster, 2, 6):find "a")
  end)

  it("sets it aside again when that request fails, in whatever way", function()
    local cluster = cluster_of({ 1, 1 }, { set_aside_seconds = 5 })
    set_aside(cluster, 0, 0)
    assert.is_true(C.driver_begin(cluster, 0, 5))
    C.driver_fail(cluster, 0, upstream.fault "upstream-timeout", true, 6)
    C.driver_end(cluster, 0, true)
    assert.equal("bbbb", picks(cluster, 4, 10.9))
    assert.is_true(C.driver_begin(cluster, 0, 11))
    C.driver_succeed(cluster, 0)
    C.driver_end(cluster, 0, true)
    assert.is_truthy(picks(cluster, 2, 11):find "a")
    assert.is_false(C.driver_begin(cluster, 0, 11))
    C.driver_end(cluster, 0, false)
  end)

  it("needs one failure to set it aside again, though more are allowed by now", function()
    local cluster = cluster_of({ 1, 1 }, { failures_max = 3, set_aside_seconds = 5 })
    set_aside(cluster, 0, 0)
    cluster_of({ 1, 1 }, { failures_max = 9 })
    assert.is_true(C.driver_begin(cluster, 0, 5))
    C.driver_fail(cluster, 0, upstream.fault "upstream-refused", true, 5)
    C.driver_end(cluster, 0, true)
    assert.equal("bbbb", picks(cluster, 4, 9.9))
  end)

  it("tries the one whose time ends soonest when all are set aside", function()
    local cluster = cluster_of { 1, 1, 1 }
    set_aside(cluster, 0, 3)
    set_aside(cluster, 1, 1)
    set_aside(cluster, 2, 2)
    assert.equal("bbb", picks(cluster, 3, 4))
  end)

  describe("by least connections", function()
    local function least(weights) return cluster_of(weights, { balance = 1 }) end

    it("picks who has the least to do", function()
      local cluster = least { 1, 1, 1 }
      C.driver_begin(cluster, 0, 0)
      C.driver_begin(cluster, 2, 0)
      assert.equal("bb", picks(cluster, 2))
      C.driver_begin(cluster, 1, 0)
      C.driver_begin(cluster, 1, 0)
      C.driver_end(cluster, 2, false)
      assert.equal("cc", picks(cluster, 2))
    end)

    it("takes turns among equals", function()
      assert.equal("abcabc", picks(least { 1, 1, 1 }, 6))
    end)

    it("counts connections per weight", function()
      local cluster = least { 3, 1 }
      local text = {}
      for i = 1, 8 do
        text[i] = picks(cluster, 1)
        C.driver_begin(cluster, text[i] == "a" and 0 or 1, 0)
      end
      local _, count = table.concat(text):gsub("a", "")
      assert.equal(6, count)
    end)

    it("skips who is set aside, idle as it may be", function()
      local cluster = least { 1, 1 }
      set_aside(cluster, 0, 0)
      C.driver_begin(cluster, 1, 0)
      assert.equal("bb", picks(cluster, 2, 1))
    end)
  end)
end)
