--- reload: what changes with a reload, and what does not.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"

describe("a reload", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function get(self, path, port)
    return http.request(port or self.port, { path = path })
  end

  local function config(routes)
    return ('listen "127.0.0.1:0"\nplugins "plugins"\n%s'):format(routes)
  end

  it("brings new routes and takes old ones away", function()
    local self = reloading.start {
      config = config [[route "/a" { plugins = { { "mock", body = "old" } } }]],
    }
    assert.equal("old", get(self, "/a").body)
    self:reload {
      ["gateway.lua"] = config [[route "/b" { plugins = { { "mock", body = "new" } } }]],
    }
    assert.equal(404, get(self, "/a").status)
    assert.equal("new", get(self, "/b").body)
    self:stop()
  end)
end)
