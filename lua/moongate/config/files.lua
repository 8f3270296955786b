--- files: reads and runs the files of a configuration, interpreted and under a count of steps.
--
-- An endless loop becomes an error. What a file has declared before it fails is kept, so that all
-- that is wrong can be said at once.

local disk = require "moongate.config.disk"
local values = require "moongate.config.values"

local files = {}

local FILES_MAX = 10000
local INSTRUCTIONS_MAX = 1e9
local HOOK_STEP = 1e6

---@param path string
---@return string
function files.folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

--- The path as seen from `folder`.
---@param folder string
---@param path string
---@return string
function files.within(folder, path)
  if path:sub(1, 1) == "/" or folder == "." then return path end
  return folder .. "/" .. path
end

local function shell_pattern(pattern)
  local escaped = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
  return "^" .. escaped:gsub("%*", "[^/]*"):gsub("%?", "[^/]") .. "$"
end

--- Files that match a pattern with "*" or "?" in its last part, sorted.
---@param path string
---@return string[]
function files.expand(path)
  if not path:find "[*?]" then return { path } end
  local folder, last = files.folder_of(path), path:match "[^/]*$"
  local pattern, found = shell_pattern(last), {}
  for _, name in ipairs(disk.names(folder) or {}) do
    if name:sub(1, 1) ~= "." and name:find(pattern) then
      found[#found + 1] = files.within(folder, name)
    end
  end
  table.sort(found)
  return found
end

-- Of a path that is longer, LuaJIT's messages have the last 56 bytes.
local SHORTENED = "%.%.%.(" .. ("."):rep(56) .. "):"

--- A message with whole paths in it, where Lua has cut them off at their beginning.
---@param message string
---@return string
function files.mend(message)
  if not message:find("...", 1, true) then return message end
  return (message:gsub(SHORTENED, function(tail)
    local path = disk.ending(tail)
    return path and path .. ":"
  end))
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

local ENDLESS = "the configuration ran for too long; an endless loop?"

--- Counts the steps of everything that runs until the function that it returns is called.
---@return fun()
function files.stop_endless(state)
  local left = INSTRUCTIONS_MAX / HOOK_STEP
  debug.sethook(function()
    left = left - 1
    if left < 0 then
      state.is_endless = true
      error(ENDLESS, 2)
    end
  end, "", HOOK_STEP)
  return function()
    state.is_endless = false
    debug.sethook()
  end
end

--- A pcall that does not catch the end of an endless loop.
---@param state table
---@return fun(f: function, ...): boolean, ...
function files.pcall(state)
  local function pass(...)
    if state.is_endless then error(ENDLESS, 0) end
    return ...
  end
  return function(...) return pass(pcall(...)) end
end

-- What is raised, with its place: only a text that error() is given has it already.
local function with_place(raised)
  if type(raised) == "string" then return raised end
  for level = 2, 20 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    if info.currentline > 0 and info.source:sub(1, 1) == "@" then
      return ("%s:%d: error() is called with %s; expected a text"):format(info.source:sub(2),
        info.currentline, values.show(raised))
    end
  end
  return tostring(raised)
end

-- Compiled code is not counted; what stays of the file (`when`) may be compiled afterwards.
local function run(chunk, env)
  setfenv(chunk, env)
  jit.off(chunk, true)
  local ok, raised = xpcall(chunk, with_place)
  jit.on(chunk, true)
  return ok, raised
end

--- Runs a file; what is wrong is reported, and the state remembers that something is missing.
---@param state table  of environment.lua
---@param path string
---@param at string    where it is named
function files.run(state, path, at)
  local declared, source = state.declared, "@" .. path
  if state.is_source[source] then
    state.report(at, ("%s is included already"):format(path))
    return
  end
  if #declared.files == FILES_MAX then error("more than " .. FILES_MAX .. " files", 0) end
  state.is_source[source] = true
  declared.files[#declared.files + 1] = path
  local text, why = disk.read(path)
  if not text then
    declared.is_broken = true
    state.report(at, at == path and why or ("%s: %s"):format(path, why))
    return
  end
  local chunk, raised = loadstring(text, source)
  local ok = chunk ~= nil
  if chunk then ok, raised = run(chunk, state.env) end
  if not ok then
    declared.is_broken = true
    state.report(explain(files.mend(tostring(raised)), path))
  end
end

return files
