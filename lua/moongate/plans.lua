--- plans: what consumers may do, by the names of `plan` in the configuration.

---@class Plan
---@field name string
---@field limit integer?    requests in a window; for rate-limit and its like
---@field window number?    seconds
---@field quota integer?    requests in a period; for quota
---@field period string?    "day", "month" and so on
---@field routes table<string, true>?  names of the routes that it allows; nil: all

local note = require "moongate.note"

local plans = {}

local by_name = {}

--- For config/consumers.lua, before plugins are made.
---@param list ModelPlan[]
function plans.set(list)
  by_name = {}
  for _, plan in ipairs(list) do
    local routes
    if plan.routes then
      routes = {}
      for _, route in ipairs(plan.routes) do routes[route] = true end
    end
    by_name[plan.name] = { name = plan.name, limit = plan.limit, window = plan.window,
      quota = plan.quota, period = plan.period, routes = routes }
  end
end

--- All of them, by name; while plugins are made, too.
---@return table<string, Plan>
function plans.all() return by_name end

---@param name string
---@return Plan?
function plans.by_name(name) return by_name[name] end

--- What a plugin has for the plan of whom the request is from, as far as that is known by now; it
--- is noted, so that the answer goes by the same.
---@param by_plan table<string, any>|false|nil  none: plans have no part in it
---@param req Request
---@param default any  of who has no plan, or one that says nothing of it
---@return any
function plans.choose(by_plan, req, default)
  if not by_plan then return default end
  local consumer = req.consumer
  local plan = consumer and consumer.plan
  local chosen = plan and by_plan[plan.name] or default
  note.set(req, by_plan, chosen)
  return chosen
end

--- What was chosen before.
---@param by_plan table<string, any>?
---@param req Request
---@param default any
---@return any
function plans.chosen(by_plan, req, default)
  return by_plan and note.get(req, by_plan) or default
end

return plans
