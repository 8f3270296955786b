--- freshness_spec: for how long an answer may be used.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local probe = require "spec.support.probe"

describe("freshness", function()
  local moongate

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("POST /of", function(req, m) return m.freshness.of(req:json(), 784111777) end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  for _, case in ipairs {
    { {}, "nil" },
    { { ["cache-control"] = "max-age=60" }, "60" },
    { { ["cache-control"] = 'public, MAX-AGE="60", must-revalidate' }, "60" },
    { { ["cache-control"] = ' max-age = "60" \t, x="a"b' }, "60" },
    { { ["cache-control"] = 'max-age=60, max-age="7"0"' }, "60" },
    { { ["cache-control"] = "max-age=60", age = "20" }, "40" },
    { { ["cache-control"] = "max-age=60", age = "61" }, "0" },
    { { ["cache-control"] = "max-age=60", age = "x" }, "60" },
    { { ["cache-control"] = "max-age=x" }, "0" },
    { { ["cache-control"] = "max-age=-1" }, "0" },
    { { ["cache-control"] = "max-age=60, no-store" }, "0" },
    { { ["cache-control"] = "no-cache" }, "0" },
    { { ["cache-control"] = "private" }, "nil" },
    { { ["cache-control"] = "max-age=60", expires = "0" }, "60" },
    { { expires = "0" }, "0" },
    -- The clock of the spec is at 08:49:37.
    { { expires = "Sun, 06 Nov 1994 08:50:37 GMT" }, "60" },
    { { expires = "Sun, 06 Nov 1994 08:50:37 GMT", date = "Sun, 06 Nov 1994 08:50:07 GMT" }, "30" },
    { { expires = "Sun, 06 Nov 1994 08:00:00 GMT" }, "0" },
    { { expires = "Sun, 06 Nov 1994 08:50:37 GMT", age = "50" }, "10" },
  } do
    local headers = json.encode(case[1])
    it(("is %s by %s"):format(case[2], headers), function()
      assert.equal(case[2], http.request(moongate.port,
        { method = "POST", path = "/of", body = headers }).body)
    end)
  end

  -- Squared, these would be ten thousand million steps, and take a minute.
  it("takes no time for a field full of blanks", function()
    local control = "max-age=5" .. (" "):rep(100000) .. "x, max-age=60" .. (" "):rep(100000)
    local answer = http.request(moongate.port, { method = "POST", path = "/of", seconds = 10,
      body = json.encode { ["cache-control"] = control } })
    assert.equal("60", answer.body)
  end)
end)
