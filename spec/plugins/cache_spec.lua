--- cache_spec: the options of the plugin; what the cache does is spec/gateway/cache_spec.lua's.

local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"

describe("cache", function()
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("keeps what says nothing of it for as long as `ttl`", function()
    local origin = cache_origin.start()
    local moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      route "/kept/{rest*}" { upstream = "%s", plugins = { { "cache", ttl = "1m" } } }
      route "/{rest*}" { upstream = "%s", plugins = { "cache" } }
    ]]):format(origin.url, origin.url) }
    local function get(path) return http.request(moongate.port, { path = path }).body end
    assert.equal(get "/kept/a", get "/kept/a")
    assert.not_equal(get "/a", get "/a")
  end)
end)
