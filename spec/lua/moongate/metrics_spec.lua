local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("metrics", function()
  local moongate

  local function ask(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options).body
  end

  -- Labels and value of each series of that name, as the shared memory has them.
  local SERIES = [[
    local moongate = require "moongate"
    local bridge = require "moongate.ffi"
    local series = { summary = "Shows series.", options = {} }
    function series:respond(req)
      local cursor, texts = bridge.new "size_t[1]", bridge.new "struct slice[2]"
      local numbers, lines = bridge.new "double[2]", {}
      while bridge.C.moon_counter_next(bridge.generation, cursor, texts, numbers) do
        if bridge.string(texts[0].start, texts[0].length) == req.params.name then
          lines[#lines + 1] = bridge.string(texts[1].start, texts[1].length) .. "=" .. numbers[1]
        end
      end
      table.sort(lines)
      return moongate.reply.text(200, table.concat(lines, "\n"))
    end
    return series
  ]]

  setup(function()
    local files = { ["plugins/series.lua"] = SERIES }
    for name, text in pairs(probe.files) do files[name] = text end
    moongate = gateway.start { files = files, config = probe.says .. [==[
      route "/series/{name}" { plugins = { "series" } }
      says("/counter", function(req, m)
        local seen = m.metrics.counter("seen_total", "Seen.")
        seen:add() seen:add(2) seen:add(-5) seen:add(0 / 0)
        return seen:with():value(), m.metrics.counter "seen_total" == seen
      end)
      says("/by-name", function(req, m)
        m.counter "plain_total":add(2)
        return m.counter("plain_total"):with():value()
      end)
      says("/seconds", function(req, m)
        local busy = m.metrics.seconds("busy_seconds_total")
        busy:add(0.25) busy:add(1)
        return busy:with():value()
      end)
      says("/gauge", function(req, m)
        local open = m.metrics.gauge("open_things", "Open.", { "kind" })
        local one = open:with "a"
        one:add(5) one:add(-2) one:set(one:value() * 10) one:add(0 / 0)
        local other = open:with "b"
        other:set(-3.7) other:add(-1 / 0) other:set(4)
        return one:value(), other:value()
      end)
      says("/histogram", function(req, m)
        local took = m.metrics.histogram("took_seconds", "Took.", { "what" })
        took:with "x":observe(0.5) took:with "x":observe(-1) took:with "x":observe(0 / 0)
        return "observed"
      end)
      says("/labels", function(req, m)
        local family = m.metrics.counter("labels_total", "", { "a", "b" })
        family:with("1", 2):add(1) family:with(1, "2"):add(1)
        family:with(nil, true):add(1) family:with(0 / 0, "true"):add(1)
      end)
      says("/hostile", function(req, m)
        local family = m.metrics.counter("hostile_total", "", { "a" })
        family:with 'x"y\\z\n"} 9':add(1)
        family:with "gr\195\188n":add(1)
        family:with "\195(\255":add(1)
        family:with(("l"):rep(2048)):add(1)
      end)
      says("/too-many", function(req, m)
        local family = m.metrics.counter("many_total", "", { "n" })
        for i = 1, 10500 do family:with(i):add(1) end
        return family.count, family:with(10400) == family:with(10400), family:with(5):value()
      end)
      says("/bad/{which}", function(req, m)
        local x = m.metrics
        x.counter("known_total", "", { "a" })
        local bad = {
          name = function() x.counter "a b" end, line = function() x.counter "a\nb 1" end,
          none = function() x.counter() end, label = function() x.counter("c", "", { "a b" }) end,
          labels = function()
            x.counter("d", "", { "a", "b", "c", "d", "e", "f", "g", "h", "i" })
          end,
          kind = function() x.gauge("known_total", "", { "a" }) end,
          seconds = function() x.seconds("known_total", "", { "a" }) end,
          other = function() x.counter("known_total", "", { "b" }) end,
          count = function() x.counter("known_total", "", { "a" }):with("1", "2") end,
          unlabelled = function() x.counter("known_total", "", { "a" }):add(1) end,
        }
        bad[req.params.which]()
        return "made"
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("counts up only", function()
    assert.equal("3 true", ask "/counter")
    assert.equal("2", ask "/by-name")
    assert.equal("1.25", ask "/seconds")
  end)

  it("has gauges that go up and down", function() assert.equal("30 4", ask "/gauge") end)

  it("observes durations", function() assert.equal("observed", ask "/histogram") end)

  it("takes labels of any kind, each text one series", function()
    ask "/labels"
    assert.equal('a="",b="true"=2\na="1",b="2"=2', ask "/series/labels_total")
  end)

  it("escapes, cuts and mends the values of labels", function()
    ask "/hostile"
    local lines = ask "/series/hostile_total"
    assert.truthy(lines:find([[a="x\"y\\z\n\"} 9"=1]], 1, true))
    assert.truthy(lines:find("a=\"gr\195\188n\"=1", 1, true))
    assert.truthy(lines:find('a="?(?"=1', 1, true))
    assert.truthy(lines:find('a="' .. ("l"):rep(256) .. '"=1', 1, true))
  end)

  it("keeps 10000 series of a family, and counts the others together", function()
    assert.equal("10000 false 1", ask "/too-many")
  end)

  it("refuses names that are none, and families that differ", function()
    local says = { name = "is no name of a metric", line = "is no name of a metric",
      none = "is no name of a metric", label = "is no name of a label",
      labels = "too many labels", kind = "is a counter already", seconds = "is a counter already",
      other = "has other labels", count = "has 1 labels, not 2",
      unlabelled = "has 1 labels, not 0" }
    for which, text in pairs(says) do assert.matches(text, ask("/bad/" .. which)) end
  end)

  it("counts only while the gateway serves; families may be made before", function()
    local function check(call)
      return gateway.run({ "check" }, {
        config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
        files = probe.loading('local c = moongate.metrics.counter("a_total") ' .. call),
      })
    end
    assert.equal(0, (check ""))
    for _, call in ipairs { "c:add(1)", "c:with():value()",
      "moongate.metrics.gauge('g'):set(1)", "moongate.metrics.histogram('h'):observe(1)" } do
      local code, _, err = check(call)
      assert.equal(1, code)
      assert.matches("counting works only while the gateway serves", err)
    end
  end)
end)
