--- rate-limit: admits so many requests in a window, counted exactly over all workers.
--
-- What was used belongs to the limit's name and to what it is counted by. So a reload that changes
-- the numbers keeps it, and routes whose limits have one name share it. Of several limits in one
-- entry all must admit a request, or none is charged: first all are only looked at, then each is
-- charged, and where another worker was faster the earlier ones get back what they were charged.
-- A consumer whose plan has a limit may have that one: what it has used stays its own.

local costs = require "moongate.cost"
local limit_rules = require "moongate.limit_rules"
local moongate = require "moongate"
local plans = require "moongate.plans"
local told = require "moongate.limit_fields"

local limit, reply = moongate.limit, moongate.reply
local ceil, max = math.ceil, math.max
-- Locals: compiled code looks up what is in a table each time.
local ask, cost_of, choose = limit_rules.ask, costs.of, plans.choose

-- One limit's own options, in an entry or in its list of limits.
local function limit_options(more)
  local options = {
    window = { type = "duration", default = "1m", min = 0.001, help = "how long a window is" },
    by = { type = "by", help = "what has an allowance of its own" },
    burst = { type = "integer", min = 1, max = 1e9,
      help = "requests that may come at once (gcra); default: the limit" },
    name = { type = "string",
      help = "routes whose limits have one name share the allowance; default: the route's own" },
    algorithm = { type = "string", values = { "gcra", "sliding", "fixed" }, default = "gcra",
      help = "gcra: the allowance comes back evenly; sliding: the last window's requests count as "
        .. "far as they overlap; fixed: it comes back at the window's end" },
    plan = { type = "boolean", default = false,
      help = "consumers whose plan has a limit have that, and its window, instead" },
  }
  for name, option in pairs(more) do options[name] = option end
  return options
end

---@class RateLimit: Plugin
---@field rules RateLimitRule[]
---@field by_plan table<string, RateLimitRule[]>|false  those of consumers with a plan
---@field missing "share"|"deny"
---@field headers "draft"|"legacy"|"none"
---@field cost number|fun(req: Request): number
---@field report_only boolean
local rate_limit = {
  summary = "Admits a number of requests in a window of time.",
  options = limit_options {
    limit = { type = "integer", min = 1, max = 1e9,
      help = "requests in each window; needed unless there are `limits`" },
    by = { type = "by", default = "address", help = "what has an allowance of its own" },
    limits = { type = "list", default = {}, items = { type = "table", fields = limit_options {
        limit = { type = "integer", required = true, min = 1, max = 1e9,
          help = "requests in each window" } }, help = "a limit" },
      help = "several limits at once, with `limit`, `window`, `by`, `burst`, `name`, `algorithm` "
        .. "each: a request that one of them refuses is charged to none" },
    cost = { type = "any", default = 1,
      help = "what a request takes of the allowance: a whole number, or a function of the request "
        .. "that returns one" },
    headers = { type = "string", values = { "draft", "legacy", "none" }, default = "draft",
      help = "what the client is told: RateLimit and RateLimit-Policy, X-RateLimit-*, or nothing" },
    missing = { type = "string", values = { "share", "deny" }, default = "share",
      help = "requests without what is counted by share one allowance, or get a 403" },
    report_only = { type = "boolean", default = false,
      help = "refuse nothing: count in moongate_rate_limit_refused_total what would be refused" },
  },
}

-- The limiter counts nanoseconds in 61 bits; a little less.
local ALLOWANCE_SECONDS_MAX = 2e9
-- What a window may count, in 30 bits, and how long it may be.
local COUNT_MAX, WINDOW_SECONDS_MAX = 2 ^ 30 - 1, 2 ^ 31

---@class RateLimitRule
---@field gate Limit
---@field by fun(req: Request): string?
---@field name string
---@field told RateLimitTold?        made when the first request comes: many routes wait for theirs

local refused = moongate.metrics.counter("moongate_rate_limit_refused_total",
  "Requests that a rate limit refused, or would have.", { "limit", "mode" })

local UNIDENTIFIED = reply.problem(403, "unidentified",
  "The request lacks what its rate limit is counted by.")

local function fault_of_window(options)
  if options.burst then return "a burst is for gcra alone" end
  if options.window % 1 ~= 0 or options.window > WINDOW_SECONDS_MAX then
    return ("window is %gs; the algorithm %q expects whole seconds, at most 68 years"):format(
      options.window, options.algorithm)
  end
  if options.limit > COUNT_MAX then
    return ("limit is %d; the algorithm %q counts up to %d"):format(options.limit,
      options.algorithm, COUNT_MAX)
  end
  return nil
end

local function fault_of_numbers(options)
  if options.algorithm ~= "gcra" then return fault_of_window(options) end
  local burst = options.burst or options.limit
  if options.window / options.limit * burst > ALLOWANCE_SECONDS_MAX then
    return "the allowance takes more than 60 years to come back"
  end
  if options.window > ALLOWANCE_SECONDS_MAX then return "the window is longer than 60 years" end
  return nil
end

-- As the option `plan` has it.
local function of_plan(options, plan)
  if not options.plan or not plan.limit then return options end
  return { limit = plan.limit, window = plan.window or options.window, by = options.by,
    name = options.name, algorithm = options.algorithm }
end

local function fault_of_limit(options)
  for name, plan in pairs(plans.all()) do
    local fault = fault_of_numbers(of_plan(options, plan))
    if fault then return options.plan and ("of plan %q, %s"):format(name, fault) or fault end
  end
  return fault_of_numbers(options)
end

function rate_limit.check(options)
  if type(options.cost) ~= "function" and not costs.is_valid(options.cost) then
    return ("cost is %s; expected a whole number up to 1e9, or a function of the request"):format(
      tostring(options.cost))
  end
  if #options.limits == 0 then
    if not options.limit then return "limit is missing; it is requests in each window" end
    return fault_of_limit(options)
  end
  if options.limit then return "there is a limit beside limits; expected one of them" end
  for i, one in ipairs(options.limits) do
    local fault = fault_of_limit(one)
    if fault then return ("limits[%d]: %s"):format(i, fault) end
  end
  return nil
end

local function rule_of(options, by, name)
  return {
    name = name, by = options.by or by,
    gate = limit[options.algorithm] { name = "rate-limit:" .. name, limit = options.limit,
      window = options.window, burst = options.burst or nil },
  }
end

-- Where a plan says nothing of a limit, the rule is the one of everybody.
local function rules_of_plan(limits, plan, rules, by)
  local own = {}
  for i, one in ipairs(limits) do
    local given = of_plan(one, plan)
    own[i] = given == one and rules[i] or rule_of(given, by, rules[i].name)
  end
  return own
end

function rate_limit.new(options, context)
  local rules, has_plans = {}, false
  local limits = #options.limits > 0 and options.limits or { options }
  for i, one in ipairs(limits) do
    local name = one.name or limit.own_name("rate-limit", context.route)
    rules[i], has_plans = rule_of(one, options.by, name), has_plans or one.plan
  end
  options.rules, options.by_plan = rules, false
  if not has_plans then return options end
  options.by_plan = {}
  for name, plan in pairs(plans.all()) do
    options.by_plan[name] = rules_of_plan(limits, plan, rules, options.by)
  end
  return options
end

local SILENT, TELLING = { request = true }, { request = true, response = true }

function rate_limit.phases(instance)
  return told.FORMS[instance.headers] and TELLING or SILENT
end

function rate_limit.response_edits(instance) return told.edits(instance.headers) end

local function refuse(self, rules, outcome)
  if outcome < 0 then return UNIDENTIFIED end
  local rule, wait = limit_rules.refused(rules, outcome)
  refused:with(rule.name, self.report_only and "report" or "enforce"):add()
  if self.report_only then return nil end
  return told.denial(rule, max(1, ceil(wait)))
end

---@param req Request
---@return Reply?  ends the request when present
function rate_limit:request(req)
  local rules = choose(self.by_plan, req, self.rules)
  local outcome = ask(rules, req, cost_of(self.cost, req), self.missing == "share", self.headers)
  if outcome == 0 then return nil end
  return (refuse(self, rules, outcome))
end

---@param req Request
---@param res Response
function rate_limit:response(req, res)
  local rules = plans.chosen(self.by_plan, req, self.rules)
  told.write(self.headers, req, res, rules)
end

return rate_limit
