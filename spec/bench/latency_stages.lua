--- latency_stages: `./dev bench stages`: where the time of requests goes at a fixed rate, from the
-- client's write to its reading of the answer.
--
-- At each moment one process has to go on with a request: the proxy, the origin or the client.
-- Whether that one works (on this request or on others before it), waits for a processor or sleeps
-- is what the kernel tells (kernel_trace), which makes all of it slower by what tracing takes.

local kernel_trace = require "spec.bench.kernel_trace"
local load = require "spec.bench.load"
local process_states = require "spec.bench.process_states"
local programs = require "spec.bench.programs"
local request_journeys = require "spec.bench.request_journeys"
local scenarios = require "spec.bench.scenarios"
local socket_ends = require "spec.bench.socket_ends"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local USAGE = [[
usage: ./dev bench stages [--rounds N]
  needs linux-perf, and root
  --rounds  default 3, of 2 s each
]]
local SECONDS, MARGIN_SECONDS = 2, 4 -- of load, before and behind what is recorded
local SHARES = {
  { title = "the slowest hundredth", from = 0.99, to = 1 },
  { title = "the middle tenth", from = 0.45, to = 0.55 },
}
local ROLES = { "proxy", "origin", "client" }
local STATES = { "runs", "waits", "sleeps" }
local DOES = { runs = "works", waits = "waits for a processor", sleeps = "sleeps" }

local latency_stages = {}

local function job_of(set, subject)
  return { name = subject.name, program = set:get(subject.program), path = subject.path,
    directory = set.directory }
end

-- h2load asks from a thread of its own.
local function client_thread(pid)
  return wait.that(function()
    local pipe, last = io.popen(("ls /proc/%d/task 2>/dev/null"):format(pid)), nil
    for tid in pipe:read("*a"):gmatch "%d+" do last = tonumber(tid) end
    pipe:close()
    return last ~= pid and last
  end, 5, "h2load's thread")
end

-- The threads by role, and the two ends of their connections, while that rate was recorded.
local function record(set, job, rate, path)
  local threads, ends = { proxy = job.program.pid, origin = set.origin_pid }, nil
  load.paced(job, rate, SECONDS + MARGIN_SECONDS, function(child)
    threads.client = client_thread(child.pid)
    local pids = { threads.proxy, threads.origin, threads.client }
    system.sleep(MARGIN_SECONDS / 8) -- all connections are there then, and all is compiled
    kernel_trace.record(path, pids, function()
      system.sleep(SECONDS)
      if not child:is_running() then error("h2load ended before it was observed", 0) end
      ends = socket_ends.find(pids)
    end)
  end)
  return threads, ends
end

---@class Observed
---@field threads table<string, integer>  by role
---@field states ProcessStates
---@field journeys Journey[]  the fastest first
---@field lost integer

-- What was recorded of the job under that rate.
local function observe(set, job, rate)
  local path = set.directory .. "/trace"
  local threads, ends = record(set, job, rate, path)
  local journeys, states = request_journeys.new(threads, ends), process_states.new()
  kernel_trace.replay(path, {
    on_read = function(...) journeys:on_read(...) end,
    on_write = function(...) journeys:on_write(...) end,
    on_state = function(pid, state, at)
      states:on_state(pid, state, at)
      if state == "sleeps" then journeys:on_sleep(pid) end
    end,
  })
  os.remove(path)
  table.sort(journeys.done, function(a, b) return a.took < b.took end)
  return { threads = threads, states = states, journeys = journeys.done, lost = journeys.lost }
end

-- Adds milliseconds to what one request of that share took on average: by role and state, and all.
local function add_averages(sums, observed, share, rounds)
  local list = observed.journeys
  local first, last = math.floor(#list * share.from) + 1, math.floor(#list * share.to)
  if last < first then error(("no more than %d requests were followed"):format(#list), 0) end
  local weight = 1 / (last - first + 1) / rounds
  for i = first, last do
    for _, stage in ipairs(list[i].stages) do
      local spent = observed.states:between(observed.threads[stage.role], stage.from, stage.to)
      for state, time in pairs(spent) do
        local key = stage.role .. " " .. state
        sums[key] = (sums[key] or 0) + time * weight
      end
    end
    sums.all = (sums.all or 0) + list[i].took * weight
  end
end

-- Sums by share and subject.
local function measure(set, subjects, rounds)
  local sums, requests, lost = {}, 0, 0
  local nginx = job_of(set, { name = "nginx", program = "nginx", path = "/small" })
  for i in ipairs(SHARES) do sums[i] = {} end
  for _, subject in ipairs(subjects) do
    load.run(job_of(set, subject), 1) -- what has been asked for before is compiled
    for i in ipairs(SHARES) do sums[i][subject.name] = {} end
  end
  local rate = load.equal_rate(nginx, SECONDS)
  for _ = 1, rounds do
    for _, subject in ipairs(subjects) do
      local observed = observe(set, job_of(set, subject), rate)
      requests, lost = requests + #observed.journeys, lost + observed.lost
      for i, share in ipairs(SHARES) do
        add_averages(sums[i][subject.name], observed, share, rounds)
      end
    end
  end
  print(("%.0f requests a second; %d were followed, %d lost sight of; averages in ms"):format(rate,
    requests, lost))
  return sums
end

local function print_row(title, subjects, sums, key)
  local cells = {}
  for i, subject in ipairs(subjects) do
    cells[i] = ("%.2f"):format(sums[subject.name][key] or 0)
  end
  print(("| %s | %s |"):format(title, table.concat(cells, " | ")))
end

local function print_table(share, subjects, sums)
  local names = {}
  for i, subject in ipairs(subjects) do names[i] = subject.name end
  print(("\n| %s | %s |"):format(share.title, table.concat(names, " | ")))
  print("|---|" .. ("---:|"):rep(#subjects))
  for _, role in ipairs(ROLES) do
    for _, state in ipairs(STATES) do
      print_row(role .. " " .. DOES[state], subjects, sums, role .. " " .. state)
    end
  end
  print_row("all", subjects, sums, "all")
end

local function subjects_of(name)
  for _, scenario in ipairs(scenarios) do
    if scenario.name == name then return scenario.subjects end
  end
  return nil
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
  local set, subjects = programs.new(), subjects_of "latency"
  local ok, result = xpcall(measure, debug.traceback, set, subjects, rounds)
  set:stop()
  if not ok then
    io.stderr:write("bench: ", result, "\n")
    return 1
  end
  for i, share in ipairs(SHARES) do print_table(share, subjects, result[i]) end
  return 0
end

return latency_stages
