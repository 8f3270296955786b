--- upgrade: another gateway takes the place of one that runs, and nobody notices.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local load = require "spec.support.load"
local peer = require "spec.support.peer"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local unix = require "socket.unix"
local wait = require "spec.support.wait"

local UPGRADE = { Connection = "Upgrade", Upgrade = "echo" }

describe("an upgrade", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function config(more)
    return ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      limits { drain_timeout = "5s" }
      upstream "up" { "%s" }
      route "/{rest*}" { upstream = "up", upgrade = true }
      route "GET /limited" { plugins = {
        { "rate-limit", limit = 3, window = "1h", by = "route" }, { "mock" },
      } }
      route "GET /counted" { plugins = { { "counts" }, { "mock", body = "one" } } }
    ]]):format(origin.url) .. (more or "")
  end

  local FILES = {
    ["plugins/counts.lua"] = [[
      local moongate = require "moongate"
      local counts = { summary = "Counts.", options = {} }
      function counts:request(req)
        moongate.counter("counted_total"):add(1)
        req.headers["x"] = "y"
      end
      return counts
    ]],
  }

  local function start(more, options)
    options = options or {}
    options.config, options.files = config(more), FILES
    return gateway.start(options)
  end

  local function status(self)
    local _, out = self:ask { "status", "--json" }
    return json.decode(out)
  end

  local function metric(self, name)
    local body = http.request(self.admin_port, { path = "/metrics" }).body
    return tonumber(body:match("\n" .. name .. " (%d+)") or 0)
  end

  local function wait_for_end(of) assert.equal(0, of:wait(60)) end

  -- Replaces text of the configuration.
  local function edit(self, from, to)
    local path = self.directory .. "/gateway.lua"
    local text, count = system.read_file(path):gsub(from, to)
    assert.equal(1, count)
    system.write_file(path, text)
  end

  local function sockets_in(directory)
    local _, out = process.run { "sh", "-c", ("ls '%s' | grep -c '[.]sock$'"):format(directory) }
    return tonumber(out)
  end

  -- A verb, while something else goes on.
  local function begin(self, verb, err)
    system.adopt_orphans()
    return process.spawn({ gateway.binary(), verb, "-c", self.directory .. "/gateway.lua" },
      { env = { RUNTIME_DIRECTORY = self.directory }, stderr = err })
  end

  -- Follows an upgrade that was begun.
  local function follow(self)
    local now = status(self)
    assert.not_equal(self.pid, now.pid)
    self.previous, self.pid, self.process = self.process, now.pid, process.adopt(now.pid)
  end

  -- From now on plugins take their time to start, and say "begins" when they do, with a gauge up.
  local function slow_down(self)
    system.write_file(self.directory .. "/plugins/counts.lua", [[
      local moongate = require "moongate"
      local counts = { summary = "Takes its time.", options = {} }
      local starting = moongate.metrics.gauge("starting", "Plugins that start.")
      function counts:start()
        starting:add(1)
        moongate.log.warning "begins"
        moongate.sleep(1)
      end
      function counts:request(req) end
      return counts
    ]])
  end

  -- The process that is to take its place, as soon as there is one.
  local function wait_for_successor(self, workers)
    local known = {}
    for _, pid in ipairs(workers) do known[pid] = true end
    return wait.that(function()
      for _, pid in ipairs(self:worker_pids()) do
        if not known[pid] then return pid end
      end
    end)
  end

  -- Why it is refused; nothing has changed then.
  local function refusal(self)
    local before = status(self)
    local code, out, err = self:ask({ "upgrade" }, { seconds = 60 })
    assert.equal(1, code)
    assert.equal("", out)
    assert.is_truthy(err:find(("nothing has changed: pid %d goes on\n"):format(self.pid), 1, true),
      err)
    local after = status(self)
    assert.same({ before.pid, before.generation, #before.workers },
      { after.pid, after.generation, #after.workers })
    for i, worker in ipairs(before.workers) do
      assert.equal(worker.pid, after.workers[i].pid)
    end
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
    return err
  end

  it("is a new process on the same port, and the one before has ended well", function()
    local self = start "workers(2)"
    system.adopt_orphans()
    local code, out = self:ask { "upgrade" }
    local pid, previous = out:match "^pid (%d+) serves; pid (%d+) finishes its requests\n$"
    assert.equal(0, code)
    assert.equal(self.pid, tonumber(previous))
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
    wait_for_end(self.process)
    assert.equal(tonumber(pid), status(self).pid)
    self.pid, self.process = tonumber(pid), process.adopt(tonumber(pid))
    self:wait_for_log "the gateway before has ended"
  end)

  it("fails no request and refuses no connection, whatever the number of workers", function()
    local self = start "workers(2)"
    local clients = load.start(self.port, "/bytes/10")
    for _, workers in ipairs { 2, 1, 3, 2 } do
      edit(self, "workers%(%d%)", ("workers(%d)"):format(workers))
      local answer = self:upgrade()
      assert.is_nil(answer.note)
      wait_for_end(self.previous)
      assert.equal(workers, #status(self).workers)
    end
    local report = clients:stop()
    assert.equal("", report.failures)
    assert.is_true(report.requests > 50)
  end)

  it("goes on counting and limiting, and with the numbers of generations", function()
    local self = start()
    for _ = 1, 2 do http.request(self.port, { path = "/limited" }) end
    for _ = 1, 5 do http.request(self.port, { path = "/counted" }) end
    local reloads = #self:log()
    self:signal(system.SIGHUP)
    self:wait_for_log("same as before", 20, reloads)
    for generation = 2, 3 do
      self:upgrade()
      wait_for_end(self.previous)
      local now = status(self)
      assert.equal(generation, now.generation)
      assert.equal("upgrade", now.cause)
      http.request(self.port, { path = "/counted" })
    end
    assert.equal(200, http.request(self.port, { path = "/limited" }).status)
    assert.equal(429, http.request(self.port, { path = "/limited" }).status)
    wait.that(function() return metric(self, "counted_total") == 7 end)
  end)

  it("begins with new memory where that is configured in another way, and says so", function()
    local self = start 'memory { dict = "2m" }'
    for _ = 1, 3 do http.request(self.port, { path = "/limited" }) end
    edit(self, '"2m"', '"4m"')
    local answer = self:upgrade()
    assert.is_truthy(answer.note:find("begin anew", 1, true), answer.note)
    assert.equal(200, http.request(self.port, { path = "/limited" }).status)
  end)

  it("lets what was begun go on where it began", function()
    local self = start()
    local tunnel, slow = http.connect(self.port), http.connect(self.port)
    tunnel:send(http.format { path = "/upgrade", headers = UPGRADE })
    assert.equal(101, tunnel:read_response().status)
    slow:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
    origin:wait_for_requests(1)
    self:upgrade()
    assert.equal(self.previous.pid, status(self).previous_pid)
    assert.is_truthy(refusal(self):find("still finishes its requests", 1, true))
    slow:send "def"
    assert.equal("6", slow:read_response().body)
    tunnel:send "ping"
    assert.equal("ping", tunnel:receive(4))
    tunnel:close()
    wait_for_end(self.previous)
    wait.that(function() return status(self).previous_pid == nil end)
    self:upgrade()
  end)

  it("can be started anew when it is killed, while the one before has requests", function()
    local first = start()
    local client = http.connect(first.port)
    client:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    origin:wait_for_requests(1)
    first:upgrade()
    system.kill(first.pid, system.SIGKILL)
    local self = gateway.start { directory = first.directory }
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
    client:send "a"
    assert.equal("1", client:read_response().body)
    wait_for_end(first.previous)
    first:crash() -- only now it can be waited for
    assert.equal(self.pid, status(self).pid)
  end)

  it("is a part of what stops, while the one before has requests", function()
    local self = start()
    local client = http.connect(self.port)
    client:send(http.format { path = "/delay/1" })
    origin:wait_for_requests(1)
    origin:freeze()
    self:upgrade()
    origin:thaw()
    local code, out = self:ask { "stop" }
    assert.equal(0, code)
    assert.equal("stopped\n", out)
    assert.equal("late", client:read_response().body)
    assert.equal(0, self.previous:wait(20))
    assert.equal(0, self.process:wait(20))
    self:stop()
  end)

  it("takes the one before with it when it is told to stop twice", function()
    local self = gateway.start { config = config():gsub('"5s"', '"60s"'), files = FILES }
    local client = http.connect(self.port)
    client:send(http.format { path = "/delay/30" })
    origin:wait_for_requests(1)
    self:upgrade()
    self:signal(system.SIGTERM)
    self:wait_for_log "the gateway before still finishes its requests"
    assert.is_true(self.previous:is_running())
    self:signal(system.SIGTERM)
    assert.equal(0, self.process:wait(20))
    assert.equal(0, self.previous:wait(20))
    self:stop()
  end)

  it("promises whoever stops it the time that the one before may take", function()
    local self = start()
    local client = http.connect(self.port)
    client:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    origin:wait_for_requests(1)
    edit(self, '"5s"', '"100ms"')
    self:upgrade()
    local pipe = io.popen(("ls '%s'/*.sock"):format(self.directory))
    local asking = socket.connect("unix:" .. pipe:read "*l")
    pipe:close()
    asking:send "stop\n"
    assert.equal("wait 9\n", asking:receive(7))
    client:send "a"
    assert.equal("1", client:read_response().body)
    assert.equal("done\nstopped\n", asking:receive_all())
    assert.equal(0, self.process:wait(20))
    self:stop()
  end)

  it("closes what is not listened on any more, and listens on what is new", function()
    local port = ports.free()
    local self = start(('listen "127.0.0.1:%d"'):format(port))
    assert.equal(200, http.request(port, { path = "/bytes/1" }).status)
    edit(self, ("127.0.0.1:%d"):format(port), "127.0.0.1:0")
    local before = #self:log()
    self:upgrade()
    wait_for_end(self.previous)
    wait.that(function() return not pcall(http.request, port, { path = "/bytes/1" }) end)
    local added = {}
    for address in self:log():sub(before):gmatch "[^n] listening on 127.0.0.1:(%d+)" do
      added[#added + 1] = tonumber(address)
    end
    assert.equal(2, #added)
    assert.equal(200, http.request(added[2], { path = "/bytes/1" }).status)
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
  end)

  it("keeps the unix socket that it listens on", function()
    local directory = system.temporary_directory()
    local path = directory .. "/socket"
    local self = start(('listen "unix:%s"'):format(path))
    for _ = 1, 2 do
      self:upgrade()
      wait_for_end(self.previous)
      assert.equal(200, http.request(nil, { path = "/bytes/1", unix = path }).status)
    end
    process.remove(directory)
  end)

  it("goes on with TLS sessions", function()
    local directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    local server = authority:issue { name = "localhost", alternatives = "DNS:localhost" }
    local self = start(([[
      listen { "127.0.0.1:0", tls = { cert = "%s", key = file "%s" } }
    ]]):format(server.certificate, server.key))
    local session = directory .. "/session"
    local function connect(option)
      local _, out = process.run({ "openssl", "s_client", "-connect",
        "127.0.0.1:" .. self.ports[2], "-tls1_2", option, session },
        { input = "GET /bytes/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", seconds = 20 })
      return out
    end
    assert.is_truthy(connect("-sess_out"):find("New, TLSv1.2", 1, true))
    self:upgrade()
    wait_for_end(self.previous)
    assert.is_truthy(connect("-sess_in"):find("Reused, TLSv1.2", 1, true))
    process.remove(directory)
  end)

  it("watches files, reloads and is found by every verb", function()
    local self = start "watch(true)"
    self:upgrade()
    wait_for_end(self.previous)
    local _, _, why = self:ask { "rollback" }
    assert.matches("an upgrade leaves behind what ran before", why)
    edit(self, '"one"', '"two"')
    wait.that(function() return http.request(self.port, { path = "/counted" }).body == "two" end)
    edit(self, '"two"', '"three"')
    assert.equal(0, (self:ask { "reload" }))
    wait.that(function() return http.request(self.port, { path = "/counted" }).body == "three" end)
    local code, _, err = self:ask { "run" }
    assert.equal(1, code)
    assert.is_truthy(err:find("pid is " .. self.pid, 1, true), err)
    assert.equal(0, (self:ask { "stop" }))
    assert.equal(0, self.process:wait(20))
    self:stop()
  end)

  it("keeps its control socket, whatever has become of its folder", function()
    local self = start()
    assert.equal(1, sockets_in(self.directory))
    os.execute(("chmod 777 '%s'"):format(self.directory))
    self:upgrade()
    wait_for_end(self.previous)
    assert.equal(1, sockets_in(self.directory))
    assert.equal(self.pid, status(self).pid)
  end)

  it("has a control socket for each name of the configuration, and one that fails none", function()
    local directory = gateway.directory { config = "", files = {
      ["1/gateway.lua"] = gateway.complete(config()), ["2/gateway.lua"] = "nothing",
      ["plugins/counts.lua"] = FILES["plugins/counts.lua"],
    } }
    local link = ("ln -sf %%d/gateway.lua '%s/gateway.lua'"):format(directory)
    os.execute(link:format(1))
    local self = gateway.start { directory = directory }
    assert.equal(2, sockets_in(directory))
    os.execute(link:format(2))
    refusal(self)
    assert.equal(2, sockets_in(directory))
    system.write_file(directory .. "/2/gateway.lua", gateway.complete(config()))
    self:upgrade()
    wait_for_end(self.previous)
    assert.equal(2, sockets_in(directory))
    assert.equal(0, (self:ask({ "status" }, { config_path = directory .. "/2/gateway.lua" })))
    assert.equal(1, (self:ask({ "status" }, { config_path = directory .. "/1/gateway.lua" })))
    self:stop()
  end)

  describe("tells systemd", function()
    local directory, datagrams

    before_each(function()
      directory = system.temporary_directory()
      datagrams = unix.dgram()
      assert(datagrams:bind(directory .. "/notify"))
      datagrams:settimeout(20)
    end)
    after_each(function()
      datagrams:close()
      process.remove(directory)
    end)

    it("when it serves, who serves in its place, and when it stops", function()
      local self = start("", { env = { NOTIFY_SOCKET = directory .. "/notify" } })
      assert.equal("READY=1", datagrams:receive())
      self:upgrade()
      assert.equal("MAINPID=" .. self.pid, datagrams:receive())
      wait_for_end(self.previous)
      self:stop()
      assert.equal("STOPPING=1", datagrams:receive())
    end)
  end)

  describe("that cannot be", function()
    it("changes nothing: a configuration with errors", function()
      local self = start()
      edit(self, '{ "counts" }', '{ "count" }')
      edit(self, '"/{rest%*}"', '"rest"')
      local err = refusal(self)
      assert.is_truthy(err:find("gateway.lua:5:", 1, true), err)
      assert.is_truthy(err:find('"counts"', 1, true), err)
      edit(self, '{ "count" }', '{ "counts" }')
      edit(self, '"rest"', '"/{rest*}"')
      self:upgrade()
    end)

    it("changes nothing: a plugin that does not start", function()
      local self = start()
      local path = self.directory .. "/plugins/counts.lua"
      local text = system.read_file(path)
      system.write_file(path, (text:gsub("return counts",
        'function counts:start() error("not today", 0) end return counts')))
      assert.is_truthy(refusal(self):find("not today", 1, true))
      system.write_file(path, text)
      self:upgrade()
    end)

    it("changes nothing: a worker that dies at its start", function()
      local self = start()
      system.write_file(self.directory .. "/plugins/counts.lua", [[
        local ffi = require "ffi"
        ffi.cdef "int kill(int, int); int getpid(void);"
        local counts = { summary = "Dies.", options = {} }
        function counts:start() ffi.C.kill(ffi.C.getpid(), 9) end
        function counts:request(req) end
        return counts
      ]])
      assert.is_truthy(refusal(self):find("a worker ended before it served", 1, true))
    end)

    it("changes nothing: a port in use", function()
      local self = start()
      local taken = socket.listen("127.0.0.1")
      edit(self, "admin ", ('listen "127.0.0.1:%d" admin '):format(taken:port()))
      assert.is_truthy(refusal(self):find("is in use", 1, true))
      taken:close()
      self:upgrade()
    end)

    it("is refused to the first process of a container, with which that would end", function()
      local unshare = { "unshare", "--pid", "--fork", "--kill-child", "--map-root-user" }
      if process.run({ "unshare", "--pid", "--fork", "--map-root-user", "true" }) ~= 0 then
        pending "the system gives no namespaces"
        return
      end
      local directory = gateway.directory { config = gateway.complete(config()), files = FILES }
      local path = directory .. "/gateway.lua"
      for _, argument in ipairs { gateway.binary(), "run", "-c", path } do
        unshare[#unshare + 1] = argument
      end
      local unshared = process.spawn(unshare, { env = { RUNTIME_DIRECTORY = directory },
        stderr = directory .. "/log" })
      wait.that(function()
        return (system.read_file(directory .. "/log") or ""):find "ready"
      end, 60, "the gateway")
      local code, _, err = process.run({ gateway.binary(), "upgrade", "-c", path },
        { env = { RUNTIME_DIRECTORY = directory } })
      unshared:kill()
      process.remove(directory)
      assert.equal(1, code)
      assert.is_truthy(err:find("run it under an init", 1, true), err)
    end)

    -- A place to install programs, one after the other.
    local function installed()
      local directory = system.temporary_directory()
      local root = system.absolute "."
      os.execute(("mkdir -p '%s/bin' '%s/share/moongate' && ln -s '%s/lua' '%s/plugins' "
        .. "'%s/share/moongate/'"):format(directory, directory, root, root, directory))
      local function install(program)
        os.execute(("cp '%s' '%s/bin/new' && mv '%s/bin/new' '%s/bin/moongate'"):format(program,
          directory, directory, directory))
        return directory .. "/bin/moongate"
      end
      return install, directory
    end

    it("changes nothing: a program that is none, or another one, or is gone", function()
      local install, directory = installed()
      local self = start("", { binary = install(gateway.binary()) })
      for content, why in pairs {
        ["#!/bin/sh\nexit 3\n"] = "exited with 3",
        ["#!/bin/sh\nkill -9 $$\n"] = "ended by signal 9",
        ["#!/no/such/program\n"] = "cannot be started: No such file",
      } do
        system.write_file(directory .. "/script", content)
        os.execute(("chmod 755 '%s/script'"):format(directory))
        install(directory .. "/script")
        local err = refusal(self)
        assert.is_truthy(err:find(why, 1, true), err)
      end
      os.remove(directory .. "/bin/moongate")
      assert.is_truthy(refusal(self):find("cannot be started", 1, true))
      install(gateway.binary())
      self:upgrade()
      wait_for_end(self.previous)
      self:stop()
      process.remove(directory)
    end)

    it("is given up when the gateway is to stop", function()
      local install, directory = installed()
      local self = start("", { binary = install(gateway.binary()) })
      system.write_file(directory .. "/script", ([[
        #!/bin/sh
        echo $$ >%s/pid
        exec sleep 60
      ]]):gsub("^%s+", ""):format(directory))
      os.execute(("chmod 755 '%s/script'"):format(directory))
      install(directory .. "/script")
      local asking = begin(self, "upgrade", directory .. "/err")
      local pid = wait.that(function()
        return tonumber(system.read_file(directory .. "/pid") or "")
      end)
      assert.is_truthy(refusal(self):find("an upgrade is under way", 1, true))
      self:stop()
      assert.equal(1, asking:wait(30))
      assert.is_truthy(system.read_file(directory .. "/err"):find("is stopping", 1, true))
      wait.that(function() return not system.kill(pid, 0) end)
      process.remove(directory)
    end)
  end)

  it("waits for a reload that is under way, and reloads wait for it", function()
    local self = start()
    edit(self, '"one"', '"two"')
    local asked = { begin(self, "reload"), begin(self, "upgrade"), begin(self, "reload") }
    for _, verb in ipairs(asked) do assert.equal(0, verb:wait(60)) end
    wait_for_end(self.process)
    follow(self)
    assert.equal("two", http.request(self.port, { path = "/counted" }).body)
  end)

  it("is not ended by signals that come before it knows them: they wait", function()
    local self = start "local sum = 0 for i = 1, 4e7 do sum = sum + i % 7 end"
    local workers = self:worker_pids()
    local asking = begin(self, "upgrade")
    local pid = wait_for_successor(self, workers)
    system.kill(pid, system.SIGHUP)
    system.kill(pid, system.SIGUSR1)
    assert.equal(0, asking:wait(60))
    follow(self)
    self:wait_for_log("the same as before", 60)
  end)

  it("does not lose a SIGHUP that the gateway before has got meanwhile", function()
    local self = start()
    slow_down(self)
    local asking = begin(self, "upgrade")
    self:wait_for_log "begins"
    self:signal(system.SIGHUP)
    assert.equal(0, asking:wait(60))
    follow(self)
    self:wait_for_log("the same as before", 60)
  end)

  it("that is killed leaves no gauge behind", function()
    local self = start()
    slow_down(self)
    local workers = self:worker_pids()
    local asking = begin(self, "upgrade")
    local pid = wait_for_successor(self, workers)
    self:wait_for_log "begins"
    system.kill(pid, system.SIGKILL)
    assert.equal(1, asking:wait(30))
    wait.that(function() return metric(self, "starting") == 0 end)
  end)

  it("goes on alone when the gateway before is killed meanwhile", function()
    local self = start()
    slow_down(self)
    local asking = begin(self, "upgrade")
    self:wait_for_log "begins"
    local before = #self:log()
    self.process:kill()
    assert.equal(1, asking:wait(30))
    wait.that(function() return self:log():find("ready", before, true) end)
    follow(self)
    assert.equal(200, http.request(self.port, { path = "/bytes/1" }).status)
  end)
end)
