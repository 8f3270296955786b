local upstream = require "spec.support.upstream"

local C = upstream.C
local answer = upstream.answer

describe("cluster", function()
  local driver

  before_each(function() driver = upstream.driver() end)
  after_each(function() driver:close() end)

  it("is found by its name as long as somebody holds it", function()
    local one = driver:cluster({ 9001 }, nil, "one")
    local two = driver:cluster({ 9001 }, nil, "two")
    assert.equal(one, C.driver_find(driver.driver, "one"))
    assert.equal(two, C.driver_find(driver.driver, "two"))
    assert.equal(nil, C.driver_find(driver.driver, "on"))
    driver.clusters = { two }
    C.driver_release(one)
    assert.equal(nil, C.driver_find(driver.driver, "one"))
  end)

  it("tells hundreds of names apart", function()
    local clusters = {}
    for i = 1, 700 do clusters[i] = driver:cluster({ 9001 }, nil, "cluster " .. i) end
    for i = 1, 700, 2 do C.driver_release(clusters[i]) end
    driver.clusters = {}
    for i = 2, 700, 2 do driver.clusters[#driver.clusters + 1] = clusters[i] end
    for i = 1, 700 do
      local found = C.driver_find(driver.driver, "cluster " .. i)
      assert.equal(i % 2 == 0 and clusters[i] or nil, found ~= nil and found or nil)
    end
  end)

  it("is one for all who acquire it, with the newest options", function()
    local one = driver:cluster { { 9001, weight = 1 } }
    local again = driver:cluster { { 9001, weight = 7 }, { 9002 } }
    assert.equal(one, again)
    assert.equal("127.0.0.1:9001 w7 busy 0 idle 0 failures 0 attempts 0 errors 0\n"
      .. "127.0.0.1:9002 w1 busy 0 idle 0 failures 0 attempts 0 errors 0\n", driver:status(one))
  end)

  describe("that is prepared", function()
    it("is made at once where there is none", function()
      local cluster, is_outdated = driver:prepare { 9001 }
      assert.is_false(is_outdated)
      assert.matches("127.0.0.1:9001 w1", driver:status(cluster))
    end)

    it("is not changed before it is configured", function()
      local one = driver:cluster { 9001 }
      local before = driver:status(one)
      local again, is_outdated = driver:prepare({ 9002 }, { failures_max = 9 })
      assert.equal(one, again)
      assert.is_true(is_outdated)
      assert.equal(before, driver:status(one))
      C.driver_configure(driver.driver, one)
      assert.matches("127.0.0.1:9002 w1", driver:status(one))
    end)

    it("needs no configuring when it is like that already", function()
      driver:cluster({ { 9001, weight = 2 }, 9002 }, { failures_max = 2, idle_seconds = 7 })
      local function is_outdated(targets, options)
        local _, outdated = driver:prepare(targets, options)
        return outdated
      end
      local function as_before()
        return is_outdated({ { 9001, weight = 2 }, 9002 }, { failures_max = 2, idle_seconds = 7,
          connections_max = 0, balance = 0, set_aside_seconds = 5 })
      end
      assert.is_false(as_before())
      assert.is_true(is_outdated { { 9001, weight = 3 }, 9002 })
      assert.is_true(is_outdated { { 9001, weight = 2 } })
      assert.is_true(is_outdated { 9002, { 9001, weight = 2 } })
      assert.is_false(as_before())
      for name, value in pairs { failures_max = 3, idle_seconds = 8, connections_max = 1,
          balance = 1, set_aside_seconds = 6 } do
        assert.is_true(is_outdated({ { 9001, weight = 2 }, 9002 }, { [name] = value }), name)
        assert.is_false(as_before())
      end
    end)
  end)

  it("names targets as operators write them", function()
    local cluster = driver:cluster {
      { 80, host = "::1" }, { 0, host = "/run/a.sock" }, { 443, host = "api.example.com" },
    }
    local names = {}
    for name in driver:status(cluster):gmatch "([^\n]+) w1" do names[#names + 1] = name end
    assert.same({ "[::1]:80", "unix:/run/a.sock", "api.example.com:443" }, names)
  end)

  it("keeps connections and health of targets that stay, in whatever order", function()
    local port = driver:listen()
    local cluster = driver:cluster({ port }, { failures_max = 1 })
    answer(driver:called(cluster))
    C.driver_fail(cluster, 0, upstream.fault "upstream-refused", false, 0)
    driver:cluster { driver:listen(), port }
    assert.is_truthy(driver:status(cluster):find(
      "127.0.0.1:" .. port .. " w1 busy 0 idle 1 failures 1 aside attempts 1 errors 1", 1, true))
    assert.equal(1, C.fake_sessions_alive())
  end)

  it("closes what is beyond the new limits of targets that stay", function()
    local port = driver:listen()
    local cluster = driver:cluster { port }
    local first, first_stream = driver:called(cluster)
    local second, second_stream = driver:called(cluster)
    answer(first, first_stream)
    answer(second, second_stream)
    driver:cluster({ port }, { idle_connections_max = 1 })
    assert.equal(1, C.fake_sessions_alive())
  end)

  it("changes its targets alone when they are discovered", function()
    local port = driver:listen()
    local cluster = driver:cluster({ port }, { failures_max = 1 })
    answer(driver:called(cluster))
    local function discover(targets)
      driver:describe(targets, { failures_max = 9 })
      return C.driver_discover(driver.driver, cluster)
    end
    assert.is_false(discover { port })
    assert.is_true(discover { driver:listen(), { port, weight = 2 } })
    assert.is_truthy(driver:status(cluster):find("127.0.0.1:" .. port .. " w2 busy 0 idle 1", 1,
      true))
    C.driver_fail(cluster, 1, upstream.fault "upstream-refused", false, 0)
    assert.is_truthy(driver:status(cluster):find "failures 1 aside")
    assert.is_true(discover {})
    assert.equal("", driver:status(cluster))
    driver:run()
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("closes the idle connections of a target that left", function()
    local cluster = driver:cluster { (driver:listen()) }
    answer(driver:called(cluster))
    driver:cluster { (driver:listen()) }
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("closes them at once though other connections of that target are busy", function()
    local cluster = driver:cluster { (driver:listen()) }
    local first, first_stream = driver:called(cluster)
    local second, second_stream = driver:called(cluster)
    answer(first, first_stream)
    driver:cluster { (driver:listen()) }
    assert.equal(1, C.fake_sessions_alive())
    answer(second, second_stream)
  end)

  it("lets a call finish on a target that left, then closes its connection", function()
    local cluster = driver:cluster { (driver:listen()) }
    local call, stream = driver:called(cluster)
    driver:cluster { (driver:listen()) }
    assert.equal(1, C.fake_sessions_alive())
    assert.is_truthy(call:record():find "^127%.0%.0%.1:%d+ attempts 1 fault none")
    answer(call, stream)
    assert.is_truthy(call:text():find "response 200, end, ")
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("lets a call connect to a target that left while it was connecting", function()
    local cluster = driver:cluster { (driver:listen()) }
    local call = driver:call(cluster)
    driver:cluster { (driver:listen()) }
    driver:run_until(function() return C.fake_streams_opened() == 1 end)
    answer(call, 1)
    assert.equal(0, C.fake_sessions_alive())
  end)

  it("outlives its last holder while calls run", function()
    local cluster = driver:cluster { (driver:listen()) }
    local call, stream = driver:called(cluster)
    C.driver_release(cluster)
    driver.clusters = {}
    answer(call, stream)
    assert.equal(0, C.fake_sessions_alive())
    assert.equal(nil, C.driver_find(driver.driver, "users"))
  end)
end)
