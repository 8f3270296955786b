--- killed_workers: one worker after the other is killed while clients ask.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local KILLS = 4
-- While a worker is stopped: half of them are for its queue.
local CONNECTIONS = 20

-- Answers with its worker's process id; takes a moment to start, so that a successor is missed.
local WHO = [[
local ffi = require "ffi"
local moongate = require "moongate"
ffi.cdef "int getpid(void);"
local who = { summary = "Tells who answers.", options = {} }
function who:start() moongate.sleep(1) end
function who:respond() return moongate.reply.text(200, tostring(ffi.C.getpid())) end
return who
]]

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  route "/" { plugins = { "who" } }
]]

describe("workers that are killed one after the other", function()
  local self, clients

  before_each(function()
    self = gateway.start { config = CONFIG, files = { ["plugins/who.lua"] = WHO } }
    clients = {}
  end)

  after_each(function()
    for _, client in ipairs(clients) do client.process:kill() end
    gateway.stop_all()
  end)

  -- Asks without end, and writes a line for each thing that happens: "answered BY", "refused" when
  -- there was no connection, "broken BY" when one ended whose last answer was BY's, or nobody's.
  -- Behind that, when the connection was begun, when what happened was asked for, and when it did.
  local function ask(file, stop, requests_each)
    local function note(what, by, since, asked)
      file:write(("%s %s %.6f %.6f %.6f\n"):format(what, by, since, asked, system.now()))
    end
    local function talk(client, since)
      local by = "nobody"
      for _ = 1, requests_each do
        if system.read_file(stop) then return end
        local asked = system.now()
        local ok, response = pcall(client.request, client, {})
        if not ok or response.status ~= 200 then return note("broken", by, since, asked) end
        by = response.body
        note("answered", by, since, asked)
        system.sleep(0.002)
      end
    end
    while not system.read_file(stop) do
      local since = system.now()
      local ok, client = pcall(http.connect, self.port, { seconds = 30 })
      if ok then
        talk(client, since)
        client:close()
      else
        note("refused", "nobody", since, since)
      end
    end
  end

  local function begin(requests_each)
    local path, stop = self.directory .. "/client" .. #clients, self.directory .. "/stop"
    clients[#clients + 1] = { path = path, process = process.fork(function()
      local file = io.open(path, "w")
      file:setvbuf "line"
      ask(file, stop, requests_each)
      file:close()
    end) }
  end

  local LINE = "(%l+) (%w+) (%S+) (%S+) (%S+)\n"

  local function lines(client)
    local list = {}
    for what, by, since, asked, at in (system.read_file(client.path) or ""):gmatch(LINE) do
      list[#list + 1] = { what = what, by = by, since = tonumber(since), asked = tonumber(asked),
        at = tonumber(at) }
    end
    return list
  end

  -- How many answers there are for which `is_wanted` holds.
  local function answers(is_wanted)
    local count = 0
    for _, client in ipairs(clients) do
      for _, line in ipairs(lines(client)) do
        if line.what == "answered" and is_wanted(line) then count = count + 1 end
      end
    end
    return count
  end

  local function answered_by(pid)
    return answers(function(line) return line.by == tostring(pid) end)
  end

  local function serving()
    local _, text = self:ask { "status", "--json" }
    local pids = {}
    for _, worker in ipairs(json.decode(text).workers) do
      if worker.serves then pids[#pids + 1] = worker.pid end
    end
    return pids
  end

  local function is_dead(pid)
    local status = system.read_file(("/proc/%d/status"):format(pid))
    return status == nil or status:find "State:%s*Z" ~= nil
  end

  -- The one that is left answers what is asked for after the death, before there is another one.
  local function kill(pid, sibling)
    system.kill(pid, system.SIGKILL)
    local killed = { pid = tostring(pid), at = system.now() }
    wait.that(function() return is_dead(pid) end, 20, "the death")
    local dead = system.now()
    wait.that(function() return #serving() == 2 end, 20, "a worker in its place")
    local first = math.huge -- answer of who came in its place
    answers(function(line)
      local is_new = line.by ~= tostring(pid) and line.by ~= tostring(sibling)
      if is_new and line.at > dead then first = math.min(first, line.at) end
      return false
    end)
    assert.is_true(answers(function(line)
      return line.by == tostring(sibling) and line.asked > dead and line.at < first
    end) > 0, "nobody answered meanwhile")
    return killed
  end

  -- Whose death a connection ended by: its last answer's, or, without one, that of a worker that
  -- was killed after the connection was begun and before it broke.
  local function end_of(line, kills)
    for _, killed in ipairs(kills) do
      if line.by == killed.pid then return killed end
      if line.by == "nobody" and line.since < killed.at and killed.at < line.at then
        return killed
      end
    end
  end

  local function check(i, client, kills)
    local lost = {}
    for _, line in ipairs(lines(client)) do
      assert.are_not.equal("refused", line.what)
      if line.what == "broken" then
        local what = ("client %d: a connection of %s, begun at %.6f, broke at %.6f"):format(i,
          line.by, line.since, line.at)
        local killed = end_of(line, kills)
        assert.is_truthy(killed, what)
        assert.is_nil(lost[killed], what .. ", the second one")
        lost[killed] = true
      end
    end
  end

  -- What can be told from outside of a connection that ends without any answer: a worker that is
  -- killed takes with it those that it has accepted, asked or not, and only those that were begun
  -- before it died. Whether it had accepted one of them cannot be told, so each client may lose the
  -- one that it had just then. What is begun later is nobody's to lose, and none is ever refused.
  it("lose what they were answering, and nothing else", function()
    for _ = 1, 4 do begin(1e9) end
    for _ = 1, 2 do begin(1) end
    local kills = {}
    for i = 1, KILLS do
      local began = system.now()
      local pids = serving()
      wait.that(function() return answered_by(pids[1]) > 0 and answered_by(pids[2]) > 0 end)
      local pid, sibling = pids[i % 2 + 1], pids[2 - i % 2]
      kills[i] = kill(pid, sibling)
      wait.that(function() return system.now() - began >= 1 end)
    end
    system.write_file(self.directory .. "/stop", "")
    for _, client in ipairs(clients) do assert.equal(0, client.process:wait(30)) end
    for i, client in ipairs(clients) do check(i, client, kills) end
  end)

  -- A worker that is stopped accepts nothing: all that is begun then is for others, also what waits
  -- in its own queue when it dies.
  it("lose nothing that they have not accepted", function()
    local pids = serving()
    for i, pid in ipairs(pids) do
      system.kill(pid, system.SIGSTOP)
      wait.that(function()
        return system.read_file(("/proc/%d/status"):format(pid)):find "State:%s*T"
      end, 20, "it to stop")
      local waiting = {}
      for j = 1, CONNECTIONS do
        waiting[j] = http.connect(self.port, { seconds = 30 })
        if j % 2 == 0 then waiting[j]:send(http.format {}) end
      end
      system.kill(pid, system.SIGKILL)
      for j, client in ipairs(waiting) do
        if j % 2 == 1 then client:send(http.format {}) end
        local response = client:read_response()
        assert.equal(200, response.status)
        assert.are_not.equal(tostring(pid), response.body)
        client:close()
      end
      wait.that(function() return #serving() == 2 end, 20, "a worker in its place")
      assert.equal(i, select(2, self:log():gsub("was ended by signal 9", "")))
    end
  end)
end)
