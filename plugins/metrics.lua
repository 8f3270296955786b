--- metrics: counts requests, durations, bytes and upstream attempts by route, for /metrics.
--
-- Series are found once for each route and status and kept; counting a request makes nothing.

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
}

-- What one route counts with: found once, then kept.
local function row_of(self, route)
  local row = self.rows[route]
  if row then return row end
  row = {
    statuses = {},
    durations = durations:with(route), received = received:with(route), sent = sent:with(route),
    attempts = attempts:with(route), aborted = aborted:with(route),
  }
  self.rows[route] = row
  return row
end

function metrics.new(options)
  options.rows = {}
  return options
end

local function count_trouble(req, route, row)
  local fault = req.fault
  if fault then faults:with(route, fault):add(1) end
  if req.aborted then row.aborted:add(1) end
end

---@param req Request
---@param res Response?
function metrics:log(req, res)
  local handle = req.handle
  local route = req.route or "none"
  local row = row_of(self, route)
  local status = res and res.status or 0
  local series = row.statuses[status]
  if not series then
    series = requests:with(route, status)
    row.statuses[status] = series
  end
  series:add(1)
  row.durations:observe(C.moon_number(handle, C.MOON_NUMBER_DURATION))
  local bytes_in, bytes_out = req.bytes_in, req.bytes_out
  if bytes_in and bytes_in > 0 then row.received:add(bytes_in) end
  if bytes_out and bytes_out > 0 then row.sent:add(bytes_out) end
  local tried = C.moon_number(handle, C.MOON_NUMBER_ATTEMPTS)
  if tried > 0 then row.attempts:add(tried) end
  count_trouble(req, route, row)
end

return metrics
