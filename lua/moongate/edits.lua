--- edits: what a plugin's response phase does, as a list that C goes through by itself.
--
--     { { "set", "x-team", "core" }, { "remove", "server" }, { "status", 202 } }
--
-- A plugin says it by response_edits(instance): the same each time that it is asked for an
-- instance, and the same as its response() does.

local bridge = require "moongate.ffi"
local headers = require "moongate.headers"
local nearest = require "moongate.config.nearest"

local C = bridge.C
local STATUS_MIN, STATUS_MAX = 200, 599

local edits = {}

local function fault_of_text(text)
  if type(text) == "string" then return nil end
  return ("there is a %s; expected a string"):format(type(text))
end

local function fault_of_field(name, value)
  return fault_of_text(name) or fault_of_text(value) or headers.fault(name, value)
end

local function fault_of_name(name) return fault_of_text(name) or headers.fault(name) end

local function fault_of_names(name, other) return fault_of_name(name) or fault_of_name(other) end

local function fault_of_status(status)
  if type(status) == "number" and status % 1 == 0 and status >= STATUS_MIN
    and status <= STATUS_MAX then return nil end
  return ("%s is not the status of a final answer"):format(tostring(status))
end

local function no_fault() return nil end

-- By how an edit begins: what follows, how many values that are, what may be wrong with them.
local KINDS = {
  set = { edit = C.MOON_EDIT_SET, count = 2, fault = fault_of_field },
  add = { edit = C.MOON_EDIT_ADD, count = 2, fault = fault_of_field },
  remove = { edit = C.MOON_EDIT_REMOVE, count = 1, fault = fault_of_name },
  rename = { edit = C.MOON_EDIT_RENAME, count = 2, fault = fault_of_names },
  set_id = { edit = C.MOON_EDIT_SET_ID, count = 1, fault = fault_of_name },
  status = { edit = C.MOON_EDIT_STATUS, count = 1, fault = fault_of_status },
  limits = { edit = C.MOON_EDIT_LIMITS, count = 0, fault = no_fault },
}

local function fault_of_edit(edit)
  if type(edit) ~= "table" or type(edit[1]) ~= "string" then
    return 'expected { "set", name, value } or the like'
  end
  local kind = KINDS[edit[1]]
  if not kind then
    return ("there is no %q%s"):format(edit[1], nearest.hint(edit[1], KINDS))
  end
  if #edit - 1 ~= kind.count then
    return ("%q has %d values; expected %d"):format(edit[1], #edit - 1, kind.count)
  end
  return kind.fault(edit[2], edit[3])
end

-- What stands behind a gap, or under a name, would be Lua's alone.
local function fault_of_places(list, last)
  local count = 0
  for _ in pairs(list) do count = count + 1 end
  if count == last then return nil end
  return ("of its %d values, the first %d alone make a list"):format(count, last)
end

local function fault_of_list(list)
  if type(list) ~= "table" then return ("%s is no list"):format(tostring(list)) end
  local tells, last = 0, 0
  for i, edit in ipairs(list) do
    local fault = fault_of_edit(edit)
    if fault then return ("[%d]: %s"):format(i, fault) end
    if edit[1] == "limits" then tells = tells + 1 end
    last = i
  end
  return tells > 1 and '"limits" is there twice' or fault_of_places(list, last)
end

-- The list, or nothing, or nil and what is wrong with asking for it.
local function said(plugin, instance)
  local ok, list = pcall(plugin.response_edits, instance)
  if ok then return list end
  return nil, "response_edits raised: " .. tostring(list)
end

local function of(plugin, instance)
  local list, fault = said(plugin, instance)
  if list == nil then return nil, fault end
  fault = fault_of_list(list)
  if fault then return nil, "response_edits: " .. fault end
  return list
end

-- The list of each plugin in which nothing was wrong last: many say the same of all instances.
local sound = setmetatable({}, { __mode = "k" })

--- For config/instances.lua: what is wrong with what the plugin says of that instance.
---@param plugin Plugin
---@param instance table
---@return string?
function edits.fault(plugin, instance)
  if not plugin.response_edits then return nil end
  local list, fault = said(plugin, instance)
  if list == nil or list == sound[plugin] then return fault end
  fault = fault_of_list(list)
  if fault then return "response_edits: " .. fault end
  sound[plugin] = list
  return nil
end

local function put(program, edit)
  local kind, first, second = edit[1], edit[2], edit[3]
  if kind == "status" then
    C.moon_edits_put(bridge.generation, program, C.MOON_EDIT_STATUS, nil, 0, nil, 0, first)
    return
  end
  C.moon_edits_put(bridge.generation, program, KINDS[kind].edit, first, first and #first or 0,
    second, second and #second or 0, 0)
end

--- For native.lua: the edits of steps, one after the other, in C.
---@param steps ChainStep[]
---@param array table  their instances, by index
---@return ffi.cdata*?  nil: not all of them are edits
function edits.program(steps, array)
  local lists, count = {}, #steps
  for i, step in ipairs(steps) do
    local list = of(step.plugin, array[step.index])
    if not list then return nil end
    lists[i], count = list, count + #list
  end
  local program = C.moon_edits_begin(bridge.generation, count)
  for i, step in ipairs(steps) do
    C.moon_edits_put(bridge.generation, program, C.MOON_EDIT_STEP, nil, 0, nil, 0, step.index - 1)
    for _, edit in ipairs(lists[i]) do put(program, edit) end
  end
  return program
end

return edits
