local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("limit", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      local made = {}
      local function of(m, name, limit, window, burst)
        made[name] = made[name] or m.limit.gcra { name = name, limit = limit, window = window,
          burst = burst }
        return made[name]
      end
      says("/take/{scope}", function(req, m)
        local allowed, left, wait, reset = of(m, "three", 3, 3600):take(req.params.scope)
        return tostring(allowed), left, wait > 0, reset > 0
      end)
      says("/window/{kind}", function(req, m)
        local one = m.limit[req.params.kind] { name = "w", limit = 5, window = 864000 }
        local first, left = one:take("a", 4)
        local second, _, wait = one:take("a", 2)
        one:give("a", 3)
        local third, rest = one:take("a", 2)
        return first, left, second, wait > 0 and wait <= 2 * 864000, third, rest
      end)
      says("/give", function(req, m)
        local one = of(m, "give", 5, 3600)
        one:take("a", 4)
        one:give("a", 4)
        one:give("a", 4)
        return (select(2, one:take("a", 0)))
      end)
      says("/bad-window", function(req, m)
        m.limit.fixed { name = "a", limit = tonumber(req.query.limit),
          window = tonumber(req.query.window) }
      end)
      says("/look", function(req, m)
        local one = of(m, "look", 2, 3600)
        local _, before = one:take("a", 0)
        local _, after = one:take("a", 0)
        return before, after
      end)
      says("/burst", function(req, m)
        local one = of(m, "burst", 1, 3600, 5)
        local never = { one:take("a", 6) }
        local all = one:take("a", 5)
        return never[1], never[3], all, (one:take "a")
      end)
      says("/soon", function(req, m)
        local one = of(m, "soon", 1, 1)
        local first, _, none = one:take "a"
        local second, _, wait = one:take "a"
        m.sleep(wait)
        return first, none, second, (one:take "a")
      end)
      says("/new/{which}", function(req, m)
        local bad = {
          none = {}, name = { limit = 1, window = 1 }, zero = { name = "a", limit = 0, window = 1 },
          part = { name = "a", limit = 0.5, window = 1 },
          text = { name = "a", limit = "1", window = 1 },
          window = { name = "a", limit = 1, window = 0 },
          ever = { name = "a", limit = 1, window = math.huge },
          burst = { name = "a", limit = 1, window = 1, burst = 1.5 },
          none_at_all = { name = "a", limit = 0 / 0, window = 1 },
        }
        m.limit.gcra(bad[req.params.which])
        return "made"
      end)
      says("/bad-cost", function(req, m)
        local texts = {}
        for _, cost in ipairs { -1, 0.5, "1", 0 / 0, 1 / 0 } do
          texts[#texts + 1] = tostring((pcall(of(m, "cost", 1, 1).take, made.cost, "a", cost)))
        end
        return table.concat(texts, " ")
      end)
      says("/bad-scope", function(req, m) of(m, "scope", 1, 1):take(nil) end)
      says("/range", function(req, m) of(m, "range", 1, 1e300):take "a" end)
      says("/hostile", function(req, m)
        local one = of(m, "hostile", 1, 3600)
        return (one:take "a\0b"), (one:take "a"), (one:take(("x"):rep(5000))), (one:take "")
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("lets through what the limit says, for each scope", function()
    assert.equal("true 2 false true", ask "/take/a")
    assert.equal("true 1 false true", ask "/take/a")
    assert.equal("true 0 false true", ask "/take/a")
    assert.equal("false 0 true true", ask "/take/a")
    assert.equal("true 2 false true", ask "/take/b")
  end)

  it("only looks at the cost of 0", function() assert.equal("2 2", ask "/look") end)

  it("lets a burst through, and nothing larger ever", function()
    assert.equal("false inf true false", ask "/burst")
  end)

  it("counts in windows, and gives back", function()
    for _, kind in ipairs { "fixed", "sliding" } do
      assert.equal("true 1 false true true 2", ask("/window/" .. kind))
    end
    assert.equal("5", ask "/give")
    assert.matches("whole seconds", ask "/bad-window?limit=1&window=0.5")
    assert.matches("counts up to 1073741823", ask "/bad-window?limit=2e9&window=1")
  end)

  it("says how long to wait", function() assert.equal("true 0 false true", ask "/soon") end)

  it("tells scopes of any bytes apart", function()
    assert.equal("true true true true", ask "/hostile")
  end)

  it("refuses numbers that make no limit", function()
    for _, which in ipairs { "none", "name" } do
      assert.matches("needs a name", ask("/new/" .. which))
    end
    for _, which in ipairs { "zero", "part", "text", "burst", "none_at_all" } do
      assert.matches("whole numbers above 0", ask("/new/" .. which))
    end
    assert.matches("window above 0", ask "/new/window")
    assert.matches("window above 0", ask "/new/ever")
    assert.matches("out of range", ask "/range")
  end)

  it("refuses a cost that is none, and no scope", function()
    assert.equal("false false false false false", ask "/bad-cost")
    assert.matches("scope of a limit is a string", ask "/bad-scope")
  end)

  it("works only while the gateway serves", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading
        'moongate.limit.gcra({ name = "a", limit = 1, window = 1 }):take "a"',
    })
    assert.equal(1, code)
    assert.matches("a limit works only while the gateway serves", err)
  end)
end)
