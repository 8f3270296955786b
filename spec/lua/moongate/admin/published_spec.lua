--- published: what a worker says of targets, while its configuration changes.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- While there is the file "hold", each target is published only once there is the file "go".
local HOLD = [[
local moongate = require "moongate"
local published = require "moongate.admin.published"
local here = debug.getinfo(1, "S").source:match "^@(.*)/plugins/"
local function has(name)
  local file = io.open(here .. "/" .. name)
  if file then file:close() end
  return file ~= nil
end
local each_target = published.each_target
function published.each_target(visit)
  each_target(function(...)
    if has "hold" then io.open(here .. "/held", "w"):close() end
    while has "hold" and not has "go" do moongate.sleep(0.005) end
    visit(...)
  end)
end
return { summary = "Makes publishing slow.", options = {}, request = function() end }
]]

local CONFIG = [[
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  upstream "users" { "http://%s" }
  route "/" { upstream = "users" }
  %s
]]

describe("what is published of targets", function()
  after_each(gateway.stop_all)

  it("is not of those that went while it was being published", function()
    local self = reloading.start { config = CONFIG:format("127.0.0.1:1", 'use { { "hold" } }'),
      files = { ["plugins/hold.lua"] = HOLD } }
    local function weight()
      return http.request(self.admin_port, { path = "/metrics" }).body
        :match '\nmoongate_target_weight{upstream="users",target="127.0.0.1:1"} (%d+)'
    end
    local function write(name) system.write_file(self.directory .. "/" .. name, "") end
    assert.equal("1", weight())
    write "hold"
    local slow = http.connect(self.admin_port)
    slow:send(http.format { path = "/metrics" })
    wait.that(function() return system.read_file(self.directory .. "/held") end)
    self:reload { ["gateway.lua"] = CONFIG:format("127.0.0.1:2", "") }
    wait.that(function() return weight() == "0" end, 20, "the target to be forgotten")
    write "go"
    assert.equal(200, slow:read_response().status)
    assert.equal("0", weight())
  end)
end)
