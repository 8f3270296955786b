local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"
local wait = require "spec.support.wait"

-- A plugin that begins its timers in start(); `body` has moongate, count and options in sight.
local function starting(body)
  return { ["plugins/timer.lua"] = [[
    local moongate = require "moongate"
    local timer = { summary = "Runs again and again.", options = {} }
    local count = 0
    function timer:start() ]] .. body .. [[ end
    function timer:respond() return moongate.reply.text(200, tostring(count)) end
    return timer
  ]] }
end

describe("every", function()
  after_each(gateway.stop_all)

  local CONFIG = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "timer" } }'

  local function count_of(moongate)
    return tonumber(http.request(moongate.port, {}).body)
  end

  it("runs again and again, the first time after its seconds", function()
    local moongate = gateway.start { config = CONFIG, files = starting [[
      moongate.every(0.01, function() count = count + 1 end)
      if count ~= 0 then error "at once" end
    ]] }
    wait.that(function() return count_of(moongate) >= 3 end)
    moongate:stop()
  end)

  it("goes on after a run that raised, which is logged", function()
    local moongate = gateway.start { config = CONFIG, files = starting [[
      moongate.every(0.01, function() count = count + 1 error("run " .. count) end)
    ]] }
    moongate:wait_for_log "a repeated task raised: [^\n]*timer.lua[^\n]*run 1"
    moongate:wait_for_log "run 2"
  end)

  it("begins the next run after the last one, which may wait", function()
    local moongate = gateway.start { config = CONFIG, files = starting [[
      local running = 0
      moongate.every(0.001, function()
        running = running + 1
        if running > 1 then moongate.log.error "two at once" end
        moongate.sleep(0.01)
        running = running - 1
        count = count + 1
      end)
    ]] }
    wait.that(function() return count_of(moongate) >= 3 end)
    assert.is_nil(moongate:log():match "two at once")
  end)

  it("refuses what it cannot repeat", function()
    for _, body in ipairs { "moongate.every(0, print)", "moongate.every('1', print)",
      "moongate.every(0 / 0, print)", "moongate.every(1, 'print')" } do
      local code, _, err = gateway.run({ "run" }, { config = CONFIG .. "\nworkers(1)\n",
        files = starting(body), seconds = 30 })
      assert.are_not.equal(0, code)
      assert.matches("every needs", err)
    end
  end)

  it("works only while the gateway serves", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading "moongate.every(1, function() end)",
    })
    assert.equal(1, code)
    assert.matches("only while the gateway serves", err)
  end)
end)
