--- environment: runs configuration files, which declare; nothing is checked here but their shape.
--
-- The files see the functions below and Lua's harmless parts: no io, no os, no ffi, no load. They
-- run interpreted under a count of instructions, so that an endless loop becomes an error.

local nearest = require "moongate.config.nearest"

local environment = {}

local FILES_MAX = 10000
local INSTRUCTIONS_MAX = 2e9
local HOOK_STEP = 1e6

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
---@field consumers Declaration[]
---@field uses Declaration[]
---@field routes Declaration[]       with `group`: the Declaration it stands in
---@field plugin_folders string[]

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

local function in_folder(folder, path)
  if path:sub(1, 1) == "/" or folder == "." then return path end
  return folder .. "/" .. path
end

local function safe_copy(library)
  local copy = {}
  for name, value in pairs(library) do copy[name] = value end
  return copy
end

local function harmless()
  local text = safe_copy(string)
  text.dump = nil
  return {
    assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
    select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    string = text, table = safe_copy(table), math = safe_copy(math),
    os = { time = os.time, date = os.date },
  }
end

-- Where in the configuration the running call stands.
local function place(state)
  for level = 3, 12 do
    local info = debug.getinfo(level, "Sl")
    if info and info.source:sub(1, 1) == "@" and state.is_file[info.source:sub(2)] then
      return ("%s:%d"):format(info.source:sub(2), info.currentline)
    end
  end
  return state.current
end

local function read_file(path)
  local handle, why = io.open(path, "rb")
  if not handle then return nil, why end
  local text = handle:read "*a"
  handle:close()
  if not text then return nil, path .. ": cannot be read" end
  return text
end

local function shell_pattern(pattern)
  local escaped = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
  return "^" .. escaped:gsub("%*", "[^/]*"):gsub("%?", "[^/]") .. "$"
end

-- Files that match a pattern with "*" in its last part, sorted.
local function expand(path)
  if not path:find "[*?]" then return { path } end
  local list_folder = require "moongate.config.folder"
  local folder, last = folder_of(path), path:match "[^/]*$"
  local pattern, found = shell_pattern(last), {}
  for _, name in ipairs(list_folder(folder) or {}) do
    if name:sub(1, 1) ~= "." and name:find(pattern) then
      found[#found + 1] = in_folder(folder, name)
    end
  end
  table.sort(found)
  return found
end

-- "name" { fields }: a function that waits for its table.
local function named(state, list, what)
  return function(name)
    local declaration = { at = place(state), name = name, group = state.group }
    state.open[declaration] = what
    return function(fields)
      state.open[declaration] = nil
      declaration.fields = fields
      list[#list + 1] = declaration
    end
  end
end

local function plain(state, list)
  return function(fields)
    list[#list + 1] = { at = place(state), fields = fields, group = state.group }
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

local function group_of(state)
  return function(name)
    local group = { at = place(state), name = name, parent = state.group }
    return function(fields)
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
  end
end

local function add_environment(state, env, getenv)
  function env.env(name)
    local value = getenv(name)
    if value == nil then
      state.report(place(state), ("the environment has no variable %s; set it"):format(tostring(name)))
      return ""
    end
    state.declared.secrets[value] = true
    return value
  end

  function env.file(name)
    local path = in_folder(state.folder, tostring(name))
    local text, why = read_file(path)
    if not text then
      state.report(place(state), ("file cannot be read: %s"):format(why))
      return ""
    end
    text = text:gsub("%s+$", "")
    state.declared.secrets[text] = true
    return text
  end
end

local run_file

local function add_include(state, env)
  function env.include(pattern)
    local at = place(state)
    local paths = expand(in_folder(state.folder, tostring(pattern)))
    if #paths == 0 then state.report(at, ("no file matches %q"):format(pattern)) end
    for _, path in ipairs(paths) do run_file(state, path, at) end
  end
end

local SETTINGS = {
  "workers", "memory", "log", "limits", "resolver", "trusted_proxies", "forwarded", "via", "user",
}

local function make_environment(state, getenv)
  local declared, env = state.declared, harmless()
  for _, name in ipairs(SETTINGS) do env[name] = setting(state, name) end
  env.listen = plain(state, declared.listeners)
  env.use = plain(state, declared.uses)
  env.upstream = named(state, declared.upstreams, "upstream")
  env.consumer = named(state, declared.consumers, "consumer")
  env.route = named(state, declared.routes, "route")
  env.group = group_of(state)
  local listen = declared.listeners
  function env.admin(fields)
    listen[#listen + 1] = { at = place(state), fields = fields, is_admin = true }
  end
  function env.plugins(folder)
    local folders = declared.plugin_folders
    folders[#folders + 1] = in_folder(state.folder, tostring(folder))
  end
  add_environment(state, env, getenv)
  add_include(state, env)
  return setmetatable(env, {
    __index = function(_, name)
      error(("%s is not known in a configuration%s"):format(tostring(name),
        nearest.hint(tostring(name), env)), 2)
    end,
    __newindex = function(_, name)
      error(("%s would be a global; write local %s"):format(name, name), 2)
    end,
  })
end

-- Lua's own messages, in our words where they puzzle people.
local function explain(message, path)
  local at, text = message:match "^(.-:%d+): (.*)$"
  text = text or message
  if text:find("constant", 1, true) then
    text = "the file has more than 65,536 constants (about 16,000 routes); "
      .. "split it with include, or declare routes in a loop"
  end
  return at or path, text
end

local function stop_endless(state)
  local left = INSTRUCTIONS_MAX / HOOK_STEP
  debug.sethook(function()
    left = left - 1
    if left < 0 then error("the configuration ran for too long; an endless loop?", 2) end
  end, "", HOOK_STEP)
  return function() debug.sethook(state.hook) end
end

function run_file(state, path, at)
  local declared = state.declared
  if state.is_file[path] then
    state.report(at, ("%s is included already"):format(path))
    return
  end
  if #declared.files == FILES_MAX then error("more than " .. FILES_MAX .. " files", 0) end
  state.is_file[path] = true
  declared.files[#declared.files + 1] = path
  local text, why = read_file(path)
  if not text then
    state.report(at, why)
    return
  end
  local chunk, wrong = loadstring(text, "@" .. path)
  if not chunk then
    state.report(explain(wrong, path))
    return
  end
  setfenv(chunk, state.env)
  jit.off(chunk, true)
  local ok, raised = pcall(chunk)
  if not ok then state.report(explain(tostring(raised), path)) end
end

--- Runs the configuration at `path`; errors are reported, and what could be declared is returned.
---@param path string
---@param getenv fun(name: string): string?
---@param report fun(at: string, message: string)
---@return Declared
function environment.run(path, getenv, report)
  local declared = {
    files = {}, folder = folder_of(path), settings = {}, listeners = {}, upstreams = {},
    consumers = {}, uses = {}, routes = {}, plugin_folders = {}, secrets = {},
  }
  local state = {
    declared = declared, report = report, folder = declared.folder, is_file = {}, open = {},
    current = path,
  }
  state.env = make_environment(state, getenv)
  local stop = stop_endless(state)
  run_file(state, path, path)
  stop()
  for declaration, what in pairs(state.open) do
    report(declaration.at, ('%s %q has no table after it'):format(what, tostring(declaration.name)))
  end
  if #declared.plugin_folders == 0 then
    declared.plugin_folders[1] = in_folder(declared.folder, "plugins")
  end
  return declared
end

return environment
