--- nursery: workers come from a process that has built what they run.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local reloading = require "spec.support.reloading"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local is_root = os.execute "test $(id -u) = 0" == 0

-- Notes each process that builds it; answers with its worker, its worker's parent, random bytes.
local WITNESS = [[
local ffi = require "ffi"
local moongate = require "moongate"
ffi.cdef "int getpid(void); int getppid(void); int getpriority(int, unsigned);"
local witness = { summary = "Tells who built it, and who runs it.",
  options = { text = { type = "string", default = "" } } }
function witness.new()
  local here = debug.getinfo(1, "S").source:match "^@(.*)/plugins/"
  local file = io.open(here .. "/built", "a")
  if file then
    file:write(ffi.C.getpid(), "\n")
    file:close()
  end
  return {}
end
function witness:respond()
  return moongate.reply.json(200, { pid = ffi.C.getpid(), parent = ffi.C.getppid(),
    nice = ffi.C.getpriority(0, 0), text = self.text,
    random = moongate.crypto.hex(moongate.crypto.random(16)) })
end
return witness
]]

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  route "/" { plugins = { { "witness", text = "%s" } } }
  %s
]]

-- Holds a worker that is named in the file "held" at the stage that is, until there is the file
-- "killed"; notes it in "holds".
local HELD = [[
local ffi = require "ffi"
local moongate = require "moongate"
ffi.cdef "int getpid(void); int usleep(unsigned);"
local here = debug.getinfo(1, "S").source:match "^@(.*)/plugins/"
local function text_of(name)
  local file = io.open(here .. "/" .. name)
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end
local function hold(stage, pause)
  if not (text_of "held" or ""):find(("%s.* %d "):format(stage, ffi.C.getpid())) then return end
  local file = io.open(here .. "/holds", "a")
  file:write(stage)
  file:close()
  for _ = 1, 500 do
    if text_of "killed" then return end
    pause()
  end
end
local held = { summary = "Waits.", options = {}, request = function() end }
function held.new()
  hold("build", function() ffi.C.usleep(10000) end)
  return {}
end
function held:start() hold("start", function() moongate.sleep(0.01) end) end
return held
]]

describe("the nursery", function()
  local self

  local function start(more)
    self = reloading.start { config = CONFIG:format("first", more or ""),
      files = { ["plugins/witness.lua"] = WITNESS } }
  end

  after_each(gateway.stop_all)

  local function status()
    local _, text = self:ask { "status", "--json" }
    return json.decode(text)
  end

  local function nursery() return status().nursery end

  -- One that has the generation that runs, and is not `before`.
  local function await_nursery(before)
    return wait.that(function()
      local now = nursery()
      return now.state == "ready" and now.generation == self.generation and now.pid ~= before
        and now.pid
    end, 60, "a nursery")
  end

  local function serving()
    local pids = {}
    for _, worker in ipairs(status().workers) do
      if worker.serves then pids[#pids + 1] = worker.pid end
    end
    return pids
  end

  -- Both workers, once they serve.
  local function both()
    return wait.that(function()
      local pids = serving()
      return #pids == 2 and pids
    end, 60, "two workers")
  end

  -- How often it has been built by something that is not `pids`.
  local function builders()
    local count, pids = 0, {}
    for pid in (system.read_file(self.directory .. "/built") or ""):gmatch "%d+" do
      count = count + 1
      pids[tonumber(pid)] = true
    end
    return count, pids
  end

  -- Kills that worker; the process id of who takes its place.
  local function kill(worker)
    local before, others = both(), {}
    for _, other in ipairs(before) do others[other] = true end
    system.kill(before[worker], system.SIGKILL)
    return wait.that(function()
      local now = serving()
      if #now < 2 then return end
      for _, one in ipairs(now) do
        if not others[one] then return one end
      end
    end, 60, "a worker in its place")
  end

  -- What that worker answers.
  local function answer_of(pid)
    return wait.that(function()
      local answer = json.decode(http.request(self.port).body)
      return answer.pid == pid and answer
    end, 20, "an answer of " .. pid)
  end

  local function is_gone(pid)
    return (system.read_file(("/proc/%d/status"):format(pid)) or ""):find "State:%s*[^Z]" == nil
  end

  it("has built what the first workers run, and whoever takes a dead one's place", function()
    start()
    local pid = await_nursery()
    local _, by = builders()
    assert.is_true(by[pid])
    for _, one in ipairs(both()) do assert.is_nil(by[one]) end
    local before = builders()
    local random = {}
    for _, one in ipairs(both()) do random[answer_of(one).random] = true end
    for i = 1, 3 do
      pid = kill(i % 2 + 1)
      local answer = answer_of(pid)
      assert.equal(self.pid, answer.parent)
      assert.equal("first", answer.text)
      assert.is_nil(random[answer.random])
      random[answer.random] = true
    end
    assert.equal(before, (builders()))
    assert.equal(3, status().restarts)
    assert.matches("\nnursery +ready, pid %d+\n", (select(2, self:ask { "status" })))
  end)

  it("is missed by nobody when it dies, and another one is built", function()
    start()
    local before = await_nursery()
    for _ = 1, 2 do
      system.kill(before, system.SIGKILL)
      assert.equal(self.pid, answer_of(kill(1)).parent)
      before = await_nursery(before)
    end
    local count = builders()
    answer_of(kill(2))
    assert.equal(count, (builders()))
  end)

  local function get()
    local answer = http.request(self.port)
    assert.equal(200, answer.status)
    return json.decode(answer.body)
  end

  -- Asks until `condition` holds of the answer; none may fail.
  local function ask_until(condition, what)
    local failure
    wait.that(function()
      local fine, answer = pcall(get)
      if not fine then failure = failure or answer end
      return fine and condition(answer)
    end, 60, what)
    assert.is_nil(failure)
  end

  for _, stage in ipairs { "build", "start", "swap" } do
    it("may die while workers are in the midst of a reload: " .. stage, function()
      local held = [[use { { "held" } }]]
      self = reloading.start { config = CONFIG:format("first", held),
        files = { ["plugins/witness.lua"] = WITNESS, ["plugins/held.lua"] = HELD } }
      local before = await_nursery()
      local function write(name, text) system.write_file(self.directory .. "/" .. name, text) end
      write("held", ("%s %s "):format(stage, table.concat(both(), " ")))
      write("gateway.lua", gateway.complete(CONFIG:format("second", held)))
      self:signal(system.SIGHUP)
      ask_until(function()
        return system.read_file(self.directory .. "/holds")
          or stage == "swap" and self:log():find "generation 2 serves"
      end, "the stage")
      system.kill(before, system.SIGKILL)
      write("killed", "")
      self.generation = 2
      ask_until(function(answer) return answer.text == "second" end, "the next generation")
      self:wait_for_log("generation 2 serves", 60)
      for _, pid in ipairs(both()) do assert.equal("second", answer_of(pid).text) end
      assert.equal("second", answer_of(kill(1)).text)
    end)
  end

  it("dies with a worker under load, and no connection is refused", function()
    start()
    local pid, pids = await_nursery(), both()
    for _ = 1, 20 do get() end
    system.kill(pid, system.SIGKILL)
    system.kill(pids[2], system.SIGKILL)
    ask_until(function()
      for _ = 1, 20 do get() end
      return status().restarts == 1 and #serving() == 2
    end, "a worker in its place")
  end)

  it("that does not fork is ended, and a worker builds for itself", function()
    start()
    local stopped = await_nursery()
    system.kill(stopped, system.SIGSTOP)
    local pid = kill(1)
    local _, by = builders()
    assert.is_true(by[pid])
    wait.that(function() return is_gone(stopped) end, 20, "its end")
    await_nursery(stopped)
  end)

  it("forks nobody of a generation that has gone by", function()
    start()
    local stopped, pid = await_nursery(), both()[1]
    system.kill(stopped, system.SIGSTOP)
    system.kill(pid, system.SIGKILL) -- its successor is asked for, and does not come
    wait.that(function() return #serving() == 1 end, 20, "the death to be noticed")
    self:reload { ["gateway.lua"] = CONFIG:format("second", "") }
    for _, one in ipairs(both()) do assert.equal("second", answer_of(one).text) end
  end)

  it("has the worker in place of one that is stuck", function()
    self = reloading.start { config = CONFIG:format("first", [[
      limits { turn_timeout = "1500ms" }
      route "/hang" { plugins = { { "hang" }, { "mock" } } }
    ]]), files = { ["plugins/witness.lua"] = WITNESS, ["plugins/hang.lua"] = [[
      return { summary = "S.", options = {}, request = function() while true do end end }
    ]] } }
    await_nursery()
    local count = builders()
    local client = http.connect(self.port)
    client:send(http.format { path = "/hang" })
    self:wait_for_log "is replaced"
    wait.that(function() return status().restarts == 1 end, 60, "a worker")
    for _, pid in ipairs(both()) do answer_of(pid) end
    assert.equal(count, (builders()))
  end)

  it("has the generation that runs, after a reload and a rollback", function()
    start()
    local first = await_nursery()
    self:reload { ["gateway.lua"] = CONFIG:format("second", "") }
    wait.that(function() return is_gone(first) end, 20, "its end")
    assert.equal("second", answer_of(kill(1)).text) -- before there is another one, maybe
    local second = await_nursery(first)
    assert.equal("second", answer_of(kill(1)).text)
    assert.equal(0, self:ask { "rollback" })
    self.generation = self.generation + 1
    await_nursery(second)
    local count = builders()
    local answer = answer_of(kill(2))
    assert.equal("first", answer.text)
    assert.equal(0, answer.nice)
    assert.equal(count, (builders()))
  end)

  it("is not built while another generation is on its way", function()
    start()
    local first, starting = await_nursery(), self.directory .. "/starting"
    system.write_file(self.directory .. "/plugins/slow.lua", ([[
      return { summary = "S.", options = { seconds = { type = "number" } },
        start = function(self)
          assert(io.open(%q, "a")):close()
          require("moongate").sleep(self.seconds)
        end }
    ]]):format(starting))
    local function ask_for(seconds)
      system.write_file(self.directory .. "/gateway.lua",
        CONFIG:format("slow", ('use { { "slow", seconds = %g } }'):format(seconds)))
      self:signal(system.SIGHUP)
    end
    ask_for(1)
    wait.that(function() return system.read_file(starting) end, 20, "its start")
    ask_for(4) -- begins as soon as the other one ends
    self:wait_for_log "generation 2 serves"
    wait.that(function() return is_gone(first) end, 20, "the end of the one before")
    local seen = 0
    wait.that(function()
      seen = math.max(seen, #self:children "nursery")
      return self:log():find("generation 3 serves", 1, true)
    end, 60, "the second")
    assert.equal(0, seen)
    self.generation = 3
    await_nursery()
  end)

  it("stays when a reload fails, or changes nothing", function()
    start()
    local before = await_nursery()
    self:refuse { ["gateway.lua"] = "listen = = 1" }
    assert.equal(before, await_nursery())
    self:signal(system.SIGHUP)
    assert.equal(before, await_nursery())
    assert.equal("first", answer_of(kill(1)).text)
  end)

  it("holds no socket that a reload has closed", function()
    start 'listen "127.0.0.1:0"'
    await_nursery()
    self:reload { ["gateway.lua"] = CONFIG:format("second", "") }
    wait.that(function() return nursery().generation ~= 1 end)
    wait.that(function()
      local connected, client = pcall(socket.connect, "127.0.0.1", self.ports[2])
      if connected then client:close() end
      return not connected
    end, 20, "a connection to be refused")
  end)

  it("is a user that may do as little as its workers", function()
    if not is_root then return end
    start 'user "nobody"'
    local function limits(pid)
      local text = system.read_file(("/proc/%d/status"):format(pid))
      return text:match "Uid:[^\n]*" .. text:match "Groups:[^\n]*" .. text:match "CapEff:[^\n]*"
        .. text:match "NoNewPrivs:[^\n]*" .. text:match "SigBlk:[^\n]*"
    end
    assert.matches("Uid:%s*65534%s*65534%s*65534.*CapEff:%s*0+NoNewPrivs:%s*1",
      limits(await_nursery()))
    local before = limits(both()[1])
    assert.equal(before, limits(kill(1)))
    assert.matches("SigBlk:%s*0+$", before)
  end)

  it("ends with its master", function()
    start()
    local pid = await_nursery()
    assert.equal(0, self:ask { "stop" })
    wait.that(function() return is_gone(pid) end, 20, "its end")
    start()
    pid = await_nursery()
    local directory = self:crash()
    wait.that(function() return is_gone(pid) end, 20, "its end")
    require "spec.support.process".remove(directory)
  end)

  it("leaves nothing behind of those who die with it", function()
    start()
    for _ = 1, 2 do
      local pid = await_nursery()
      local pids = both()
      for _, one in ipairs { pids[1], pid, pids[2] } do
        system.kill(one, system.SIGKILL)
      end
      await_nursery(pid)
      both()
    end
    wait.that(function()
      return #self:worker_pids() == 2
    end, 20, "no other process")
  end)
end)
