--- metrics: what a gateway counts of itself, read over a connection of its own each time.

local http = require "spec.support.http"

local metrics = {}

local function read(port) return http.request(port, { path = "/metrics" }).body end

-- Labels have to hold `with`, where it is said.
local function sum_in(body, name, with)
  local sum
  for labels, value in body:gmatch("%f[^\n%z]" .. name .. "(%b{})%s+([%d.e+-]+)") do
    if not with or labels:find(with, 1, true) then sum = (sum or 0) + tonumber(value) end
  end
  return sum or tonumber(body:match("%f[^\n%z]" .. name .. "%s+([%d.e+-]+)") or 0)
end

--- All numbers of that name in /metrics, added up.
---@param port integer   of the admin listener
---@param name string
---@return number
function metrics.sum(port, name) return sum_in(read(port), name) end

--- Turns of its loops that have taken more than 10 ms.
---@param port integer  of the admin listener
---@return number
function metrics.long_turns(port)
  local body = read(port) -- once: each reading is a turn or two
  return sum_in(body, "moongate_loop_turn_seconds_count")
    - sum_in(body, "moongate_loop_turn_seconds_bucket", 'le="0.01"')
end

return metrics
