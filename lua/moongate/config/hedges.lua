--- hedges: the option `hedge` of upstreams and routes, its waiting time made a number.

local values = require "moongate.config.values"

local hedges = {}

-- 95 of "p95", 99.9 of "p99.9".
local function percent_of(after)
  local text = type(after) == "string" and after:match "^p(%d%d?%.?%d*)$"
  local percent = tonumber(text or nil)
  return percent and percent >= 1 and percent < 100 and percent or nil
end

--- Puts `quantile` or `seconds` in it for what `after` says.
---@param hedge ModelHedge?
---@param report fun(message: string)
function hedges.complete(hedge, report)
  if not hedge then return end
  local percent, seconds = percent_of(hedge.after), values.duration(hedge.after)
  if percent then
    hedge.quantile = percent / 100
  elseif seconds and seconds >= 0.001 then
    hedge.seconds = seconds
  else
    report(('hedge.after is %s; expected a duration from 1ms on, or a percentile, as "p95"'):format(
      values.show(hedge.after)))
  end
end

return hedges
