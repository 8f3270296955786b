--- rehearsal_spec: a configuration is read once, in a process of its own, for all workers to come.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local is_root = os.execute "test $(id -u) = 0" == 0

-- A plugin of two files that answers with a secret and a text of its own.
local FILES = {
  ["secret"] = "hunter2\n",
  ["routes/own.lua"] = 'route "/own" { plugins = { { "own", secret = file "secret" } } }',
  ["plugins/own/init.lua"] = [[
    local moongate, part = require "moongate", require "own.part"
    local own = { summary = "S.", options = { secret = { type = "string", help = "x" } } }
    function own:respond() return moongate.reply.text(200, self.secret .. part.text) end
    return own
  ]],
  ["plugins/own/part.lua"] = 'return { text = "!" }',
}

describe("what was read of a configuration", function()
  after_each(gateway.stop_all)

  local function start(more)
    local directory = system.temporary_directory()
    local pair = certificates.authority(directory, "authority"):issue { name = "localhost" }
    system.write_file(directory .. "/gateway.lua", ([[
      listen "127.0.0.1:0"
      listen { "127.0.0.1:0", tls = { cert = %q, key = %q } }
      include "routes/*.lua"
      watch(false)
      %s
    ]]):format(pair.certificate, pair.key, more))
    for name, text in pairs(FILES) do system.write_file(directory .. "/" .. name, text) end
    return gateway.start { directory = directory }
  end

  local function answers(self)
    assert.equal("hunter2!", http.request(self.port, { path = "/own" }).body)
    assert.equal("hunter2!", http.request(self.ports[2], { path = "/own", tls = {} }).body)
  end

  it("was read by the process that is ended first where memory runs out", function()
    local self = gateway.start {
      config = [[
        listen "127.0.0.1:0"
        route "/" { plugins = { { "asks" } } }
      ]],
      files = { ["plugins/asks.lua"] = [[
        local moongate = require "moongate"
        local asks = { summary = "S.", options = {} }
        function asks.new()
          local here = debug.getinfo(1, "S").source:match "^@(.*)/plugins/"
          local told = io.open(here .. "/scores", "a")
          told:write(io.open("/proc/self/oom_score_adj"):read "*l", "\n")
          told:close()
          return {}
        end
        function asks:respond() return moongate.reply.text(200, "") end
        return asks
      ]] },
    }
    local own = system.read_file "/proc/self/oom_score_adj"
    assert.equal("1000\n" .. own, system.read_file(self.directory .. "/scores"))
  end)

  it("is what a worker that takes a dead one's place is built from", function()
    local self = start "workers(1)"
    answers(self)
    local pid = self:worker_pids()[1]
    os.execute(("cd '%s' && rm -r secret plugins *.pem *.key"):format(self.directory))
    for _, name in ipairs { "gateway.lua", "routes/own.lua", "routes/other.lua" } do
      system.write_file(self.directory .. "/" .. name, "broken = = 1")
    end
    system.kill(pid, system.SIGKILL)
    wait.that(function()
      local now = self:worker_pids()
      return #now == 1 and now[1] ~= pid
    end, 20, "another worker")
    answers(self)
  end)

  it("need not be readable for the user of the workers", function()
    if not is_root then return end
    local self = start 'workers(2) user "nobody"'
    os.execute(("chmod -R go-rwx '%s'"):format(self.directory))
    answers(self)
    for _, pid in ipairs(self:worker_pids()) do
      assert.matches("Uid:%s*65534%s*65534", system.read_file(("/proc/%d/status"):format(pid)))
    end
  end)
end)

describe("a configuration that ends the process that reads it", function()
  local function said(code)
    local status, _, err = gateway.run({ "run" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "bad" } }',
      files = { ["plugins/bad.lua"] = code },
    })
    assert.equal(1, status)
    return err
  end

  it("is refused with what happened", function()
    assert.matches("gateway.lua: the process that read it ended with 3\n$",
      said [[local ffi = require "ffi" ffi.cdef "void _exit(int);" ffi.C._exit(3)]])
    assert.matches("gateway.lua: the process that read it was ended by signal 9\n$",
      said [[local ffi = require "ffi" ffi.cdef "int raise(int);" ffi.C.raise(9)]])
  end)
end)

describe("a configuration whose plugin does to descriptors what it should not", function()
  after_each(gateway.stop_all)

  local CONFIG = [[
    listen "127.0.0.1:0"
    watch(false)
    route "/" { plugins = { { "mock", body = "one" } } }
  ]]

  -- `text` is where each configuration that uses the plugin is built.
  local function change(self, text)
    system.write_file(self.directory .. "/plugins/odd.lua", text .. [[
      return { summary = "S.", options = {}, request = function() end }
    ]])
    system.write_file(self.directory .. "/gateway.lua", CONFIG .. [[
      route "/two" { plugins = { { "odd" }, { "mock", body = "two" } } }
    ]])
    return self:ask { "reload" }
  end

  local function start()
    return gateway.start { config = CONFIG, files = { ["plugins/odd.lua"] = "" } }
  end

  it("does not change what is known of the one that runs", function()
    local self = start()
    local code, text = change(self, [[
      local ffi = require "ffi"
      ffi.cdef "int ftruncate(int fd, long length);"
      local name = io.open "/proc/self/comm":read "*l"
      for fd = 3, name == "rehearsal" and 20 or 0 do ffi.C.ftruncate(fd, 0) end
    ]])
    assert.equal(0, code)
    assert.is_truthy(text:find("routes     1 added\n", 1, true), text)
    code, text = self:ask { "rollback" }
    assert.equal(0, code)
    assert.is_truthy(text:find("routes     1 removed\n", 1, true), text)
    assert.equal("one", http.request(self.port, { path = "/" }).body)
  end)

  it("is not waited for by what it has started, where it dies", function()
    local self = start()
    local code, _, err = change(self, ([[
      os.execute "sleep 100 >/dev/null 2>&1 & echo $! >'%s/sleeper'"
      local ffi = require "ffi"
      ffi.cdef "void _exit(int);"
      ffi.C._exit(3)
    ]]):format(self.directory))
    local sleeper = tonumber(system.read_file(self.directory .. "/sleeper"))
    assert.is_true(system.kill(sleeper, system.SIGKILL))
    assert.equal(1, code)
    assert.matches("ended with 3", err)
  end)
end)

describe("a configuration that is read at the start", function()
  it("is compared with none", function()
    local directory = gateway.directory { config = 'listen "192.0.2.1:1"' } -- that is nobody's
    local path = directory .. "/created"
    local child = process.spawn({ "strace", "-f", "-e", "trace=memfd_create", "-o", path,
      gateway.binary(), "run", "-c", directory .. "/gateway.lua" },
      { stderr = path .. ".err", env = { ASAN_OPTIONS = "detect_leaks=0" } })
    assert.equal(1, child:wait(60))
    local created = system.read_file(path)
    assert.is_truthy(created:find("moongate inventory", 1, true), created)
    assert.is_nil(created:find("moongate difference", 1, true))
    process.remove(directory)
  end)
end)

describe("a configuration with more errors than anybody reads", function()
  it("gets as many as fit into a megabyte, and the number of the others", function()
    local status, _, err = gateway.run({ "run" }, { seconds = 120, config = [[
      listen "127.0.0.1:0"
      for i = 1, 12000 do route("/" .. i) { upstream = ("x"):rep(60) .. i } end
    ]] })
    assert.equal(1, status)
    assert.is_true(#err <= 2 ^ 20 + 100)
    local told = select(2, err:gsub("there is no upstream", ""))
    local untold = tonumber(err:match "\n%.%.%. and (%d+) more errors\n$")
    assert.equal(12000, told + untold)
  end)
end)
