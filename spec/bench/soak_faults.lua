--- soak_faults: `./dev soak faults [MINUTES]`: a cache, breakers and all that protects upstreams,
-- before origins that go bad and well again, while workers are killed; at the end nothing may be
-- wrong, left over, or larger than it was.
--
-- One of the two workers is never killed: its memory and descriptors are what is watched.

local ffi = require "ffi"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local objects = require "spec.support.objects"
local peer = require "spec.support.peer"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"
local traffic = require "spec.bench.soak_traffic"
local wait = require "spec.support.wait"

local soak_faults = {}

local CLIENTS, ORIGINS = 6, 3
local LOOK_SECONDS, KILL_SECONDS = 5, 7
-- All origins are well for so long at the end; after SETTLE_SECONDS of it every answer is right.
local CALM_SECONDS, SETTLE_SECONDS = 14, 7
local CACHE_BYTES, LANES = 8 * 1048576, 66
-- Growth in bytes, at the end of the time, from its middle on, or of what is shared from its last
-- quarter on, since it takes a while until the cache is full: what is left of warming up.
local PRIVATE_GROWTH_MAX, SHARED_GROWTH_MAX = 1048576, 524288
local DESCRIPTORS_MAX = 4 -- more than before the first request

-- What is tried: an upstream and a route of its own each, as the configuration says it, and a
-- metric that has to go on growing as long as origins are bad.
local FEATURES = {
  { name = "plain", grows = "moongate_http_requests_total" },
  { name = "cached", route = 'plugins = { { "cache" } }', grows = "moongate_cache_found_total" },
  { name = "guarded", targets = 1, route = "retries = 0",
    upstream = 'breaker = { minimum = 10, window = "2s", open = "300ms", probes = 2 }',
    grows = "moongate_breaker_opened_total" },
  { name = "balanced", upstream = 'balance = "ewma", set_aside = "300ms", set_aside_max = "1s", '
    .. 'outliers = { requests = 10, window = "1s" }', grows = "moongate_target_errors_total" },
  { name = "hashed", upstream = 'balance = "hash", by = "address", '
    .. 'breaker = { minimum = 10, window = "2s", open = "300ms", probes = 2 }',
    route = 'plugins = { { "cache" } }', grows = "moongate_cache_stored_total" },
  { name = "hedged", upstream = 'hedge = { after = "100ms", share = 0.5 }',
    grows = "moongate_hedges_total" },
  { name = "limited", grows = "moongate_upstream_queue_waited_total",
    upstream = 'adaptive = { initial = 1, min = 1, max = 1 }, '
      .. 'queue = { size = 20, deadline = "300ms" }' },
  { name = "discovered", targets = 0, grows = "moongate_discovery_asked_total",
    upstream = 'discover = { file = "targets.json", interval = "200ms" }, set_aside = "300ms"' },
}

local CONFIG = [[
workers(2)
memory { cache = "%d", dict = "256k" } -- soon as large as they get
listen "127.0.0.1:0"
admin "127.0.0.1:0"
limits { drain_timeout = "2s" }
shed { report_only = true } -- how late the loop is depends on what else the machine does
]]

local FEATURE = [[
upstream %q { %s idle_timeout = "2s", %s }
route "/%s/{rest*}" { upstream = %q, timeout = { response = "500ms", idle = "500ms" }, %s }
]]

local function config_of(origins)
  local parts = { CONFIG:format(CACHE_BYTES) }
  for _, feature in ipairs(FEATURES) do
    local urls = {}
    for i = 1, feature.targets or #origins do urls[i] = ("%q, "):format(origins[i].url) end
    parts[#parts + 1] = FEATURE:format(feature.name, table.concat(urls),
      feature.upstream or "", feature.name, feature.name, feature.route or "")
  end
  return table.concat(parts)
end

local function first_line(command)
  local pipe = io.popen(command)
  local line = pipe:read "*l"
  pipe:close()
  return line
end

-- What discovery finds: another part of the origins each time, and now and then nothing that is
-- right.
local function discover(watch)
  local lists = { {}, { 1 }, { 2, 3 }, { 1, 2, 3 }, { 3 }, { 1, 3 } }
  local urls = {}
  for i, origin in ipairs(lists[math.random(#lists)]) do urls[i] = watch.origins[origin].url end
  local text = math.random(4) == 1 and "[ unfinished" or json.encode(urls)
  local path = watch.server.directory .. "/targets.json"
  system.write_file(path .. ".new", text)
  os.rename(path .. ".new", path)
end

local function descriptors(pid)
  return tonumber(first_line(("ls /proc/%d/fd | wc -l"):format(pid)))
end

-- Bytes that only this process has.
local function private(pid)
  return tonumber(system.read_file(("/proc/%d/status"):format(pid)):match "RssAnon:%s*(%d+)") * 1024
end

-- Where the gateway's shared memory can be opened.
local function segment_path(pid)
  return first_line(([[for f in /proc/%d/fd/*; do case $(readlink "$f") in
    "/memfd:moongate (deleted)") echo "$f"; break;; esac; done]]):format(pid))
end

local function allocated(path)
  return tonumber(first_line("stat -Lc %b " .. path)) * 512
end

local function metrics(server)
  return http.request(server.admin_port, { path = "/metrics" }).body
end

-- The sum over all labels.
local function value(text, name)
  local sum = 0
  for number in text:gmatch("\n" .. name .. "%f[^%w_]{?[^\n]*}? (%-?%d+)") do sum = sum + number end
  return sum
end

-- What is wrong in the store of answers, and how many are being filled.
local function check_store(path)
  local C = runtime.include("shm/object_store.h", "shm/segment.h")
  local segment, store = ffi.new "struct segment", ffi.new "struct object_store"
  local usage = ffi.new "struct object_usage"
  local fd = system.C.spec_open(path, 2, 0)
  assert(C.segment_init_from_fd(segment, fd), "the shared memory cannot be mapped")
  local shape = objects.shape(CACHE_BYTES, LANES)
  assert(C.object_store_init(store, segment, "objects", shape), "no store in it")
  local problem = C.object_store_check(store)
  C.object_store_usage(store, usage)
  local filling = tonumber(usage.filling)
  C.object_store_clear(store)
  C.segment_clear(segment)
  return problem ~= nil and ffi.string(problem) or nil, filling
end

---@class Watch
---@field server Gateway
---@field kept integer the worker that is never killed

local function look(watch)
  local text = metrics(watch.server)
  local row = { grown = {}, private = private(watch.kept), shared = allocated(watch.segment),
    descriptors = descriptors(watch.kept), elapsed = system.now() - watch.began }
  for _, feature in ipairs(FEATURES) do row.grown[feature.name] = value(text, feature.grows) end
  row.sum, watch.example = traffic.sum(watch.paths)
  print(("%5d s %9d %8d %8d %7d %7d %5d %6d %8d %8d %5d"):format(row.elapsed, row.sum.requests,
    row.sum.right, row.sum.hits, row.sum.broken, row.sum["502"] + row.sum["503"] + row.sum["504"],
    watch.kills, row.grown.guarded, row.private / 1024, row.shared / 1024, row.descriptors))
  watch.rows[#watch.rows + 1] = row
end

local function kill(watch)
  for _, pid in ipairs(watch.server:worker_pids()) do
    if pid ~= watch.kept then
      system.kill(pid, system.SIGKILL)
      watch.kills = watch.kills + 1
      return
    end
  end
end

local function start(seconds)
  local began = system.now()
  local watch = { began = began, calm = began + seconds - CALM_SECONDS, ends = began + seconds,
    rows = {}, paths = {}, clients = {}, routes = {}, kills = 0 }
  watch.origins = {}
  for i = 1, ORIGINS do watch.origins[i] = traffic.origin(i, watch.calm) end
  for i, feature in ipairs(FEATURES) do watch.routes[i] = feature.name end
  watch.server = gateway.start { config = config_of(watch.origins),
    files = { ["targets.json"] = json.encode { watch.origins[1].url } } }
  watch.kept = watch.server:worker_pids()[1]
  watch.segment = segment_path(watch.server.pid)
  watch.descriptors = descriptors(watch.kept)
  for i = 1, CLIENTS do
    watch.paths[i] = watch.server.directory .. "/client" .. i
    watch.clients[i] = traffic.client(watch.paths[i], { port = watch.server.port, number = i,
      routes = watch.routes, calm = watch.calm + SETTLE_SECONDS, ends = watch.ends })
  end
  return watch
end

local function run(watch)
  print("  time  requests    right     hits  broken     5xx kills opened  private   shared  files")
  local next_look, next_kill = watch.began + LOOK_SECONDS, watch.began + KILL_SECONDS
  while system.now() < watch.ends do
    system.sleep(0.4)
    discover(watch)
    local now = system.now()
    if now >= next_look then
      look(watch)
      next_look = now + LOOK_SECONDS
    end
    if now >= next_kill and now < watch.calm then
      kill(watch)
      next_kill = now + KILL_SECONDS
    end
  end
  for _, client in ipairs(watch.clients) do client:wait(30) end
end

-- What metrics say of it, at most.
local AT_REST = { moongate_requests_active = 1, moongate_target_requests_active = 0,
                  moongate_upstream_concurrency_active = 0, moongate_upstream_queue_length = 0,
                  moongate_cache_filling = 0 }

-- What must come to rest, and does within a while.
local function check_rest(watch, problems)
  -- `condition` gives what shows that it is not so.
  local function expect(what, condition)
    local seen
    local ok = pcall(wait.that, function()
      seen = condition()
      return not seen
    end, 20)
    if not ok then problems[#problems + 1] = ("%s: %s"):format(what, seen) end
  end
  expect("still under way", function()
    local text = metrics(watch.server)
    for name, most in pairs(AT_REST) do
      for line in text:gmatch("\n(" .. name .. "[^\n]*)") do
        if tonumber(line:match "%S+$") > most then return line end
      end
    end
  end)
  expect("descriptors are still open", function()
    local open = descriptors(watch.kept)
    return open > watch.descriptors + DESCRIPTORS_MAX and open
  end)
  expect("a breaker is not closed", function()
    local body = http.request(watch.server.admin_port, { path = "/breakers" }).body
    for _, row in ipairs(json.decode(body).breakers) do
      if row.state ~= "closed" then return row.name end
    end
  end)
  local wrong, filling = check_store(watch.segment)
  problems[#problems + 1] = wrong and "the store: " .. wrong
  problems[#problems + 1] = filling > 0 and filling .. " answers are being filled by nobody" or nil
end

local function check_growth(watch, problems)
  local rows = watch.rows
  local first, last = rows[math.ceil(#rows / 2)], rows[#rows]
  local function limit(name, from, most)
    if last[name] > from[name] + most then
      problems[#problems + 1] = ("%s memory grew from %d to %d KiB"):format(name,
        from[name] / 1024, last[name] / 1024)
    end
  end
  limit("private", first, PRIVATE_GROWTH_MAX)
  limit("shared", rows[math.ceil(#rows * 3 / 4)], SHARED_GROWTH_MAX)
  for _, feature in ipairs(FEATURES) do
    if last.grown[feature.name] <= first.grown[feature.name] then
      problems[#problems + 1] = feature.grows .. " has stopped growing"
    end
  end
  if last.sum.hits <= first.sum.hits then problems[#problems + 1] = "no hits any more" end
end

local function check_answers(watch, problems)
  local sum, example = traffic.sum(watch.paths)
  for _, name in ipairs { "wrong", "unexpected", "bad at rest" } do
    if sum[name] > 0 then
      problems[#problems + 1] = ("%d answers %s, as %s"):format(sum[name], name, example)
    end
  end
  if not system.read_file(("/proc/%d/status"):format(watch.kept)) then
    problems[#problems + 1] = "the worker that nobody killed has died"
  end
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function soak_faults.main(arguments)
  local watch = start(math.max(0.75, tonumber(arguments[1]) or 3) * 60)
  run(watch)
  look(watch)
  local problems = {}
  check_answers(watch, problems)
  check_growth(watch, problems)
  check_rest(watch, problems)
  watch.server:stop()
  peer.stop_all()
  for _, problem in ipairs(problems) do print(problem) end
  return #problems > 0 and 1 or 0
end

return soak_faults
