--- reload_connections: connections of clients and to upstreams live through reloads.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local UPGRADE = { Connection = "Upgrade", Upgrade = "echo" }

describe("a connection that lives through a reload", function()
  local origin, directory, authority, server

  setup(function()
    origin = peer.start()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "authority")
    server = authority:issue { name = "localhost", alternatives = "DNS:localhost,IP:127.0.0.1" }
  end)
  teardown(function()
    peer.stop_all()
    process.remove(directory)
  end)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local edits = 0
  local function edited(text)
    edits = edits + 1
    return ("%s\n-- edit %d\n"):format(text, edits)
  end

  local function plain()
    return ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      limits { head_timeout = "5m", body_timeout = "5m" } -- reloads may be slow
      upstream "up" { "%s" }
      route "/{rest*}" { upstream = "up", upgrade = true, plugins = { { "logger", text = "old" } } }
    ]]):format(origin.url)
  end

  local FILES = {
    ["plugins/logger.lua"] = [[
      local moongate = require "moongate"
      local logger = { summary = "Logs.", options = { text = { type = "string" } } }
      function logger:log(req, res)
        moongate.log.info("%s logs %s of %s", self.text, res.status, req.route)
      end
      return logger
    ]],
  }

  local function start(text) return reloading.start { config = text or plain(), files = FILES } end

  local function generations(self)
    return json.decode(http.request(self.admin_port, { path = "/status" }).body).generations
  end

  -- What is left of a generation after 30 s is that of the one that serves then.
  local function takes_long(began) return system.now() - began > 25 end

  -- Of more reloads than eight: the earlier ones that are kept, and the one that serves.
  local function wait_for_nine(self, began)
    local count
    wait.that(function()
      count = generations(self)
      return count <= 9
    end, 120)
    assert.is_true(count == 9 or takes_long(began))
  end

  it("serves on when it was idle", function()
    local self = start()
    local clients = {}
    for i = 1, 20 do
      clients[i] = http.connect(self.port)
      assert.equal(200, clients[i]:request({ path = "/bytes/1" }).status)
    end
    local silent = http.connect(self.port)
    for _ = 1, 3 do
      self:reload { ["gateway.lua"] = edited(plain()) }
      for _, client in ipairs(clients) do
        assert.equal(200, client:request({ path = "/bytes/1" }).status)
      end
    end
    assert.equal(200, silent:request({ path = "/bytes/1" }).status)
  end)

  it("has not kept the gateway from reloading when it took the last descriptor", function()
    local self = reloading.start { config = plain(), files = FILES, descriptors = 96 }
    local clients = {}
    for i = 1, 120 do
      clients[i] = http.connect(self.port)
      clients[i]:send(http.format { path = "/delay/0.2" })
    end
    self:wait_for_log "cannot accept connections: Too many open files"
    for i = 1, 4 do
      local listener = i % 2 == 0 and '\nlisten "127.0.0.1:0"\n' or ""
      self:reload { ["gateway.lua"] = edited(plain()) .. listener }
    end
    for _, client in ipairs(clients) do client:close() end
    wait.that(function()
      local ok, answer = pcall(http.request, self.port, { path = "/bytes/1" })
      return ok and answer.status == 200
    end)
  end)

  it("is answered in the middle of a head, of a body and of an answer", function()
    local self = start()
    local head, body, answer = http.connect(self.port), http.connect(self.port),
      http.connect(self.port)
    head:send "GET /bytes/5 HTTP/1.1\r\nHo"
    body:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
    answer:send(http.format { path = "/events/10/0.1" })
    assert.equal(200, answer:read_head().status)
    origin:wait_for_requests(2)
    for _ = 1, 2 do self:reload { ["gateway.lua"] = edited(plain()) } end
    head:send "st: a\r\n\r\n"
    body:send "def"
    assert.equal(200, head:read_response().status)
    assert.equal("6", body:read_response().body)
    assert.is_truthy(answer:receive_until("0\r\n\r\n"):find("data: 10\n\n", 1, true))
    assert.equal(200, answer:request({ path = "/bytes/1" }).status)
  end)

  it("goes on as a tunnel through ten reloads of its own route, and is logged at its end",
    function()
      local self = start()
      local client = http.connect(self.port)
      client:send(http.format { path = "/upgrade", headers = UPGRADE })
      assert.equal(101, client:read_response().status)
      local began = system.now()
      for i = 1, 10 do
        self:reload { ["gateway.lua"] = plain():gsub('"old"', ('"new %d"'):format(i)) }
        client:send("ping " .. i)
        assert.equal("ping " .. i, client:receive(#("ping " .. i)))
      end
      wait.that(function() return generations(self) == 2 end)
      local logs = takes_long(began) and "%w+ logs 101" or "old logs 101"
      client:close()
      self:wait_for_log(logs .. " of /{rest%*}")
      wait.that(function() return generations(self) == 1 end)
    end)

  it("does not keep more than eight earlier generations as a tunnel", function()
    local self, began = start(), system.now()
    local clients = {}
    for i = 1, 12 do
      clients[i] = http.connect(self.port)
      clients[i]:send(http.format { path = "/upgrade", headers = UPGRADE })
      assert.equal(101, clients[i]:read_response().status)
      self:reload { ["gateway.lua"] = plain():gsub('"old"', ('"new %d"'):format(i)) }
    end
    wait_for_nine(self, began)
    for i, client in ipairs(clients) do
      client:send("ping " .. i)
      assert.equal("ping " .. i, client:receive(#("ping " .. i)))
    end
    clients[1]:close()
    self:wait_for_log "new %d+ logs 101 of /{rest%*}"
    assert.is_nil(self:log():find "old logs")
    for i = 2, 12 do clients[i]:close() end
    wait.that(function() return generations(self) == 1 end)
    wait.that(function()
      return select(2, self:log():gsub("new %d+ logs 101 of /{rest%*}", "")) == 12
    end)
  end)

  it("is logged by the plugins of `use` when it has outlived its route", function()
    local self, began = start(), system.now()
    local clients = {}
    for i = 1, 9 do
      clients[i] = http.connect(self.port)
      clients[i]:send(http.format { path = "/upgrade", headers = UPGRADE })
      assert.equal(101, clients[i]:read_response().status)
      local text = plain() .. ('\nuse { { "logger", text = "last %d" } }'):format(i)
      self:reload { ["gateway.lua"] = (text:gsub("/{rest%*}", "/{all*}")) }
    end
    wait_for_nine(self, began)
    clients[1]:close()
    self:wait_for_log "last %d logs 101 of /{rest%*}"
    for i = 2, 9 do clients[i]:close() end
  end)

  it("is sent an answer of parts on, when what says which parts is gone", function()
    local text = '"' .. ("x"):rep(20000000) .. '"'
    local parts = peer.start(
      ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#text, text))
    local config = plain() .. ([[
      upstream "parts" { "%s" }
      route "/parts" { plugins = { { "aggregate", timeout = "60s",
        parts = { a = { "http://parts/", limit = "30m" } } }, { "logger", text = "parts" } } }
    ]]):format(parts.url)
    local self, clients = start(config), {}
    for i = 1, 10 do
      clients[i] = http.connect(self.port, { receive_buffer = 65536 })
      clients[i]:send(http.format { path = "/parts" })
      assert.equal("HTTP", clients[i]:receive(4))
      self:reload { ["gateway.lua"] = edited(config) }
    end
    wait.that(function() return generations(self) <= 9 end)
    assert.matches("\r\n\r\n{\"a\":\"x+$", clients[1]:receive(1000))
    for i = 1, 10 do clients[i]:close() end
    wait.that(function() return generations(self) == 1 end)
    self:wait_for_log "parts logs 200"
  end)

  it("goes on as a tunnel when its route, upstream and listener are gone", function()
    local self = start()
    local client = http.connect(self.port)
    client:send(http.format { path = "/upgrade", headers = UPGRADE })
    assert.equal(101, client:read_response().status)
    self:reload {
      ["gateway.lua"] = 'listen "127.0.0.2:0"\nroute "/" { plugins = { { "mock" } } }',
    }
    client:send "still there"
    assert.equal("still there", client:receive(11))
    wait.that(function() return not pcall(http.connect, self.port) end)
    client:close()
    self:wait_for_log "old logs 101 of /{rest%*}"
  end)

  describe("with TLS", function()
    local function config(files)
      return ([[
        listen { "127.0.0.1:0", tls = { cert = "%s", key = "%s" } }
        route "/" { plugins = { { "mock", body = "in" } } }
      ]]):format(files.certificate, files.key)
    end

    local clients = {}

    after_each(function()
      for _, client in ipairs(clients) do client:close() end
      clients = {}
    end)

    local function connect(self, options)
      options = options or {}
      options.ca, options.name = authority.certificate, "localhost"
      clients[#clients + 1] = http.connect(self.port, { tls = options })
      return clients[#clients]
    end

    it("serves on, and its session is resumed after a reload", function()
      local self = start(config(server))
      local client = connect(self)
      assert.equal("in", client:request({ path = "/" }).body)
      self:reload { ["gateway.lua"] = edited(config(server)) }
      assert.equal("in", client:request({ path = "/" }).body)
      local again = connect(self, { session = client.stream:session() })
      assert.is_true(again.stream:is_resumed())
      assert.equal("in", again:request({ path = "/" }).body)
    end)

    it("keeps its certificate, while the next one sees the new one", function()
      local renewed = authority:issue { name = "renewed", alternatives = "DNS:localhost" }
      local self = start(config(server))
      local client = connect(self)
      assert.equal("in", client:request({ path = "/" }).body)
      assert.matches("localhost", client.stream:peer_subject())
      self:reload { ["gateway.lua"] = config(renewed) }
      assert.equal("in", client:request({ path = "/" }).body)
      assert.matches("renewed", connect(self).stream:peer_subject())
    end)

    -- Renewed where they are, one file after the other, and behind a symlink that is swapped.
    it("keeps its certificate, while the file watch sees that it is renewed on disk", function()
      local folder = system.temporary_directory()
      local function lay(name, into)
        local issued = authority:issue { name = name, alternatives = "DNS:localhost" }
        os.execute(("mkdir -p '%s/%s'"):format(folder, into))
        for from, to in pairs { [issued.certificate] = "cert.pem", [issued.key] = "key.pem" } do
          local path = ("%s/%s/%s"):format(folder, into, to)
          system.write_file(path .. ".new", system.read_file(from))
          assert(os.rename(path .. ".new", path))
        end
      end
      local function swap(into)
        assert(os.execute(("cd '%s' && ln -s %s next && mv -T next now"):format(folder, into)) == 0)
      end
      lay("first", "one")
      swap "one"
      local self = start(config { certificate = folder .. "/now/cert.pem",
        key = folder .. "/now/key.pem" } .. "watch(true)")
      local begun = {}
      -- Who connects gets that of `name`; who has another one keeps it.
      local function see(name)
        wait.that(function()
          local client = connect(self)
          local is_new = client.stream:peer_subject():find(name, 1, true)
          if not is_new then client:close() end
          if is_new then begun[#begun + 1] = client end
          return is_new
        end, 60, "the certificate of " .. name)
        for _, client in ipairs(begun) do
          assert.equal("in", client:request({ path = "/" }).body)
        end
      end
      see "first"
      lay("second", "one")
      see "second"
      lay("third", "two")
      swap "two"
      see "third"
      lay("fourth", "two") -- there, it is watched from now on
      see "fourth"
      process.remove(folder)
    end)

    it("to an upstream is used again, until its trust changes", function()
      local secure = peer.start(nil, { tls = { cert = server.certificate, key = server.key } })
      local text = ([[
        listen "127.0.0.1:0"
        upstream "up" { "https://localhost:%d", tls = { ca = "%s" } }
        route "/{rest*}" { upstream = "up" }
      ]]):format(secure.port, authority.certificate)
      local self = start(text)
      for _ = 1, 3 do
        assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
        self:reload { ["gateway.lua"] = edited(text) }
      end
      assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
      assert.equal(1, secure:connections())
      local other = certificates.authority(directory, "other")
      self:reload { ["gateway.lua"] = text:gsub("authority%.pem", "other.pem") }
      assert.is_truthy(other.certificate:find "other.pem")
      assert.equal(502, http.request(self.port, { path = "/bytes/1" }).status)
    end)
  end)
end)
