--- published: what each worker knows of itself, put where all workers see it, once a second.
--
-- So whichever worker answers /metrics or /status shows sums over all of them. Totals need no
-- publishing, the gateway counts them where all see them (gateway/gateway_totals.h): none is lost
-- with a worker. But for lines that were dropped: of these, the current generation of a worker
-- publishes what has been added since any of them did.

local bridge = require "moongate.ffi"
local dict = require "moongate.dict" "moongate.admin"
local discovery = require "moongate.admin.discovery"
local every = require "moongate.every"
local metrics = require "moongate.metrics"
local sleep = require "moongate.sleep"

local C = bridge.C

local published = {}

local SECONDS = 1
-- Targets whose numbers are shown; an upstream more than that is counted by its route alone.
local TARGETS_MAX = 2000
-- Others get their turn between so many.
local TARGETS_PER_TURN, SERIES_PER_TURN = 20, 1000
local STARTED = "started"

local GAUGES = {
  { C.MOON_WORKER_CONNECTIONS_ACTIVE,
    metrics.gauge("moongate_connections", "Connections of clients that are open.") },
  { C.MOON_WORKER_EXCHANGES_ACTIVE,
    metrics.gauge("moongate_requests_active", "Requests that have not ended.") },
  { C.MOON_WORKER_DRAINING,
    metrics.gauge("moongate_workers_draining", "Workers that finish their requests to exit.") },
  { C.MOON_WORKER_GENERATIONS, metrics.gauge("moongate_generations",
    "Readings of the configuration in memory: of each worker the one that serves, those that"
      .. " requests still run on, those that are being freed.") },
}

-- Counted in C.
local TOTALS = {
  metrics.counter("moongate_connections_accepted_total", "Connections of clients accepted."),
  metrics.counter("moongate_connections_refused_total",
    "Connections closed before they asked: there were too many, or their handshake failed."),
  metrics.counter("moongate_http_requests_total", "Requests read, those of /metrics included."),
  metrics.counter("moongate_http_requests_malformed_total", "Requests that could not be read."),
}

local DROPPED = {
  { C.MOON_WORKER_LOG_DROPPED,
    metrics.counter("moongate_log_lines_dropped_total", "Lines of the log that had no room.") },
  { C.MOON_WORKER_SINK_DROPPED, metrics.counter("moongate_sink_lines_dropped_total",
    "Lines of plugins' files (access logs) that had no room.") },
}

local WORKERS = metrics.gauge("moongate_workers", "Workers that serve.")

local is_started, has_tidied = false, false
local texts, numbers = bridge.new "struct slice[3]",
  bridge.new("double[?]", C.MOON_TARGET_NUMBERS)

local function own(which) return C.moon_worker_number(bridge.generation, which) end

local function is_current() return C.moon_is_current(bridge.generation) end

local function text(slice) return bridge.string(slice.start, slice.length) end

--- Visits this worker's view of all targets: the first TARGETS_MAX of them. Waits in between;
--- `visit` may not.
---@param visit fun(upstream: string, target: string, numbers: ffi.cdata*, url: string)  numbers:
--- see enum moon_target_number
function published.each_target(visit)
  local upstream, seen = 0, 0
  repeat
    local target = 0
    texts[0].start = nil -- stays so when there is no such upstream
    while seen < TARGETS_MAX
        and C.moon_target_at(bridge.generation, upstream, target, texts, numbers) do
      visit(text(texts[0]), text(texts[1]), numbers, text(texts[2]))
      target, seen = target + 1, seen + 1
      if seen % TARGETS_PER_TURN == 0 then sleep(0) end
    end
    upstream = upstream + 1
  until texts[0].start == nil or seen == TARGETS_MAX
end

-- Gauges add up over workers: what they know together one of them publishes. Of two gateways, while
-- one takes the other's place, the new one.
local function speaks_for_all()
  return own(C.MOON_WORKER_INDEX) == 0 and own(C.MOON_WORKER_DRAINING) == 0
end

--- Publishes this worker's numbers as they are now.
function published.publish()
  if not is_current() then return end
  for _, row in ipairs(GAUGES) do row[2]:set(own(row[1])) end
  for _, row in ipairs(DROPPED) do
    row[2]:add(C.moon_worker_growth(bridge.generation, row[1]))
  end
  C.moon_targets_tell(bridge.generation)
  discovery.publish(speaks_for_all() and 1 or 0)
end

-- Zeroes this worker's part of a gauge that an earlier generation has published.
local function clear(name, labels)
  local slot = C.moon_counter_slot(bridge.generation, C.MOON_COUNTER_GAUGE, name, #name, labels,
    #labels)
  C.moon_gauge_set(bridge.generation, slot, 0)
end

local function clear_gone()
  local there, gauges = {}, {}
  for _, name in ipairs(discovery.gauges(there)) do gauges[name] = true end
  local cursor, series, count = bridge.new "size_t[1]", bridge.new "struct slice[2]", 0
  while C.moon_counter_next(bridge.generation, cursor, series, numbers) do
    local name, labels = text(series[0]), text(series[1])
    if gauges[name] and not there[labels] then clear(name, labels) end
    count = count + 1
    if count % SERIES_PER_TURN == 0 then sleep(0) end
  end
end

local function publish_regularly()
  published.publish()
  if has_tidied or not is_current() then return end
  has_tidied = true
  clear_gone()
end

--- What all workers know together, by the metrics' names.
---@return table<string, number>
function published.totals()
  local totals = { [WORKERS.name] = WORKERS:with():value() }
  for _, family in ipairs(TOTALS) do totals[family.name] = family:with():value() end
  for _, list in ipairs { GAUGES, DROPPED } do
    for _, row in ipairs(list) do
      totals[row[2].name] = row[2]:with():value()
    end
  end
  return totals
end

--- Seconds since the epoch when the first worker began.
---@return number
function published.started()
  return dict:get(STARTED) or 0
end

--- When a generation starts, once.
function published.start()
  if is_started then return end
  is_started = true
  dict:add(STARTED, math.floor(C.moon_now(bridge.generation)))
  WORKERS:set(1)
  for _, row in ipairs(DROPPED) do row[2]:add(0) end
  every(SECONDS, publish_regularly)
end

return published
