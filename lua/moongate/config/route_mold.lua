--- route_mold: what routes that are written alike have in common, checked.
--
-- That is all but what each has of its own: where it is, name, methods and path, `when`, `rewrite`,
-- plugins.

local check = require "moongate.config.check"
local criticality = require "moongate.criticality"
local deadlines = require "moongate.config.deadlines"
local hedges = require "moongate.config.hedges"
local nearest = require "moongate.config.nearest"
local schema = require "moongate.config.schema"
local upstreams = require "moongate.config.upstreams"
local values = require "moongate.config.values"

local route_mold = {}

-- Shared by all that have none: nobody writes to a model.
local NONE = {}

-- With what a route has beside its options.
check.expect(schema.route, 20)

local function inherited(groups, fields, name)
  if fields[name] ~= nil then return fields[name] end
  for i = #groups, 1, -1 do
    if groups[i].fields[name] ~= nil then return groups[i].fields[name] end
  end
  return nil
end

local function hosts_of(value, report)
  if value == nil then return NONE end
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then
    report(("host is %s; expected a name or a list of names"):format(values.show(value)))
    return {}
  end
  return value
end

local DEFAULT_TIMEOUT = check.options(schema.timeout, {}, error, "timeout")

local function timeout_of(value, report)
  if value == nil then return DEFAULT_TIMEOUT end
  if type(value) ~= "table" then
    local total = values.duration(value)
    if not total then
      report(("timeout is %s; expected a duration or a table"):format(values.show(value)))
    end
    value = { total = total }
  end
  return check.options(schema.timeout, value, report, "timeout")
end

-- A number, or the function that tells it.
local function criticality_of(value, report)
  if type(value) == "function" then return value end
  local number, message = criticality.number(value)
  if message then report(message) end
  return number
end

local function deadline_of(model, written, report)
  if written == nil then return model.deadline end
  return deadlines.of(written, report)
end

local function upstream_of(model, name, at, report)
  if name == nil then return nil end
  if model.by_upstream[name] then return name end
  if type(name) == "string" and name:find "^%l+:/" then
    local upstream, message = upstreams.of_url(name, at)
    if not upstream then
      report("upstream: " .. message)
      return nil
    end
    model.by_upstream[name] = true
    model.upstreams[#model.upstreams + 1] = upstream
    return name
  end
  if model.is_broken then return nil end -- it may have been declared behind what is broken
  report(("there is no upstream %q%s"):format(tostring(name),
    nearest.hint(tostring(name), model.by_upstream)))
  return nil
end

-- The options that fields describe, but for those of its own.
local function describe(fields, groups, model, report)
  local route = check.options(schema.route, fields, report)
  route.hosts = hosts_of(inherited(groups, fields, "host"), report)
  route.timeout = timeout_of(inherited(groups, fields, "timeout"), report)
  route.deadline = deadline_of(model, inherited(groups, fields, "deadline"), report)
  hedges.complete(route.hedge, report)
  route.criticality = criticality_of(inherited(groups, fields, "criticality"), report)
  route.body_limit = route.body_limit or model.limits.body
  route.host = nil
  return route
end

---@class RouteMold
---@field fields table            as they were written
---@field route table             what is made of them
---@field has_upstream boolean    one was named, whether it is there or not
---@field pattern RoutePattern?   likewise of the route; see router.check_conditions

--- Of the fields of a route.
---@param fields table
---@param groups Declaration[]  that it stands in, outermost first
---@param reader { model: Model, at: string, report: fun(message: string) }
---@return RouteMold  without a pattern
function route_mold.make(fields, groups, reader)
  local model, report = reader.model, reader.report
  local route = describe(fields, groups, model, report)
  local upstream = inherited(groups, fields, "upstream")
  route.upstream = upstream_of(model, upstream, reader.at, report)
  return { fields = fields, route = route, has_upstream = upstream ~= nil }
end

return route_mold
