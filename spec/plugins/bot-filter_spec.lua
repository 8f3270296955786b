local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local refusal = require "spec.support.refusal"

describe("bot-filter", function()
  local self

  setup(function()
    self = gateway.start { config = [[
      listen "127.0.0.1:0"
      local function plain(path, options)
        options[1] = "bot-filter"
        route(path) { plugins = { options, { "mock", body = "in" } } }
      end
      plain("/deny", { deny = { "curl", "Evil*Bot/2", "a+b[c]" } })
      plain("/allow", { allow = { "Mozilla/5.0" }, missing = "deny" })
      plain("/both", { allow = { "curl/8*trusted" }, deny = { "curl" } })
    ]] }
  end)
  teardown(gateway.stop_all)

  local function status(path, agent)
    return http.request(self.port, { path = path, headers = { ["user-agent"] = agent } }).status
  end

  it("refuses those that contain a text, in any case, again and again", function()
    for _ = 1, 2 do
      assert.equal(403, status("/deny", "curl/8.1"))
      assert.equal(403, status("/deny", "libCURL"))
      assert.equal(200, status("/deny", "Mozilla/5.0"))
    end
  end)

  it("lets a star stand for anything, and nothing else for anything but itself", function()
    assert.equal(403, status("/deny", "EvilBot/2"))
    assert.equal(403, status("/deny", "an evil and large bot/2.1"))
    assert.equal(200, status("/deny", "bot/2 evil"))
    assert.equal(403, status("/deny", "xa+B[C]x"))
    assert.equal(200, status("/deny", "aab[c]"))
  end)

  it("admits none but those allowed, where nothing is denied", function()
    assert.equal(200, status("/allow", "Mozilla/5.0 (X11)"))
    assert.equal(403, status("/allow", "curl/8.1"))
    assert.equal(403, status("/allow", ""))
    assert.equal(403, http.request(self.port, { path = "/allow" }).status)
  end)

  it("admits what is allowed although it is denied", function()
    assert.equal(200, status("/both", "curl/8.1 trusted"))
    assert.equal(403, status("/both", "curl/7.1 trusted"))
    assert.equal(200, http.request(self.port, { path = "/both" }).status)
  end)

  it("decides about more kinds than it keeps in mind, and about long ones", function()
    local connection = http.connect(self.port)
    for i = 1, 2100 do
      local agent = i % 2 == 0 and "curl/" .. i or "browser/" .. i
      local answer = connection:request { path = "/deny", headers = { ["user-agent"] = agent } }
      if answer.status ~= (i % 2 == 0 and 403 or 200) then error(agent .. ": " .. answer.status) end
    end
    connection:close()
    assert.equal(403, status("/deny", ("x"):rep(2000) .. "curl"))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"bot-filter"'] = "both empty",
      ['"bot-filter", deny = { "" }'] = "which every User-Agent contains",
      ['"bot-filter", allow = { "**" }'] = "which every User-Agent contains",
    }
  end)
end)
