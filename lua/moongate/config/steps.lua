--- steps: the plugins that routes, groups and `use` list, each with its instance made.
--
-- Steps that are alike are one table: routes by the thousand have the same ones.

local below = require "moongate.below"
local check = require "moongate.config.check"
local instances = require "moongate.config.instances"
local plugins = require "moongate.config.plugins"
local values = require "moongate.config.values"

local steps = {}

local COMMON = plugins.STEP_OPTIONS
-- Of an entry that says nothing of them.
local PLAIN = check.options(COMMON, {}, error)

---@class Steps
local Steps = {}
Steps.__index = Steps

local function new_step(name, plugin, instance, common)
  return { name = name, plugin = plugin, instance = instance, when = common.when,
    on_error = common.on_error, is_single = true }
end

-- The step of a shared instance: there may be one like it.
local function alike(name, plugin, instance, common, all)
  local known = below(below(all, instance), common.when or false)
  local step = known[common.on_error]
  if not step then
    step = new_step(name, plugin, instance, common)
    step.is_single = false
    known[common.on_error] = step
  end
  return step
end

-- What every plugin may be given, checked.
local function common_of(self, plugin, entry)
  if entry.when == nil and entry.on_error == nil then return PLAIN end
  local common = check.options(COMMON, { when = entry.when, on_error = entry.on_error },
    self.report)
  if common.on_error == "continue" and (plugin.request or plugin.respond) then
    self.report 'on_error = "continue" is for observers; this plugin decides'
  end
  return common
end

--- The step of one entry; nil when something was wrong, which has been reported. For a plugin's
--- `new`, too, where others are among its options: `context.steps:one(entry, context)`.
---@param entry any  as it was written
---@param context { route: string, at: string, steps: Steps? }
---@return ModelStep?
function Steps:one(entry, context)
  if type(entry) == "string" then entry = { entry } end
  if type(entry) ~= "table" or type(entry[1]) ~= "string" then
    self.report_at(context.at, 'a plugin is written { "name", option = value }')
    return nil
  end
  local name = entry[1]
  local plugin = self.loader:plugin(name, context.at)
  if not plugin then return nil end
  self.at, self.name, context.steps = context.at, name, self
  local common = common_of(self, plugin, entry)
  local instance, is_shared = self.instances:of(plugin, entry, context)
  if not instance then return nil end
  local make = is_shared and alike or new_step
  return make(name, plugin, instance, common, self.known)
end

--- Adds the plugins of a list to `made`.
---@param made ModelStep[]
---@param list any         as it was written
---@param context { route: string, at: string }
---@return boolean is_whole  each of them is there
function Steps:add(made, list, context)
  if list == nil then return true end
  if type(list) ~= "table" then
    self.report_at(context.at, ("plugins is %s; expected a list"):format(values.show(list)))
    return false
  end
  local is_whole = true
  for _, entry in ipairs(list) do
    local step = self:one(entry, context)
    made[#made + 1] = step
    is_whole = is_whole and step ~= nil
  end
  return is_whole
end

---@param loader PluginLoader
---@param report fun(at: string, message: string)
---@return Steps
function steps.maker(loader, report)
  local self = setmetatable({
    loader = loader, instances = instances.maker(report), known = {},
    report_at = report,
  }, Steps)
  function self.report(message) report(self.at, ("%s: %s"):format(self.name, message)) end
  return self
end

return steps
