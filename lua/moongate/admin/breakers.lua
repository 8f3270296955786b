--- breakers: the circuit breakers of upstreams and routes, as all workers see them.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local metrics = require "moongate.metrics"
local reply = require "moongate.reply"

local C, found = bridge.C, bridge.found

local breakers = {}

local STATES = { [0] = "closed", "open", "half-open" }
local LABELS = { "breaker" }

-- In the order of moon_breaker_next()'s numbers.
breakers.FAMILIES = {
  metrics.gauge("moongate_breaker_state",
    "Of a circuit breaker: 0 closed, 1 open, 2 half open.", LABELS),
  metrics.counter("moongate_breaker_opened_total", "How often it was opened.", LABELS),
  metrics.counter("moongate_breaker_refused_total",
    "Requests that it refused, or would have where it only reports.", LABELS),
}

--- Visits all of them, in no order. `visit` may not wait.
---@param visit fun(name: string, numbers: ffi.cdata*)
function breakers.each(visit)
  local cursor, numbers = bridge.new "size_t[1]", bridge.new "double[3]"
  while C.moon_breaker_next(bridge.generation, cursor, found, numbers) do
    visit(bridge.text(), numbers)
  end
end

--- For /status: those that have been passed since the gateway began, by name.
---@return table
function breakers.list()
  local list = json.array {}
  breakers.each(function(name, numbers)
    list[#list + 1] = { name = name, state = STATES[numbers[0]], opened = numbers[1],
      refused = numbers[2] }
  end)
  table.sort(list, function(one, other) return one.name < other.name end)
  return list
end

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }

-- POST /breakers/reset?name=upstream:orders closes that one, in all workers.
local function reset(_, req)
  local name = req.query.name
  if not name then
    return reply.problem(400, "no-name", "The query has to name a breaker: ?name=upstream:NAME.",
      HEADERS)
  end
  if not C.moon_breaker_reset(bridge.generation, name, #name) then
    return reply.problem(404, "no-breaker",
      "No request has passed a circuit breaker of this name.", HEADERS)
  end
  return reply.new(204, nil, HEADERS)
end

--- Methods by path.
breakers.endpoints = {
  ["/breakers"] = {
    GET = function() return reply.json(200, { breakers = breakers.list() }, HEADERS) end,
  },
  ["/breakers/reset"] = { POST = reset },
}

return breakers
