--- counter: one number that all workers count together, by name.
--
--     local hits = moongate.counter "app_hits_total"
--     hits:add(1)

local metrics = require "moongate.metrics"

---@param name string   as of a metric: it is shown in /metrics
---@param help string?
---@return MetricFamily  has add() and with():value()
return function(name, help)
  return metrics.counter(name, help)
end
