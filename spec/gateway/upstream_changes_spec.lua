--- upstream_changes: what operators say of targets while the gateway runs.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"

describe("a target", function()
  local self, origins

  setup(function()
    origins = {}
    local urls = {}
    for i = 1, 2 do
      origins[i] = peer.start(function(connection)
        while connection:read_request() do
          if not connection:answer(200, nil, tostring(i)) then return end
        end
      end)
      urls[i] = ("%q"):format(origins[i].url)
    end
    self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(2)
      upstream "users" { %s, sticky = {} }
      route "/{rest*}" { upstream = "users" }
    ]]):format(table.concat(urls, ", ")) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function admin(method, path, body)
    local response = http.request(self.admin_port, { method = method, path = path,
      body = body and json.encode(body) })
    return json.decode(response.body), response.status
  end

  local function path_of(i) return "/upstreams/users/targets/" .. origins[i].address end

  after_each(function()
    for i = 1, 2 do admin("DELETE", path_of(i)) end
  end)

  local function tally(count, headers)
    local counts = { 0, 0 }
    for _ = 1, count do
      local who = tonumber(http.request(self.port, { path = "/", headers = headers }).body)
      counts[who] = counts[who] + 1
    end
    return counts
  end

  local function cookie_for(wanted)
    for _ = 1, 4 do
      local response = http.request(self.port, { path = "/" })
      local cookie = response.headers["set-cookie"]:match "^[^;]+"
      if response.body == tostring(wanted) then return cookie end
    end
  end

  it("that is drained gets no requests but those that a cookie binds, in all workers", function()
    local cookie = cookie_for(1)
    local row, status = admin("PUT", path_of(1), { state = "drain" })
    assert.equal(200, status)
    assert.equal("draining", row.state)
    assert.same({ state = "draining" }, row.overlay)
    assert.same({ 0, 12 }, tally(12))
    assert.same({ 6, 0 }, tally(6, { cookie = cookie }))
    admin("PUT", path_of(1), { state = "enable" })
    assert.same({ 6, 6 }, tally(12))
  end)

  it("that is disabled gets none at all", function()
    local cookie = cookie_for(1)
    admin("PUT", path_of(1), { state = "disable" })
    assert.same({ 0, 6 }, tally(6, { cookie = cookie }))
    admin("PUT", path_of(2), { state = "disable" })
    assert.equal(503, http.request(self.port, { path = "/" }).status)
  end)

  it("can have another weight, until it is reset", function()
    local row = admin("PUT", path_of(1), { weight = 3 })
    assert.equal(1, row.weight)
    assert.equal(3, row.overlay.weight)
    assert.same({ 15, 5 }, tally(20))
    row = admin("DELETE", path_of(1))
    assert.is_nil(row.overlay)
    assert.same({ 10, 10 }, tally(20))
  end)

  it("is named by its URL, too, as it is or escaped", function()
    for _, name in ipairs { origins[1].url, (origins[1].url:gsub("[:/]", function(c)
      return ("%%%02X"):format(c:byte())
    end)), origins[1].url .. "/" } do
      local row, status = admin("GET", "/upstreams/users/targets/" .. name)
      assert.equal(200, status, name)
      assert.equal(origins[1].url, row.url)
    end
  end)

  it("that is not known is refused, with the nearest that is", function()
    local problem, status = admin("PUT", "/upstreams/user/targets/x", { state = "drain" })
    assert.equal(404, status)
    assert.equal('There is no upstream "user"; did you mean "users"?', problem.detail)
    problem, status = admin("PUT", path_of(1) .. "0", { state = "drain" })
    assert.equal(404, status)
    assert.matches('did you mean "127', problem.detail)
    assert.equal(404, (select(2, admin("DELETE", "/upstreams/users/targets/nothing-like-it"))))
    assert.equal(404, (select(2, admin("GET", "/upstreams/orders"))))
  end)

  it("takes no other changes", function()
    for _, body in ipairs { { state = "drained" }, { weight = 0 }, { weight = 1001 }, {},
        { wait = 3 } } do
      assert.equal(422, (select(2, admin("PUT", path_of(1), body))))
    end
    assert.equal(400, http.request(self.admin_port,
      { method = "PUT", path = path_of(1), body = "drain" }).status)
    assert.equal(405, http.request(self.admin_port,
      { method = "POST", path = path_of(1), body = "" }).status)
    assert.same({ 10, 10 }, tally(20))
  end)

  it("stays as it was said to be over a reload and the death of workers", function()
    admin("PUT", path_of(1), { state = "drain", weight = 9 })
    local path = self.directory .. "/gateway.lua"
    system.write_file(path, system.read_file(path) .. '\nvia "another"\n')
    assert.equal(0, (self:ask { "reload" }))
    assert.same({ 0, 6 }, tally(6))
    self:kill_workers()
    assert.same({ 0, 6 }, tally(6))
    local config = admin("GET", "/config")
    assert.same({ { upstream = "users", target = origins[1].url, state = "draining",
      weight = 9 } }, config.overlays)
    admin("DELETE", path_of(1))
    assert.is_nil(admin("GET", "/config").overlays)
  end)

  describe("by moongate upstream", function()
    local function ask(...)
      local code, out, err = self:ask { "upstream", ... }
      return code, out .. err
    end

    it("is drained, enabled, weighed and reset", function()
      local code, text = ask("drain", "users", origins[1].url)
      assert.equal(0, code)
      assert.matches("^users\n", text)
      assert.is_truthy(text:find(origins[1].url .. " +draining"))
      assert.same({ 0, 6 }, tally(6))
      ask("enable", "users", origins[1].address)
      ask("weight", "users", origins[1].address, "3")
      assert.same({ 6, 2 }, tally(8))
      assert.is_truthy(select(2, ask "users"):find "weight 3")
      ask("reset", "users", origins[1].address)
      assert.same({ 4, 4 }, tally(8))
      self:wait_for_log('upstream "users": ' .. origins[1].address .. ": reset")
    end)

    it("is listed, for programs too", function()
      local code, text = ask "--json"
      assert.equal(0, code)
      local rows = json.decode(text).targets
      table.sort(origins, function(a, b) return a.url < b.url end)
      assert.equal(2, #rows)
      assert.same({ upstream = "users", target = origins[1].url, state = "up", active = 0 },
        rows[1])
    end)

    it("is refused when it is not known, or wrongly asked for", function()
      for text, words in pairs {
        ['there is no upstream "user"; did you mean "users"?'] = { "drain", "user", "x" },
        ['there is no target "nothing"'] = { "drain", "users", "nothing" },
        ["the actions are drain, disable, enable, weight and reset"] = { "dry", "users", "x" },
        ["a weight is a whole number from 1 to 1000"] = { "weight", "users", "x", "0" },
        ["expected: moongate upstream ACTION NAME TARGET"] = { "drain", "users" },
        ['there is no upstream "orders"'] = { "orders" },
      } do
        local code, said = ask(unpack(words))
        assert.equal(1, code)
        assert.equal(text .. "\n", said)
      end
      assert.equal(2, (ask("--force", "users")))
    end)
  end)
end)
