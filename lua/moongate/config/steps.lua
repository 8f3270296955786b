--- steps: the plugins that routes, groups and `use` list, each with its instance made.
--
-- Steps that are alike are one table: routes by the thousand have the same ones.

local below = require "moongate.below"
local check = require "moongate.config.check"
local digest = require "moongate.core.digest"
local instances = require "moongate.config.instances"
local plugins = require "moongate.config.plugins"
local string_buffer = require "moongate.string_buffer"
local values = require "moongate.config.values"

local steps = {}

local COMMON = plugins.STEP_OPTIONS
-- Of an entry that says nothing of them.
local PLAIN = check.options(COMMON, {}, error)
-- Entries of a plugin that are known by how they are written: of different ones there may be as
-- many as routes.
local KNOWN_MAX = 256
-- Of all plugins, those that are known by their texts.
local TEXTS_MAX = 1024

---@class Steps
---@field varied table  steps by those that say nothing else, `when` and on_error
---@field written table<string, Written>  by the names of plugins
---@field texts table<string, ModelStep>  by entries as a declaration has them
---@field context PluginContext  of the list that is read
local Steps = {}
Steps.__index = Steps

---@class Written   entries of one plugin
---@field steps table<string, ModelStep>  by the digest of an entry, or the name alone
---@field count integer
---@field hits integer
---@field is_off boolean?  hardly two are alike: to find out costs more than it spares

-- One that does as a step does, but for its `when` and on_error.
local function varied(self, step, common)
  local varieties = below(below(self.varied, step), common.when or false)
  local found = varieties[common.on_error]
  if not found then
    found = { name = step.name, plugin = step.plugin, instance = step.instance,
      when = common.when, on_error = common.on_error, digest = step.digest,
      is_single = step.is_single }
    varieties[common.on_error] = found
  end
  return found
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

function Steps:new(entry, context)
  self.has_failed = false
  if type(entry) == "string" then entry = { entry } end
  if type(entry) ~= "table" or type(entry[1]) ~= "string" then
    self.report_at(context.at, 'a plugin is written { "name", option = value }')
    return nil
  end
  local name = entry[1]
  local plugin = self.loader:plugin(name, context.at)
  if not plugin then return nil end
  self.at, self.name = context.at, name
  local common = common_of(self, plugin, entry)
  local step = self.instances:step(plugin, entry, context)
  if not step or common == PLAIN then return step end
  return varied(self, step, common)
end

-- What is known of the plugin of an entry, and the entry as it is written: nil where it cannot be
-- told, which functions keep it from.
local function as_written(self, entry)
  local is_table = type(entry) == "table"
  local name = is_table and entry[1] or entry
  if type(name) ~= "string" then return nil end
  local written = self.written[name]
  if not written then
    written = { steps = {}, count = 0, hits = 0 }
    self.written[name] = written
  end
  if written.is_off then return nil end
  if is_table then return written, digest.of(entry) end
  return written, entry
end

local function keep(written, key, step)
  if step.is_single or written.count == KNOWN_MAX then
    written.is_off = step.is_single or written.hits < KNOWN_MAX
    return
  end
  written.steps[key], written.count = step, written.count + 1
end

--- The step of one entry; nil when something was wrong, which has been reported. Most routes of
--- many have what others have, to the letter: nothing of that is read again. For a plugin's `new`,
--- too, where others are among its options: `context.steps:one(entry, context)`.
---@param entry any  as it was written
---@param context PluginContext
---@return ModelStep?
function Steps:one(entry, context)
  local written, key = as_written(self, entry)
  local step = key and written.steps[key]
  if step then
    written.hits = written.hits + 1
    return step
  end
  step = self:new(entry, context)
  if key and step and not self.has_failed then keep(written, key, step) end
  return step
end

--- Adds the plugins of a list to `made`.
---@param made ModelStep[]
---@param list any         as it was written
---@param route string  its name; "" where it is for several
---@param at string
---@return boolean is_whole  each of them is there
function Steps:add(made, list, route, at)
  if list == nil then return true end
  if type(list) ~= "table" then
    self.report_at(at, ("plugins is %s; expected a list"):format(values.show(list)))
    return false
  end
  local is_whole, context = true, self.context
  context.route, context.at = route, at
  for _, entry in ipairs(list) do
    local step = self:one(entry, context)
    made[#made + 1] = step
    is_whole = is_whole and step ~= nil
  end
  return is_whole
end

local function of_new_text(self, text, context)
  local step = self:one(string_buffer.decode(text), context)
  local may_be_known = step and not step.is_single and not self.has_failed
  if may_be_known and self.text_count < TEXTS_MAX then
    self.texts[text], self.text_count = step, self.text_count + 1
  end
  return step
end

--- Adds the plugins of a declaration to `made`.
---@param made ModelStep[]
---@param declaration RouteDeclaration
---@param route string  its name
---@return boolean is_whole  each of them is there
function Steps:add_declared(made, declaration, route)
  local is_whole, context, texts = true, self.context, self.texts
  context.route, context.at = route, declaration.at
  for i = 1, declaration.count do
    local entry = declaration.plugins[i]
    local step = texts[entry]
    if not step then
      local make = type(entry) == "string" and of_new_text or self.one
      step = make(self, entry, context)
    end
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
    loader = loader, instances = instances.maker(report), varied = {}, written = {},
    texts = {}, text_count = 0, report_at = report,
  }, Steps)
  self.context = { route = "", at = "", steps = self }
  function self.report(message)
    self.has_failed = true
    report(self.at, ("%s: %s"):format(self.name, message))
  end
  return self
end

return steps
