--- bench: runs scenarios in alternating rounds, and prints what each request cost.

local chart = require "spec.bench.chart"
local json = require "cjson"
local load = require "spec.bench.load"
local process = require "spec.support.process"
local programs = require "spec.bench.programs"
local scenarios = require "spec.bench.scenarios"
local system = require "spec.support.system"
local tables = require "spec.bench.tables"
local wait = require "spec.support.wait"

local named = scenarios.named

local bench = {}

local COUNT_SECONDS, COUNT_SECONDS_LARGE = 1, 5 -- under strace
local IDLE_CONNECTIONS = 10000
local FIGURES = { "rps", "cpu_us", "user_us", "system_us", "p50_ms", "p99_ms", "memory" }

local function usage()
  local names = {}
  for i, scenario in ipairs(scenarios) do names[i] = scenario.name end
  return ([[
usage: ./dev bench [--rounds N] [--seconds N] [--json] [--markdown] [--syscalls] [--chart FILE]
                   [NAME...]
       ./dev bench reload [--quick] [full | half | live | many | kills | upgrade]...
       ./dev bench plugins [--rounds N] [--seconds N] [--instructions] [PLUGIN...]
       ./dev bench stages [--rounds N]
       ./dev bench hits [REQUESTS]
  names: scenarios, default all: %s
         subjects of "proxy": relay nginx haproxy plain four eight ...
  --rounds    default 5, --seconds of each: default 2; all of it takes under ten minutes then
  --syscalls  also counts system calls for each request, under strace
  --chart     also draws the scenario "proxy", as SVG
  --markdown  prints tables in Markdown, with date and machine, for README.md:
              ./dev bench --syscalls --chart FILE --markdown
]]):format(table.concat(names, " "))
end

local function median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local middle = #sorted / 2
  if #sorted % 2 == 1 then return sorted[math.ceil(middle)] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

local function column(rounds, name, key)
  local list = {}
  for i, round in ipairs(rounds) do list[i] = round[name][key] end
  return list
end

-- Within a round: what else the machine did meanwhile hit both.
local function compare(rounds, name, comparison)
  local list, figure, over = {}, comparison.figure, comparison.over
  for i, round in ipairs(rounds) do list[i] = round[name][figure] / round[over][figure] end
  return { what = comparison.what, figure = figure, over = over, median = median(list),
    min = math.min(unpack(list)), max = math.max(unpack(list)) }
end

local function sum_of(list)
  local sum = 0
  for _, number in ipairs(list) do sum = sum + number end
  return sum
end

local function summary(scenario, rounds)
  local rows = {}
  for i, subject in ipairs(scenario.subjects) do
    local row, first = { name = subject.name, ratios = {} }, rounds[1][subject.name]
    for j, comparison in ipairs(scenario.ratios) do
      row.ratios[j] = compare(rounds, subject.name, comparison)
    end
    for _, figure in ipairs(FIGURES) do
      row[figure] = first[figure] and median(column(rounds, subject.name, figure))
    end
    row.long_turns = first.long_turns and sum_of(column(rounds, subject.name, "long_turns"))
    rows[i] = row
  end
  return rows
end

local function rounds_of(scenario, options)
  return math.min(options.rounds, scenario.rounds_max or options.rounds)
end

local function in_rounds(scenario, options, measure)
  local rounds = {}
  for i = 1, rounds_of(scenario, options) do
    rounds[i] = {}
    for _, subject in ipairs(scenario.subjects) do rounds[i][subject.name] = measure(subject) end
  end
  return rounds
end

--- System calls of a process for each request while it serves: exact, whatever else runs, but for
--- those of requests that the end cuts off, a few of many where they are not large.
---@param job Job
---@return number calls for each request
---@return string report of `strace -c`
function bench.count_calls(job)
  local path, pid = ("%s/syscalls.%s"):format(job.directory, job.name), job.program.pid
  local tracer = process.spawn { "strace", "-c", "-f", "-o", path, "-p", tostring(pid) }
  wait.that(function()
    local status = system.read_file(("/proc/%d/status"):format(pid))
    return status:match "TracerPid:%s+(%d+)" ~= "0"
  end, 10, "strace to attach")
  local seconds = job.is_large and COUNT_SECONDS_LARGE or COUNT_SECONDS
  local _, requests = load.run(job, seconds)
  tracer:signal(system.SIGINT)
  tracer:wait(10)
  local report = system.read_file(path) or ""
  local total = report:match "100%.00%s+%S+%s+%d*%s+(%d+)[%s%d]-total"
  if not total then error("strace reports nothing:\n" .. report, 0) end
  return tonumber(total) / requests, report
end

local measures = {}

-- KiB of memory that each route takes before anybody asks for it, by subject.
local function route_kib(set, scenario)
  local first, kib = load.memory(set:get(scenario.subjects[1].program).pid), {}
  for i, subject in ipairs(scenario.subjects) do
    if subject.routes then
      kib[i] = (load.memory(set:get(subject.program).pid) - first) / subject.routes / 1024
    end
  end
  return kib
end

local function warm_up(set, scenario)
  for _, subject in ipairs(scenario.subjects) do load.warm_up(set:job(scenario, subject)) end
end

-- The same however many connections there are, so that each is looked at once.
local function garbage_of(job)
  local known = job.program.garbage or {}
  local key = job.path .. (job.closes and " closes" or "")
  known[key] = known[key] or load.garbage(job)
  job.program.garbage = known
  return known[key]
end

function measures.load(set, scenario, options)
  local kib = route_kib(set, scenario)
  warm_up(set, scenario)
  local rounds = in_rounds(scenario, options, function(subject)
    return load.measure(set:job(scenario, subject), options.seconds)
  end)
  local rows = summary(scenario, rounds)
  for i, subject in ipairs(scenario.subjects) do
    local job = set:job(scenario, subject)
    rows[i].syscalls = options.syscalls and bench.count_calls(job)
    rows[i].garbage, rows[i].route_kib = garbage_of(job), kib[i]
  end
  return rows
end

function measures.paced(set, scenario, options)
  warm_up(set, scenario)
  local nginx = set:job(scenario, named(scenario.subjects, "nginx"))
  local rate = load.equal_rate(nginx, options.seconds)
  local rounds = in_rounds(scenario, options, function(subject)
    return load.measure_paced(set:job(scenario, subject), rate, options.seconds)
  end)
  local rows = summary(scenario, rounds)
  for i, subject in ipairs(scenario.subjects) do
    rows[i].kept = math.min(unpack(column(rounds, subject.name, "rps"))) / rate
    rows[i].garbage = garbage_of(set:job(scenario, subject))
  end
  return rows
end

function measures.idle(set, scenario)
  local rows = {}
  for i, subject in ipairs(scenario.subjects) do
    rows[i] = {
      name = subject.name, connections = IDLE_CONNECTIONS,
      bytes = load.idle(set:job(scenario, subject), IDLE_CONNECTIONS),
    }
  end
  return rows
end

local function is_count(text)
  local number = tonumber(text)
  return number and number >= 1 and number == math.floor(number)
end

-- How many words an option takes; nil: it is wrong.
local function parse_option(options, key, value)
  if key == "json" or key == "syscalls" or key == "markdown" then
    options[key] = true
    return 1
  end
  if key == "chart" and value then
    options.chart = value
    return 2
  end
  if (key ~= "rounds" and key ~= "seconds") or not is_count(value) then return nil end
  options[key] = tonumber(value)
  return 2
end

-- "proxy" with fewer subjects: those named, and nginx.
local function narrowed(names)
  local proxy = named(scenarios, "proxy")
  local narrow = { subjects = {}, ratios = {} }
  for key, value in pairs(proxy) do narrow[key] = narrow[key] or value end
  for _, subject in ipairs(proxy.subjects) do
    if names[subject.name] or subject.name == "nginx" then
      table.insert(narrow.subjects, subject)
    end
  end
  for _, comparison in ipairs(proxy.ratios) do
    if named(narrow.subjects, comparison.over) then table.insert(narrow.ratios, comparison) end
  end
  return narrow
end

-- What the names stand for; nil: one of them is wrong.
local function choose(names)
  local chosen, subjects = {}, {}
  local proxy = named(scenarios, "proxy")
  for _, name in ipairs(names) do
    local scenario = named(scenarios, name)
    if scenario then
      chosen[#chosen + 1] = scenario
    elseif named(proxy.subjects, name) then
      subjects[name] = true
    else
      return nil
    end
  end
  if next(subjects) then table.insert(chosen, 1, narrowed(subjects)) end
  return #chosen > 0 and chosen or scenarios
end

local function parse(arguments)
  local options, names = { rounds = 5, seconds = 2 }, {}
  local i = 1
  while arguments[i] do
    local key = arguments[i]:match "^%-%-(%l+)$"
    local words = 1
    if key then words = parse_option(options, key, arguments[i + 1])
    else names[#names + 1] = arguments[i] end
    if not words then return nil end
    i = i + words
  end
  options.scenarios = choose(names)
  return options.scenarios and options
end

local function run(set, options)
  local results = {}
  for i, scenario in ipairs(options.scenarios) do
    local rows = measures[scenario.measure or "load"](set, scenario, options)
    local count = scenario.measure ~= "idle" and rounds_of(scenario, options) or nil
    results[i] = { name = scenario.name, what = scenario.what, rounds = count, rows = rows }
    -- Where the result is for machines or README.md, people see it come all the same.
    local out = (options.json or options.markdown) and io.stderr or io.stdout
    out:write(i > 1 and "\n" or "", tables.text(scenario, rows), "\n")
    out:flush()
  end
  return results
end

local function report(options, results)
  local proxy = named(results, "proxy")
  if options.chart and proxy then system.write_file(options.chart, chart.draw(proxy.rows)) end
  if options.markdown then print(tables.markdown(options.scenarios, results, options)) end
  if options.json then
    print(json.encode { seconds = options.seconds, scenarios = results })
  end
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function bench.main(arguments)
  local options = parse(arguments)
  if not options then
    io.stderr:write(usage())
    return 2
  end
  local set = programs.new()
  local ok, results = xpcall(run, function(why)
    return type(why) == "string" and why:find("\n", 1, true) and why or debug.traceback(why, 2)
  end, set, options)
  set:stop()
  if not ok then
    io.stderr:write("bench: ", results, "\n")
    return 1
  end
  report(options, results)
  return 0
end

return bench
