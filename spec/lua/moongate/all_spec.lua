local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("all", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      local function after(m, seconds, ...)
        local values = { ... }
        return function() m.sleep(seconds) return unpack(values, 1, 3) end
      end
      says("/values", function(req, m)
        local values, why = m.all { a = after(m, 0.02, 1), b = after(m, 0, nil, "gone"),
          c = function() return false, "no", "more" end, [7] = function() end }
        return values.a, tostring(values.b), why.b, tostring(values.c), why.c, tostring(values[7])
      end)
      says("/none", function(req, m) return next((m.all {})) == nil end)
      says("/side-by-side", function(req, m)
        local before = m.time.monotonic()
        local list = {}
        for i = 1, 20 do list[i] = after(m, 0.2, i) end
        m.all(list)
        return m.time.monotonic() - before < 3
      end)
      says("/raises", function(req, m)
        local finished = false
        local ok, why = pcall(m.all, { function() m.sleep(0) error "one of them" end,
          function() m.sleep(0.02) finished = true end })
        return tostring(ok) .. " " .. tostring(finished) .. " " .. why:match "[^\n]*"
      end)
      says("/raises-at-once", function(req, m)
        local ok, why = pcall(m.all, { function() error "at once" end, after(m, 0.01) })
        return why:match "[^\n]*"
      end)
      says("/not-functions", function(req, m) m.all { 1, 2 } end)
      says("/nested", function(req, m)
        local values = m.all { function()
          local inner = m.all { after(m, 0.01, 1), after(m, 0, 2), function() return 3 end }
          return inner[1] + inner[2] + inner[3]
        end, after(m, 0.005, 4) }
        return values[1] + values[2]
      end)
      says("/256", function(req, m)
        local list = {}
        for i = 1, 256 do list[i] = after(m, 0, 1) end
        local sum = 0
        for _, one in ipairs(m.all(list)) do sum = sum + one end
        list[257] = list[1]
        return sum .. " " .. select(2, pcall(m.all, list))
      end)
      says("/many-results", function(req, m)
        local values, why = m.all { function() return unpack({ 1, 2 }, 1, 5000) end }
        return values[1] .. why[1]
      end)
      says("/endless", function(req, m)
        local depth = 0
        local function again() depth = depth + 1 return m.all { again } end
        local ok, why = pcall(again)
        return tostring(ok) .. " " .. depth .. why:match "tasks start[^\n]*"
      end)
      says("/leave", function(req, m)
        m.log.info "waits for all"
        m.all { after(m, 3600), function() m.all { after(m, 3600), function() end } end,
          function() m.fetch { url = "http://127.0.0.1:1/" } m.sleep(3600) end }
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("gives first and second results by the same keys", function()
    assert.equal("1 nil gone false no nil", ask "/values")
  end)

  it("is ready at once without functions", function() assert.equal("true", ask "/none") end)

  it("runs them side by side", function() assert.equal("true", ask "/side-by-side") end)

  it("raises what one of them raised, when all have ended", function()
    assert.matches("^false true [^\n]*gateway.lua:%d+: one of them", ask "/raises")
    assert.matches("gateway.lua:%d+: at once", ask "/raises-at-once")
  end)

  it("raises for what are no functions", function()
    assert.matches("attempt to call a number", ask "/not-functions")
  end)

  it("may be nested", function() assert.equal("10", ask "/nested") end)

  it("takes up to 256", function() assert.matches("^256 .*at most 256 tasks", ask "/256") end)

  it("forgets results beyond the second", function() assert.equal("12", ask "/many-results") end)

  it("stops tasks that start themselves", function()
    assert.matches("^false %d+tasks start one another too deeply", ask "/endless")
    assert.equal("true", ask "/none")
  end)

  it("is cancelled, with all that waits, when the client leaves", function()
    local connection = http.connect(moongate.port)
    connection:send "GET /leave HTTP/1.1\r\nHost: a\r\n\r\n"
    moongate:wait_for_log "waits for all"
    connection:close()
    assert.equal("10", ask "/nested")
  end)

  it("needs somebody who may wait", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading "moongate.all {}",
    })
    assert.equal(1, code)
    assert.matches("all works only while the gateway serves", err)
  end)
end)
