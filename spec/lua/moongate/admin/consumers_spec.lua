--- consumers_spec: consumers that are made, changed and revoked while the gateway runs.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local mime = require "mime"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local ENVELOPE = { ["content-type"] = "application/json" }

-- A client of the admin API.
local function client(port)
  local self = {}
  function self.ask(method, path, body, headers)
    local answer = http.request(port, { method = method, path = path, headers = headers or ENVELOPE,
      body = body and json.encode(body) })
    local is_json = (answer.headers["content-type"] or ""):find "json"
    return answer.status, is_json and json.decode(answer.body) or answer.body, answer
  end
  function self.must(status, method, path, body)
    local got, answer = self.ask(method, path, body)
    assert.equal(status, got, type(answer) == "table" and json.encode(answer) or answer)
    return answer
  end
  return self
end

describe("consumers of the admin API", function()
  local moongate, origin, admin

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      store { path = "state" }
      plan "gold" { limit = 10 }
      consumer "declared" { keys = { "a-key-of-the-configuration" }, plan = "gold",
        groups = { "of-it" }, tags = { tier = "one" }, hmac_secrets = { "an hmac secret of it" } }
      route "/keys" { upstream = "%s", plugins = { "key-auth" } }
      route "/basic" { upstream = "%s", plugins = { "basic-auth" } }
      route "/staff" { upstream = "%s", plugins = { "key-auth", { "acl", groups = { "staff" } } } }
    ]]):format(origin.url, origin.url, origin.url) }
    admin = client(moongate.admin_port)
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function try(key, path)
    return http.request(moongate.port,
      { path = path or "/keys", headers = { ["x-api-key"] = key } }).status
  end

  -- On all workers: connections are spread over them.
  local function everywhere(key, status, path)
    for _ = 1, 12 do
      if try(key, path) ~= status then return false end
    end
    return true
  end

  it("makes, shows, changes and deletes them", function()
    local made = admin.must(201, "POST", "/consumers",
      { name = "anna", groups = { "staff" }, tags = { team = "core" }, plan = "gold" })
    assert.same({ "staff" }, made.groups)
    assert.same({}, made.credentials)
    local answer = admin.must(200, "GET", "/consumers/anna")
    assert.same(made, answer)
    answer = admin.must(200, "PUT", "/consumers/anna", { roles = { "owner" } })
    assert.same({ groups = {}, roles = { "owner" } },
      { groups = answer.groups, roles = answer.roles })
    assert.is_nil(answer.plan)
    admin.must(204, "DELETE", "/consumers/anna")
    admin.must(404, "GET", "/consumers/anna")
    admin.must(404, "DELETE", "/consumers/anna")
    admin.must(404, "PUT", "/consumers/anna", {})
  end)

  it("gives keys, shows each once, and never keeps one", function()
    admin.must(201, "POST", "/consumers", { name = "keys" })
    local made = admin.must(201, "POST", "/consumers/keys/credentials", { type = "key" })
    assert.equal(43, #made.key)
    assert.equal(200, try(made.key))
    assert.is_nil(admin.must(200, "GET", "/consumers/keys").credentials[1].key)
    local files = io.open(moongate.directory .. "/state/data.mdb", "rb")
    local content = files:read "*a"
    files:close()
    assert.is_nil(content:find(made.key, 1, true))
    assert.truthy(content:find("consumer/keys", 1, true))
    admin.must(201, "POST", "/consumers/keys/credentials",
      { type = "key", key = "a key that somebody chose" })
    assert.equal(200, try "a key that somebody chose")
    admin.must(409, "POST", "/consumers/keys/credentials",
      { type = "key", key = "a key that somebody chose" })
    admin.must(409, "POST", "/consumers/keys/credentials",
      { type = "key", key = "a-key-of-the-configuration" })
    admin.must(422, "POST", "/consumers/keys/credentials", { type = "key", key = "short" })
  end)

  it("revokes a key on all workers within a second", function()
    admin.must(201, "POST", "/consumers", { name = "gone" })
    local made = admin.must(201, "POST", "/consumers/gone/credentials", { type = "key" })
    assert.is_true(everywhere(made.key, 200)) -- so that every worker keeps it
    admin.must(204, "DELETE", "/consumers/gone/credentials/" .. made.id)
    local from = system.now()
    wait.that(function() return everywhere(made.key, 401) end)
    assert.is_true(system.now() - from < 5, system.now() - from)
    admin.must(404, "DELETE", "/consumers/gone/credentials/" .. made.id)
  end)

  it("revokes a consumer with all that it has, and its groups", function()
    admin.must(201, "POST", "/consumers", { name = "staff", groups = { "staff" } })
    local one = admin.must(201, "POST", "/consumers/staff/credentials", { type = "key" })
    local other = admin.must(201, "POST", "/consumers/staff/credentials", { type = "key" })
    assert.is_true(everywhere(one.key, 200, "/staff"))
    admin.must(200, "PUT", "/consumers/staff", {})
    wait.that(function() return everywhere(one.key, 403, "/staff") end)
    assert.is_true(everywhere(other.key, 200))
    admin.must(204, "DELETE", "/consumers/staff")
    wait.that(function() return everywhere(one.key, 401) and everywhere(other.key, 401) end)
    -- The name is free again, and nothing of the one before comes with it.
    admin.must(201, "POST", "/consumers", { name = "staff" })
    assert.equal(401, try(one.key))
  end)

  it("lets keys expire, and rotates them with an overlap", function()
    admin.must(201, "POST", "/consumers", { name = "rotated" })
    local old = admin.must(201, "POST", "/consumers/rotated/credentials",
      { type = "key", expires_in = "1h" })
    assert.matches("^%d%d%d%d%-.*Z$", old.expires)
    assert.is_true(everywhere(old.key, 200))
    local path = "/consumers/rotated/credentials/" .. old.id .. "/rotate"
    local new = admin.must(201, "POST", path, { overlap = "4s" })
    assert.not_equal(old.key, new.key)
    assert.equal(200, try(new.key))
    assert.equal(200, try(old.key))
    wait.that(function() return everywhere(old.key, 401) end)
    assert.is_true(everywhere(new.key, 200))
    admin.must(404, "POST", "/consumers/rotated/credentials/none/rotate")
    local expired = admin.must(201, "POST", "/consumers/rotated/credentials",
      { type = "key", expires = "2001-01-01T00:00:00Z" })
    assert.equal(401, try(expired.key))
  end)

  it("keeps passwords as hashes, several for one user name", function()
    admin.must(201, "POST", "/consumers", { name = "user" })
    admin.must(201, "POST", "/consumers", { name = "rival" })
    local function enter(text)
      return http.request(moongate.port, { path = "/basic",
        headers = { authorization = "Basic " .. (mime.b64(text)) } }).status
    end
    local first = admin.must(201, "POST", "/consumers/user/credentials",
      { type = "password", password = "first" })
    assert.is_nil(first.password)
    assert.is_nil(first.hash)
    admin.must(201, "POST", "/consumers/user/credentials", { type = "password", password = "2nd" })
    assert.same({ 200, 200, 401 }, { enter "user:first", enter "user:2nd", enter "user:third" })
    admin.must(409, "POST", "/consumers/rival/credentials",
      { type = "password", username = "user", password = "mine" })
    admin.must(204, "DELETE", "/consumers/user/credentials/" .. first.id)
    wait.that(function() return enter "user:first" == 401 end)
    assert.equal(200, enter "user:2nd")
    admin.must(422, "POST", "/consumers/user/credentials", { type = "password" })
  end)

  it("lists them by name, some at a time", function()
    for i = 1, 5 do admin.must(201, "POST", "/consumers", { name = "list-" .. i }) end
    local page = admin.must(200, "GET", "/consumers?after=list-&limit=3")
    assert.same({ "list-1", "list-2", "list-3" },
      { page.consumers[1].name, page.consumers[2].name, page.consumers[3].name })
    assert.equal("list-3", page.next)
    page = admin.must(200, "GET", "/consumers?limit=2&after=" .. page.next)
    assert.equal("list-5", page.consumers[2].name)
    admin.must(422, "GET", "/consumers?limit=x")
  end)

  it("lists those of the configuration among them, without anything secret", function()
    admin.must(201, "POST", "/consumers", { name = "declaree" })
    admin.must(201, "POST", "/consumers", { name = "declare" })
    local page = admin.must(200, "GET", "/consumers?after=d&limit=2")
    assert.same({ "declare", "declared" }, { page.consumers[1].name, page.consumers[2].name })
    assert.same({ "store", "configuration" },
      { page.consumers[1].source, page.consumers[2].source })
    assert.same({ name = "declared", source = "configuration", groups = { "of-it" }, roles = {},
      scopes = {}, tags = { tier = "one" }, plan = "gold" }, page.consumers[2])
    page = admin.must(200, "GET", "/consumers?limit=1&after=" .. page.next)
    assert.equal("declaree", page.consumers[1].name)
    assert.same("configuration", admin.must(200, "GET", "/consumers/declared").source)
    admin.must(404, "DELETE", "/consumers/declared")
    local _, _, all = admin.ask("GET", "/consumers?limit=1000")
    for _, secret in ipairs { "a-key-of-the-configuration", "an hmac secret of it", "scrypt" } do
      assert.is_nil(all.body:find(secret, 1, true), secret)
    end
  end)

  it("rotates in one commit, however many change it at once", function()
    admin.must(201, "POST", "/consumers", { name = "turned" })
    local old = admin.must(201, "POST", "/consumers/turned/credentials", { type = "hmac" })
    local new = admin.must(201, "POST",
      "/consumers/turned/credentials/" .. old.id .. "/rotate", { overlap = "2s" })
    assert.not_equal(old.hmac_id, new.hmac_id)
    local credentials = admin.must(200, "GET", "/consumers/turned").credentials
    assert.equal(2, #credentials)
    assert.truthy(credentials[1].expires)
    assert.is_nil(credentials[2].expires)
    assert.is_nil(credentials[2].secret)
    -- One that cannot be made leaves the old one as it was.
    local key = admin.must(201, "POST", "/consumers/turned/credentials", { type = "key" })
    admin.must(409, "POST", "/consumers/turned/credentials/" .. key.id .. "/rotate",
      { key = "a-key-of-the-configuration" })
    credentials = admin.must(200, "GET", "/consumers/turned").credentials
    assert.equal(3, #credentials)
    assert.is_nil(credentials[3].expires)
  end)

  it("refuses names that no store has, and looks for none", function()
    local long = ("x"):rep(470)
    admin.must(201, "POST", "/consumers", { name = "long" })
    admin.must(422, "POST", "/consumers/long/credentials",
      { type = "password", username = long, password = "p" })
    assert.equal(401, http.request(moongate.port, { path = "/basic",
      headers = { authorization = "Basic " .. (mime.b64(long .. ":p")) } }).status)
  end)

  it("refuses what cannot be, and says why", function()
    local function why(path, body)
      local status, answer = admin.ask("POST", path, body)
      assert.is_true(status >= 400 and status < 500, status)
      return answer.detail
    end
    for _, name in ipairs { "a/b", ".", ".." } do
      assert.matches("A name has 1 to 128", why("/consumers", { name = name }), name)
    end
    assert.matches("A name has 1 to 128", why("/consumers", {}))
    assert.matches('group is not known here; did you mean "groups"', why("/consumers",
      { name = "x", group = {} }))
    assert.matches('There is no plan "lead"', why("/consumers", { name = "x", plan = "lead" }))
    assert.matches("The configuration has a consumer", why("/consumers", { name = "declared" }))
    assert.matches("no such consumer", why("/consumers/none/credentials", { type = "key" }))
    assert.matches("type is missing", why("/consumers/none/credentials", {}))
    assert.matches("expires is a time", why("/consumers/none/credentials",
      { type = "key", expires = "tomorrow" }))
    local _, answer = admin.ask("POST", "/consumers", nil, {})
    assert.matches("The body is no JSON object", answer.detail)
  end)

  it("is behind the guard of the admin listener", function()
    local status = admin.ask("POST", "/consumers", { name = "page" }, { origin = "http://evil" })
    assert.equal(403, status)
    status = admin.ask("DELETE", "/consumers/keys", nil, { origin = "http://evil" })
    assert.equal(403, status)
    local got, _, answer = admin.ask("PATCH", "/consumers/keys")
    assert.equal(405, got)
    assert.equal("DELETE, GET, HEAD, PUT", answer.headers.allow)
  end)

  it("has those of the configuration alone without a store", function()
    local without = gateway.start { config = [[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      route "/" { plugins = { { "mock" } } }
    ]] }
    local ask = client(without.admin_port).ask
    assert.equal(503, (ask("POST", "/consumers", { name = "x" })))
    local status, page = ask("GET", "/consumers")
    assert.equal(200, status)
    assert.same({}, page.consumers)
    without:stop()
  end)
end)

describe("consumers that were acknowledged", function()
  local WRITES, KILLS = 1000, 4

  after_each(function() gateway.stop_all() end)

  local function configuration(folder)
    return ([[
      workers(2)
      admin "127.0.0.1:0"
      listen "127.0.0.1:0"
      store { path = "%s/state" }
      route "/" { plugins = { { "mock" } } }
    ]]):format(folder)
  end

  -- Makes consumers from number `from` on, until `stop` says so; notes those that were
  -- acknowledged. Connections that break are made again.
  local function write(port, from, to, acknowledged, on_write)
    local connection
    for i = from, to do
      on_write(i)
      local ok, status = pcall(function()
        connection = connection or http.connect(port)
        return connection:request { method = "POST", path = "/consumers",
          body = json.encode { name = "n" .. i } }.status
      end)
      if ok and status == 201 then
        acknowledged[#acknowledged + 1] = "n" .. i
      elseif not ok then
        connection = nil
      end
    end
  end

  local function names(port)
    local found, after = {}, nil
    repeat
      local answer = http.request(port, { path = "/consumers?limit=1000"
        .. (after and "&after=" .. after or "") })
      local page = json.decode(answer.body)
      for _, consumer in ipairs(page.consumers) do found[consumer.name] = true end
      after = page.next
    until not after
    return found
  end

  it("are there whoever is killed in the middle of a thousand writes", function()
    local folder, acknowledged = system.temporary_directory(), {}
    local self = gateway.start { config = configuration(folder) }
    write(self.admin_port, 1, WRITES, acknowledged, function(i)
      if i % math.floor(WRITES / KILLS) == 60 then
        system.kill(self:worker_pids()[1 + i % 2], system.SIGKILL)
      elseif i == WRITES - 100 then -- all of it
        local workers = self:worker_pids()
        self:crash()
        for _, pid in ipairs(workers) do system.kill(pid, system.SIGKILL) end
      end
    end)
    self = gateway.start { config = configuration(folder) }
    assert.is_true(#acknowledged > WRITES - 200 and #acknowledged < WRITES, #acknowledged)
    local found = names(self.admin_port)
    for _, name in ipairs(acknowledged) do assert.is_true(found[name], name) end
    local more = {}
    write(self.admin_port, WRITES + 1, WRITES + 10, more, function() end)
    assert.equal(10, #more)
  end)
end)
