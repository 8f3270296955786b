--- control: the socket by which a running gateway is asked, and the verbs that ask.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local CLIENTS_MAX, REQUEST_BYTES_MAX, SECONDS_MAX = 16, 1024, 5

describe("a running gateway", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function start(options)
    options = options or {}
    options.config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(origin.url) .. (options.more or "")
    return gateway.start(options)
  end

  local function sockets_of(directory)
    local pipe = io.popen(("ls '%s' | grep -c '[.]sock$'"):format(directory))
    local count = tonumber(pipe:read "*a")
    pipe:close()
    return count
  end

  local function path_of_socket(self)
    local pipe = io.popen(("ls '%s'/*.sock"):format(self.directory))
    local path = pipe:read "*l"
    pipe:close()
    return path
  end

  local function talk(self, request)
    local client = socket.connect("unix:" .. path_of_socket(self))
    client:send(request)
    return client
  end

  describe("that is asked for its status", function()
    it("tells people", function()
      local self = start { more = "workers(2)" }
      local code, out, err = self:ask { "status" }
      assert.equal(0, code, err)
      assert.is_truthy(out:find("pid " .. self.pid, 1, true), out)
      assert.is_truthy(out:find("2 of 2 serve", 1, true))
      assert.is_truthy(out:find("generation +1, since %d+%-%d+%-%d+T[%d:]+Z %(start%)"))
      assert.equal("", err)
    end)

    it("tells programs", function()
      local self = start()
      local code, out = self:ask { "status", "--json" }
      local status = json.decode(out)
      assert.equal(0, code)
      assert.equal(self.pid, status.pid)
      assert.equal("serving", status.state)
      assert.equal(1, status.generation)
      assert.equal("start", status.cause)
      assert.same(self:worker_pids(), { status.workers[1].pid })
      assert.is_true(status.workers[1].serves)
      assert.is_true(math.abs(status.since - os.time()) < 60)
      assert.is_nil(status.last_failure)
    end)
  end)

  describe("that is told to stop", function()
    it("has ended when the verb returns, after its last request", function()
      local self = start()
      local client = http.connect(self.port)
      client:send(http.format { path = "/delay/0.4" })
      origin:wait_for_requests(1)
      local code, out = self:ask { "stop" }
      assert.equal(0, code)
      assert.equal("stopped\n", out)
      assert.equal("late", client:read_response().body)
      assert.equal(0, self.process:wait(20))
      assert.equal(0, sockets_of(self.directory))
      self:stop()
    end)

    it("tells all who asked, and programs in JSON", function()
      local self = start()
      http.connect(self.port):send(http.format { path = "/delay/0.4" })
      origin:freeze()
      local one, other = talk(self, "stop\n"), talk(self, "stop json\n")
      for _, client in ipairs { one, other } do
        assert.is_truthy(client:receive_until("\n"):find "^wait %d+\n$")
      end
      origin:thaw()
      assert.equal("done\nstopped\n", one:receive_all())
      assert.equal('done\n{"ok":true,"stopped":true}\n', other:receive_all())
      assert.equal(0, self.process:wait(20))
      self:stop()
    end)
  end)

  it("is alone with its configuration", function()
    local self = start()
    local code, out, err = self:ask { "run" }
    assert.equal(1, code)
    assert.equal("", out)
    assert.is_truthy(err:find("pid is " .. self.pid, 1, true), err)
    assert.equal(200, http.request(self.port).status)
  end)

  it("is found under every name that its configuration has", function()
    local self = start()
    local links = system.temporary_directory()
    os.execute(("ln -s '%s' '%s/folder'; ln -s '%s/gateway.lua' '%s/link.lua'"):format(
      self.directory, links, self.directory, links))
    for _, path in ipairs { links .. "/folder/gateway.lua", links .. "/link.lua",
                            self.directory .. "/./x/..//gateway.lua" } do
      assert.equal(0, (self:ask({ "status" }, { config_path = path })), path)
    end
    assert.equal(0, (self:ask({ "status" },
      { config_path = "gateway.lua", directory = self.directory })))
    process.remove(links)
  end)

  it("is found when a symlink on the way to its configuration was swapped", function()
    local folder = gateway.directory { config = "", files = {
      ["one/gateway.lua"] = 'listen "127.0.0.1:0" workers(1)',
      ["two/gateway.lua"] = 'listen "127.0.0.1:0" workers(1)',
    } }
    os.execute(("cd '%s' && rm gateway.lua && ln -s one current && ln -s current/gateway.lua ."
      ):format(folder))
    local self = gateway.start { directory = folder }
    os.execute(("cd '%s' && ln -s two next && mv -T next current"):format(folder))
    assert.equal(0, (self:ask { "status" }))
  end)

  it("that was killed is in nobody's way", function()
    local self = start()
    self:kill_workers()
    local directory = self:crash()
    assert.equal(1, (self:ask { "status" }))
    local successor = gateway.start { directory = directory }
    assert.equal(0, (successor:ask { "status" }))
    assert.equal(1, sockets_of(directory))
  end)

  it("has sockets that are its user's alone", function()
    local self = start()
    local pipe = io.popen(("stat -c %%a '%s'"):format(path_of_socket(self)))
    assert.equal("600\n", pipe:read "*a")
    pipe:close()
  end)

  describe("on its control socket", function()
    it("says when it does not know a verb", function()
      local self = start()
      assert.is_truthy(talk(self, "dance\n"):receive_all():find "^failed\n.*verb")
    end)

    it("drops who asks for more than a line", function()
      local self = start()
      local client = talk(self, ("x"):rep(REQUEST_BYTES_MAX + 1))
      assert.is_true(client:is_closed(SECONDS_MAX + 20))
      assert.equal(0, (self:ask { "status" }))
    end)

    it("does not let those who say nothing keep others out", function()
      local self = start()
      local silent = {}
      for i = 1, CLIENTS_MAX * 2 do silent[i] = talk(self, "sta") end
      assert.equal(0, (self:ask { "status" }))
      assert.is_true(silent[1]:is_closed(0), "the oldest is there still")
      assert.is_false(silent[#silent]:is_closed(0))
      assert.is_true(silent[#silent]:is_closed(SECONDS_MAX + 20))
    end)
  end)
end)

describe("a verb for a running gateway", function()
  -- They would be most of what it takes, on processors that the gateway may want.
  it("loads neither OpenSSL's settings nor systemd's libraries", function()
    local self = gateway.start { config = 'listen "127.0.0.1:0"' }
    local path = self.directory .. "/opened"
    local child = process.spawn({ "strace", "-e", "trace=openat", "-o", path, gateway.binary(),
      "status", "-c", self.directory .. "/gateway.lua" },
      { stdout = path .. ".out", env = { RUNTIME_DIRECTORY = self.directory,
        ASAN_OPTIONS = "detect_leaks=0" } }) -- who is traced cannot look for them
    assert.equal(0, child:wait(60))
    local opened = system.read_file(path)
    assert.is_truthy(opened:find("libcrypto", 1, true), opened)
    assert.is_nil(opened:find("openssl.cnf", 1, true))
    assert.is_nil(opened:find("libsystemd", 1, true))
    self:stop()
  end)
end)

describe("a verb for a gateway that does not run", function()
  for _, verb in ipairs { "status", "stop" } do
    it("says so: " .. verb, function()
      local code, out, err = gateway.run({ verb }, { config = 'listen "127.0.0.1:0"' })
      assert.equal(1, code)
      assert.equal("", out)
      assert.is_truthy(err:find("no gateway runs with this configuration", 1, true), err)
      code, out, err = gateway.run({ verb, "--json" }, { config = 'listen "127.0.0.1:0"' })
      assert.equal(1, code)
      assert.same({ ok = false, error = "no gateway runs with this configuration" },
        json.decode(out))
      assert.equal("", err)
    end)
  end
end)
