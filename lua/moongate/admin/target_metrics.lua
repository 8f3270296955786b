--- target_metrics: what /metrics shows of each target, as all workers know it.
--
-- Read where the targets are (runtime/shm/target_board.h), so one that is gone takes its series
-- with it, however many come and go.

local bridge = require "moongate.ffi"
local metrics = require "moongate.metrics"
local published = require "moongate.admin.published"

local C = bridge.C

local target_metrics = {}

local LABELS = { "upstream", "target" }

local function is_set(which)
  return function(numbers) return numbers[which] ~= 0 and 1 or 0 end
end

local function is_down(numbers) return numbers[C.MOON_TARGET_PROBES] == 2 and 1 or 0 end

local function as_is(which)
  return function(numbers) return numbers[which] end
end

local ROWS = {
  { metrics.gauge("moongate_target_connections_busy",
    "Connections to the target that carry a request.", LABELS), as_is(C.MOON_TARGET_BUSY) },
  { metrics.gauge("moongate_target_connections_idle",
    "Connections to the target that wait for a request.", LABELS), as_is(C.MOON_TARGET_IDLE) },
  { metrics.gauge("moongate_target_requests_active",
    "Requests under way at the target.", LABELS), as_is(C.MOON_TARGET_ACTIVE) },
  { metrics.gauge("moongate_target_set_aside",
    "1: the target is set aside for how it answered.", LABELS), is_set(C.MOON_TARGET_SET_ASIDE) },
  { metrics.gauge("moongate_target_down", "1: probes have found the target down.", LABELS),
    is_down },
  { metrics.gauge("moongate_target_out_of_service",
    "1: an operator has drained or disabled the target.", LABELS), is_set(C.MOON_TARGET_MODE) },
  { metrics.gauge("moongate_target_weight", "The target's weight, as it is now.", LABELS),
    as_is(C.MOON_TARGET_WEIGHT_NOW) },
  { metrics.counter("moongate_target_attempts_total", "Requests sent to the target.", LABELS),
    as_is(C.MOON_TARGET_ATTEMPTS) },
  { metrics.counter("moongate_target_errors_total", "Requests that the target failed.", LABELS),
    as_is(C.MOON_TARGET_ERRORS) },
  { metrics.counter("moongate_target_probes_total",
    "Probes of the target, of upstreams with health.", LABELS), as_is(C.MOON_TARGET_PROBES_TOTAL) },
  { metrics.counter("moongate_target_probe_failures_total",
    "Probes that did not find it well.", LABELS), as_is(C.MOON_TARGET_PROBES_FAILED) },
}

local PER_UPSTREAM = {
  { metrics.gauge("moongate_upstream_panic",
    "1: so few targets can be used that all of them are asked.", { "upstream" }),
    is_set(C.MOON_TARGET_PANIC) },
  { metrics.gauge("moongate_retry_budget_requests",
    "Requests in the window of an upstream's budget of retries.", { "upstream" }),
    as_is(C.MOON_TARGET_RETRIES_REQUESTS) },
  { metrics.gauge("moongate_retry_budget_retries", "Retries in that window.", { "upstream" }),
    as_is(C.MOON_TARGET_RETRIES) },
  { metrics.counter("moongate_retries_refused_total",
    "Retries that the budget refused, or would have where it only reports.", { "upstream" }),
    as_is(C.MOON_TARGET_RETRIES_REFUSED) },
}

local function families_of(rows)
  local families = {}
  for i, row in ipairs(rows) do families[i] = row[1] end
  return families
end

target_metrics.FAMILIES, target_metrics.UPSTREAM_FAMILIES = families_of(ROWS),
  families_of(PER_UPSTREAM)

-- As put_rows() of text_format.lua has numbers: from 0. Those of one name, as of http and https at
-- one address, add up.
local function add(found, labels, rows, numbers)
  local values = found[labels]
  if not values then
    values = {}
    found[labels], found[#found + 1] = values, labels
  end
  for i, row in ipairs(rows) do values[i - 1] = (values[i - 1] or 0) + row[2](numbers) end
end

--- Labels and numbers of all targets, and of their upstreams, each in the order of its families.
--- Waits now and then when there are many.
---@return table targets, table upstreams
function target_metrics.read()
  local targets, upstreams = {}, {}
  published.each_target(function(upstream, target, numbers)
    add(targets, ROWS[1][1]:label_text(upstream, target), ROWS, numbers)
    local labels = PER_UPSTREAM[1][1]:label_text(upstream)
    if not upstreams[labels] then add(upstreams, labels, PER_UPSTREAM, numbers) end
  end)
  return targets, upstreams
end

return target_metrics
