--- slots_spec: what plugins take for as long as a request lasts.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("slots", function()
  local moongate

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/take", function(req, m)
        local slots = m.slots { name = "two", limit = 2 }
        local first, one = slots:take(req, "a")
        local second, two = slots:take(req, "a")
        local third, still_two = slots:take(req, "a")
        local other = slots:take(req, "b")
        return first, one, second, two, third, still_two, other
      end)
      says("/bad", function(req, m)
        m.slots { name = req.query.name, limit = tonumber(req.query.limit) }
      end)
      says("/scope", function(req, m) m.slots { name = "a", limit = 1 }:take(req, nil) end)
    ]==] }
  end)
  teardown(gateway.stop_all)

  it("are as many as the limit for each scope, and free again after the request", function()
    local connection = http.connect(moongate.port)
    for _ = 1, 3 do
      assert.equal("true 1 true 2 false 2 true", connection:request({ path = "/take" }).body)
    end
    connection:close()
  end)

  it("need a name, a number and a scope", function()
    assert.matches("need a name", ask "/bad?limit=1")
    assert.matches("1 to 1048575", ask "/bad?name=a&limit=0")
    assert.matches("1 to 1048575", ask "/bad?name=a&limit=1.5")
    assert.matches("scope of slots is a string", ask "/scope")
  end)
end)
