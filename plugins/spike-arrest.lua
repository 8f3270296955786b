--- spike-arrest: smooths what comes: one request in each interval, counted over all workers.
--
-- The interval is the window divided by the limit: 30 in 1s admit one each 33 ms. What comes sooner
-- is refused, or waits for its turn as long as `wait` allows: turns are given when a request comes,
-- in order, and a client that goes away loses its turn.

local limit_rules = require "moongate.limit_rules"
local moongate = require "moongate"

local limit, reply = moongate.limit, moongate.reply
local ceil, floor, max = math.ceil, math.floor, math.max

---@class SpikeArrest: Plugin
---@field rules LimitRules
---@field ahead number       seconds of the allowance that need no wait
local spike_arrest = {
  summary = "Spreads requests evenly: one in each interval.",
  options = {
    limit = { type = "integer", required = true, min = 1, max = 1e9,
      help = "requests in each window; the window divided by it is the interval" },
    window = { type = "duration", default = "1s", min = 0.001, help = "how long a window is" },
    burst = { type = "integer", default = 1, min = 1, max = 1e6,
      help = "requests that may come at once after a pause" },
    wait = { type = "duration", default = 0, max = 60,
      help = "how long a request may be held until its turn comes; 0: it is refused at once" },
    by = { type = "by", default = "route", help = "what has a turn of its own" },
    name = { type = "string",
      help = "routes whose limits have one name share the turns; default: the route's own" },
  },
}

-- Refusals are kept for waits of up to so many seconds.
local REFUSALS_MAX = 3600
local refusals = {}

local function refusal(seconds)
  local known = refusals[seconds]
  if known then return known end
  local made = reply.problem(429, "spike", "Requests come too fast.", { ["retry-after"] = seconds })
  if seconds <= REFUSALS_MAX then refusals[seconds] = made end
  return made
end

function spike_arrest.check(options)
  local interval = options.window / options.limit
  if interval * (options.burst + 1) + options.wait > 1e9 then
    return "the interval between requests is longer than 30 years"
  end
  if options.window > 1e9 then return "the window is longer than 30 years" end
  return nil
end

function spike_arrest.new(options, context)
  local interval = options.window / options.limit
  local name = options.name or limit.own_name("spike-arrest", context.route)
  options.rules = { { name = name, by = options.by,
    gate = limit.gcra { name = "spike-arrest:" .. name, limit = options.limit,
      window = options.window, burst = options.burst + floor(options.wait / interval) } } }
  options.ahead = interval * options.burst
  return options
end

---@param req Request
---@return Reply?  ends the request when present
function spike_arrest:request(req)
  local rules = self.rules
  local outcome = limit_rules.ask(rules, req, 1, true, "none")
  local _, _, wait, reset = limit_rules.said(rules.first)
  if outcome ~= 0 then return refusal(max(1, ceil(wait))) end
  local early = reset - self.ahead
  if early > 0.0005 then moongate.sleep(early) end
  return nil
end

return spike_arrest
