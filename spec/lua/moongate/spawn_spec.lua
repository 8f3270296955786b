local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("spawn", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/now", function(req, m)
        local seen
        m.spawn(function(...) seen = table.concat({ ... }, ",") m.sleep(0) seen = "later" end, 1, 2)
        return seen
      end)
      says("/outlives", function(req, m)
        m.spawn(function() m.sleep(0.02) m.log.info "it has outlived its request" end)
        return "answered"
      end)
      says("/raises", function(req, m)
        m.spawn(function() error "at once" end)
        m.spawn(function() m.sleep(0) error "after a while" end)
        m.spawn(function() m.sleep(0) error {} end)
        return "answered"
      end)
      says("/not-a-function", function(req, m) m.spawn(7) end)
      says("/many-arguments", function(req, m)
        local function count(...) m.log.info("given %d arguments", select("#", ...)) end
        m.spawn(count, unpack({}, 1, 255))
        m.spawn(count, unpack({}, 1, 256))
      end)
      says("/endless", function(req, m)
        local depth = 0
        local function again() depth = depth + 1 m.spawn(again) end
        local ok, why = pcall(m.spawn, again)
        return depth
      end)
      says("/alive", function() return "alive" end)
      local plugin = { "probe", on_log = function(req, res, m)
        m.spawn(function() m.sleep(0) m.log.info "spawned after all" end)
      end }
      route "/log" { plugins = { { "answer", on_log = plugin.on_log,
        on_respond = function(req, m) return m.reply.text(200, "ok") end } } }
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("runs at once, up to the first wait", function() assert.equal("1,2", ask "/now") end)

  it("outlives its request", function()
    assert.equal("answered", ask "/outlives")
    moongate:wait_for_log "it has outlived its request"
  end)

  it("logs what is raised, with where", function()
    assert.equal("answered", ask "/raises")
    moongate:wait_for_log "a spawned task raised: [^\n]*gateway.lua[^\n]*at once"
    moongate:wait_for_log "a spawned task raised: [^\n]*gateway.lua[^\n]*after a while"
    moongate:wait_for_log "a spawned task raised: [^\n]*is not a text"
  end)

  it("raises for what is no function", function()
    assert.matches("function expected", ask "/not-a-function")
  end)

  it("takes 255 arguments", function()
    assert.matches("at most 255 arguments", ask "/many-arguments")
    moongate:wait_for_log "given 255 arguments"
  end)

  it("stops tasks that start themselves", function()
    assert.matches("^%d+$", ask "/endless")
    moongate:wait_for_log "tasks start one another too deeply"
    assert.equal("alive", ask "/alive")
  end)

  it("may wait even where the phase may not", function()
    assert.equal("ok", ask "/log")
    moongate:wait_for_log "spawned after all"
  end)

  it("works only while the gateway serves", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading "moongate.spawn(function() end)",
    })
    assert.equal(1, code)
    assert.matches("only while the gateway serves", err)
  end)

  it("ends with its generation", function()
    local own = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/", function(req, m)
        m.spawn(function() m.log.info "waits for ever" m.sleep(3600) m.log.info "it went on" end)
      end)
    ]==] }
    http.request(own.port, {})
    own:wait_for_log "waits for ever"
    own:stop()
  end)
end)
