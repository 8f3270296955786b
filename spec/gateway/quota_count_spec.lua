--- quota_count: what 64 connections to two workers use of a quota, to the requests that were under
--- way when a worker was killed, reloads meanwhile.
--
-- MOONGATE_QUOTA_COUNT=1000000 counts as far as that, as `./dev soak` does.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local process = require "spec.support.process"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local LIMIT = tonumber(os.getenv "MOONGATE_QUOTA_COUNT") or 20000
local CONNECTIONS, KILLS, RELOADS = 64, 2, 4
local REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  store { path = "%s/state" }
  route "/" { name = "all", plugins = {
    { "quota", limit = %d, by = "route", headers = "none", period = "year" },
    { "mock", body = "in" },
  } }
]]

describe("a quota", function()
  local self, folder, edits = nil, nil, 0

  before_each(function()
    folder = system.temporary_directory()
    self = reloading.start { config = CONFIG:format(folder, LIMIT) }
  end)
  after_each(function()
    gateway.stop_all()
    process.remove(folder)
  end)

  local function ask(clients, i)
    local client = clients[i]
    if not client then
      local ok, fresh = pcall(http.connect, self.port, { seconds = 30 })
      if not ok then return end
      clients[i], client = fresh, fresh
    end
    client:send(REQUEST)
  end

  local function hear(clients, seen, i)
    local client = clients[i]
    local ok, answer = pcall(client.read_response, client)
    if ok then
      seen[tostring(answer.status)] = (seen[tostring(answer.status)] or 0) + 1
    else
      seen.broken = seen.broken + 1
      client:close()
      clients[i] = nil
    end
  end

  -- Asks until so many were refused; writes what it saw now and then.
  local function use_up(path)
    local clients, seen = {}, { broken = 0, ["200"] = 0 }
    while (seen["429"] or 0) < 10 * CONNECTIONS do
      for i = 1, CONNECTIONS do ask(clients, i) end
      for i = 1, CONNECTIONS do
        if clients[i] then hear(clients, seen, i) end
      end
      system.write_file(path .. ".new", json.encode(seen))
      os.rename(path .. ".new", path)
    end
    for i = 1, CONNECTIONS do if clients[i] then clients[i]:close() end end
  end

  local function admitted(path)
    local text = system.read_file(path)
    return text and json.decode(text)["200"] or 0
  end

  local function disturb(step)
    if step % ((KILLS + RELOADS) / KILLS) == 0 then
      local victim = self:worker_pids()[1 + step % 2]
      system.kill(victim, system.SIGKILL)
      wait.that(function()
        local pids = self:worker_pids()
        return #pids == 2 and pids[1] ~= victim and pids[2] ~= victim
      end, 20, "a successor")
    else
      edits = edits + 1
      self:reload { ["gateway.lua"] = ("%s-- %d\n"):format(CONFIG:format(folder, LIMIT), edits) }
    end
  end

  it("is exact while workers come and go", function()
    local path = folder .. "/seen"
    local client = process.fork(function() use_up(path) end)
    for step = 1, KILLS + RELOADS do
      wait.that(function() return admitted(path) > LIMIT * step / (KILLS + RELOADS + 2) end, 300)
      disturb(step)
    end
    assert.equal(0, client:wait(300))
    local seen = json.decode(system.read_file(path))
    local text = json.encode(seen)
    assert.is_true(seen["200"] <= LIMIT, text)
    assert.is_true(seen["200"] + seen.broken >= LIMIT, text)
    assert.is_true(seen.broken <= KILLS * CONNECTIONS, text)
  end)
end)
