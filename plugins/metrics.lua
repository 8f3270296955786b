--- metrics: counts requests, durations, bytes and upstream attempts by route, for /metrics.
--
-- Series are found once for each route and status; C keeps them and counts with them, and where no
-- other plugin takes part in the log phase it does so without Lua: runtime/bridge/tally.h.

local bridge = require "moongate.ffi"
local moongate = require "moongate"

local families = moongate.metrics
local C = bridge.C

local requests = families.counter("moongate_requests_total",
  "Requests answered, by route and status.",
  { "route", "status" })
local durations = families.histogram("moongate_request_seconds",
  "From the head of a request to the last byte of its answer, by route.", { "route" })
local received = families.counter("moongate_request_body_bytes_total",
  "Bytes of request bodies, by route.", { "route" })
local sent = families.counter("moongate_response_body_bytes_total",
  "Bytes of answers' bodies, by route.", { "route" })
local attempts = families.counter("moongate_upstream_attempts_total",
  "Attempts to reach an upstream, by route.", { "route" })
local faults = families.counter("moongate_faults_total",
  "Requests that the gateway could not carry out, by route and cause.", { "route", "fault" })
local aborted = families.counter("moongate_aborted_total",
  "Answers that were cut off, by route.", { "route" })

---@class Metrics: Plugin
local metrics = {
  summary = "Counts requests, durations, bytes and upstream attempts by route.",
  options = {},
  is_tally = true,
}

-- Handed over at once: nothing may wait in between.
local slots = bridge.new("uint32_t[?]", C.MOON_TALLY_SLOTS)

local function count_first(handle, route, status)
  slots[C.MOON_TALLY_REQUESTS] = requests:with(route, status).slot
  slots[C.MOON_TALLY_DURATIONS] = durations:with(route).slot
  slots[C.MOON_TALLY_RECEIVED] = received:with(route).slot
  slots[C.MOON_TALLY_SENT] = sent:with(route).slot
  slots[C.MOON_TALLY_ATTEMPTS] = attempts:with(route).slot
  slots[C.MOON_TALLY_ABORTED] = aborted:with(route).slot
  C.moon_tally_count(handle, slots)
end

---@param req Request
---@param res Response?
function metrics:log(req, res)
  local handle = req.handle
  if not C.moon_tally_again(handle) then
    count_first(handle, req.route or "none", res and res.status or 0)
  end
  local fault = req.fault
  if fault then faults:with(req.route or "none", fault):add(1) end
end

return metrics
