--- reload: what clients notice of reloads, of workers that are killed, of an upgrade and a stop.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local clients_of = require "spec.support.load"
local holdings = require "spec.bench.holdings"
local leisure = require "spec.bench.leisure"
local load = require "spec.bench.reload_load"
local edit = require("spec.support.reloading").edit
local metrics = require "spec.bench.metrics"
local reload_log = require "spec.bench.reload_log"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local reload = {}

local WORKERS = 2

local CONFIG = [[
-- revision 0
workers(2)
listen "127.0.0.1:0"
admin "127.0.0.1:0"
limits { drain_timeout = "10s" }
for i = 0, %d do
  route("GET /r" .. i) { plugins = {
    { "mock", body = "0" },
    { "transform", response = { set_headers = { ["x-route"] = "r" .. i } } },
  } }
end
]]

local function start(routes, more)
  return gateway.start { config = CONFIG:format(routes - 1) .. (more or ""), seconds = 120 }
end

local asked = 0 -- connections of our own to the admin listener

local function metric(server, name)
  asked = asked + 1
  return metrics.sum(server.admin_port, name)
end

local function long_turns(server)
  asked = asked + 1
  return metrics.long_turns(server.admin_port)
end

-- By clients, not by us.
local function accepted(server)
  return metric(server, "moongate_connections_accepted_total") - asked
end

local function command(server, verb, seconds)
  local code, _, err = server:ask({ verb }, { seconds = seconds or 60 })
  return code == 0, err
end

local function median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  return sorted[math.ceil(#sorted / 2)]
end

local rows = {}

local function row(what, target, seen)
  rows[#rows + 1] = { what, target, seen }
  print(("%-58s %-44s %s"):format(what, target, seen))
end

-- Calls `step(i)` once a second, `count` times.
local function each_second(count, step)
  local started = system.now()
  for i = 1, count do
    step(i)
    system.sleep(math.max(0, started + i - system.now()))
  end
end

local function under_full_load(size)
  local seconds = size.load
  local server = start(10000)
  local before = accepted(server)
  local failed = 0
  local report = load.full(server.directory, server.port, 10000, seconds + 1, function()
    each_second(seconds, function(i)
      edit(server, i)
      if not command(server, "reload") then failed = failed + 1 end
    end)
  end)
  local closed = accepted(server) - before - 65 -- wrk looks first whether anybody is there
  row(("reload each second for %d s, full load, 10,000 routes"):format(seconds),
    "0 failed requests, 0 closed connections",
    ("%d of %d failed, %d closed; %d reloads failed"):format(report.refused + report.broken
      + report.wrong + report.late, report.requests, closed, failed))
  server:stop()
end

-- A leg of the bench in which a file is edited each second, and the gateway sees that: a command
-- that asks it for the reload is a process more, that takes part in what is measured. Its load, and
-- what of the processors a reload took to be read and, in each worker, to be built. The first one
-- ends the nursery, too, and is left out.
local function with_reloads(server, rate, seconds, edits)
  local reading, building
  local from, before = #server:log(), #edits.times
  local seen = load.paced(server.directory, server.port, rate, seconds, function()
    each_second(seconds - 1, function(i)
      if i == 2 then reading, building = leisure.taken(server) end
      edits.count = edits.count + 1
      edit(server, edits.count)
    end)
  end)
  system.sleep(1.1)
  local reading_after, building_after = leisure.taken(server)
  for _, took in ipairs(reload_log.seconds(server:log():sub(from + 1))) do
    table.insert(edits.times, took)
  end
  local reloads = #edits.times - before
  assert(reloads > 1, "the gateway did not see that files were edited")
  return seen, (reading_after - reading) / (reloads - 1),
    (building_after - building) / (reloads - 1), reloads
end

-- The control: the same is taken of the processors, as often, and nothing is reloaded.
local function with_burners(server, rate, seconds, reading, building, reloads)
  return load.paced(server.directory, server.port, rate, seconds, function()
    each_second(reloads, function() leisure.burn(reading, building, WORKERS) end)
  end)
end

local function spread(list)
  return ("%.2f (%.2f to %.2f)"):format(median(list), math.min(unpack(list)),
    math.max(unpack(list)))
end

-- What `leg` returns; to `turns` of that name are added those that took over 10 ms meanwhile.
local function counting(server, turns, name, leg)
  local before = long_turns(server)
  local seen = leg()
  system.sleep(1.1)
  turns[name] = (turns[name] or 0) + long_turns(server) - before
  return seen
end

local function at_half_load(size)
  local seconds, pairs_of = size.paced, size.pairs_of
  local server = start(10000, "watch(true)")
  local rate = load.full(server.directory, server.port, 10000, 3).rate / 2
  local ratios, controls, over, reading, building = {}, {}, {}, {}, {}
  local without, with = {}, {}
  local turns, edits, failed, reloads = {}, { count = 0, times = {} }, 0, nil
  for i = 1, pairs_of do
    local quiet = counting(server, turns, "without", function()
      return load.paced(server.directory, server.port, rate, seconds)
    end)
    local busy = counting(server, turns, "with", function()
      local seen
      seen, reading[i], building[i], reloads = with_reloads(server, rate, seconds, edits)
      return seen
    end)
    local control = counting(server, turns, "control", function()
      return with_burners(server, rate, seconds, reading[i], building[i], reloads)
    end)
    failed = failed + busy.failed + quiet.failed
    without[i], with[i] = quiet.p99, busy.p99
    ratios[i], controls[i] = busy.p99 / quiet.p99, control.p99 / quiet.p99
    over[i] = busy.p99 / control.p99
  end
  row(("the same at half of capacity, %d pairs of %d s"):format(pairs_of, seconds),
    "median of the p99 ratios <= 1.2",
    ("%s; p99 %s ms, without reloads %s; %d failed; %d turns of the loop over 10 ms, %d without; %d"
      .. " edits, %d reloads"):format(spread(ratios), spread(with), spread(without), failed,
      turns.with, turns.without, edits.count, #edits.times))
  row("  what no gateway does, with as much idle CPU: the machine's part", "(none)",
    ("%s; reloads over it %s; %d turns over 10 ms; a reload is %.0f ms to read, %.0f to build and"
      .. " free in each worker, done in %s s"):format(spread(controls), spread(over), turns.control,
      median(reading) * 1000, median(building) * 1000, spread(edits.times)))
  server:stop()
end

local function until_live(routes, target)
  local server = start(routes, "watch(true)")
  local checked = system.now()
  assert(command(server, "check", 120))
  checked = system.now() - checked
  local times = {}
  for i = 1, 3 do
    edit(server, i)
    local written = system.now()
    wait.that(function()
      return http.request(server.port, { path = "/r1" }).body == tostring(i)
    end, 120, "the edit to be live")
    times[i] = system.now() - written
  end
  row(("an edit becomes live, %d routes"):format(routes), target,
    ("%.2f s; check %.2f s"):format(median(times), checked))
  server:stop()
end

local function many_reloads(count)
  local server, first = start(100, "watch(true)"), nil
  local started = system.now()
  for i = 1, count do
    edit(server, i)
    assert(command(server, "reload"))
    if i == math.floor(count / 10) then first = holdings.of(server) end
  end
  local seconds, last = system.now() - started, holdings.of(server)
  row(("%d reloads, 100 routes, in %.0f s"):format(count, seconds),
    "flat within 5 % after the first tenth, nothing left behind",
    ("memory %+.1f %%, descriptors %+d, threads %+d, watches %+d"):format(
      (last.memory / first.memory - 1) * 100, last.descriptors - first.descriptors,
      last.threads - first.threads, last.watches - first.watches))
  server:stop()
end

-- Whether all workers serve, none of which is the one that was killed. A command that asks would
-- take as long as a worker does.
local function is_whole(server, killed)
  asked = asked + 1
  local ok, answer = pcall(http.request, server.admin_port, { path = "/status" })
  if not ok then return false end
  local _, serving = answer.body:gsub('"state":"serving"', "")
  return serving == WORKERS and not answer.body:find(('"pid":%d%%f[%%D]'):format(killed))
end

-- Kills a worker; seconds until as many serve again, and how many descriptors it had.
local function kill_one(server)
  local pid = server:worker_pids()[1]
  local descriptors = holdings.count(pid, "fd")
  local killed = system.now()
  system.kill(pid, system.SIGKILL)
  while not is_whole(server, pid) do
    assert(system.now() < killed + 30, "no worker came in its place")
    system.sleep(0.003)
  end
  return system.now() - killed, descriptors
end

local function kills(routes, seconds, target)
  local server = start(routes)
  local times, bound = {}, 0
  local report = load.full(server.directory, server.port, routes, seconds + 1, function()
    each_second(seconds, function(i)
      local took, descriptors = kill_one(server)
      times[i], bound = took, bound + descriptors
    end)
  end)
  row(("kill -9 of a worker each second for %d s, %d routes"):format(seconds, routes), target,
    ("%d refused, %d broken (the killed had %d descriptors), %d wrong; replaced in %.0f ms (at most"
      .. " %.0f)"):format(report.refused, report.broken, bound, report.wrong, median(times) * 1000,
      math.max(unpack(times)) * 1000))
  server:stop()
end

local function upgrades(count)
  local server = start(1000)
  local report = load.full(server.directory, server.port, 1000, 2 * count + 2, function()
    for _ = 1, count do
      system.sleep(1)
      server:upgrade()
      assert(server.previous:wait(30) == 0)
    end
  end)
  row(("%d upgrades under load"):format(count), "0 failed requests",
    ("%d of %d failed"):format(report.refused + report.broken + report.wrong + report.late,
      report.requests))
  server:stop()
end

-- Each client asks until nobody listens any more.
local function stop(clients)
  local server = start(1000)
  local loads, requests, failures = {}, 0, {}
  for i = 1, clients do
    loads[i] = clients_of.start(server.port, "/r1", { until_refused = true })
  end
  system.sleep(1)
  assert(command(server, "stop"))
  for _, one in ipairs(loads) do
    local report = one:stop()
    requests = requests + report.requests
    if report.failures ~= "" then failures[#failures + 1] = report.failures end
  end
  row(("stop while %d clients ask"):format(clients), "0 failed requests",
    ("%d requests, %d failed%s"):format(requests, #failures, table.concat(failures, "; ")))
  server:stop()
end

local FULL = { load = 30, paced = 30, pairs_of = 5, reloads = 5000, kills = 20, upgrades = 10 }
local QUICK = { load = 10, paced = 5, pairs_of = 3, reloads = 500, kills = 5, upgrades = 3 }

local PARTS = {
  { "full", under_full_load },
  { "half", at_half_load },
  { "live", function()
    until_live(1000, "<= 1 s")
    until_live(100000, "<= 10 s, check <= 5 s")
  end },
  { "many", function(size) many_reloads(size.reloads) end },
  { "kills", function(size)
    kills(1000, size.kills, "only requests in flight fail, replaced <= 100 ms")
    kills(100000, 5, "replaced <= 2 s")
  end },
  { "upgrade", function(size)
    upgrades(size.upgrades)
    stop(8)
  end },
}

local function is_named(arguments, name)
  for _, argument in ipairs(arguments) do
    if argument == name then return true end
  end
  return false
end

local function complain(argument)
  local names = {}
  for i, part in ipairs(PARTS) do names[i] = part[1] end
  io.stderr:write(('bench reload: "%s" is neither --quick nor one of %s\n'):format(argument,
    table.concat(names, ", ")))
  return 2
end

local function is_known(argument)
  for _, part in ipairs(PARTS) do
    if part[1] == argument then return true end
  end
  return argument == "--quick"
end

--- The command line's work; the exit code.
---@param arguments string[]  --quick: shorter runs; names of parts, all when there is none
---@return integer
function reload.main(arguments)
  local size = is_named(arguments, "--quick") and QUICK or FULL
  local wants_all = #arguments == 0 or (#arguments == 1 and size == QUICK)
  for _, argument in ipairs(arguments) do
    if not is_known(argument) then return complain(argument) end
  end
  for _, part in ipairs(PARTS) do
    if wants_all or is_named(arguments, part[1]) then part[2](size) end
  end
  gateway.stop_all()
  return 0
end

return reload
