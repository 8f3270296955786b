--- server: master and workers of a running gateway, from its start to its end.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local load = require "spec.support.load"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local SIGUSR1 = 10

describe("a gateway", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function config(more)
    return ([[
      listen "127.0.0.1:0"
      %s
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(more or "", origin.url)
  end

  local function start(more)
    return gateway.start { config = config(more), files = probe.files }
  end

  -- A connection whose request is being answered by the origin, in `seconds`.
  local function in_flight(self, seconds)
    local client = http.connect(self.port)
    client:send(http.format { path = "/delay/" .. seconds })
    origin:wait_for_requests(1)
    return client
  end

  describe("that is told to stop", function()
    for _, name in ipairs { "SIGTERM", "SIGINT" } do
      it("by " .. name .. " finishes what it has begun, and nothing else", function()
        local self = start "workers(2)"
        local idle = http.connect(self.port)
        idle:request { path = "/bytes/1" }
        origin:forget()
        local busy = in_flight(self, 0.8)
        origin:freeze()
        self:signal(name == "SIGTERM" and system.SIGTERM or 2)
        assert.is_true(idle:is_closed(20))
        wait.that(function()
          local ok, client = pcall(http.connect, self.port)
          if ok then client:close() end
          return not ok
        end, 20, "connections to be refused")
        origin:thaw()
        local response = busy:read_response()
        assert.equal("late", response.body)
        assert.equal("close", response.headers.connection)
        assert.equal(0, self.process:wait(20))
        self:stop()
      end)
    end

    it("finishes an answer that is half sent, and a body that is half received", function()
      local self = start()
      local reader, writer = http.connect(self.port), http.connect(self.port)
      reader:send(http.format { path = "/events/10/0.1" })
      assert.equal(200, reader:read_head().status)
      writer:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
      origin:wait_for_requests(2)
      self:signal(system.SIGTERM)
      self:wait_for_log "stopping"
      writer:send "def"
      assert.equal("6", writer:read_response().body)
      assert.is_truthy(reader:read_until_close():find("data: 10\n\n\r\n0\r\n\r\n", 1, true))
      assert.equal(0, self.process:wait(20))
    end)

    it("answers a request that was on its way to an idle connection, and says that it closes",
      function()
        local self = start 'admin "127.0.0.1:0"'
        local client, admin = http.connect(self.port), http.connect(self.admin_port)
        client:request { path = "/bytes/1" }
        admin:request { path = "/ready" }
        self:signal(system.SIGTERM)
        wait.that(function() return admin:request({ path = "/ready" }).status == 503 end)
        local response = client:request { path = "/bytes/2" }
        assert.equal("close", response.headers.connection)
        assert.is_true(client:is_closed(20))
        assert.equal(0, self.process:wait(20))
      end)

    it("answers one behind an answer whose head had promised to stay", function()
      local self = start()
      local client = http.connect(self.port)
      client:send(http.format { path = "/events/5/0.5" })
      assert.is_nil(client:read_head().headers.connection)
      self:signal(system.SIGTERM)
      self:wait_for_log "stopping"
      client:send(http.format { path = "/bytes/2" })
      local answers = client:read_until_close()
      assert.is_truthy(answers:find("data: 5\n\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", 1, true))
      assert.is_truthy(answers:lower():find("connection: close", 1, true))
      assert.equal(0, self.process:wait(20))
    end)

    it("accepts who has connected by then", function()
      local self = start "workers(2)"
      local pids, clients = self:worker_pids(), {}
      for _, pid in ipairs(pids) do system.kill(pid, system.SIGSTOP) end
      for i = 1, 100 do clients[i] = http.connect(self.port) end
      for i = 1, 50 do clients[i]:send(http.format { path = "/bytes/3" }) end
      self:signal(system.SIGTERM)
      self:wait_for_log "stopping"
      for _, pid in ipairs(pids) do system.kill(pid, system.SIGCONT) end
      for i = 51, 100 do clients[i]:send(http.format { path = "/bytes/3" }) end
      for i = 1, 100 do assert.equal(200, clients[i]:read_response().status) end
      assert.equal(0, self.process:wait(20))
    end)

    it("fails nobody while many ask", function()
      local self = start()
      local loads = {}
      for i = 1, 4 do loads[i] = load.start(self.port, "/bytes/10", { until_refused = true }) end
      origin:wait_for_requests(100)
      self:stop()
      for _, one in ipairs(loads) do assert.equal("", one:stop().failures) end
    end)

    it("does not wait longer than it is told", function()
      local self = start 'limits { drain_timeout = "200ms" }'
      local busy = in_flight(self, 60)
      self:signal(system.SIGTERM)
      assert.equal(0, self.process:wait(20))
      assert.is_truthy(self:log():find "1 requests are cut off")
      assert.is_true(busy:is_closed(20))
    end)

    it("does not wait when it is told twice", function()
      local self = start()
      in_flight(self, 60)
      self:signal(system.SIGTERM)
      self:wait_for_log "stopping"
      self:signal(system.SIGTERM)
      assert.equal(0, self.process:wait(20))
    end)
  end)

  describe("whose worker is killed", function()
    it("has another one in its place", function()
      local self = start "workers(2)"
      local before = self:worker_pids()
      assert.equal(2, #before)
      system.kill(before[1], system.SIGKILL)
      self:wait_for_log "was ended by signal 9"
      wait.that(function()
        local now = self:worker_pids()
        return #now == 2 and now[1] ~= before[1] and now[2] ~= before[1]
      end, 30, "another worker")
      -- Connections may wait for the new one, but none is lost.
      for _ = 1, 20 do assert.equal(200, http.request(self.port).status) end
    end)

    -- Thirty are under way, one worker is killed: how many are answered.
    local function answered_without(self, pid)
      local clients = {}
      origin:forget()
      for i = 1, 30 do
        clients[i] = http.connect(self.port)
        clients[i]:send(http.format { path = "/delay/0.6" })
      end
      origin:wait_for_requests(30)
      origin:freeze()
      system.kill(pid, system.SIGKILL)
      wait.that(function()
        local pids = self:worker_pids()
        return #pids == 2 and pids[1] ~= pid and pids[2] ~= pid
      end, 30, "another worker")
      origin:thaw()
      local answered = 0
      for _, client in ipairs(clients) do
        local ok, response = pcall(client.read_response, client)
        if ok then
          assert.equal("late", response.body)
          answered = answered + 1
        end
        client:close()
      end
      return answered
    end

    it("loses that worker's requests only", function()
      local self, tries, answered = start "workers(2)", 0
      repeat -- where one was late to accept, the other one has all
        answered, tries = answered_without(self, self:worker_pids()[2]), tries + 1
      until answered > 0 and answered < 30 or tries == 6
      assert.is_true(answered > 0 and answered < 30, answered .. " were answered")
    end)
  end)

  it("whose master is killed leaves no worker behind", function()
    local self = start "workers(2)"
    local pids = self:worker_pids()
    self:signal(system.SIGKILL)
    self.process:wait(20)
    for _, pid in ipairs(pids) do
      wait.that(function()
        local status = system.read_file(("/proc/%d/status"):format(pid))
        return not status or status:find "State:%s*Z"
      end, 30, "a worker to end")
    end
    pcall(self.stop, self)
  end)

  it("goes on after SIGUSR1 and SIGHUP", function()
    local self = start "workers(2)"
    local client = in_flight(self, 0.3)
    local pids = self:worker_pids()
    self:signal(SIGUSR1)
    self:signal(1)
    self:wait_for_log "the same as before"
    assert.equal("late", client:read_response().body)
    assert.equal(200, http.request(self.port).status)
    assert.same(pids, self:worker_pids())
  end)

  it("reloads after a SIGHUP that came while it started", function()
    local directory = gateway.directory { config = gateway.complete [[
      listen "127.0.0.1:0"
      local sum = 0 for i = 1, 4e7 do sum = sum + i % 7 end
    ]] }
    local path = directory .. "/gateway.lua"
    local started = process.spawn({ gateway.binary(), "run", "-c", path },
      { env = { RUNTIME_DIRECTORY = directory }, stderr = directory .. "/log" })
    wait.that(function() -- it has begun to read its configuration
      local children = ("/proc/%d/task/%d/children"):format(started.pid, started.pid)
      return (system.read_file(children) or ""):find "%d"
    end)
    started:signal(system.SIGHUP)
    wait.that(function()
      return (system.read_file(directory .. "/log") or ""):find "the same as before"
    end, 60, "the reload")
    started:signal(system.SIGTERM)
    assert.equal(0, started:wait(20))
    process.remove(directory)
  end)

  describe("that cannot start", function()
    local function fail(text, ...)
      local code, out, err = gateway.run({ "run" }, { config = text })
      assert.equal(1, code)
      assert.equal("", out)
      for _, expected in ipairs { ... } do
        assert.is_truthy(err:find(expected, 1, true), err)
      end
      return err
    end

    for workers = 1, 2 do
      it(("with %d workers names the port in use"):format(workers), function()
        local taken = socket.listen("127.0.0.1")
        local port = taken:port()
        fail(('workers(%d) listen "127.0.0.1:%d"'):format(workers, port), "gateway.lua:1",
          "127.0.0.1:" .. port, "in use")
        taken:close()
        local self = gateway.start { config = ([[workers(2) listen "127.0.0.1:0"]]) }
        fail(('workers(%d) listen "127.0.0.1:%d"'):format(workers, self.port),
          "127.0.0.1:" .. self.port, "in use")
      end)
    end

    it("names the unix socket that another gateway listens on", function()
      local directory = system.temporary_directory()
      local listen = ('listen "unix:%s/socket"'):format(directory)
      gateway.start { config = listen }
      fail(listen, directory .. "/socket", "in use")
      process.remove(directory)
      fail('listen "unix:/no/such/folder/socket"', "/no/such/folder/socket")
    end)

    it("names the files that are missing", function()
      local code, _, err = gateway.run { "run", "-c", "/no/such/gateway.lua" }
      assert.equal(1, code)
      assert.is_truthy(err:find("/no/such/gateway.lua", 1, true))
      fail([[
        listen { "127.0.0.1:0", tls = { cert = "/no/cert.pem", key = "/no/key.pem" } }
        include "routes.lua"
      ]], "gateway.lua:2", "routes.lua")
      fail('listen { "127.0.0.1:0", tls = { cert = "/no/cert.pem", key = "/no/key.pem" } }',
        "gateway.lua:1", "/no/key.pem: No such file")
      -- As `file` returns an empty one.
      fail([[
        listen { "127.0.0.1:0", tls = { cert = "/no/cert.pem", key = "" } }
        upstream "a" { "https://127.0.0.1:1", tls = { ca = "" } }
      ]], 'gateway.lua:1: listen: tls.key is ""; expected the path of a PEM file, or its text',
        'gateway.lua:2: upstream "a": tls.ca is ""; expected the path of a PEM file, or its text')
    end)

    it("tells all that is wrong, and where", function()
      fail([[
        listen "127.0.0.1:0"
        listen "nonsense"
        upstrem "a" { "http://127.0.0.1:1" }
      ]], "gateway.lua:2: ", "nonsense", "gateway.lua:3: ", "upstream")
      fail([[
        listen { "127.0.0.1:0", tsl = {} }
        upstream "a" { "http://127.0.0.1:1", balance = "rotate" }
        route "/x" { upstream = "b" }
        route "/y" { upstream = "a", timeout = "5 parsecs", plugins = { { "key-aut" } } }
        limits { head = "10 elephants" }
      ]], "gateway.lua:1: ", "tls", "gateway.lua:2: ", "round_robin", "gateway.lua:3: ",
        "gateway.lua:4: ", "parsecs", "gateway.lua:5: ", "elephants")
    end)

    it("says so when a name server is no address", function()
      fail('listen "127.0.0.1:0" resolver { servers = { "nonsense" } }', "nonsense")
    end)

    it("says so when there is no such user", function()
      fail('listen "127.0.0.1:0" user "no-such-user"', "no-such-user")
    end)
  end)

  it("that is called wrongly exits with 2", function()
    for _, arguments in ipairs { {}, { "rnu" }, { "run", "-x" }, { "run", "-c" },
                                 { "version", "now" }, { "check", "--what" },
                                 { "explain", "GET" } } do
      local code, out, err = gateway.run(arguments)
      assert.equal(2, code, table.concat(arguments, " ") .. "\n" .. err)
      assert.equal("", out)
      assert.is_truthy(err ~= "")
    end
    local _, _, err = gateway.run { "rnu" }
    assert.is_truthy(err:find 'did you mean "run"')
  end)

  it("says what is wrong with a plugin in its log, under the id that the client gets", function()
    local self = gateway.start { files = probe.files, config = config [[
      workers(2)
      route "/raise" { upstream = "origin", plugins = { { "probe",
        on_request = function() error "the secret reason" end } } }
      route "/raise/response" { upstream = "origin", plugins = { { "probe",
        on_response = function() error "the secret reason" end } } }
      route "/bytes/{count}" { upstream = "origin", plugins = { { "probe",
        on_response_chunk = function() error "the secret reason" end } } }
    ]] }
    for _, path in ipairs { "/raise", "/raise/response" } do
      for _ = 1, 6 do
        local response = http.request(self.port, { path = path })
        assert.equal(500, response.status)
        assert.is_nil(response.body:find "secret")
        assert.is_nil(response.body:find "traceback")
        local id = response.body:match '"instance":"([^"]+)"'
        self:wait_for_log("the secret reason[^\n]*" .. id)
      end
    end
    local answer, how = http.exchange(self.port, http.format { path = "/bytes/1000" })
    assert.are_not.equal("timeout", how)
    assert.is_truthy(answer:find "^HTTP/1.1 200 ")
    assert.is_nil(answer:find "0\r\n\r\n$")
    assert.equal(2, #self:worker_pids())
    assert.is_nil(self:log():find "was ended by signal")
  end)
end)
