local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

-- What requests are counted by, what one of them has of it, and the text that it is.
local ROWS = {
  { by = '"consumer"', text = "mobile" },
  { by = '"address"', text = "127.0.0.1" },
  { by = '"route"', text = "/3/{id}" },
  { by = '"header:X-Team"', headers = { { "x-team", "a" }, { "X-Team", "b" } }, text = "a, b" },
  { by = '"query:q"', target = "x?q=1%202&q=3", text = "1 2" },
  { by = '"cookie:sid"', headers = { cookie = 'a=b; sid="s"' }, text = "s" },
  { by = '"param:id"', target = "a%2Fb", text = "a/b" },
  { by = "function() return 7 end", text = "7" },
  { by = '"header:x-none"', text = "" },
  { by = '"query:none"', text = "" },
  { by = '"claim:sub"', text = "" },
  { by = "function() return nil end", text = "" },
}

describe("limit_rules", function()
  local moongate

  setup(function()
    local lines = { probe.says, ('upstream "origin" { "%s" }'):format(peer.start().url), [==[
      consumer "mobile" {}
      says("/left/{name}", function(req, m)
        local one = m.limit.gcra { name = "rate-limit:" .. req.params.name, limit = 9,
          window = 3600 }
        return (select(2, one:take(req.query.of, 0)))
      end)
    ]==] }
    for i, row in ipairs(ROWS) do
      lines[#lines + 1] = ([[route "/%d/{id}" { upstream = "origin", plugins = {
        { "key-auth", anonymous = "mobile" },
        { "rate-limit", limit = 9, window = "1h", name = "%d", by = %s } } }]]):format(i, i, row.by)
    end
    lines[#lines + 1] = [[route "POST /waits" { upstream = "origin", plugins = {
      { "rate-limit", limits = {
        { limit = 9, window = "1h", name = "team", by = "header:x-team" },
        { limit = 9, window = "1h", name = "body", by = function(req) return req:body() end } } },
    } }]]
    moongate = gateway.start { files = probe.files, config = table.concat(lines, "\n") }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- How much of a limit's 9 a text may still use.
  local function left(name, text)
    local escaped = text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
    local path = ("/left/%s?of=%s"):format(name, escaped)
    return http.request(moongate.port, { path = path }).body
  end

  for i, row in ipairs(ROWS) do
    it("is the same found in place as a text: " .. row.by, function()
      assert.equal("9", left(i, row.text))
      local answer = http.request(moongate.port,
        { path = ("/%d/%s"):format(i, row.target or "x"), headers = row.headers })
      assert.equal(200, answer.status)
      assert.equal("8", left(i, row.text))
    end)
  end

  it("stays a request's own while another of its limits waits", function()
    local slow = http.connect(moongate.port)
    slow:send("POST /waits HTTP/1.1\r\nHost: a\r\nX-Team: slow\r\nContent-Length: 4\r\n\r\ntw")
    local quick = http.connect(moongate.port)
    for _ = 1, 2 do
      local answer = quick:request { method = "POST", path = "/waits", body = "all",
        headers = { ["x-team"] = "quick" } }
      assert.equal(200, answer.status)
    end
    slow:send "in"
    assert.equal(200, slow:read_response().status)
    assert.equal("7 8", left("team", "quick") .. " " .. left("team", "slow"))
    assert.equal("7 8", left("body", "all") .. " " .. left("body", "twin"))
    quick:close()
    slow:close()
  end)
end)
