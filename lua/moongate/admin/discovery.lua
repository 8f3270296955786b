--- discovery: what is shown of upstreams whose targets are discovered: source, age, failures.

local board = require "moongate.discovery.board"
local bridge = require "moongate.ffi"
local metrics = require "moongate.metrics"
local sources = require "moongate.discovery.sources"

local C = bridge.C

local discovery = {}

local LABELS = { "upstream" }
local AGE = metrics.gauge("moongate_discovery_age_seconds",
  "Since the list of an upstream's targets was last confirmed by its source.", LABELS)
local TARGETS = metrics.gauge("moongate_discovery_targets",
  "Targets in the last good list of an upstream.", LABELS)
local FAILING = metrics.gauge("moongate_discovery_failing",
  "1: the source of an upstream's targets gave no list when it was last asked.", LABELS)

local function of_source(source)
  local state, now = board.state(source), C.moon_now(bridge.generation)
  if not state then return { source = source.text, targets = 0, failures = 0 } end
  return {
    source = state.source,
    targets = state.targets,
    updated = state.updated,
    changed = state.changed,
    age = state.updated and math.max(0, now - state.updated),
    asked = state.asked,
    next = state.next,
    failures = state.failures,
    error = state.error,
    restored = state.restored,
  }
end

--- Calls `visit` for each upstream whose targets are discovered.
---@param visit fun(upstream: string, shown: table)
function discovery.each(visit)
  for _, source in ipairs(sources.list) do visit(source.name, of_source(source)) end
end

--- Sets the gauges; `spoken` is 1 in the worker that speaks for all, else 0.
---@param spoken integer
function discovery.publish(spoken)
  discovery.each(function(upstream, shown)
    AGE:with(upstream):set(spoken * math.floor(shown.age or 0))
    TARGETS:with(upstream):set(spoken * shown.targets)
    FAILING:with(upstream):set(shown.error and spoken or 0)
  end)
end

--- The names of the gauges, and into `there` the labels that they have.
---@param there table<string, boolean>
---@return string[]
function discovery.gauges(there)
  for _, source in ipairs(sources.list) do there[AGE:label_text(source.name)] = true end
  return { AGE.name, TARGETS.name, FAILING.name }
end

return discovery
