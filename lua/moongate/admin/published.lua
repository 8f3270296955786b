--- published: what each worker knows of itself, put where all workers see it, once a second.
--
-- So whichever worker answers /metrics or /status shows sums over all of them.

local bridge = require "moongate.ffi"
local dict = require "moongate.dict" "moongate.admin"
local every = require "moongate.every"
local metrics = require "moongate.metrics"

local C = bridge.C

local published = {}

local SECONDS = 1
-- Targets whose numbers are published; an upstream more than that is counted by its route alone.
local TARGETS_MAX = 2000
local STARTED = "started"

local GAUGES = {
  { C.MOON_WORKER_CONNECTIONS_ACTIVE,
    metrics.gauge("moongate_connections", "Connections of clients that are open.") },
  { C.MOON_WORKER_EXCHANGES_ACTIVE,
    metrics.gauge("moongate_requests_active", "Requests that have not ended.") },
  { C.MOON_WORKER_DRAINING,
    metrics.gauge("moongate_workers_draining", "Workers that finish their requests to exit.") },
}

local TOTALS = {
  { C.MOON_WORKER_CONNECTIONS_ACCEPTED,
    metrics.counter("moongate_connections_accepted_total", "Connections of clients accepted.") },
  { C.MOON_WORKER_CONNECTIONS_REFUSED, metrics.counter("moongate_connections_refused_total",
    "Connections closed at once, since there were too many.") },
  { C.MOON_WORKER_REQUESTS,
    metrics.counter("moongate_http_requests_total", "Requests read, those of /metrics included.") },
  { C.MOON_WORKER_MALFORMED, metrics.counter("moongate_http_requests_malformed_total",
    "Requests that could not be read.") },
  { C.MOON_WORKER_PLUGIN_ERRORS,
    metrics.counter("moongate_plugin_errors_total", "Errors that plugins raised.") },
  { C.MOON_WORKER_LOG_DROPPED,
    metrics.counter("moongate_log_lines_dropped_total", "Lines of the log that had no room.") },
  { C.MOON_WORKER_SINK_DROPPED, metrics.counter("moongate_sink_lines_dropped_total",
    "Lines of plugins' files (access logs) that had no room.") },
}

local WORKERS = metrics.gauge("moongate_workers", "Workers that serve.")

local LABELS = { "upstream", "target" }
local TARGET = {
  busy = metrics.gauge("moongate_target_connections_busy",
    "Connections to the target that carry a request.", LABELS),
  idle = metrics.gauge("moongate_target_connections_idle",
    "Connections to the target that wait for a request.", LABELS),
  set_aside = metrics.gauge("moongate_target_set_aside",
    "Workers that have set the target aside.", LABELS),
  attempts = metrics.counter("moongate_target_attempts_total",
    "Requests sent to the target.", LABELS),
  errors = metrics.counter("moongate_target_errors_total",
    "Requests that the target failed.", LABELS),
}

--- Of the worker, as they were last: by index in TOTALS.
local last, last_of_target = {}, {}
local is_started = false
local texts, numbers = bridge.new "struct slice[2]", bridge.new "double[7]"

local function own(which) return C.moon_worker_number(bridge.generation, which) end

local function text(slice) return bridge.string(slice.start, slice.length) end

--- Visits this worker's view of all targets: the first TARGETS_MAX of them.
---@param visit fun(upstream: string, target: string, numbers: ffi.cdata*)  numbers: see abi.h
function published.each_target(visit)
  local upstream, seen = 0, 0
  repeat
    local target = 0
    texts[0].start = nil -- stays so when there is no such upstream
    while seen < TARGETS_MAX
        and C.moon_target_at(bridge.generation, upstream, target, texts, numbers) do
      visit(text(texts[0]), text(texts[1]), numbers)
      target, seen = target + 1, seen + 1
    end
    upstream = upstream + 1
  until texts[0].start == nil or seen == TARGETS_MAX
end

local function add_growth(known, key, series, value)
  local before = known[key] or 0
  if value > before then series:add(value - before) end
  known[key] = value
end

local function publish_target(upstream, target, number)
  local key = upstream .. " " .. target
  TARGET.busy:with(upstream, target):set(number[1])
  TARGET.idle:with(upstream, target):set(number[2])
  TARGET.set_aside:with(upstream, target):set(number[4])
  add_growth(last_of_target, key .. " attempts", TARGET.attempts:with(upstream, target), number[5])
  add_growth(last_of_target, key .. " errors", TARGET.errors:with(upstream, target), number[6])
end

--- Publishes this worker's numbers as they are now.
function published.publish()
  for _, row in ipairs(GAUGES) do row[2]:set(own(row[1])) end
  for i, row in ipairs(TOTALS) do add_growth(last, i, row[2]:with(), own(row[1])) end
  published.each_target(publish_target)
end

--- What all workers know together, by the metrics' names.
---@return table<string, number>
function published.totals()
  local totals = { [WORKERS.name] = WORKERS:with():value() }
  for _, list in ipairs { GAUGES, TOTALS } do
    for _, row in ipairs(list) do
      totals[row[2].name] = row[2]:with():value()
    end
  end
  return totals
end

--- What all workers know of a target together.
---@return { busy: number, idle: number, set_aside: number, attempts: number, errors: number }
function published.target(upstream, target)
  local sums = {}
  for name, family in pairs(TARGET) do sums[name] = family:with(upstream, target):value() end
  return sums
end

--- Seconds since the epoch when the first worker began.
---@return number
function published.started()
  return dict:get(STARTED) or 0
end

--- At the commit, once: what an earlier generation of this worker has published is not published
--- again.
function published.start()
  if is_started then return end
  is_started = true
  dict:add(STARTED, math.floor(C.moon_now(bridge.generation)))
  WORKERS:set(1)
  for i, row in ipairs(TOTALS) do
    row[2]:add(0)
    last[i] = own(row[1])
  end
  published.each_target(function(upstream, target, number)
    last_of_target[upstream .. " " .. target .. " attempts"] = number[5]
    last_of_target[upstream .. " " .. target .. " errors"] = number[6]
  end)
  published.publish()
  every(SECONDS, published.publish)
end

return published
