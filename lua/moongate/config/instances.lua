--- instances: what plugins make of the options that they are given, and the steps that have them.
--
-- Instances with equal options are one instance, so that ten thousand routes do not hold ten
-- thousand tables. Of those of one plugin the first FULL_MAX hold defaults themselves, where they
-- are read fastest; the others find them in one table that they share.

local check = require "moongate.config.check"
local digest = require "moongate.core.digest"
local edits = require "moongate.edits"
local interpreter = require "moongate.core.interpreter"
local plugins = require "moongate.config.plugins"

local instances = {}

local FULL_MAX = 64
-- What of an entry is no option of the plugin.
local OTHERS = { [1] = true }
for name in pairs(plugins.STEP_OPTIONS) do OTHERS[name] = true end

---@class Instances
---@field forms table<Plugin, table>
---@field numbers table<any, integer>  of values that are equal to themselves only
---@field count integer
---@field has_other boolean            the options seen last have such a value
local Instances = {}
Instances.__index = Instances

-- What is the same for all instances of a plugin: `defaults` of all options. One that has none must
-- not be mistaken for the phase of the same name.
local function new_form(self, plugin)
  local defaults = check.defaults(plugin.options)
  local form = {
    steps = {}, count = 0, defaults = defaults,
    metatable = { __index = plugin }, lean_metatable = { __index = defaults },
    is_shared = not plugin.new or debug.getinfo(plugin.new, "u").nparams < 2,
  }
  for name in pairs(plugin.options) do
    if defaults[name] == nil and plugin[name] ~= nil then defaults[name] = false end
  end
  self.has_other = false
  form.digest = digest.of(defaults, self.number_of)
  form.has_other = self.has_other
  setmetatable(defaults, form.metatable)
  return form
end

local function fill(checked, defaults)
  for name, default in pairs(defaults) do
    if checked[name] == nil then checked[name] = default end
  end
end
-- When a plugin has many instances it is not called any more: traces of its loop would go on
-- through all that comes behind it.
jit.off(fill)
local fill_interpreted = interpreter.leave(fill)

-- Makes an instance of options, whose defaults can be read from then on; how it is to be read.
local function complete(form, checked)
  form.count = form.count + 1
  if form.count > FULL_MAX then
    setmetatable(checked, form.lean_metatable)
    return form.lean_metatable
  end
  fill_interpreted(checked, form.defaults)
  return form.metatable
end

-- What a plugin's own check says: nil, or what is wrong.
local function fault_of_options(plugin, checked)
  if not plugin.check then return nil end
  local ok, wrong = pcall(plugin.check, checked)
  if not ok then return "its check raised: " .. tostring(wrong) end
  return wrong
end

-- The instance, or nil and what is wrong. One table holds what the plugin has made and the options
-- beside it: there may be as many as routes.
local function made_by(plugin, metatable, checked, context)
  if not plugin.new then return setmetatable(checked, metatable) end
  local ok, instance, wrong = pcall(plugin.new, checked, context)
  if not ok then return nil, "new raised: " .. tostring(instance) end
  if not instance and wrong then return nil, wrong end
  if not instance or instance == checked then return setmetatable(checked, metatable) end
  for name, value in pairs(checked) do
    if rawget(instance, name) == nil then rawset(instance, name, value) end
  end
  return setmetatable(instance, metatable)
end

function Instances:make(plugin, form, checked, context)
  local instance
  local name, metatable = self.name, complete(form, checked)
  local wrong = fault_of_options(plugin, checked)
  if not wrong then instance, wrong = made_by(plugin, metatable, checked, context) end
  if not wrong then wrong = edits.fault(plugin, instance) end
  self.name = name -- it may have had others made
  if wrong then self.report(wrong) end
  return instance
end

-- A step that says nothing but its options.
local function new_step(name, plugin, instance, told)
  return instance and
    { name = name, plugin = plugin, instance = instance, on_error = "fail", digest = told }
end

-- The same step for equal options.
local function shared_step(self, plugin, form, checked)
  self.has_other = form.has_other
  local key = digest.over(form.defaults, form.digest, checked, self.number_of)
  local step = form.steps[key]
  if step then return step end
  local told = not self.has_other and key or nil
  step = new_step(self.name, plugin, self:make(plugin, form, checked), told)
  form.steps[key] = step
  return step
end

--- The step with an instance for those options; nil when something was wrong.
---@param plugin Plugin
---@param entry table     as written, { "name", option = value }
---@param context PluginContext  the plugin gets a copy, where it wants one
---@return ModelStep?
function Instances:step(plugin, entry, context)
  local name = entry[1]
  self.name, self.at, self.has_failed = name, context.at, false
  local checked = check.given(plugin.options, entry, self.report, OTHERS)
  if self.has_failed then return nil end
  local form = self.forms[plugin]
  if not form then
    form = new_form(self, plugin)
    self.forms[plugin] = form
  end
  if form.is_shared then return shared_step(self, plugin, form, checked) end
  local own = { route = context.route, at = context.at, steps = context.steps }
  local step = new_step(name, plugin, self:make(plugin, form, checked, own))
  if step then step.is_single = true end
  return step
end

---@param report fun(at: string, message: string)
---@return Instances
function instances.maker(report)
  local self = setmetatable({ forms = {}, numbers = {}, count = 0 }, Instances)
  function self.report(message)
    self.has_failed = true
    report(self.at, ("%s: %s"):format(self.name, message))
  end
  function self.number_of(value)
    if not self.numbers[value] then
      self.count = self.count + 1
      self.numbers[value] = self.count
    end
    self.has_other = true
    return self.numbers[value]
  end
  return self
end

return instances
