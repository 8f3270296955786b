--- deputies: clients whose connection is for a worker that does not accept are not kept waiting.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CONNECTIONS = 20
-- Far less than the limit of a turn, and than a start takes here.
local WAIT_SECONDS = 8

-- Hangs where it is asked to, and takes long to start while a file is there.
local SLOW = [[
local moongate = require "moongate"
local slow = { summary = "Takes its time.",
  options = { file = { type = "string", help = "while it is there" } } }
function slow:start() if io.open(self.file) then moongate.sleep(12) end end
function slow:respond(req)
  while req.query.hang do end
  return moongate.reply.text(200, "here")
end
return slow
]]

local CONFIG = [[
  workers(%d)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  limits { turn_timeout = "60s" }
  %s
  route "/" { plugins = { { "slow", file = %q } } }
]]

describe("a worker that does not accept", function()
  local self, file

  after_each(function() pcall(self.stop, self, { seconds = 5 }) end)

  local function config(workers, more) return CONFIG:format(workers, more or "", file) end

  local function start(workers, more)
    file = gateway.directory { config = "", files = { ["plugins/slow.lua"] = SLOW } } .. "/slow"
    system.write_file(file:match "^(.*)/" .. "/gateway.lua",
      gateway.complete(config(workers, more)))
    self = reloading.start { directory = file:match "^(.*)/" }
  end

  local function all_are_answered(port, path)
    local clients = {}
    for i = 1, CONNECTIONS do
      clients[i] = http.connect(port, { seconds = WAIT_SECONDS })
      clients[i]:send(http.format { path = path or "/" })
    end
    for _, client in ipairs(clients) do
      assert.equal(200, client:read_response().status)
      client:close()
    end
  end

  local function kill(pid)
    system.write_file(file, "")
    system.kill(pid, system.SIGKILL)
    self:wait_for_log "was ended by signal 9"
  end

  -- Sockets that a process holds.
  local function sockets_of(pid)
    local pipe = io.popen(("ls -l /proc/%d/fd | grep -c socket:"):format(pid))
    local count = tonumber(pipe:read "*a")
    pipe:close()
    return count
  end

  local function hang(pids)
    local before = {}
    local function busy(pid)
      return tonumber(system.read_file(("/proc/%d/schedstat"):format(pid)):match "^%d+")
    end
    for _, pid in ipairs(pids) do before[pid] = busy(pid) end
    http.connect(self.port):send(http.format { path = "/?hang=1" })
    return wait.that(function()
      for _, pid in ipairs(pids) do
        if busy(pid) - before[pid] > 3e8 then return pid end
      end
    end)
  end

  for _, workers in ipairs { 2, 3 } do
    it(("while it is started again has a deputy, of %d"):format(workers), function()
      start(workers)
      kill(self:worker_pids()[1])
      all_are_answered(self.port)
      all_are_answered(self.admin_port, "/ready")
    end)
  end

  it("as it hangs has a deputy", function()
    start(2)
    local stuck = hang(self:worker_pids())
    all_are_answered(self.port)
    system.kill(stuck, system.SIGKILL)
    all_are_answered(self.port)
  end)

  it("as it is stopped by a signal has one, and has none when it goes on", function()
    start(2)
    local pids = self:worker_pids()
    local before = sockets_of(pids[2])
    for _ = 1, 3 do
      system.kill(pids[1], system.SIGSTOP)
      all_are_answered(self.port)
      system.kill(pids[1], system.SIGCONT)
      wait.that(function() return sockets_of(pids[2]) <= before end, 20, "no more sockets")
    end
    all_are_answered(self.port)
    assert.same(pids, self:worker_pids())
  end)

  it("has another deputy when that dies, too", function()
    start(3)
    local pids = self:worker_pids()
    kill(pids[1])
    all_are_answered(self.port)
    system.kill(pids[2], system.SIGKILL)
    wait.that(function() return select(2, self:log():gsub("ended by signal 9", "")) == 2 end)
    all_are_answered(self.port)
  end)

  it("has a deputy that knows what a reload brought", function()
    start(2)
    kill(self:worker_pids()[1])
    all_are_answered(self.port)
    os.remove(file)
    self:reload { ["gateway.lua"] = config(2, 'listen "127.0.0.1:0"') }
    system.write_file(file, "")
    local ports = {}
    for port in self:log():gmatch "[^n] listening on 127.0.0.1:(%d+)" do
      ports[#ports + 1] = port
    end
    assert.equal(2, #ports)
    for _, port in ipairs(ports) do all_are_answered(tonumber(port)) end
  end)

  it("leaves what waits to its deputy when the gateway stops", function()
    start(2)
    local pids = self:worker_pids()
    system.kill(pids[1], system.SIGSTOP)
    all_are_answered(self.port)
    local clients = {}
    for i = 1, CONNECTIONS do clients[i] = http.connect(self.port, { seconds = WAIT_SECONDS }) end
    self:signal(system.SIGTERM)
    self:wait_for_log "stopping"
    for i = 1, CONNECTIONS do clients[i]:send(http.format {}) end
    for i = 1, CONNECTIONS do assert.equal(200, clients[i]:read_response().status) end
    system.kill(pids[1], system.SIGCONT)
    assert.equal(0, self.process:wait(60))
  end)
end)
