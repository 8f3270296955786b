--- status: what /status shows: the gateway at one look.

local breakers = require "moongate.admin.breakers"
local bridge = require "moongate.ffi"
local deadlines = require "moongate.admin.deadlines"
local plugin_costs = require "moongate.admin.plugin_costs"
local published = require "moongate.admin.published"
local reloads = require "moongate.admin.reloads"
local targets = require "moongate.admin.targets"
local workers = require "moongate.admin.workers"

local C = bridge.C

local status = {}

local function own(which) return C.moon_worker_number(bridge.generation, which) end

local function shared(which) return C.moon_shared_number(bridge.generation, which) end


local function memory()
  return {
    counters = { used = shared(C.MOON_SHARED_COUNTERS),
      refused = shared(C.MOON_SHARED_COUNTERS_REFUSED) },
    histograms = { used = shared(C.MOON_SHARED_HISTOGRAMS),
      refused = shared(C.MOON_SHARED_HISTOGRAMS_REFUSED) },
    limits = { refused = shared(C.MOON_SHARED_LIMITS_REFUSED) },
    slots = { refused = shared(C.MOON_SHARED_SLOTS_REFUSED) },
    dict = { bytes = shared(C.MOON_SHARED_DICT_BYTES),
      refused = shared(C.MOON_SHARED_DICT_REFUSED) },
    plugins_on_routes = { used = shared(C.MOON_SHARED_PLUGIN_ROUTES),
      refused = shared(C.MOON_SHARED_PLUGIN_ROUTES_REFUSED) },
  }
end

--- Sums over all workers, at most a second old.
---@param facts { routes: integer, consumers: integer }
---@return table
function status.read(facts)
  local totals, started = published.totals(), published.started()
  local known, costs = reloads.read() or {}, plugin_costs.summary()
  return {
    version = bridge.string(C.moon_version()),
    started = started,
    uptime = math.max(0, math.floor(C.moon_now(bridge.generation) - started)),
    draining = own(C.MOON_WORKER_DRAINING) == 1,
    generation = known.generation,
    since = known.since,
    cause = known.cause,
    held = known.held,
    reloads = known.reloads,
    last_failure = known.last_failure,
    generations = totals.moongate_generations,
    workers = { configured = own(C.MOON_WORKER_COUNT), serving = totals.moongate_workers,
      restarts = known.restarts, list = workers.list() },
    connections = {
      active = totals.moongate_connections,
      accepted = totals.moongate_connections_accepted_total,
      refused = totals.moongate_connections_refused_total,
    },
    requests = {
      active = totals.moongate_requests_active,
      total = totals.moongate_http_requests_total,
      malformed = totals.moongate_http_requests_malformed_total,
    },
    plugin_errors = costs.errors,
    plugins = costs.plugins,
    plugins_on_routes = costs.pairs,
    plugins_on_routes_left_out = costs.left_out,
    lines_dropped = {
      log = totals.moongate_log_lines_dropped_total,
      sinks = totals.moongate_sink_lines_dropped_total,
    },
    routes = facts.routes,
    consumers = facts.consumers,
    memory = memory(),
    upstreams = targets.upstreams(),
    breakers = breakers.list(),
    deadlines = deadlines.read(),
    prober = targets.prober(),
  }
end

return status
