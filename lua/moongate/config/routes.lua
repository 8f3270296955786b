--- routes: what `route`, `group` and `use` declare, checked and added to the matcher one by one.
--
-- There may be a hundred thousand: nothing of a route stays that nobody wants, and what is not
-- wrong makes no garbage that could be spared.

local aim = require "moongate.aim"
local check = require "moongate.config.check"
local criticality = require "moongate.criticality"
local deadlines = require "moongate.config.deadlines"
local hedges = require "moongate.config.hedges"
local nearest = require "moongate.config.nearest"
local path_pattern = require "moongate.path_pattern"
local router = require "moongate.router"
local schema = require "moongate.config.schema"
local steps = require "moongate.config.steps"
local upstreams = require "moongate.config.upstreams"
local values = require "moongate.config.values"

local clear = require "table.clear"

local routes = {}

-- Shared by all that have none: nobody writes to a model.
local NONE = {}

local function append(list, more)
  for _, one in ipairs(more) do list[#list + 1] = one end
end

-- The groups a route stands in, outermost first.
local function groups_of(group)
  if not group then return NONE end
  if group.line then return group.line end
  local line = {}
  for i, outer in ipairs(groups_of(group.parent)) do line[i] = outer end
  line[#line + 1] = group
  group.line = line
  return line
end

local function check_groups(groups, report)
  for _, group in ipairs(groups) do
    if not group.is_checked then
      group.is_checked = true
      check.options(schema.group, group.fields, function(message)
        report(group.at, ("group: %s"):format(message))
      end)
    end
  end
end

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

-- With what `describe` adds.
check.expect(schema.route, 16)

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

local function answers(made)
  local plugin = made.plugin
  return plugin.respond and (not plugin.phases or plugin.phases(made.instance).respond)
end

local function count_respond(list)
  local count = 0
  for _, made in ipairs(list) do
    if answers(made) then count = count + 1 end
  end
  return count
end

local function check_answer(route, had_upstream, is_whole, report)
  local responders = count_respond(route.plugins)
  if responders > 1 then
    report "has more than one plugin that answers; expected one"
  elseif responders == 1 and had_upstream then
    report "has an upstream and a plugin that answers; expected one of them"
  elseif responders == 0 and not had_upstream and is_whole then
    report "has neither an upstream nor a plugin that answers"
  end
end

local function check_rewrite(route, normalise, report)
  if not route.rewrite then return end
  local pattern = path_pattern.parse(route.path, normalise)
  if not pattern then return end -- reported with the path
  local ok, message = path_pattern.check_template(route.rewrite, pattern.names, normalise)
  if not ok then report(("rewrite %q %s"):format(route.rewrite, message)) end
end

-- Its steps, and whether all that were named are there.
local function plugins_of(self, groups, fields, route)
  local use, own = self.model.use, fields.plugins
  if own == nil and #groups == 0 then return use, true end
  local list, is_whole = {}, true
  append(list, use)
  for _, group in ipairs(groups) do
    if not group.steps then
      group.steps = {}
      group.is_whole = self.steps:add(group.steps, group.fields.plugins, "", group.at)
    end
    append(list, group.steps)
    is_whole = is_whole and group.is_whole
  end
  if own == nil then return list, is_whole end
  return list, self.steps:add(list, own, route.name, route.at) and is_whole
end

-- With the step that aims at a target, where the upstream wants one: the last before the request
-- goes there.
local function with_aim(model, list, upstream)
  local step = upstream and model.aims[upstream]
  if not step then return list end
  local longer = {}
  append(longer, list)
  longer[#longer + 1] = step
  return longer
end

local function prefix_of(groups)
  local prefix = ""
  for _, group in ipairs(groups) do
    if type(group.fields.prefix) == "string" then prefix = prefix .. group.fields.prefix end
  end
  return prefix
end

local function signature_of(called, groups, report)
  local methods, path = router.parse_signature(called)
  if not methods then
    report(path)
    return NONE, "/"
  end
  return methods, groups == NONE and path or prefix_of(groups) .. path
end

---@class RouteReader
local Reader = {}
Reader.__index = Reader

-- Where the next route goes: one table for all of those that are forgotten when they are built.
function Reader:room()
  if not self.builder.forgets then return nil end
  clear(self.last)
  return self.last
end

-- The route that fields describe, its plugins with it.
function Reader:describe(declaration, fields, groups)
  local report = self.report
  local methods, path = signature_of(self.called, groups, report)
  local route = check.options(schema.route, fields, report, nil, self:room())
  route.at, route.methods, route.path = declaration.at, methods, path
  route.hosts = hosts_of(inherited(groups, fields, "host"), report)
  route.timeout = timeout_of(inherited(groups, fields, "timeout"), report)
  route.deadline = deadline_of(self.model, inherited(groups, fields, "deadline"), report)
  hedges.complete(route.hedge, report)
  route.criticality = criticality_of(inherited(groups, fields, "criticality"), report)
  route.name = route.name or router.name(route)
  route.body_limit = route.body_limit or self.model.limits.body
  route.host = nil
  local wanted = inherited(groups, fields, "upstream")
  route.upstream = upstream_of(self.model, wanted, route.at, report)
  local list, is_whole = plugins_of(self, groups, fields, route)
  route.plugins = with_aim(self.model, list, route.upstream)
  check_answer(route, wanted ~= nil, is_whole, report)
  return route
end

-- Checks the pattern, and adds it so that routes that cannot be told apart are found.
function Reader:add_pattern(route)
  local pattern, messages = router.check(route, self.builder)
  for _, message in ipairs(messages) do self.report(message) end
  check_rewrite(route, self.builder.normalise, self.report)
  local message = pattern and self.builder.add and router.add(pattern, self.builder)
  if message then self.report_at(route.at, message) end
end

function Reader:route(declaration)
  local fields = declaration.fields
  self.at, self.called, self.has_failed = declaration.at, tostring(declaration.name), false
  if type(fields) ~= "table" then
    self.report(("is %s; expected a table"):format(values.show(fields)))
    return nil
  end
  local groups = groups_of(declaration.group)
  check_groups(groups, self.report_at)
  local route = self:describe(declaration, fields, groups)
  if not self.has_failed then self:add_pattern(route) end
  return route
end

local function reader(model, loader, report, builder)
  local self = setmetatable({
    model = model, builder = builder, report_at = report, steps = steps.maker(loader, report),
    last = {},
  }, Reader)
  function self.report(message)
    self.has_failed = true
    report(self.at, ("route %q: %s"):format(self.called, message))
  end
  return self
end

--- Adds `use` and `routes` to the model; declarations are forgotten as they are read.
---@param model Model
---@param declared Declared
---@param loader PluginLoader
---@param report fun(at: string, message: string)
---@param builder ModelBuilder
function routes.add(model, declared, loader, report, builder)
  local self = reader(model, loader, report, builder)
  model.by_upstream, model.is_broken = {}, declared.is_broken
  model.aims = {}
  for _, upstream in ipairs(model.upstreams) do
    model.by_upstream[upstream.name], model.aims[upstream.name] = true, aim.step(upstream)
  end
  model.use, model.routes, model.route_count = {}, {}, declared.routes.count
  for _, declaration in ipairs(declared.uses) do
    self.steps:add(model.use, declaration.fields, "", declaration.at)
  end
  if builder.start then builder.start(model, report) end
  for declaration in declared.routes.take, declared.routes do
    local route = self:route(declaration)
    if not builder.forgets then model.routes[#model.routes + 1] = route end
  end
  model.by_upstream, model.aims, model.is_broken = nil, nil, nil
end

return routes
