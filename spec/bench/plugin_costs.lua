--- plugin_costs: `./dev bench plugins`: what each plugin adds to a request on a plain route.
--
-- CPU is the median of what turns of a third of a second differ from turns of the plain route right
-- before or behind them, with the interval in which it lies of 19 times in 20: a few tenths of a
-- microsecond even beside other work. Instructions in user space are exact (callgrind), and the
-- same on each machine: `--instructions` counts them.

local identities = require "spec.bench.identities"
local interleaved = require "spec.bench.interleaved"
local load = require "spec.bench.load"
local plugin_rows = require "spec.bench.plugin_rows"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local programs = require "spec.bench.programs"
local system = require "spec.support.system"

local plugin_costs = {}

local ROWS, AFTER_KEY, SESSION = plugin_rows.ROWS, plugin_rows.AFTER_KEY, plugin_rows.SESSION
-- Whose cost is promised get so many times the turns.
local PROMISED, PROMISED_TIMES = { ["key-auth"] = true, jwt = true, ["rate-limit"] = true,
  acl = true, quota = true, concurrency = true }, 4
local WARM_UP_SECONDS = 0.5 -- compiled by then
local VALGRIND = { "valgrind", "--tool=callgrind", "--trace-children=yes",
  "--smc-check=all-non-file", "-q" }

local function subject_of(row, number, over)
  local label = row.name and ("%s (%s)"):format(row[1], row.name) or row[1]
  return { name = label, plugin = row[1], options = row[2], path = row.path or "/p" .. number,
    over = over, header = row.header, query = row.query, cookie = row.cookie,
    answers = row.answers, script = over.script, tls = over.tls }
end

-- The plain route under a load of its own, once.
local function plain_of(list, own)
  for _, subject in ipairs(list) do
    if subject.load == own then return subject end
  end
  list[#list + 1] = { name = own.name, path = "/small", load = own, script = own.script,
    tls = own.tls }
  return list[#list]
end

local function is_wanted(plugin, wanted)
  return not next(wanted) or wanted[plugin]
end

-- Subjects in their order.
local function subjects_of(wanted)
  local list = { { name = "plain", path = "/small" } }
  local key = nil
  for _, row in ipairs(ROWS) do
    if is_wanted(row[1], wanted) or row[1] == "key-auth" and wanted.acl then
      local over = row.load and plain_of(list, row.load) or list[1]
      list[#list + 1] = subject_of(row, #list, over)
      if row[1] == "key-auth" then key = list[#list] end
    end
  end
  for _, row in ipairs(AFTER_KEY) do
    if is_wanted(row[1], wanted) then
      list[#list + 1] = subject_of(row, #list, key)
      list[#list].before = '"key-auth", '
    end
  end
  return list
end

-- Who is asked, once for all requests: a listener of the same gateway.
local PROVIDER = [[
listen "unix:%s.provider"
upstream "provider" { "unix:%s.provider" }
]] .. plugin_rows.PROVIDER

local function with_plugins(subjects)
  local list = {}
  for _, subject in ipairs(subjects) do
    if subject.plugin then list[#list + 1] = subject end
  end
  return list
end

local TLS = [[
listen { "127.0.0.1:%d", tls = { cert = "%s", key = file "%s", client = "required",
  client_ca = "%s" } }
]]

local function routes_of(subjects, folder, tls)
  local lines = {
    (PROVIDER:gsub("%%s", folder)),
    tls,
    'memory { dict = "64m" }',
    ('store { path = "%s" }'):format(folder),
    [[consumer "bench" { keys = { "secret" }, groups = { "bench" }, passwords = { "open" },
      certificates = { "CN=client" }, hmac_secrets = { { "of-the-bench", id = "bench" } } }]],
    'route "/{rest*}" { upstream = "origin" }',
    ([[route "/login" { upstream = "origin", rewrite = "/small",
      plugins = { { "session", action = "login", %s }, "key-auth" } }]]):format(SESSION),
  }
  for _, subject in ipairs(with_plugins(subjects)) do
    local plugins = ('%s{ "%s", %s }'):format(subject.before or "", subject.plugin, subject.options)
    local upstream = subject.answers and "" or 'upstream = "origin", rewrite = "/small", '
    lines[#lines + 1] = ('route "GET %s" { %splugins = { %s } }'):format(subject.path, upstream,
      plugins)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- A gateway with all subjects, under each of the loads: `before` as programs.lua has it.
local function gateway_of(set, name, subjects, before)
  local port, own = ports.free(), set:certificate()
  local tls = TLS:format(port, own.certificate, own.key, own.authority)
  local program = set:gateway(name, routes_of(subjects, set.directory .. "/" .. name .. ".state",
    tls), before)
  return { plain = program, tls = identities.tunnel(set, program, port), pid = program.pid }
end

local function job_of(set, gateway, subject)
  return { name = subject.name, program = subject.tls and gateway.tls or gateway.plain,
    path = subject.path .. (subject.query or ""), directory = set.directory,
    header = subject.header, script = subject.script }
end

-- Cookies that the program itself gives.
local function sign_in(program, subjects)
  for _, subject in ipairs(subjects) do
    if subject.cookie then
      local code, out, err = process.run({ "curl", "-sSi", "-H", "x-api-key: secret",
        ("http://127.0.0.1:%d%s"):format(program.port, subject.cookie) }, { seconds = 60 })
      local cookie = code == 0 and out:match "\nset%-cookie: ([^;]+)"
      if not cookie then error("no cookie for " .. subject.name .. ": " .. out .. err, 0) end
      subject.header = "cookie: " .. cookie
    end
  end
end

-- Those of one load take turns; the first of them is the plain route.
local function groups_of(subjects)
  local groups, of_load = {}, {}
  for _, subject in ipairs(subjects) do
    local own = subject.script or subject.tls or "plain"
    if not of_load[own] then
      of_load[own] = {}
      groups[#groups + 1] = of_load[own]
    end
    table.insert(of_load[own], subject)
    subject.kind = #of_load[own]
  end
  return groups
end

local function rounds_of(subject, options)
  if not subject.over then return 0 end
  return options.rounds * (PROMISED[subject.plugin] and PROMISED_TIMES or 1)
end

-- Beside what it is shown over: before it and behind it in turn.
local function add_pair(turns, subject, seconds, is_first)
  local own = { kind = subject.kind, seconds = seconds, subject = subject }
  own.over = { kind = subject.over.kind, seconds = seconds, subject = subject.over }
  table.insert(turns, is_first and own or own.over)
  table.insert(turns, is_first and own.over or own)
end

-- Those with fewer rounds than others are spread over the same time.
local function turns_of(group, options)
  local turns, rounds = {}, 0
  for _, subject in ipairs(group) do
    table.insert(turns, { kind = subject.kind, seconds = WARM_UP_SECONDS })
    rounds = math.max(rounds, rounds_of(subject, options))
  end
  for round = 1, rounds do
    for _, subject in ipairs(group) do
      local share = rounds_of(subject, options) / rounds
      if math.floor(round * share) > math.floor((round - 1) * share) then
        add_pair(turns, subject, options.seconds, round % 2 == 0)
      end
    end
  end
  return turns
end

-- The median, and between what it lies of 19 times in 20, whatever the distribution is.
local function middle_of(list)
  table.sort(list)
  local count = #list
  local behind = math.max(0, math.floor(count / 2 - 0.98 * math.sqrt(count)))
  local middle = (list[math.ceil(count / 2)] + list[math.floor(count / 2) + 1]) / 2
  return { middle = middle, low = list[behind + 1], high = list[count - behind] }
end

local function note(all, subject, cpu_us)
  all[subject] = all[subject] or {}
  table.insert(all[subject], cpu_us)
end

local function measure_group(set, gateway, group, options)
  local turns, kinds, all = turns_of(group, options), {}, {}
  for i, subject in ipairs(group) do
    kinds[i] = { path = subject.path .. (subject.query or ""), header = subject.header }
  end
  interleaved.measure(job_of(set, gateway, group[1]), kinds, turns)
  for _, turn in ipairs(turns) do
    if turn.over then note(all, turn.subject, turn.cpu_us - turn.over.cpu_us) end
    if turn.subject and not turn.subject.over then note(all, turn.subject, turn.cpu_us) end
  end
  for _, subject in ipairs(group) do subject.cpu = all[subject] and middle_of(all[subject]) end
end

local function measure_cpu(set, subjects, options)
  local gateway = gateway_of(set, "plugins", subjects)
  sign_in(gateway.plain, subjects)
  for _, group in ipairs(groups_of(subjects)) do measure_group(set, gateway, group, options) end
end

local function control(pid, option)
  local code, _, err = process.run({ "callgrind_control", option, tostring(pid) }, { seconds = 60 })
  if code ~= 0 then error("callgrind_control: " .. err, 0) end
end

-- The last dump of the process says how many instructions there were since the one before.
local function dumped(directory, pid, number)
  local text = assert(system.read_file(("%s/callgrind.%d.%d"):format(directory, pid, number)))
  return tonumber(text:match "\nsummary: (%d+)" or text:match "\ntotals: (%d+)")
end

local function count_instructions(set, subjects)
  local before = { unpack(VALGRIND) }
  before[#before + 1] = ("--callgrind-out-file=%s/callgrind.%%p"):format(set.directory)
  local gateway = gateway_of(set, "callgrind", subjects, before)
  sign_in(gateway.plain, subjects)
  local number = 0
  for _, subject in ipairs(subjects) do
    if not subject.tls then -- handshakes take too long under callgrind
      local job = job_of(set, gateway, subject)
      load.run(job, 2) -- compiled by then
      control(gateway.pid, "-z")
      local _, requests = load.run(job, 2)
      control(gateway.pid, "-d")
      number = number + 1
      subject.instructions = dumped(set.directory, gateway.pid, number) / requests
    end
  end
end

local function cpu_text(subject)
  local cpu = subject.cpu
  if not cpu then return "" end
  local form = subject.over and "%+.2f (%+.2f to %+.2f)" or "%.2f (%.2f to %.2f)"
  return form:format(cpu.middle, cpu.low, cpu.high)
end

local function instructions_text(subject)
  if not subject.instructions then return "" end
  if not subject.over then return ("%.0f"):format(subject.instructions) end
  return ("%+.0f"):format(subject.instructions - subject.over.instructions)
end

local function print_rows(subjects)
  print(("%-28s %26s %14s"):format("", "CPU us", "instructions"))
  for _, subject in ipairs(subjects) do
    local is_after = subject.over and subject.over ~= subjects[1]
    print(("%-28s %26s %14s%s"):format(subject.name, cpu_text(subject),
      instructions_text(subject), is_after and "   over " .. subject.over.name or ""))
  end
end

local function run(set, options)
  local subjects = subjects_of(options.names)
  if options.rounds > 0 then measure_cpu(set, subjects, options) end
  if options.instructions then count_instructions(set, subjects) end
  print "what a request costs on a plain route, and what each plugin adds"
  print_rows(subjects)
end

local function has_row(name)
  for _, rows in ipairs { ROWS, AFTER_KEY } do
    for _, row in ipairs(rows) do
      if row[1] == name then return true end
    end
  end
  return false
end

local function parse(arguments)
  local options = { rounds = 10, seconds = 0.3, names = {} }
  local i = 1
  while arguments[i] do
    local key = arguments[i]:match "^%-%-(%l+)$"
    if key == "instructions" then options.instructions = true
    elseif key == "rounds" or key == "seconds" then
      i = i + 1
      options[key] = tonumber(arguments[i])
      if not options[key] then return nil end
    elseif has_row(arguments[i]) then options.names[arguments[i]] = true
    else return nil end
    i = i + 1
  end
  return options
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function plugin_costs.main(arguments)
  local options = parse(arguments)
  if not options then
    io.stderr:write("usage: ./dev bench plugins [--rounds N] [--seconds N] [--instructions]",
      " [PLUGIN...]\n")
    return 2
  end
  local set = programs.new()
  local ok, why = xpcall(run, debug.traceback, set, options)
  set:stop()
  if ok then return 0 end
  io.stderr:write("bench: ", tostring(why), "\n")
  return 1
end

return plugin_costs
