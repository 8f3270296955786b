--- deadlines: how often the time that clients gave their requests was over, for /metrics and
--- /status. Counted in C (runtime/gateway/gateway_totals.h).

local metrics = require "moongate.metrics"

local deadlines = {}

local ENDED = metrics.counter("moongate_deadlines_ended_total",
  "Requests whose deadline ended: before anything was sent, waiting for an upstream, or within the"
    .. " answer.", { "where" })
local MALFORMED = metrics.counter("moongate_deadlines_malformed_total",
  "Requests whose deadline could not be read.")
local REPORTED = metrics.counter("moongate_deadlines_reported_total",
  "Requests that outlived their deadline where that is only reported.")

--- What all workers have counted.
---@return table
function deadlines.read()
  local ended = {}
  for _, where in ipairs { "before", "waiting", "answering" } do
    ended[where] = ENDED:with(where):value()
  end
  return { ended = ended, malformed = MALFORMED:with():value(), reported = REPORTED:with():value() }
end

return deadlines
