--- instances: what plugins make of the options that they are given.
--
-- Instances with equal options are one instance, so that ten thousand routes do not hold ten
-- thousand tables.

local check = require "moongate.config.check"
local plugins = require "moongate.config.plugins"

local instances = {}

local MISSING, NAN = 0, newproxy()
local TEXT_BYTES_MAX = 64
-- What of an entry is no option of the plugin.
local OTHERS = { [1] = true }
for name in pairs(plugins.STEP_OPTIONS) do OTHERS[name] = true end

local function by_kind(one, other)
  if type(one) ~= type(other) then return type(one) < type(other) end
  if type(one) == "number" then return one < other end
  return tostring(one) < tostring(other)
end

---@class Instances
---@field numbers table<any, integer>     of values that are equal to themselves only
---@field texts table<string, integer>    of tables, by what is in them
---@field count integer
local Instances = {}
Instances.__index = Instances

local function number_in(self, numbers, value)
  local number = numbers[value]
  if not number then
    number = self.count + 1
    self.count, numbers[value] = number, number
  end
  return number
end

-- Of the numbers of all that is in a table, in a fixed order. What gets long becomes a number, too:
-- LuaJIT hashes a few characters of a long text, and those of ten thousand routes differ in others.
local function text_of(self, value)
  local keys, text = {}, ""
  for key in pairs(value) do keys[#keys + 1] = key end
  if keys[2] ~= nil then table.sort(keys, by_kind) end
  for _, key in ipairs(keys) do
    text = text .. self:number(key) .. "=" .. self:number(value[key]) .. " "
    if #text > TEXT_BYTES_MAX then text = "#" .. number_in(self, self.texts, text) end
  end
  return text
end

--- A number, the same for equal values; functions and tables with metatables are equal only to
--- themselves.
---@param value any
---@return integer
function Instances:number(value)
  if type(value) == "table" and not getmetatable(value) then
    return number_in(self, self.texts, text_of(self, value))
  end
  if value ~= value then value = NAN end
  return number_in(self, self.numbers, value)
end

-- What is the same for all instances of a plugin. An option that is not given must not be mistaken
-- for the phase of the same name: those are `hidden`.
local function form_of(plugin)
  local form = {
    names = {}, hidden = {}, made = {}, metatable = { __index = plugin },
    is_shared = not plugin.new or debug.getinfo(plugin.new, "u").nparams < 2,
  }
  for name in pairs(plugin.options) do
    form.names[#form.names + 1] = name
    if plugin[name] ~= nil then form.hidden[#form.hidden + 1] = name end
  end
  return form
end

-- The same for equal options. As a tree of tables it would be most of what a hundred thousand
-- routes hold while they are read.
local function key_of(self, form, checked)
  local numbers = {}
  for i, name in ipairs(form.names) do
    local value = checked[name]
    numbers[i] = value == nil and MISSING or self:number(value)
  end
  return table.concat(numbers, " ")
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
local function made_by(plugin, form, checked, context)
  if not plugin.new then return setmetatable(checked, form.metatable) end
  local ok, instance, wrong = pcall(plugin.new, checked, context)
  if not ok then return nil, "new raised: " .. tostring(instance) end
  if not instance and wrong then return nil, wrong end
  if not instance or instance == checked then return setmetatable(checked, form.metatable) end
  for name, value in pairs(checked) do
    if rawget(instance, name) == nil then rawset(instance, name, value) end
  end
  return setmetatable(instance, form.metatable)
end

function Instances:make(plugin, form, checked, context)
  local instance
  local name = self.name
  local wrong = fault_of_options(plugin, checked)
  if not wrong then instance, wrong = made_by(plugin, form, checked, context) end
  self.name = name -- it may have had others made
  if wrong then self.report(wrong) end
  return instance
end

--- The instance for those options; nil when something was wrong.
---@param plugin Plugin
---@param entry table     as written, { "name", option = value }
---@param context { route: string, at: string }
---@return table?
---@return boolean? is_shared  with equal options
function Instances:of(plugin, entry, context)
  self.name, self.at, self.has_failed = entry[1], context.at, false
  local checked = check.options(plugin.options, entry, self.report, nil, OTHERS)
  if self.has_failed then return nil end
  local form = self.forms[plugin]
  if not form then
    form = form_of(plugin)
    self.forms[plugin] = form
  end
  for _, hidden in ipairs(form.hidden) do
    if checked[hidden] == nil then checked[hidden] = false end
  end
  if not form.is_shared then return self:make(plugin, form, checked, context), false end
  local key = key_of(self, form, checked)
  local instance = form.made[key]
  if not instance then
    instance = self:make(plugin, form, checked, context)
    form.made[key] = instance
  end
  return instance, true
end

---@param report fun(at: string, message: string)
---@return Instances
function instances.maker(report)
  local self = setmetatable({ forms = {}, numbers = {}, texts = {}, count = 0 }, Instances)
  function self.report(message)
    self.has_failed = true
    report(self.at, ("%s: %s"):format(self.name, message))
  end
  return self
end

return instances
