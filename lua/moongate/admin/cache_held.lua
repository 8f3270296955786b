--- cache_held: how much of the cache's memory the stored answers of each route take, and how many
-- gave way to others.

local bridge = require "moongate.ffi"
local metrics = require "moongate.metrics"
local sleep = require "moongate.sleep"

local C, found = bridge.C, bridge.found

local cache_held = {}

cache_held.FAMILIES = {
  metrics.gauge("moongate_cache_held_bytes",
    "Memory that the stored answers of a route take; (other): of routes that are no more.",
    { "route" }),
  metrics.counter("moongate_cache_route_evicted_total",
    "Stored answers of a route that gave way to others; (other): likewise.", { "route" }),
}

--- Visits the routes of which something is stored, or was. The memory is looked through for that,
--- some of it in each turn of the loop.
---@param visit fun(route: string, numbers: ffi.cdata*)
function cache_held.each(visit)
  local held = bridge.new("uint64_t[?]", tonumber(C.moon_cache_held_bytes()) / 8)
  while C.moon_cache_held_look(bridge.generation, held) do sleep(0) end
  local route, numbers = bridge.new "uint32_t[1]", bridge.new "double[2]"
  while C.moon_cache_held_next(bridge.generation, held, route, found, numbers) do
    visit(bridge.text(), numbers)
  end
  if numbers[0] > 0 or numbers[1] > 0 then visit("(other)", numbers) end
end

return cache_held
