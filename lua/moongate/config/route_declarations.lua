--- route_declarations: what `route` said, kept as texts until somebody reads it.
--
-- A text for each plugin, and one for the rest but what each route has of its own: most of a
-- hundred thousand routes have texts that others have, too, and what is known by its text need not
-- be read again. The garbage collector has little to walk through, and what becomes of the
-- operator's tables afterwards does not matter. What has functions in it stays a table.

local buffer = require "moongate.string_buffer"

local route_declarations = {}

-- LuaJIT hashes some of a longer text's bytes, and looks through all texts that differ in others.
local TEXT_BYTES_MAX = 127

-- Slots of each one: at, name, group, its options name and when, the text, the number of plugins;
-- they follow.
local SLOTS = 7
local NONE = {} -- where nothing was given
local EMPTY = buffer.encode {}
local LONG = true -- it is in a buffer of those that are too long for a text

---@class RouteDeclaration
---@field at string
---@field name any                  what `route` was called with
---@field group Declaration?
---@field own_name any              its option `name`
---@field when any                  its option `when`
---@field rest any                  all other fields: a text, or what could not be one
---@field plugins any[]             likewise, one by one: where they are a list
---@field count integer             of plugins; 0: if there are any, they are in the rest

---@class RouteDeclarations
---@field count integer
local Declarations = {}
Declarations.__index = Declarations

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

-- The text, LONG, or the value itself where it cannot be written.
local function text_of(self, value)
  local scratch = self.scratch
  if not pcall(scratch.encode, scratch, value) then
    scratch:reset() -- it has begun to write
    return value
  end
  if #scratch <= TEXT_BYTES_MAX then return scratch:get() end
  self.long:put(scratch)
  scratch:reset()
  return LONG
end

-- Where there is a function encoding raises, which costs more than all else: what is most likely
-- one is looked at before.
local function text_of_plugin(self, entry)
  if type(entry) == "table" and entry.when ~= nil then return entry end
  return text_of(self, entry)
end

local function text_of_fields(self, fields)
  if next(fields) == nil then return EMPTY end
  return type(fields.criticality) == "function" and fields or text_of(self, fields)
end

local function copy(fields)
  local fresh = {}
  for key, value in pairs(fields) do fresh[key] = value end
  return fresh
end

-- Of fields that are a table. It is the operator's: what is taken out is put back.
local function text_of_rest(self, fields, plugins, name, when)
  if plugins then fields.plugins = nil end
  if name ~= nil then fields.name = nil end
  if when ~= nil then fields.when = nil end
  local text = text_of_fields(self, fields)
  if text == fields then text = copy(fields) end
  if plugins then fields.plugins = plugins end
  if name ~= nil then fields.name = name end
  if when ~= nil then fields.when = when end
  return text
end

local function put(slots, i, value)
  if value == nil then value = NONE end
  slots[i] = value
end

-- What has been put there, which is forgotten.
local function take(slots, i)
  local value = slots[i]
  slots[i] = false
  if value == NONE then return nil end
  return value
end

local function take_text(self, i)
  local text = take(self.slots, i)
  if text == LONG then return self.long:decode() end
  return text
end

---@param declaration Declaration
function Declarations:add(declaration)
  local slots, last, fields = self.slots, self.last, declaration.fields
  local plugins, name, when, rest
  if type(fields) == "table" then
    plugins, name, when = fields.plugins, fields.name, fields.when
    if not is_list(plugins) then plugins = nil end
    rest = text_of_rest(self, fields, plugins, name, when)
  else
    rest = text_of(self, fields)
  end
  local count = plugins and #plugins or 0
  slots[last + 1] = declaration.at
  put(slots, last + 2, declaration.name)
  put(slots, last + 3, declaration.group)
  put(slots, last + 4, name)
  put(slots, last + 5, when)
  put(slots, last + 6, rest)
  slots[last + 7] = count
  for i = 1, count do slots[last + SLOTS + i] = text_of_plugin(self, plugins[i]) end
  self.last, self.count = last + SLOTS + count, self.count + 1
end

--- The oldest that is left, which is forgotten; good until the next one is taken.
---@return RouteDeclaration?
function Declarations:take()
  local slots, first, one = self.slots, self.taken, self.one
  if first == self.last then return nil end
  one.at, one.name = take(slots, first + 1), take(slots, first + 2)
  one.group = take(slots, first + 3)
  one.own_name, one.when = take(slots, first + 4), take(slots, first + 5)
  one.rest, one.count = take_text(self, first + 6), take(slots, first + 7)
  for i = 1, one.count do one.plugins[i] = take_text(self, first + SLOTS + i) end
  self.taken = first + SLOTS + one.count
  return one
end

---@return RouteDeclarations
function route_declarations.new()
  return setmetatable({
    count = 0, last = 0, taken = 0, slots = {}, one = { plugins = {} }, scratch = buffer.new(),
    long = buffer.new(),
  }, Declarations)
end

return route_declarations
