--- plugins: finds, loads and holds on to plugins.
--
-- NAME.lua or NAME/init.lua, in the operator's folders first, then among the bundled ones.

local disk = require "moongate.config.disk"
local nearest = require "moongate.config.nearest"

local plugins = {}

local PHASES = {
  "request", "respond", "response", "response_chunk", "response_body", "message", "log", "start",
  "stop",
}
local FIELDS = { summary = "string", options = "table", new = "function", check = "function",
  phases = "function", description = "string", cache_policy = "function",
  is_tally = "boolean", is_gatherer = "boolean", response_edits = "function" }
for _, phase in ipairs(PHASES) do FIELDS[phase] = "function" end

-- Understood for every plugin, beside its own options.
local STEP_OPTIONS = {
  when = { type = "function", help = "run only for requests for which it returns true" },
  on_error = { type = "string", values = { "fail", "continue" }, default = "fail",
    help = '"continue": an error of an observer is logged and counted only' },
}

plugins.PHASES = PHASES
plugins.STEP_OPTIONS = STEP_OPTIONS

local function locate(name, folders)
  for _, folder in ipairs(folders) do
    for _, form in ipairs { "%s/%s.lua", "%s/%s/init.lua" } do
      local path = form:format(folder, name)
      if disk.has(path) then return path end
    end
  end
  return nil
end

local function known_names(folders)
  local names = {}
  for _, folder in ipairs(folders) do
    for _, file in ipairs(disk.names(folder) or {}) do
      local name = file:match "^([%l%d-]+)%.lua$" or file:match "^([%l%d-]+)$"
      if name and locate(name, { folder }) then names[name] = true end
    end
  end
  return names
end

local function field_fault(field, value)
  local expected = FIELDS[field]
  if expected then
    if type(value) == expected then return nil end
    return ("%s is a %s; expected a %s"):format(field, type(value), expected)
  end
  -- Helpers of its own are a plugin's business; a misspelled phase is not.
  local meant = type(value) == "function" and nearest.of(tostring(field), PHASES)
  if meant and #meant == #tostring(field) then
    return ("%s is no phase; did you mean %s?"):format(field, meant)
  end
  return nil
end

--- What is wrong with the shape of a plugin: a list of texts.
---@param plugin any  what its file returned
---@return string[]
function plugins.faults(plugin)
  if type(plugin) ~= "table" then
    return { ("it returns %s; expected a table"):format(type(plugin)) }
  end
  local faults = {}
  for field, value in pairs(plugin) do faults[#faults + 1] = field_fault(field, value) end
  table.sort(faults)
  if type(plugin.summary) ~= "string" then faults[#faults + 1] = "it has no summary" end
  if plugin.response_edits and not plugin.response then
    faults[#faults + 1] = "it has response_edits; expected a response that does the same"
  end
  if plugin.options == nil then faults[#faults + 1] = "it has no options; expected a table" end
  return faults
end

local function load_file(path)
  local chunk, wrong = loadstring(disk.read(path), "@" .. path)
  if not chunk then return nil, wrong end
  local ok, plugin = pcall(chunk)
  if not ok then return nil, tostring(plugin) end
  local faults = plugins.faults(plugin)
  if #faults > 0 then return nil, path .. ": " .. table.concat(faults, "; ") end
  return plugin
end

---@class PluginLoader
---@field faulty table<string, boolean>
---@field paths table<string, string>  of those that are loaded
local Loader = {}
Loader.__index = Loader

--- The plugin of that name; nil when it does not load, which is reported once for each name.
---@param name string
---@param at string
---@return Plugin?
function Loader:plugin(name, at)
  if self.loaded[name] or self.faulty[name] then return self.loaded[name] end
  local path = locate(name, self.folders)
  local plugin, wrong
  if path then
    plugin, wrong = load_file(path)
    wrong = wrong and ("plugin %q does not load: %s"):format(name, wrong)
  else
    wrong = ("there is no plugin %q%s"):format(name, nearest.hint(name, known_names(self.folders)))
  end
  if wrong then
    self.faulty[name] = true
    self.report(at, wrong)
    return nil
  end
  self.loaded[name] = plugin
  self.paths[name] = path
  return plugin
end

---@param own_folders string[]  the operator's, searched first
---@param bundled string
---@param report fun(at: string, message: string)
---@return PluginLoader
function plugins.loader(own_folders, bundled, report)
  local folders = {}
  for _, folder in ipairs(own_folders) do
    folders[#folders + 1] = folder
    package.path = ("%s/?.lua;%s/?/init.lua;"):format(folder, folder) .. package.path
  end
  folders[#folders + 1] = bundled
  package.path = package.path .. (";%s/?.lua;%s/?/init.lua"):format(bundled, bundled)
  return setmetatable({
    folders = folders, loaded = {}, faulty = {}, paths = {}, report = report,
  }, Loader)
end

return plugins
