--- concurrency: how many requests upstreams get at once, and who waits, as all workers see it.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local metrics = require "moongate.metrics"
local reply = require "moongate.reply"

local C, found = bridge.C, bridge.found

local concurrency = {}

local LABELS = { "upstream" }

-- In the order of enum moon_gate_number.
concurrency.FAMILIES = {
  metrics.gauge("moongate_upstream_concurrency_limit",
    "Requests that an upstream gets at once, as learnt; 0: nothing is limited, or learnt yet.",
    LABELS),
  metrics.gauge("moongate_upstream_concurrency_active",
    "Requests under way that wait for the head of an answer.", LABELS),
  metrics.counter("moongate_upstream_concurrency_limited_total",
    "Requests that found the upstream at its limit, or would have where it only reports.", LABELS),
  metrics.seconds("moongate_upstream_concurrency_usual_seconds",
    "What an answer takes while none waits for others, as learnt.", LABELS),
  metrics.seconds("moongate_upstream_concurrency_recent_seconds",
    "What answers have taken lately.", LABELS),
  metrics.gauge("moongate_upstream_queue_length", "Requests that wait for the upstream.", LABELS),
  metrics.counter("moongate_upstream_queue_waited_total",
    "Requests that waited and were let through.", LABELS),
  metrics.seconds("moongate_upstream_queue_seconds_total", "For how long those waited.", LABELS),
  metrics.counter("moongate_upstream_queue_expired_total",
    "Requests that waited until their deadline, in vain.", LABELS),
  metrics.counter("moongate_upstream_queue_refused_total",
    "Requests that found the queue full.", LABELS),
}

--- Visits all upstreams with a limit or a queue, in no order. `visit` may not wait.
---@param visit fun(name: string, numbers: ffi.cdata*)
function concurrency.each(visit)
  local cursor, numbers = bridge.new "size_t[1]", bridge.new("double[?]", C.MOON_GATE_NUMBERS)
  while C.moon_gate_next(bridge.generation, cursor, found, numbers) do
    visit(bridge.text(), numbers)
  end
end

local function row_of(numbers)
  local function of(which) return numbers[which] end
  local function known(which) return numbers[which] > 0 and numbers[which] or nil end
  return {
    limit = known(C.MOON_GATE_LIMIT) and math.floor(of(C.MOON_GATE_LIMIT)),
    active = of(C.MOON_GATE_ACTIVE),
    limited = of(C.MOON_GATE_LIMITED),
    usual = known(C.MOON_GATE_USUAL),
    recent = known(C.MOON_GATE_RECENT),
    queue = {
      length = of(C.MOON_GATE_QUEUED),
      waited = of(C.MOON_GATE_WAITED),
      waited_seconds = of(C.MOON_GATE_WAITED_SECONDS),
      expired = of(C.MOON_GATE_EXPIRED),
      refused = of(C.MOON_GATE_OVERFLOWED),
    },
  }
end

--- What each upstream shows of it, by its name: those that were asked since the gateway began.
---@return table<string, table>
function concurrency.by_upstream()
  local rows = {}
  concurrency.each(function(name, numbers) rows[name] = row_of(numbers) end)
  return rows
end

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }

-- Forgets what was learnt, in all workers: the next limit is the initial one.
local function reset(_, req)
  local name = req.params.name
  if C.moon_gate_reset(bridge.generation, name, #name) then
    return reply.new(204, nil, HEADERS)
  end
  return reply.problem(404, "no-concurrency",
    "No request has passed the limit of an upstream of this name.", HEADERS)
end

local function list()
  local rows = json.array {}
  concurrency.each(function(name, numbers)
    local row = row_of(numbers)
    row.upstream = name
    rows[#rows + 1] = row
  end)
  table.sort(rows, function(one, other) return one.upstream < other.upstream end)
  return rows
end

--- Methods by path.
concurrency.endpoints = {
  ["/concurrency"] = {
    GET = function() return reply.json(200, { upstreams = list() }, HEADERS) end,
  },
  ["/concurrency/{name}/reset"] = { POST = reset },
}

return concurrency
