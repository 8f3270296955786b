local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("sleep", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/0.05", function(req, m)
        local before = m.time.monotonic()
        m.sleep(0.05)
        return m.time.monotonic() - before >= 0.049
      end)
      says("/none", function(req, m) m.sleep(0) m.sleep(-1) m.sleep(0 / 0) return "awake" end)
      says("/text", function(req, m) m.sleep "soon" end)
      says("/ever", function(req, m) m.log.info "sleeps for ever" m.sleep(math.huge) end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("waits as long as it is told", function() assert.equal("true", ask "/0.05") end)

  it("takes what is no time for none", function() assert.equal("awake", ask "/none") end)

  it("raises for what is no number", function() assert.matches("number expected", ask "/text") end)

  it("may be left by the client", function()
    local connection = http.connect(moongate.port)
    connection:send "GET /ever HTTP/1.1\r\nHost: a\r\n\r\n"
    moongate:wait_for_log "sleeps for ever"
    connection:close()
    assert.equal("awake", ask "/none")
  end)

  it("works only while the gateway serves", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading "moongate.sleep(0)",
    })
    assert.equal(1, code)
    assert.matches("only while the gateway serves", err)
  end)
end)
