--- latency_stages: `./dev bench stages`: where the time of requests goes at a fixed rate, from the
-- client's write to its reading of the answer.
--
-- At each moment one process has to go on with a request: the client, the proxy or the origin
-- (request_spans). Whether that one is running (for this request or for others before it), waiting
-- for a processor or sleeping is what the kernel tells (kernel_trace), which makes all of it slower
-- by what tracing takes.

local kernel_events = require "spec.bench.kernel_events"
local kernel_trace = require "spec.bench.kernel_trace"
local load = require "spec.bench.load"
local programs = require "spec.bench.programs"
local request_spans = require "spec.bench.request_spans"
local scenarios = require "spec.bench.scenarios"
local socket_peers = require "spec.bench.socket_peers"
local system = require "spec.support.system"
local thread_states = require "spec.bench.thread_states"
local wait = require "spec.support.wait"

local USAGE = [[
usage: ./dev bench stages [--rounds N]
  needs linux-perf, and root
  --rounds  default 3, of 2 s each
]]
local SECONDS = 2
-- Of load, before what is recorded and behind it: all connections are there, and perf is slow.
local BEFORE_SECONDS, BEHIND_SECONDS = 0.5, 3.5
local SHARES = {
  { title = "slower than p99", from = 0.99, to = 1 },
  { title = "between p45 and p55", from = 0.45, to = 0.55 },
}
local ROLES = { "proxy", "origin", "client" }
local STATES = { "running", "runnable", "sleeping" }
local SHOWN = { running = "running", runnable = "waiting for a processor", sleeping = "sleeping" }

local latency_stages = {}

-- h2load asks from a thread of its own.
local function client_thread(pid)
  return wait.that(function()
    local pipe, other = io.popen(("ls /proc/%d/task 2>/dev/null"):format(pid)), nil
    for tid in pipe:read("*a"):gmatch "%d+" do
      if tonumber(tid) ~= pid then other = tonumber(tid) end
    end
    pipe:close()
    return other
  end, nil, "h2load's thread")
end

-- The threads by role, and the peers of their sockets, of when that rate was recorded.
local function record(set, job, rate, path)
  local threads, peers = { proxy = job.program.pid, origin = set.origin_pid }, nil
  local seconds = BEFORE_SECONDS + SECONDS + BEHIND_SECONDS
  load.measure_paced(job, rate, seconds, function(child)
    threads.client = client_thread(child.pid)
    local tids = { threads.proxy, threads.origin, threads.client }
    system.sleep(BEFORE_SECONDS)
    kernel_trace.record(path, tids, function() system.sleep(SECONDS) end)
    if not child:is_running() then error("h2load ended before all was recorded", 0) end
    peers = socket_peers.find(tids)
  end)
  return threads, peers
end

---@class Observed
---@field threads table<string, integer>  by role
---@field states ThreadStates
---@field requests FollowedRequest[]  the fastest first
---@field lost integer

-- What was recorded of the job under that rate.
local function observe(set, job, rate)
  local path = set.directory .. "/trace"
  local threads, peers = record(set, job, rate, path)
  local spans = request_spans.new(threads, peers)
  local states = thread_states.new { threads.proxy, threads.origin, threads.client }
  kernel_events.replay(kernel_trace.lines(path), {
    on_read = function(...) spans:on_read(...) end,
    on_write = function(...) spans:on_write(...) end,
    on_written = function(...) spans:on_written(...) end,
    on_state = function(tid, state, at)
      states:on_state(tid, state, at)
      if state == "sleeping" then spans:on_sleep(tid) end
    end,
  })
  local requests, since = {}, states:known_since()
  for _, request in ipairs(spans.done) do
    if request.spans[1].from >= since then requests[#requests + 1] = request end
  end
  table.sort(requests, function(a, b) return a.took < b.took end)
  return { threads = threads, states = states, requests = requests, lost = spans.lost }
end

-- Adds milliseconds of one request of that share on average: by role and state, and all.
local function add_averages(averages, observed, share, rounds)
  local list = observed.requests
  local first, last = math.floor(#list * share.from) + 1, math.floor(#list * share.to)
  if last < first then error(("no more than %d requests were followed"):format(#list), 0) end
  local weight = 1 / (last - first + 1) / rounds
  for i = first, last do
    for _, span in ipairs(list[i].spans) do
      local spent = observed.states:between(observed.threads[span.role], span.from, span.to)
      for state, time in pairs(spent) do
        local key = span.role .. " " .. state
        averages[key] = (averages[key] or 0) + time * weight
      end
    end
    averages.all = (averages.all or 0) + list[i].took * weight
  end
end

-- Of each subject: averages by share, how many requests were followed, how many lost sight of.
local function measure(set, scenario, rounds)
  local results, nginx = {}, nil
  for i, subject in ipairs(scenario.subjects) do
    local job = set:job(scenario, subject)
    load.warm_up(job)
    if subject.name == "nginx" then nginx = job end
    results[i] = { name = subject.name, job = job, followed = 0, lost = 0, averages = {} }
  end
  local rate = load.equal_rate(nginx, SECONDS)
  for _ = 1, rounds do
    for _, result in ipairs(results) do
      local observed = observe(set, result.job, rate)
      result.followed = result.followed + #observed.requests
      result.lost = result.lost + observed.lost
      for _, share in ipairs(SHARES) do
        result.averages[share] = result.averages[share] or {}
        add_averages(result.averages[share], observed, share, rounds)
      end
    end
  end
  return results, rate
end

-- A line of a table in Markdown.
local function print_row(title, results, cell)
  local cells = {}
  for i, result in ipairs(results) do cells[i] = cell(result) end
  print(("| %s | %s |"):format(title, table.concat(cells, " | ")))
end

local function print_head(title, results)
  print ""
  print_row(title, results, function(result) return result.name end)
  print("|---|" .. ("---:|"):rep(#results))
end

local function print_share(share, results)
  local function print_average(title, key)
    print_row(title, results, function(result)
      return ("%.2f"):format(result.averages[share][key])
    end)
  end
  print_head(share.title, results)
  for _, role in ipairs(ROLES) do
    for _, state in ipairs(STATES) do
      print_average(role .. " " .. SHOWN[state], role .. " " .. state)
    end
  end
  print_average("all", "all")
end

local function rounds_of(arguments)
  if #arguments == 0 then return 3 end
  local rounds = arguments[1] == "--rounds" and #arguments == 2 and tonumber(arguments[2])
  return rounds and rounds >= 1 and rounds == math.floor(rounds) and rounds
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function latency_stages.main(arguments)
  local rounds = rounds_of(arguments)
  if not rounds then
    io.stderr:write(USAGE)
    return 2
  end
  local set = programs.new()
  local ok, results, rate = xpcall(measure, debug.traceback, set,
    scenarios.named(scenarios, "latency"), rounds)
  set:stop()
  if not ok then
    io.stderr:write("bench: ", results, "\n")
    return 1
  end
  print(("%.0f requests a second; of each, milliseconds on average"):format(rate))
  for _, share in ipairs(SHARES) do print_share(share, results) end
  print_head("requests", results)
  print_row("followed", results, function(result) return result.followed end)
  print_row("lost sight of", results, function(result) return result.lost end)
  return 0
end

return latency_stages
