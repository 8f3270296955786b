--- metrics: what a gateway counts of itself, read over a connection of its own each time.

local http = require "spec.support.http"

local metrics = {}

--- All numbers of that name in /metrics, added up.
---@param port integer   of the admin listener
---@param name string
---@param with string?   labels have to hold it
---@return number
function metrics.sum(port, name, with)
  local body = http.request(port, { path = "/metrics" }).body
  local sum
  for labels, value in body:gmatch("%f[^\n%z]" .. name .. "(%b{})%s+([%d.e+-]+)") do
    if not with or labels:find(with, 1, true) then sum = (sum or 0) + tonumber(value) end
  end
  return sum or tonumber(body:match("%f[^\n%z]" .. name .. "%s+([%d.e+-]+)") or 0)
end

--- Turns of its loops that have taken more than 10 ms.
---@param port integer  of the admin listener
---@return number
function metrics.long_turns(port)
  return metrics.sum(port, "moongate_loop_turn_seconds_count")
    - metrics.sum(port, "moongate_loop_turn_seconds_bucket", 'le="0.01"')
end

return metrics
