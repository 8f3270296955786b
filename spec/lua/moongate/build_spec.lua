--- build_spec: what routes cost by the thousand, and that what is wrong with one is still found.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"

local is_sanitized = os.getenv "MOONGATE_BUILD" == "asan"
local COUNT = 20000

local CONFIG = [[
listen "127.0.0.1:0"
workers(1)
upstream "up" { "http://127.0.0.1:9" }
for i = 1, %d do
  route("GET /service" .. i .. "/users/{id}") { upstream = "up", plugins = %s }
end
route "/last" { plugins = { { "mock", body = "here" } } }
]]

describe("routes by the thousand", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function memory_of(count, plugins)
    local self = gateway.start { config = CONFIG:format(count, plugins) }
    assert.equal("here", http.request(self.port, { path = "/last" }).body)
    local bytes = self:rss()
    self:stop()
    return bytes
  end

  -- Sanitizers have memory of their own.
  for plugins, bytes_max in pairs(is_sanitized and {} or {
    ["nil"] = 0.6 * 1024,
    ['{ { "key-auth" }, { "rate-limit", limit = i } }'] = 1.85 * 1024,
  }) do
    it("take little memory with plugins = " .. plugins, function()
      local none = memory_of(1, plugins)
      local each = (memory_of(COUNT, plugins) - none) / COUNT
      assert.is_true(each < bytes_max, ("%.0f bytes each"):format(each))
    end)
  end

  it("have each its own, where they follow those that are like them but for that", function()
    local origin = peer.start()
    local self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "up" { "%s" }
      for i = 1, 2 do route("GET /to/" .. i) { upstream = "up", rewrite = "/at/" .. i } end
      for i = 1, 2 do route(({ "PUT", "POST" })[i] .. " /to/1") { upstream = "up" } end
      route "/to/{id}" { upstream = "up", when = function(req) return req.method == "PATCH" end }
      for i = 1, 2 do
        route("/with/" .. i) { upstream = "up", plugins = i == 2 and { "request-id" } or {} }
      end
    ]]):format(origin.url) }
    for target, seen in pairs { ["GET /to/1"] = "/at/1", ["GET /to/2"] = "/at/2",
      ["PUT /to/1"] = "/to/1", ["POST /to/1"] = "/to/1", ["PATCH /to/2"] = "/to/2" } do
      local method, path = target:match "^(%u+) (.*)$"
      assert.equal(200, http.request(self.port, { method = method, path = path }).status, target)
      local requests = origin:requests()
      assert.equal(seen, requests[#requests].target, target)
    end
    local shown = json.decode(http.request(self.admin_port, { path = "/config" }).body).routes
    assert.same({ "/at/1", "/at/2" }, { shown[1].rewrite, shown[2].rewrite })
    assert.is_nil(shown[3].rewrite)
    assert.same({ { "PUT" }, { "POST" } }, { shown[3].methods, shown[4].methods })
    assert.same({ false, true, false }, { shown[4].conditional, shown[5].conditional,
      shown[6].conditional })
    assert.same({ 0, 1 }, { #shown[6].plugins, #shown[7].plugins })
  end)

  it("are each found to be like another one, whatever else is wrong", function()
    local code, _, err = gateway.run({ "check" }, { seconds = 60, config = [[
      listen "127.0.0.1:0"
      for i = 1, 2000 do route("/" .. i % 1999) { upstream = "http://127.0.0.1:9" } end
      upstream "a" {}
      route "/1" { upstream = "http://127.0.0.1:9" }
    ]] })
    assert.equal(1, code)
    local told = select(2, err:gsub("cannot be told apart from route", ""))
    assert.equal(2, told)
    assert.matches('gateway.lua:3: upstream "a": it has no target', err)
  end)
end)
