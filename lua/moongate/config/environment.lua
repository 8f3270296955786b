--- environment: runs configuration files, which declare; nothing is checked here but their shape.
--
-- The files see the functions below and Lua's harmless parts: no io, no os but its clock, no ffi,
-- no load.

local caller = require "moongate.core.caller"
local copy = require "moongate.config.copy"
local declarations = require "moongate.config.declarations"
local disk = require "moongate.config.disk"
local files = require "moongate.config.files"
local nearest = require "moongate.config.nearest"
local route_declarations = require "moongate.config.route_declarations"
local schema = require "moongate.config.schema"

local environment = {}

---@class Declaration
---@field at string
---@field name string?
---@field fields table

---@class Declared  what the files said, in their order
---@field files string[]
---@field folder string              of the first file
---@field settings table<string, Declaration>
---@field listeners Declaration[]
---@field upstreams Declaration[]
---@field consumers Declarations
---@field uses Declaration[]
---@field routes RouteDeclarations   with `group`: the Declaration each stands in
---@field plugin_folders string[]
---@field secrets table<string, true>  texts that came from `env` and `file`
---@field is_broken boolean?         a file could not be read to its end

local function harmless()
  local text = copy(string)
  text.dump = nil
  return {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs,
    select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    string = text, table = copy(table), math = copy(math),
    os = { time = os.time, date = os.date },
  }
end

-- Where in the configuration the running call stands. In a loop it is the same each time.
local function place(state)
  for level = 3, 12 do
    local source, line = caller.line(level)
    if state.is_source[source] then
      if source ~= state.source or line ~= state.line then
        state.source, state.line, state.at = source, line, ("%s:%d"):format(source:sub(2), line)
      end
      return state.at
    end
  end
  return state.current
end

local function append(list, declaration) list[#list + 1] = declaration end

-- "name" { fields }: a declaration, which is called with its table.
local function named(state, list, what)
  local add, open = list.add or append, state.open
  local waiting = {}
  function waiting.__call(declaration, fields)
    open[declaration] = nil
    declaration.fields = fields
    add(list, declaration)
  end
  return function(name)
    local declaration = { at = place(state), name = name, group = state.group, fields = nil }
    open[declaration] = what
    return setmetatable(declaration, waiting)
  end
end

local function plain(state, list)
  return function(fields)
    append(list, { at = place(state), fields = fields, group = state.group })
  end
end

local function setting(state, name)
  return function(value)
    local at = place(state)
    if state.declared.settings[name] then
      state.report(at, ("%s is set already at %s; it can be set once"):format(name,
        state.declared.settings[name].at))
    end
    state.declared.settings[name] = { at = at, fields = value }
  end
end

local function run_group(state, group, fields)
  local routes = type(fields) == "table" and fields.routes
  if type(routes) ~= "function" then
    state.report(group.at, "a group has no routes; expected routes = function() ... end")
    return
  end
  group.fields = fields
  local outer = state.group
  state.group = group
  routes()
  state.group = outer
end

-- group { fields }, or group "name" { fields }.
local function group_of(state)
  return function(given)
    local group = { at = place(state), name = given, parent = state.group }
    if type(given) == "table" then
      group.name = nil
      return run_group(state, group, given)
    end
    state.open[group] = "group"
    return function(fields)
      state.open[group] = nil
      run_group(state, group, fields)
    end
  end
end

local function keep_secret(state, text)
  if text ~= "" then state.declared.secrets[text] = true end
end

local function add_environment(state, env, getenv)
  function env.env(name)
    local value = getenv(name)
    if value == nil then
      state.report(place(state),
        ("the environment has no variable %s; set it"):format(tostring(name)))
      return ""
    end
    keep_secret(state, value)
    return value
  end

  function env.file(name)
    local path = files.within(state.folder, tostring(name))
    local text, why = disk.read(path)
    if not text then
      state.report(place(state), ("file %q: %s"):format(path, why))
      return ""
    end
    text = text:gsub("%s+$", "")
    keep_secret(state, text)
    return text
  end
end

local function add_include(state, env)
  function env.include(pattern)
    local at = place(state)
    local paths = files.expand(files.within(state.folder, tostring(pattern)))
    if #paths == 0 then state.report(at, ("no file matches %q"):format(pattern)) end
    for _, path in ipairs(paths) do files.run(state, path, at) end
  end
end

local SETTINGS = { "memory", "store", "log", "limits", "resolver", "shed", "deadline" }
for name in pairs(schema.settings) do SETTINGS[#SETTINGS + 1] = name end

-- Stands for a name that is not known, and has been reported: it can be called and looked into, so
-- that the rest of the file is read, too.
local UNKNOWN = {}
setmetatable(UNKNOWN, {
  __index = function() return UNKNOWN end,
  __call = function() return UNKNOWN end,
})

local function guard(state, env)
  return setmetatable(env, {
    __index = function(_, name)
      local message = ("%s is not known in a configuration%s"):format(tostring(name),
        nearest.hint(tostring(name), env))
      if state.is_read then error(message, 2) end
      state.report(place(state), message)
      return UNKNOWN
    end,
    __newindex = function(_, name)
      error(("%s would be a global; write local %s"):format(name, name), 2)
    end,
  })
end

local function make_environment(state, getenv)
  local declared, env = state.declared, harmless()
  env.pcall = files.pcall(state)
  for _, name in ipairs(SETTINGS) do env[name] = setting(state, name) end
  env.listen = plain(state, declared.listeners)
  env.use = plain(state, declared.uses)
  env.upstream = named(state, declared.upstreams, "upstream")
  env.consumer = named(state, declared.consumers, "consumer")
  env.plan = named(state, declared.plans, "plan")
  env.route = named(state, declared.routes, "route")
  env.group = group_of(state)
  local listen = declared.listeners
  function env.admin(fields)
    listen[#listen + 1] = { at = place(state), fields = fields, is_admin = true }
  end
  function env.plugins(folder)
    local folders = declared.plugin_folders
    folders[#folders + 1] = files.within(state.folder, tostring(folder))
  end
  add_environment(state, env, getenv)
  add_include(state, env)
  return guard(state, env)
end

--- Runs the configuration at `path`; errors are reported, and what could be declared is returned.
---@param path string
---@param getenv fun(name: string): string?
---@param report fun(at: string, message: string)
---@return Declared
function environment.run(path, getenv, report)
  local declared = {
    files = {}, folder = files.folder_of(path), settings = {}, listeners = {}, upstreams = {},
    consumers = declarations.new(), plans = {}, uses = {}, routes = route_declarations.new(),
    plugin_folders = {}, secrets = {},
  }
  local state = {
    declared = declared, report = report, folder = declared.folder, is_source = {}, open = {},
    current = path,
  }
  state.env = make_environment(state, getenv)
  local stop = files.stop_endless(state)
  files.run(state, path, path)
  stop()
  state.is_read = true
  for declaration, what in pairs(state.open) do
    report(declaration.at, ('%s %q has no table after it'):format(what, tostring(declaration.name)))
  end
  if #declared.plugin_folders == 0 then
    declared.plugin_folders[1] = files.within(declared.folder, "plugins")
  end
  return declared
end

return environment
