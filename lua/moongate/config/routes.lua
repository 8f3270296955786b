--- routes: what `route`, `group` and `use` declare, checked and added to the matcher one by one.
--
-- There may be a hundred thousand: nothing of a route stays that nobody wants, what is not wrong
-- makes no garbage that could be spared, and what was written before is not read again.

local aim = require "moongate.aim"
local below = require "moongate.below"
local check = require "moongate.config.check"
local copy = require "moongate.config.copy"
local path_pattern = require "moongate.path_pattern"
local route_mold = require "moongate.config.route_mold"
local route_signature = require "moongate.route_signature"
local router = require "moongate.router"
local schema = require "moongate.config.schema"
local steps = require "moongate.config.steps"
local string_buffer = require "moongate.string_buffer"
local values = require "moongate.config.values"

local new_table = require "table.new"

local routes = {}

-- Shared by all that have none: nobody writes to a model.
local NONE = {}
-- What routes have in common: of different ones there may be as many as routes.
local MOLDS_MAX = 1024

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

local function check_group(group, report)
  group.is_checked = true
  check.options(schema.group, group.fields, function(message)
    report(group.at, ("group: %s"):format(message))
  end)
end

-- Makes no closure itself: that would keep all that calls it from being compiled.
local function check_groups(groups, report)
  for _, group in ipairs(groups) do
    if not group.is_checked then check_group(group, report) end
  end
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

-- What most look like is told at a glance.
local function is_plain_rewrite(rewrite, path, builder)
  local is_plain = builder.is_plain
  return is_plain and is_plain(rewrite) and is_plain(path)
    and path_pattern.has_names_of(path, rewrite)
end

local function check_rewrite(route, builder, report)
  local rewrite, normalise = route.rewrite, builder.normalise
  if not rewrite or is_plain_rewrite(rewrite, route.path, builder) then return end
  local pattern = path_pattern.parse(route.path, normalise)
  if not pattern then return end -- reported with the path
  local ok, message = path_pattern.check_template(rewrite, pattern.names, normalise)
  if not ok then report(("rewrite %q %s"):format(rewrite, message)) end
end

local function steps_of_group(self, group)
  if not group.steps then
    group.steps = {}
    group.is_whole = self.steps:add(group.steps, group.fields.plugins, "", group.at)
  end
  return group.steps, group.is_whole
end

-- Its steps, and whether all that were named are there.
local function plugins_of(self, groups, mold, declaration, route)
  local use, odd = self.model.use, mold.fields.plugins
  if declaration.count == 0 and odd == nil and #groups == 0 then return use, true end
  local list, is_whole = new_table(#use + declaration.count, 0), true
  append(list, use)
  for _, group in ipairs(groups) do
    local added, is_added = steps_of_group(self, group)
    append(list, added)
    is_whole = is_whole and is_added
  end
  if odd ~= nil then return list, self.steps:add(list, odd, route.name, route.at) and is_whole end
  return list, self.steps:add_declared(list, declaration, route.name) and is_whole
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

local function signature_of(self, groups)
  local methods, path, name = route_signature.parse(self.called, self.builder.is_plain)
  if not methods then
    self.report(path)
    return NONE, "/"
  end
  if groups == NONE then return methods, path, name end
  return methods, prefix_of(groups) .. path
end

---@class RouteReader
---@field molds table<string, table<string, RouteMold>>  by group, and by text
local Reader = {}
Reader.__index = Reader

function Reader:check_conditions(mold)
  local messages
  mold.pattern, messages = router.check_conditions(mold.route)
  for _, message in ipairs(messages) do self.report(message) end
end

-- That of a declaration; nil: its fields are no table.
function Reader:mold(declaration, groups)
  local rest = declaration.rest
  local molds = below(self.molds, declaration.group or NONE)
  if molds[rest] then return molds[rest] end
  local fields = type(rest) == "string" and string_buffer.decode(rest) or rest
  if type(fields) ~= "table" then
    self.report(("is %s; expected a table"):format(values.show(fields)))
    return nil
  end
  local mold = route_mold.make(fields, groups, self)
  if not self.has_failed then self:check_conditions(mold) end
  if type(rest) == "string" and not self.has_failed and self.mold_count < MOLDS_MAX then
    molds[rest], self.mold_count = mold, self.mold_count + 1
  end
  return mold
end

-- The route that is declared: in the mold itself, where routes are forgotten when they are built.
function Reader:fill(mold, declaration, groups)
  local route = self.builder.forgets and mold.route or copy(mold.route)
  route.at, route.when = declaration.at, declaration.when or nil
  route.rewrite, route.name = declaration.rewrite or nil, declaration.own_name or nil
  local name
  route.methods, route.path, name = signature_of(self, groups)
  route.name = route.name or name or router.name(route)
  local list, is_whole = plugins_of(self, groups, mold, declaration, route)
  route.plugins = with_aim(self.model, list, route.upstream)
  check_answer(route, mold.has_upstream, is_whole, self.report)
  return route
end

-- Checks the pattern, and adds it so that routes that cannot be told apart are found.
function Reader:add_pattern(mold, route)
  local builder = self.builder
  local pattern = builder.forgets and mold.pattern or copy(mold.pattern)
  for _, message in ipairs(router.complete(pattern, route, builder)) do self.report(message) end
  check_rewrite(route, builder, self.report)
  local message = not self.has_failed and builder.add and router.add(pattern, builder)
  if message then self.report_at(route.at, message) end
end

function Reader:route(declaration)
  self.at, self.called, self.has_failed = declaration.at, declaration.name, false
  local groups = groups_of(declaration.group)
  check_groups(groups, self.report_at)
  local mold = self:mold(declaration, groups)
  if not mold then return nil end
  local route = self:fill(mold, declaration, groups)
  if not self.has_failed then self:add_pattern(mold, route) end
  return route
end

local function reader(model, loader, report, builder)
  local self = setmetatable({
    model = model, builder = builder, report_at = report, steps = steps.maker(loader, report),
    molds = {}, mold_count = 0,
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
