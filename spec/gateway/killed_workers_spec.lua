--- killed_workers: one worker after the other is killed while clients ask.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local KILLS = 4

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
  local function ask(file, stop, requests_each)
    local function note(...) file:write(table.concat({ ... }, " "), "\n") end
    local function talk(client)
      local by = "nobody"
      for _ = 1, requests_each do
        if system.read_file(stop) then return end
        local ok, response = pcall(client.request, client, {})
        if not ok or response.status ~= 200 then return note("broken", by) end
        by = response.body
        note("answered", by)
        system.sleep(0.002)
      end
    end
    while not system.read_file(stop) do
      local ok, client = pcall(http.connect, self.port, { seconds = 30 })
      if ok then
        talk(client)
        client:close()
      else
        note "refused"
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

  local function lines(client)
    local list = {}
    for what, by in (system.read_file(client.path) or ""):gmatch "(%l+) ?(%w*)\n" do
      list[#list + 1] = { what = what, by = by }
    end
    return list
  end

  local function answered_by(pid)
    local count = 0
    for _, client in ipairs(clients) do
      for _, line in ipairs(lines(client)) do
        if line.what == "answered" and line.by == tostring(pid) then count = count + 1 end
      end
    end
    return count
  end

  local function serving()
    local _, text = self:ask { "status", "--json" }
    local pids = {}
    for _, worker in ipairs(json.decode(text).workers) do
      if worker.serves then pids[#pids + 1] = worker.pid end
    end
    return pids
  end

  local function serves(pid)
    for _, one in ipairs(serving()) do
      if one == pid then return true end
    end
    return false
  end

  -- The one that is left answers while there is no other; then there are two again.
  local function kill(pid, sibling)
    local before = answered_by(sibling)
    system.kill(pid, system.SIGKILL)
    wait.that(function() return not serves(pid) end, 20, "the death to be noticed")
    local first, second = answered_by(sibling), nil
    wait.that(function()
      second = answered_by(sibling)
      return second > first or #serving() == 2
    end)
    assert.is_true(second > before, "nobody answered meanwhile")
    wait.that(function() return #serving() == 2 end, 20, "a worker in its place")
  end

  it("lose what they were answering, and nothing else", function()
    for _ = 1, 4 do begin(1e9) end
    for _ = 1, 2 do begin(1) end
    local killed = {}
    for i = 1, KILLS do
      local began = system.now()
      local pids = serving()
      wait.that(function() return answered_by(pids[1]) > 0 and answered_by(pids[2]) > 0 end)
      local pid, sibling = pids[i % 2 + 1], pids[2 - i % 2]
      kill(pid, sibling)
      killed[tostring(pid)] = true
      wait.that(function() return system.now() - began >= 1 end)
    end
    system.write_file(self.directory .. "/stop", "")
    for _, client in ipairs(clients) do assert.equal(0, client.process:wait(30)) end
    for i, client in ipairs(clients) do
      local broken = 0
      for _, line in ipairs(lines(client)) do
        assert.are_not.equal("refused", line.what)
        if line.what == "broken" then
          broken = broken + 1
          assert.is_true(line.by == "nobody" or killed[line.by] == true, line.by)
        end
      end
      assert.is_true(broken <= KILLS, ("client %d: %d connections broke"):format(i, broken))
    end
  end)
end)
