--- rehearsal_spec: a configuration is read once, in a process of its own, for all workers to come.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
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
