--- reload_load: what `./dev bench reload` measures, at smaller size.

local edit = require("spec.support.reloading").edit
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local load = require "spec.support.load"
local metrics = require "spec.bench.metrics"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local WORKERS, ROUTES = 2, 300
local CLIENTS, RELOADS, RELOAD_SECONDS = 3, 8, 0.3
-- The least of several is what it takes; the others say how busy the machine is.
local TRIES = 5
-- Who is killed sooner after its start is not replaced at once (runtime/server/backoff.h).
local SERVED_SECONDS = 1.2
-- Of the processors, to find out what share of them a process gets.
local SPIN_SECONDS = 0.05
-- A sanitizer makes all of it several times slower.
local is_sanitized = gateway.binary():find "asan" or gateway.binary():find "tsan"
local SLOWER = is_sanitized and 10 or 1
-- About as long as a reload takes; of the time behind which the slowest hundredth of answers is.
local WINDOW_SECONDS, RATIO_MAX = 0.6, 1.2
local LIVE_SECONDS, REPLACED_SECONDS = 1 * SLOWER, 0.1 * SLOWER

local CONFIG = [[
  -- revision 0
  workers(%d)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  limits { idle_timeout = "10m" }
  watch(%s)
  upstream "up" { "%s" }
  route "/up" { upstream = "up", rewrite = "/bytes/10" }
  for i = 1, %d do
    route("GET /r" .. i) { plugins = {
      { "mock", body = "0" },
      { "transform", response = { set_headers = { ["x-route"] = "r" .. i } } },
    } }
  end
]]

describe("under load,", function()
  local origin, self

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  after_each(gateway.stop_all)

  local function start(routes, watches)
    local text = CONFIG:format(WORKERS, watches, origin.url, routes)
    self = gateway.start { config = text, seconds = 120 }
  end

  local function body() return http.request(self.port, { path = "/r1" }).body end

  local function status()
    return json.decode(http.request(self.admin_port, { path = "/status" }).body)
  end

  -- Asks over one connection until the file is there, and writes what went wrong into another one,
  -- and how often it asked.
  local function ask_on(file, stop)
    local asked, client = 0, http.connect(self.port, { seconds = 30 })
    local ok, why = pcall(function()
      while not system.read_file(stop) do
        local path = asked % 2 == 0 and "/up" or "/r" .. asked % ROUTES + 1
        local response = client:request { path = path }
        assert(response.status == 200, "status " .. response.status)
        assert((response.headers.connection or "") ~= "close", "it is to be closed")
        asked = asked + 1
      end
      assert(not client:is_closed(0), "it was closed")
    end)
    system.write_file(file, ("%d\n%s"):format(asked, ok and "" or tostring(why)))
  end

  it("reloads fail no request and close no connection", function()
    start(ROUTES, "false")
    local loads, kept, stop = {}, {}, self.directory .. "/stop"
    for i = 1, CLIENTS do loads[i] = load.start(self.port, i % 2 == 0 and "/up" or "/r7") end
    for i = 1, CLIENTS do
      local file = self.directory .. "/kept" .. i
      kept[i] = { file = file, process = process.fork(function() ask_on(file, stop) end) }
    end
    local idle = {}
    for i = 1, 4 do
      idle[i] = http.connect(self.port)
      assert.equal(200, idle[i]:request({ path = "/up" }).status)
    end
    for i = 1, RELOADS do
      local began = system.now()
      edit(self, i)
      local code, _, err = self:ask({ "reload" }, { seconds = 60 })
      assert.equal(0, code, err)
      assert.equal(tostring(i), body())
      wait.that(function() return system.now() - began >= RELOAD_SECONDS end)
    end
    for _, client in ipairs(idle) do
      assert.is_false(client:is_closed(0))
      assert.equal(200, client:request({ path = "/up" }).status)
    end
    system.write_file(stop, "")
    for _, one in ipairs(kept) do
      assert.equal(0, one.process:wait(60))
      local asked, why = system.read_file(one.file):match "^(%d+)\n(.*)$"
      assert.equal("", why)
      assert.is_true(tonumber(asked) > RELOADS, asked .. " requests")
    end
    for _, one in ipairs(loads) do
      local report = one:stop()
      assert.equal("", report.failures)
      assert.is_true(report.requests > RELOADS, report.requests .. " requests")
    end
    assert.equal(RELOADS + 1, status().generation)
  end)

  -- Until nothing is left to do of a reload or a death: what it freed, and who builds the next
  -- workers.
  local function settle()
    wait.that(function()
      local _, text = self:ask { "status", "--json" }
      local now = json.decode(text)
      return now.nursery.state == "ready" and now.nursery.generation == now.generation
        and status().generations <= WORKERS
    end, 60, "the reload to be over")
  end

  -- How much longer than its work a process takes, since others want the processors as well.
  local function crowd()
    local began, cpu = system.now(), system.cpu_seconds(0)
    local worked
    repeat worked = system.cpu_seconds(0) - cpu until worked > SPIN_SECONDS
    return math.max(1, (system.now() - began) / worked)
  end

  -- Holds what `step(i)` takes, the least of some tries, to `most` seconds of a machine of its own:
  -- a try counts for as much less as there was a crowd before and after it.
  local function least_seconds(most, step)
    local least, list = math.huge, {}
    for i = 1, TRIES do
      settle()
      local settled = system.now()
      wait.that(function() return system.now() - settled > SERVED_SECONDS end)
      local before, took = crowd(), step(i)
      local share = math.min(before, crowd())
      least = math.min(least, took / share)
      list[i] = ("%.3f s (crowd of %.1f)"):format(took, share)
      if least <= most then return end
    end
    error("it took " .. table.concat(list, ", "))
  end

  it(("an edit is live within %g s, with 1,000 routes"):format(LIVE_SECONDS), function()
    start(1000, "true")
    least_seconds(LIVE_SECONDS, function(i)
      edit(self, i)
      local written = system.now()
      wait.that(function() return body() == tostring(i) end, 60, "the edit to be live")
      return system.now() - written
    end)
  end)

  -- Seconds behind which one of a hundred answers comes that are asked for one after the other,
  -- until the answer is `revision`, and for a while; how many turns of loops took over 10 ms then.
  local function window(revision)
    local before = metrics.long_turns(self.admin_port)
    local times, client, began = {}, http.connect(self.port), system.now()
    repeat
      local asked = system.now()
      local last = client:request({ path = "/r1" }).body
      times[#times + 1] = system.now() - asked
      system.sleep(0.0005)
    until system.now() - began > WINDOW_SECONDS and last == tostring(revision)
    client:close()
    table.sort(times)
    return times[math.ceil(#times * 0.99)], metrics.long_turns(self.admin_port) - before
  end

  -- Only a try before which the machine had time for all turns tells anything.
  it("answers come as soon, and no turn of a loop takes longer", function()
    if is_sanitized then return pending "a sanitizer has turns of its own" end
    start(1000, "true")
    local ratio, turns, told = math.huge, math.huge, 0
    for i = 1, 2 * TRIES do
      settle()
      local without, turns_without = window(i - 1)
      edit(self, i)
      local with, turns_with = window(i)
      if turns_without == 0 then
        ratio, turns = math.min(ratio, with / without), math.min(turns, turns_with)
        told = told + 1
      end
      if told == TRIES or (ratio <= RATIO_MAX and turns == 0) then break end
    end
    if told == 0 then return pending "the machine is too busy" end
    assert.is_true(ratio <= RATIO_MAX, ("%.2f times as long"):format(ratio))
    assert.equal(0, turns)
  end)

  -- Whether all workers serve, none of which is the one that was killed. Whoever is asked is a
  -- worker, and may be the one that has been killed.
  local function is_whole(killed)
    local workers = status().workers.list
    for _, worker in ipairs(workers) do
      if worker.pid == killed or worker.state ~= "serving" then return false end
    end
    return #workers == WORKERS
  end

  it(("a killed worker is replaced within %g s, with 1,000 routes"):format(REPLACED_SECONDS),
    function()
      start(1000, "false")
      least_seconds(REPLACED_SECONDS, function()
        local pid, killed = self:worker_pids()[1], system.now()
        system.kill(pid, system.SIGKILL)
        repeat
          assert.equal("0", body()) -- which one of its siblings is there for
          local ok, whole = pcall(is_whole, pid)
          assert(system.now() < killed + 60, "no worker came in its place")
        until ok and whole
        return system.now() - killed
      end)
    end)
end)
