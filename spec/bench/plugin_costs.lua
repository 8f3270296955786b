--- plugin_costs: `./dev bench plugins`: what each plugin adds to a request on a plain route.
--
-- CPU is a median over alternating rounds, the difference taken within each: it moves by some
-- tenths of a microsecond with what else the machine does. Instructions in user space are exact
-- (callgrind), and the same on each machine: `--instructions` counts them.

local identities = require "spec.bench.identities"
local load = require "spec.bench.load"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local programs = require "spec.bench.programs"
local system = require "spec.support.system"

local plugin_costs = {}

-- Signed by HS256, good until 2100; what is measured is how it is found again.
local SECRET = ("bench-secret-of-"):rep(2)
local TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzY29wZSI6InJlYWQiLCJleHAiOjQxMDI0NDQ4MDA"
  .. "sImlzcyI6Imh0dHBzOlwvXC9pZC5leGFtcGxlIiwic3ViIjoidXNlci0xIn0.dDzXPNFMR-uRdKyDRr9"
  .. "dLbX6LAewcsV0wVYNoKV4Ka4"
local BEARER = "authorization: Bearer " .. TOKEN

-- Presigned for the host "bench", and good for as long as the clock may differ.
local PRESIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
  .. "&X-Amz-Credential=bench%2F20260101%2Fus-east-1%2Fexecute-api%2Faws4_request"
  .. "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature="
  .. "e2ddc66d1cb6da9decad9552dfd0deba26f9588bd73b4348c5f59c7347f0a9c4"
local SESSION = 'name = "session", secure = false, secrets = { ("bench "):rep(8) }, '
  .. 'renew_after = "1h", idle_timeout = "2h"'

-- Loads that are not wrk's own: what a plain route costs under each is what its plugins go over.
local LOADS = {
  signed = { name = "plain, requests signed", script = identities.signing },
  tls = { name = "plain, TLS and certificate", tls = true },
}

-- Of each plugin options that let everything pass, as text. Those that answer themselves do so in
-- place of the upstream, and are shown over it all the same.
local ROWS = {
  { "access-log", 'path = "/dev/null"' },
  { "aggregate", 'parts = { one = { "http://origin/small" } }', answers = true },
  { "authenticate", 'any = { { "key-auth" } }' },
  { "aws-sigv4-auth", 'clock_skew = 100 * 365 * 86400', name = "presigned", path = "/signed",
    query = PRESIGNED, header = "Host: bench" },
  { "aws-sigv4-sign", [[access_key_id = "bench", secret_access_key = "of-the-bench",
      region = "us-east-1", service = "execute-api"]] },
  { "basic-auth", "", header = "authorization: Basic YmVuY2g6b3Blbg==" },
  { "cache", 'ttl = "1h", max_object = "64k"', name = "a hit" },
  { "bot-filter", 'deny = { "masscan", "zgrab", "python-requests/1." }' },
  { "concurrency", "limit = 1000000" },
  { "cors", 'origins = { "*" }' },
  { "csrf", "" },
  { "forward-auth", 'url = "http://provider/decide", upstream_headers = { "x-user" }, '
    .. 'cache = "1h", cache_by = { "header:authorization" }',
    header = "authorization: Basic YTpi" },
  { "hmac-auth", 'max_age = "2s", clock_skew = 0', load = LOADS.signed },
  { "hmac-auth", "replay = true", load = LOADS.signed, name = "may be repeated" },
  { "ip-filter", 'allow = { "127.0.0.0/8", "10.0.0.0/8" }' },
  { "jwt", ('keys = { { secret = %q } }, issuer = "https://id.example"'):format(SECRET),
    header = BEARER },
  { "key-auth", "" },
  { "metrics", "" },
  { "mock", 'json = { hello = "world" }', answers = true },
  { "mtls-auth", "", load = LOADS.tls },
  { "oauth2-introspection", 'endpoint = "http://provider/introspect", client_id = "bench", '
    .. 'client_secret = "secret", cache = "1h"', header = "authorization: Bearer opaque" },
  { "quota", 'limit = 1000000000, by = "address"' },
  { "rate-limit", 'limit = 1000000000, window = "1s"' },
  { "rate-limit", 'limit = 1000000000, window = "1s", algorithm = "fixed"', name = "fixed" },
  { "rate-limit", 'limit = 1000000000, window = "1s", algorithm = "sliding"', name = "sliding" },
  { "rate-limit", [[limits = { { limit = 1000000000, window = "1s" },
      { limit = 1000000000, window = "1h", algorithm = "fixed" } }]], name = "two limits" },
  { "redirect", 'to = "/elsewhere"', answers = true },
  { "request-id", "" },
  { "session", SESSION, cookie = "/login" },
  { "size-limit", 'body = "1m", target = "4k", headers = "8k"' },
  { "spike-arrest", 'limit = 1000000000, window = "1s", burst = 1000000' },
  { "transform", 'set_headers = { ["x-team"] = "core" }' },
}
-- Of identity: after key-auth, over whose route they are shown.
local AFTER_KEY = { { "acl", 'groups = { "bench" }' } }
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
route "POST /introspect" { plugins = { { "mock", json = { active = true, sub = "user-1" } } } }
route "GET /decide" { plugins = { { "mock", status = 204, headers = { ["x-user"] = "a" } } } }
]]

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

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
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

local function measure_cpu(set, subjects, options)
  local gateway = gateway_of(set, "plugins", subjects)
  sign_in(gateway.plain, subjects)
  for _, subject in ipairs(subjects) do load.run(job_of(set, gateway, subject), 1) end
  local added = {}
  for _ = 1, options.rounds do
    local round = {}
    for _, subject in ipairs(subjects) do
      round[subject] = load.measure(job_of(set, gateway, subject), options.seconds).cpu_us
    end
    for _, subject in ipairs(subjects) do
      added[subject] = added[subject] or {}
      table.insert(added[subject], round[subject] - (subject.over and round[subject.over] or 0))
    end
  end
  for _, subject in ipairs(subjects) do subject.added = median(added[subject]) end
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

-- The difference was taken within each round.
local function added_text(subject)
  if not subject.added then return "" end
  return (subject.over and "%+.2f" or "%.2f"):format(subject.added)
end

local function instructions_text(subject)
  if not subject.instructions then return "" end
  if not subject.over then return ("%.0f"):format(subject.instructions) end
  return ("%+.0f"):format(subject.instructions - subject.over.instructions)
end

local function print_rows(subjects)
  print(("%-28s %10s %14s"):format("", "CPU us", "instructions"))
  for _, subject in ipairs(subjects) do
    local is_after = subject.over and subject.over ~= subjects[1]
    print(("%-28s %10s %14s%s"):format(subject.name, added_text(subject),
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
  local options = { rounds = 5, seconds = 1, names = {} }
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
