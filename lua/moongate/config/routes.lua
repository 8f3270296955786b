--- routes: what `route`, `group` and `use` declare, with their plugins' instances made.

local check = require "moongate.config.check"
local nearest = require "moongate.config.nearest"
local path_pattern = require "moongate.path_pattern"
local plugins = require "moongate.config.plugins"
local router = require "moongate.router"
local schema = require "moongate.config.schema"
local upstreams = require "moongate.config.upstreams"
local values = require "moongate.config.values"

local routes = {}

-- { "key-auth", header = "x" }: the name, and the options without those that every plugin has.
local function take_apart(entry)
  local given, common = {}, {}
  for key, value in pairs(entry) do
    if plugins.STEP_OPTIONS[key] then
      common[key] = value
    elseif key ~= 1 then
      given[key] = value
    end
  end
  return entry[1], given, common
end

local function step(entry, context, loader, report)
  if type(entry) == "string" then entry = { entry } end
  if type(entry) ~= "table" or type(entry[1]) ~= "string" then
    report(context.at, 'a plugin is written { "name", option = value }')
    return nil
  end
  local name, given, common = take_apart(entry)
  local plugin = loader:plugin(name, context.at)
  if not plugin then return nil end
  local own = check.options(plugins.STEP_OPTIONS, common, function(message)
    report(context.at, ("%s: %s"):format(name, message))
  end)
  if own.on_error == "continue" and (plugin.request or plugin.respond) then
    report(context.at,
      ('%s: on_error = "continue" is for observers; this plugin decides'):format(name))
  end
  local instance = loader:instance(name, plugin, given, context)
  if not instance then return nil end
  return {
    name = name, plugin = plugin, instance = instance, when = own.when, on_error = own.on_error,
    at = context.at,
  }
end

-- The plugins of a list, and whether each of them is there.
local function steps_of(list, context, loader, report)
  local steps, is_whole = {}, true
  if list ~= nil and type(list) ~= "table" then
    report(context.at, ("plugins is %s; expected a list"):format(values.show(list)))
    return steps, false
  end
  for _, entry in ipairs(list or {}) do
    local made = step(entry, context, loader, report)
    steps[#steps + 1] = made
    is_whole = is_whole and made ~= nil
  end
  return steps, is_whole
end

local function append(list, more)
  for _, one in ipairs(more) do list[#list + 1] = one end
end

local function uses_of(declared, loader, report)
  local use = {}
  for _, declaration in ipairs(declared.uses) do
    local context = { route = "", at = declaration.at }
    append(use, (steps_of(declaration.fields, context, loader, report)))
  end
  return use
end

-- The groups a route stands in, outermost first.
local function groups_of(declaration)
  local groups, group = {}, declaration.group
  while group do
    table.insert(groups, 1, group)
    group = group.parent
  end
  return groups
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
  if value == nil then return {} end
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then
    report(("host is %s; expected a name or a list of names"):format(values.show(value)))
    return {}
  end
  return value
end

local function timeout_of(value, report)
  if value ~= nil and type(value) ~= "table" then
    local total = values.duration(value)
    if not total then
      report(("timeout is %s; expected a duration or a table"):format(values.show(value)))
    end
    value = { total = total }
  end
  return check.options(schema.timeout, value or {}, report, "timeout")
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

local function count_respond(steps)
  local count = 0
  for _, made in ipairs(steps) do
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

local function plugins_of(model, groups, fields, context, loader, report)
  local steps, is_whole = {}, true
  append(steps, model.use)
  for _, group in ipairs(groups) do
    if not group.steps then
      group.steps, group.is_whole =
        steps_of(group.fields.plugins, { route = "", at = group.at }, loader, report)
    end
    append(steps, group.steps)
    is_whole = is_whole and group.is_whole
  end
  local own, has_own = steps_of(fields.plugins, context, loader, report)
  append(steps, own)
  return steps, is_whole and has_own
end

local function prefix_of(groups)
  local prefix = ""
  for _, group in ipairs(groups) do
    if type(group.fields.prefix) == "string" then prefix = prefix .. group.fields.prefix end
  end
  return prefix
end

local function signature_of(declaration, groups, report)
  local methods, path = router.parse_signature(tostring(declaration.name))
  if methods then return methods, prefix_of(groups) .. path end
  report(path)
  return {}, "/"
end

local function one(model, declaration, loader, report_at, options)
  local at, fields = declaration.at, declaration.fields
  local called = tostring(declaration.name)
  local failed = false
  local function report(message)
    failed = true
    report_at(at, ("route %q: %s"):format(called, message))
  end
  if type(fields) ~= "table" then
    report(("is %s; expected a table"):format(values.show(fields)))
    return
  end
  local groups = groups_of(declaration)
  check_groups(groups, report_at)
  local methods, path = signature_of(declaration, groups, report)
  local route = check.options(schema.route, fields, report)
  route.at, route.methods, route.path = at, methods, path
  route.hosts = hosts_of(inherited(groups, fields, "host"), report)
  route.timeout = timeout_of(inherited(groups, fields, "timeout"), report)
  route.name = route.name or router.name { methods = methods, path = path }
  route.body_limit = route.body_limit or model.limits.body
  route.host = nil
  local wanted = inherited(groups, fields, "upstream")
  route.upstream = upstream_of(model, wanted, at, report)
  local context = { route = route.name, at = at }
  local is_whole
  route.plugins, is_whole = plugins_of(model, groups, fields, context, loader, report_at)
  check_answer(route, wanted ~= nil, is_whole, report)
  if not failed then
    local _, messages = router.check(route, options.normalise)
    for _, message in ipairs(messages) do report(message) end
    check_rewrite(route, options.normalise, report)
    route.is_right = #messages == 0
  end
  model.routes[#model.routes + 1] = route
end

--- Adds `use` and `routes` to the model.
---@param model Model
---@param declared Declared
---@param loader PluginLoader
---@param report fun(at: string, message: string)
---@param options ConfigOptions
function routes.add(model, declared, loader, report, options)
  model.by_upstream, model.is_broken = {}, declared.is_broken
  for _, upstream in ipairs(model.upstreams) do model.by_upstream[upstream.name] = true end
  model.use = uses_of(declared, loader, report)
  model.routes = {}
  local checked = { normalise = options.normalise or function(path) return path end }
  for _, declaration in ipairs(declared.routes) do
    one(model, declaration, loader, report, checked)
  end
  model.by_upstream, model.is_broken = nil, nil
end

return routes
