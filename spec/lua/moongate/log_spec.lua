local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("log", function()
  after_each(gateway.stop_all)

  local function start()
    return gateway.start { files = probe.files, config = probe.says .. [==[
      log { level = "info" }
      says("/levels", function(req, m)
        m.log.debug "a debug line" m.log.info "an info line"
        m.log.warning("a warning of %d%%", 5) m.log.error "an error line"
        return m.log.is_on "debug", m.log.is_on "info", m.log.is_on "warning", m.log.is_on "error"
      end)
      says("/plain", function(req, m) m.log.info "100% of it" return req.id end)
      says("/hostile", function(req, m) m.log.info("said\r\n2026 error forged \27[31m\0end") end)
      says("/long", function(req, m) m.log.info(("x"):rep(100000)) return "written" end)
      says("/format", function(req, m) m.log.info("%d", "no number") end)
    ]==] }
  end

  local function ask(moongate, path) return http.request(moongate.port, { path = path }).body end

  it("writes lines of its level and above", function()
    local moongate = start()
    assert.equal("false true true true", ask(moongate, "/levels"))
    moongate:wait_for_log "error [^\n]*an error line"
    local log = moongate:log()
    assert.matches("warning [^\n]*a warning of 5%%", log)
    assert.matches("info [^\n]*an info line", log)
    assert.is_nil(log:find "a debug line")
  end)

  it("writes a text alone as it is, under the id of the request", function()
    local moongate = start()
    local id = ask(moongate, "/plain")
    moongate:wait_for_log("100%% of it request=" .. id)
  end)

  it("keeps every text on one line", function()
    local moongate = start()
    ask(moongate, "/hostile")
    local line = moongate:wait_for_log "[^\n]*forged[^\n]*"
    assert.matches("said", line)
    assert.is_nil(line:find "[%c]")
  end)

  it("survives texts without end", function()
    local moongate = start()
    assert.equal("written", ask(moongate, "/long"))
    moongate:wait_for_log "xxxxxxxx"
  end)

  it("raises for a format that does not fit", function()
    assert.matches("number expected", ask(start(), "/format"))
  end)
end)
