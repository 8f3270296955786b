--- tally: what C counts is what Lua counts.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local wait = require "spec.support.wait"

describe("tally", function()
  local moongate, origin

  setup(function()
    origin = peer.start()
    moongate = gateway.start { files = probe.files, config = ([==[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "users" { "%s" }
      route "/alone/{code}" { upstream = "users", rewrite = "/status/{code}", name = "alone",
        plugins = { "metrics" } }
      route "/beside/{code}" { upstream = "users", rewrite = "/status/{code}", name = "beside",
        plugins = { "metrics", { "probe", on_log = function() end } } }
      route "/gone" { upstream = "http://127.0.0.1:1", name = "gone", plugins = { "metrics" } }
    ]==]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path) return http.request(moongate.port, { path = path }) end

  local function sample(key)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    local from, to = text:find("\n" .. key .. " ", 1, true)
    return from and tonumber(text:match("^%d+", to + 1))
  end

  local function wait_for(key, value)
    wait.that(function() return sample(key) == value end, nil, key .. " to be " .. value)
  end

  it("counts by status, however many there are", function()
    for _, route in ipairs { "alone", "beside" } do
      for code = 401, 420 do
        for _ = 1, 2 do get(("/%s/%d"):format(route, code)) end
      end
      for code = 401, 420 do
        wait_for(('moongate_requests_total{route="%s",status="%d"}'):format(route, code), 2)
      end
      assert.equal(40, sample(('moongate_request_seconds_count{route="%s"}'):format(route)))
      assert.equal(40, sample(('moongate_upstream_attempts_total{route="%s"}'):format(route)))
      assert.equal(40, sample(
        ('moongate_plugin_calls_total{plugin="metrics",route="%s"}'):format(route)))
    end
  end)

  it("counts faults", function()
    for _ = 1, 3 do get "/gone" end
    wait_for('moongate_faults_total{route="gone",fault="upstream-refused"}', 3)
    assert.equal(3, sample 'moongate_requests_total{route="gone",status="502"}')
  end)
end)
