--- quota: admits what a consumer may use in a day, a month, so many seconds; survives restarts.
--
-- Counted in shared memory, exactly over all workers, and kept in the store: see
-- lua/moongate/quota.lua for what is lost when. A quota's identity is its name and what it is
-- counted by; a reload that changes the limit, or another plan, keeps what was used.
--
-- With `charge = "response"` a request is admitted while anything is left, and charged when the
-- head of its answer is there, with what `cost` says of both: so the last ones may use more than
-- is left. A request that gets no answer is not charged.

local bridge = require "moongate.ffi"
local costs = require "moongate.cost"
local fields = require "moongate.limit_fields"
local limit = require "moongate.limit"
local moongate = require "moongate"
local note = require "moongate.note"
local plans = require "moongate.plans"
local quota_of = require "moongate.quota"
local time_zone = require "moongate.time_zone"
local values = require "moongate.config.values"

local reply = moongate.reply
local ceil, max, tostring = math.ceil, math.max, tostring
-- Locals: compiled code looks up what is in a table each time.
local cost_of, choose = costs.of, plans.choose

-- What a window may count (runtime/shm/limiter_window.h).
local LIMIT_MAX = 1073741823

---@class QuotaPart
---@field gate Quota
---@field rule table             as limit_fields has it

---@class QuotaPlugin: Plugin
---@field own QuotaPart
---@field parts QuotaPart[]       all of them
---@field by_plan table<string, QuotaPart>|false  those of consumers with a plan
---@field by fun(req: Request): string?
---@field cost number|fun(req: Request, res: Response?): number
---@field charge "request"|"response"
local quota = {
  summary = "Admits what may be used in a day, a month or so many seconds.",
  options = {
    limit = { type = "integer", required = true, min = 1, max = LIMIT_MAX,
      help = "units in each period" },
    period = { type = "any", default = "month",
      help = '"hour", "day", "week", "month" or "year" of the calendar; or a duration, whole '
        .. "seconds, for the other kinds" },
    kind = { type = "string", values = { "calendar", "rolling", "first-use" }, default = "calendar",
      help = "rolling: the last so many seconds, of which those before the last multiple count in "
        .. "part; first-use: from the first request on" },
    timezone = { type = "string", default = "UTC",
      help = 'whose calendar: "UTC", "Europe/Berlin", "+05:30"' },
    by = { type = "by", default = "consumer", help = "what has a quota of its own" },
    plan = { type = "boolean", default = false,
      help = "consumers whose plan has a quota have that, and its period, instead" },
    name = { type = "string",
      help = "routes whose quotas have one name share what may be used; default: the route's own" },
    missing = { type = "string", values = { "deny", "share" }, default = "deny",
      help = "requests without what is counted by get a 403, or share one quota" },
    cost = { type = "any", default = 1,
      help = "units of a request: a whole number, or a function of the request (and the response, "
        .. "when that is charged) that returns one" },
    charge = { type = "string", values = { "request", "response" }, default = "request",
      help = "when: as a request comes, or as its answer does" },
    headers = { type = "string", values = { "draft", "legacy", "none" }, default = "draft",
      help = "what the client is told: RateLimit and RateLimit-Policy, X-RateLimit-*, or nothing" },
    persist = { type = "boolean", default = true,
      help = "keep it in the store; false: in shared memory alone, until the gateway ends" },
    flush = { type = "duration", default = "1s", min = 0.1, max = 3600,
      help = "between two times that what was charged goes to the store: so much the loss of the "
        .. "whole gateway may cost" },
    report_only = { type = "boolean", default = false,
      help = "refuse nothing: count in moongate_quota_refused_total what would be refused" },
  },
}

local UNITS = { hour = true, day = true, week = true, month = true, year = true }
local PERIOD_SECONDS_MAX = 10 * 366 * 86400

local refused = moongate.metrics.counter("moongate_quota_refused_total",
  "Requests that a quota refused, or would have.", { "quota", "mode" })

local UNIDENTIFIED =
  reply.problem(403, "unidentified", "The request lacks what its quota is counted by.")

local function fault_of_period(options)
  if options.kind == "calendar" then
    if UNITS[options.period] then return nil end
    return ('period is %s; of a calendar it is "hour", "day", "week", "month" or "year"'):format(
      values.show(options.period))
  end
  local seconds = values.duration(options.period)
  if seconds and seconds >= 1 and seconds % 1 == 0 and seconds <= PERIOD_SECONDS_MAX then
    return nil
  end
  return ("period is %s; expected a duration of whole seconds, at most ten years"):format(
    values.show(options.period))
end

-- As the option `plan` has it: limit and period.
local function numbers_of(options, plan)
  return { kind = options.kind, limit = plan.quota, period = plan.period or options.period }
end

local function fault_of_plans(options)
  for name, plan in pairs(options.plan and plans.all() or {}) do
    local wrong = plan.quota and fault_of_period(numbers_of(options, plan))
    if not wrong and (plan.quota or 0) > LIMIT_MAX then
      wrong = ("its quota is %d; expected at most %d"):format(plan.quota, LIMIT_MAX)
    end
    if wrong then return ("of plan %q, %s"):format(name, wrong) end
  end
  return nil
end

function quota.check(options)
  if type(options.cost) ~= "function" and not costs.is_valid(options.cost) then
    return ("cost is %s; expected a whole number up to 1e9, or a function"):format(
      values.show(options.cost))
  end
  local _, why = time_zone.load(options.timezone)
  return why or fault_of_period(options) or fault_of_plans(options)
end

-- What counts, and what clients are told of it.
local function part_of(options, name, numbers)
  local is_calendar = options.kind == "calendar"
  local length = not is_calendar and values.duration(numbers.period) or nil
  local rule = { name = name, gate = { limit = numbers.limit, window = length } }
  return {
    gate = quota_of.new {
      name = name, limit = numbers.limit, kind = options.kind, persist = options.persist,
      flush = options.flush, rule = options.headers == "draft" and rule or nil,
      unit = is_calendar and numbers.period or nil, length = length,
      zone = is_calendar and time_zone.load(options.timezone) or nil,
    },
    rule = rule,
  }
end

function quota.new(options, context)
  local name = options.name or limit.own_name("quota", context.route)
  options.name, options.own = name, part_of(options, name, options)
  options.parts, options.by_plan = { options.own }, options.plan and {} or false
  for plan_name, plan in pairs(options.plan and plans.all() or {}) do
    if plan.quota then
      local part = part_of(options, name, numbers_of(options, plan))
      options.by_plan[plan_name] = part
      options.parts[#options.parts + 1] = part
    end
  end
  return options
end

function quota.phases(instance)
  local has_response = fields.FORMS[instance.headers] ~= nil or instance.charge == "response"
  return { request = true, response = has_response }
end

function quota.response_edits(instance)
  return instance.charge == "request" and fields.edits(instance.headers) or nil
end

function quota:start()
  if not self.persist then return end
  if not bridge.C.moon_store_is_open(bridge.generation) then
    error(('quota %q needs a store { path = "..." }, or persist = false'):format(self.name), 0)
  end
  for _, part in ipairs(self.parts) do part.gate:inherit() end
  moongate.every(self.flush, function()
    for _, part in ipairs(self.parts) do part.gate:flush() end
  end)
end

function quota:stop()
  if not self.persist then return end
  for _, part in ipairs(self.parts) do part.gate:leave() end
end

local function refuse(self, part, wait)
  refused:with(self.name, self.report_only and "report" or "enforce"):add()
  if self.report_only then return nil end
  return fields.denial(part.rule, max(1, ceil(wait)))
end

-- For answers of which Lua writes the fields.
local function tell(self, part, req)
  if self.headers ~= "legacy" then return end
  local left, seconds = part.gate:said()
  fields.note(req, part.rule, left, seconds)
end

-- Charged with the answer: admitted while anything is left.
local function look(self, part, req, scope)
  part.gate:take(req, scope, 0)
  tell(self, part, req)
  local left, _, _, reset = part.gate:said()
  if left < 1 then
    local answer = refuse(self, part, reset)
    if answer then return answer end
  end
  note.set(req, self, scope)
  return nil
end

---@param req Request
---@return Reply?  ends the request when present
function quota:request(req)
  local scope = self.by(req)
  if not scope and self.missing == "deny" then return UNIDENTIFIED end
  scope = scope and tostring(scope) or ""
  local part = choose(self.by_plan, req, self.own)
  if self.charge == "response" then return (look(self, part, req, scope)) end
  local is_allowed = part.gate:take(req, scope, cost_of(self.cost, req))
  tell(self, part, req)
  if is_allowed then return nil end
  local _, _, wait = part.gate:said()
  return (refuse(self, part, wait))
end

---@param req Request
---@param res Response
function quota:response(req, res)
  local scope, part = note.get(req, self), plans.chosen(self.by_plan, req, self.own)
  if scope then
    part.gate:charge(req, scope, costs.of(self.cost, req, res))
    tell(self, part, req)
  end
  if fields.FORMS[self.headers] then fields.write_one(self.headers, req, res, part.rule) end
end

return quota
