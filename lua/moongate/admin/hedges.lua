--- hedges: what became of requests that were sent to a second target, as /metrics and /status have
--- it. Counted in C (runtime/upstream/hedging.h).

local metrics = require "moongate.metrics"

local hedges = {}

local LABELS = { "upstream" }
local FAMILIES = {
  sent = metrics.counter("moongate_hedges_total",
    "Requests sent to another target while the first one took long.", LABELS),
  won = metrics.counter("moongate_hedges_won_total",
    "Of these, those that answered first.", LABELS),
  refused = metrics.counter("moongate_hedges_refused_total",
    "Requests that were not hedged since their share was used up.", LABELS),
  reported = metrics.counter("moongate_hedges_reported_total",
    "Requests that would have been hedged where it is only reported.", LABELS),
}

--- What all workers have counted for an upstream that has hedging.
---@param upstream string
---@return table<string, number>
function hedges.of(upstream)
  local sums = {}
  for name, family in pairs(FAMILIES) do sums[name] = family:with(upstream):value() end
  return sums
end

return hedges
