--- stuck: workers that a plugin never gives back.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- More than others may keep a worker from the processors.
local BUDGET = 1.5
-- After the budget: two looks of an eighth of it, the moment to answer, a start; on a busy machine.
local REPLACED_SECONDS = 40
-- A budget that no spec here uses up, and far less, in which nobody is kept waiting.
local NEVER_SECONDS, WAIT_SECONDS = 120, 20

-- Hangs in whatever phase the option `at` names, in the way that `how` names.
-- In the file "stuck" beside it is who does by then.
local HANG = [[
local moongate, ffi = require "moongate", require "ffi"
local hang = { summary = "Never comes back.", options = {
  at = { type = "string", help = "the phase" },
  how = { type = "string", default = "compiled", help = "the way" },
  file = { type = "string", help = "that ends it" },
} }
local ways, note = {}
function ways.compiled() while true do end end
function ways.interpreted() while true do end end -- line 9
jit.off(ways.interpreted)
function ways.matching() return (("a"):rep(40) .. "!"):find(("a*"):rep(40) .. "b") end
function ways.repeating() for _ = 1, math.huge do string.rep("ab", 2e6) end end
function ways.waited() moongate.sleep(0.01) note() while true do end end
function ways.together()
  moongate.all { function() moongate.sleep(0.01) note() ways.compiled() end }
end
function ways.until_told(self) repeat until io.open(self.file) end
function ways.protected() while true do pcall(error, "again") end end
ffi.cdef "int getpid(void);"
local path = debug.getinfo(1, "S").source:match "^@(.*)/" .. "/stuck"
function note()
  local file = io.open(path, "w")
  file:write(ffi.C.getpid(), "\n")
  file:close()
end
local function go(how, self)
  if how ~= "waited" and how ~= "together" then note() end
  ways[how](self)
end
for _, phase in ipairs { "request", "respond", "response", "response_chunk", "response_body",
    "log" } do
  hang[phase] = function(self) go(self.how, self) end
end
function hang.phases(instance) return { [instance.at] = true } end
function hang:start()
  if self.at == "every" then moongate.every(0.3, function() go(self.how) end) end
  if self.at == "start" then go(self.how) end
end
function hang:stop()
  if self.at == "stop" then go(self.how) end
end
return hang
]]

local FINE = [[
return { summary = "Comes back.", options = {}, request = function() end,
  response = function() end, log = function() end }
]]

-- A route for each way and each phase: what the client asks for, and what the log is to say.
local CASES = {
  { "request", "compiled" }, { "request", "interpreted" }, { "request", "matching" },
  { "request", "repeating" }, { "request", "protected" }, { "request", "waited" },
  { "request", "together" }, { "respond", "compiled" },
  { "response", "compiled" }, { "response_chunk", "interpreted" }, { "response_body", "compiled" },
  { "log", "interpreted" },
}

local UPSTREAM = 'upstream = "origin", rewrite = "/bytes/10",'

local function routes()
  local lines = {}
  for _, case in ipairs(CASES) do
    lines[#lines + 1] = ([[
      route "/%s/%s" { %s plugins = {
        { "fine" }, { "hang", at = %q, how = %q }, { "fine" } } }
    ]]):format(case[1], case[2], case[1] == "respond" and "" or UPSTREAM, case[1], case[2])
  end
  return table.concat(lines)
end

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  limits { turn_timeout = "%gs" }
  upstream "origin" { "%s" }
  route "/fine" { upstream = "origin", rewrite = "/bytes/10", plugins = { { "fine" } } }
  %s
]]

local FILES = { ["plugins/hang.lua"] = HANG, ["plugins/fine.lua"] = FINE }

local origin

local function start(more, budget)
  return gateway.start { config = CONFIG:format(budget or BUDGET, origin.url, more or ""),
    files = FILES }
end

local function alive(pid)
  local status = system.read_file(("/proc/%d/status"):format(pid))
  return status ~= nil and not status:find "State:%s*Z"
end

-- Waits until one of the workers is gone and there are two again.
local function await_successor(self, before)
  wait.that(function()
    local now = self:worker_pids()
    return #now == 2 and not (alive(before[1]) and alive(before[2]))
  end, REPLACED_SECONDS, "a successor")
end

-- Hundredths of a second of CPU that a process has had.
local function ticks(pid)
  local stat, fields = system.read_file(("/proc/%d/stat"):format(pid)) or "", {}
  for field in (stat:match "%) (.*)" or ""):gmatch "%S+" do fields[#fields + 1] = field end
  return tonumber(fields[12] or 0) + tonumber(fields[13] or 0)
end

-- Asks for something that hangs, and waits until a worker does nothing else any more.
local function hang(self, path)
  local noted = self.directory .. "/plugins/stuck"
  os.remove(noted)
  local client = http.connect(self.port)
  client:send(http.format { path = path })
  local stuck = wait.that(function()
    return tonumber((system.read_file(noted) or ""):match "^(%d+)\n")
  end, REPLACED_SECONDS, "a worker to be busy")
  return stuck, client
end

-- Twenty connections: half of them are for the stuck worker, if there is one.
local function all_are_answered(self, seconds)
  local clients = {}
  for i = 1, 20 do
    clients[i] = http.connect(self.port, { seconds = seconds or REPLACED_SECONDS })
    clients[i]:send(http.format { path = "/fine" })
  end
  for _, client in ipairs(clients) do
    assert.equal(200, client:read_response().status)
    client:close()
  end
end

-- The line that says so, which has all of `expected`.
local function said(self, from, ...)
  local line = wait.that(function()
    return self:log():sub(from + 1):match "[^\n]*has been st%a+ for[^\n]*"
  end, REPLACED_SECONDS, "the log to tell of it")
  for _, expected in ipairs { ... } do assert.is_truthy(line:find(expected, 1, true), line) end
  return line
end

describe("a worker that hangs", function()
  local self

  setup(function()
    origin = peer.start()
    self = start(routes())
  end)

  teardown(function()
    self:stop()
    peer.stop_all()
  end)

  for _, case in ipairs(CASES) do
    local phase, how = case[1], case[2]
    it(("in the %s phase, %s, is replaced, and the log says where"):format(phase, how), function()
      local path, before, from = ("/%s/%s"):format(phase, how), self:worker_pids(), #self:log()
      local _, client = hang(self, path)
      all_are_answered(self)
      await_successor(self, before)
      local line = said(self, from, "plugin hang, in its " .. phase .. " phase",
        "route " .. path, "generation 1")
      if how == "interpreted" then assert.is_truthy(line:find("hang.lua:9", 1, true), line) end
      client:close()
    end)
  end
end)

describe("a worker that does not turn", function()
  setup(function() origin = peer.start() end)
  after_each(gateway.stop_all)
  teardown(peer.stop_all)

  -- What it has in its queue another one accepts (deputies_spec.lua), long before it is replaced.
  it("keeps nobody waiting but its own clients", function()
    local self = start(routes(), NEVER_SECONDS)
    local stuck, client = hang(self, "/request/compiled")
    all_are_answered(self, WAIT_SECONDS)
    assert.is_true(alive(stuck))
    assert.is_false(client:is_closed(0))
    system.kill(stuck, system.SIGKILL)
  end)

  it("is replaced when it hangs in a timer", function()
    local self = start [[route "/" { upstream = "origin", plugins = { { "hang", at = "every" } } }]]
    said(self, 0, "plugin hang, in its task phase", "route none")
  end)

  it("is replaced when it hangs in stop(), of a generation that has ended", function()
    local self = reloading.start { config = CONFIG:format(BUDGET, origin.url, [[
      use { { "hang", at = "stop" } }
    ]]), files = FILES }
    local pids = self:worker_pids()
    self:reload { ["gateway.lua"] = CONFIG:format(BUDGET, origin.url, "") }
    said(self, 0, "plugin hang, in its stop phase", "route none", "generation 1")
    wait.that(function()
      return #self:worker_pids() == 2 and not alive(pids[1]) and not alive(pids[2])
    end, REPLACED_SECONDS, "two successors")
    all_are_answered(self)
  end)

  it("is replaced when it hangs in a route's when", function()
    local self = start [[route "/when" { upstream = "origin",
      when = function() while true do end end }]]
    local client = http.connect(self.port)
    client:send(http.format { path = "/when" })
    said(self, 0, "plugin (a route's when), in its when phase, route /when")
    client:close()
  end)

  it("is replaced when it was stopped by a signal", function()
    local self = start()
    local pids = self:worker_pids()
    all_are_answered(self)
    system.kill(pids[1], system.SIGSTOP)
    all_are_answered(self)
    said(self, 0, "has been stopped for", "outside of plugins")
    await_successor(self, pids)
  end)

  it("goes on when that was not for long", function()
    local self = start(nil, 10)
    local pids = self:worker_pids()
    system.kill(pids[1], system.SIGSTOP)
    system.sleep(0.1)
    system.kill(pids[1], system.SIGCONT)
    all_are_answered(self)
    assert.same(pids, self:worker_pids())
  end)

  it("is left alone when everything stood still", function()
    local file = system.temporary_directory() .. "/end"
    local self = start(([[route "/" { upstream = "origin", plugins = {
      { "hang", at = "request", how = "until_told", file = %q } } }]]):format(file), 4)
    local pids = self:worker_pids()
    local stuck, client = hang(self, "/")
    self:signal(system.SIGSTOP)
    system.kill(stuck, system.SIGSTOP)
    local since = system.now()
    local function pass(seconds)
      wait.that(function() return system.now() - since > seconds end)
    end
    pass(4.2)
    system.kill(stuck, system.SIGCONT)
    self:signal(system.SIGCONT)
    pass(4.2 + 0.7) -- two looks more
    system.write_file(file, "")
    client.stream.seconds = REPLACED_SECONDS
    assert.equal(200, client:read_response().status)
    assert.same(pids, self:worker_pids())
    process.remove(file:match "^(.*)/")
  end)

  it("is left alone where turns may last for ever", function()
    local self = start(routes(), 0)
    local stuck, client = hang(self, "/request/compiled")
    local before = ticks(stuck)
    -- Ticks are a hundredth of a second: there have been looks by then.
    wait.that(function() return ticks(stuck) - before >= 150 end, 60)
    assert.is_true(alive(stuck))
    system.kill(stuck, system.SIGKILL)
    client:close()
  end)

  it("is left alone while another generation is built for it", function()
    local self = reloading.start { config = CONFIG:format(1.5, origin.url, ""), files = FILES }
    local pids = self:worker_pids()
    self:reload { ["gateway.lua"] = CONFIG:format(1.5, origin.url, [[
      local sum = 0
      for i = 1, 8e7 do sum = sum + i end
    ]]) }
    assert.same(pids, self:worker_pids())
  end)

  it("is replaced on the old generation when a new one hangs in start()", function()
    local self = reloading.start { config = CONFIG:format(BUDGET, origin.url, ""), files = FILES }
    local pids = self:worker_pids()
    self:refuse { ["gateway.lua"] = CONFIG:format(BUDGET, origin.url, [[
      route "/" { upstream = "origin", plugins = { { "hang", at = "start" } } }
    ]]) }
    said(self, 0, "plugin hang, in its start phase, route none, generation 2")
    await_successor(self, pids)
    all_are_answered(self)
    assert.equal(404, http.request(self.port).status)
  end)
end)
