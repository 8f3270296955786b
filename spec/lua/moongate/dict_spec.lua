local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("dict", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/texts", function(req, m)
        local d = m.dict "texts"
        local stored = d:set("a\0b", "x\0y")
        d:set("empty", "")
        return stored, d:get "a\0b" == "x\0y", d:get "a", d:get "empty" == "",
          d:delete "a\0b", d:delete "a\0b", d:get "a\0b"
      end)
      says("/numbers", function(req, m)
        local d = m.dict "numbers"
        d:set("n", -7)
        local sum = d:increment("n", 9)
        return d:get "n" == sum, sum, d:increment "new", d:increment("new", -3)
      end)
      says("/add", function(req, m)
        local d = m.dict "add"
        return d:add("k", "one"), d:add("k", "two"), d:get "k", select("#", d:add("k", "two"))
      end)
      says("/lives", function(req, m)
        local d = m.dict "lives"
        d:set("short", "1", 0.8) d:set("long", "1", 1e9) d:set("ever", "1")
        d:increment("count", 5, 0.8)
        local before = d:get "short"
        m.sleep(0.9)
        return before, d:get "short", d:get "count", d:get "long", d:get "ever"
      end)
      says("/apart", function(req, m)
        m.dict "one":set("k", "1") m.dict "two":set("k", "2")
        return m.dict "one":get "k", m.dict "two":get "k", m.dict "three":get "k"
      end)
      says("/wrong", function(req, m)
        local d = m.dict "wrong"
        d:set("text", "abc")
        local _, not_number = d:increment "text"
        local _, too_large = d:set("large", ("x"):rep(70000))
        local _, long_key = d:set(("k"):rep(2000), "1")
        return not_number, too_large, long_key
      end)
      says("/bad/{which}", function(req, m)
        local d = m.dict "bad"
        local bad = {
          part = function() d:set("k", 1.5) end, ["nil"] = function() d:set("k") end,
          table = function() d:add("k", {}) end, huge = function() d:set("k", 2 ^ 60) end,
          nan = function() d:set("k", 0 / 0) end, inf = function() d:increment("k", 1 / 0) end,
          amount = function() d:increment("k", 0.5) end,
          past = function() d:set("k", "v", 0) end, before = function() d:add("k", "v", -1) end,
          when = function() d:set("k", "v", "soon") end,
          never = function() d:set("k", 1, 0 / 0) end,
          name = function() m.dict() end,
        }
        bad[req.params.which]()
        return "stored"
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("keeps texts of any bytes", function()
    assert.equal("true true nil true true false nil", ask "/texts")
  end)

  it("counts", function() assert.equal("true 2 1 -2", ask "/numbers") end)

  it("adds only where there is nothing", function()
    assert.equal("true false one 2", ask "/add")
  end)

  it("forgets when the time is over", function()
    assert.equal("1 nil nil 1 1", ask "/lives")
  end)

  it("keeps names apart", function() assert.equal("1 2 nil", ask "/apart") end)

  it("says what does not fit", function()
    assert.equal("the value is not a number the key or the value is too large "
      .. "the key or the value is too large", ask "/wrong")
  end)

  it("refuses what it cannot keep exactly", function()
    for _, which in ipairs { "part", "nil", "table", "huge", "nan", "inf", "amount" } do
      assert.matches("holds strings and whole numbers", ask("/bad/" .. which))
    end
    for _, which in ipairs { "past", "before", "when", "never" } do
      assert.matches("lives for seconds above 0", ask("/bad/" .. which))
    end
    assert.matches("needs a name", ask "/bad/name")
  end)

  it("works only while the gateway serves", function()
    for _, call in ipairs { 'get "k"', 'set("k", 1)', 'add("k", 1)', 'increment "k"',
      'delete "k"' } do
      local code, _, err = gateway.run({ "check" }, {
        config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
        files = probe.loading('moongate.dict "a":' .. call),
      })
      assert.equal(1, code)
      assert.matches("a dictionary works only while the gateway serves", err)
    end
  end)

  it("is shared by all workers", function()
    local own = gateway.start { files = probe.files, config = probe.says .. [==[
      workers(2)
      says("/", function(req, m) return m.dict "shared":increment "n" end)
    ]==] }
    for i = 1, 40 do
      assert.equal(tostring(i), http.request(own.port, { path = "/" }).body)
    end
  end)
end)
