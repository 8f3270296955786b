--- route_declarations: what `route` said, kept as texts until somebody reads it.
--
-- A text for each plugin, and one for the rest but what each route has of its own: most of a
-- hundred thousand routes have texts that others have, too, and what is known by its text need not
-- be read again. The garbage collector has little to walk through, and what becomes of the
-- operator's tables afterwards does not matter. What has functions in it stays a table.

local buffer = require "moongate.string_buffer"
local copy = require "moongate.config.copy"

local new_table = require "table.new"

local route_declarations = {}

-- Its methods are found once, not for each text.
local scratch = buffer.new()
local encode, get = scratch.encode, scratch.get
-- LuaJIT hashes some of a longer text's bytes, and looks through all texts that differ in others.
local TEXT_BYTES_MAX = 127

-- Slots of each one: at, name, group, its options name, when and rewrite, the text, the number of
-- plugins; they follow. False where there is none.
local SLOTS = 8
-- They are in tables of about so many: one for all would be copied whenever it has to grow, and
-- walked through by the collector in one go.
local CHUNK_SLOTS = 4096
local EMPTY = buffer.encode {}
local NONE = {}
local LONG = true -- it is in a buffer of those that are too long for a text

---@class RouteDeclaration
---@field at string
---@field name string               what `route` was called with
---@field group Declaration|false
---@field own_name string|false     its option `name`, if it is a text
---@field when function|false       its option `when`, if it is a function
---@field rewrite string|false      its option `rewrite`, if it is a text
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
  if not pcall(encode, scratch, value) then
    scratch:reset() -- it has begun to write
    return value
  end
  local text = get(scratch, TEXT_BYTES_MAX + 1)
  if #text <= TEXT_BYTES_MAX then return text end
  self.long:put(text, scratch)
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

-- Of fields that are a table. It is the operator's: what is taken out is put back.
local function text_of_rest(self, fields, plugins, name, when, rewrite)
  if plugins then fields.plugins = nil end
  if name then fields.name = nil end
  if when then fields.when = nil end
  if rewrite then fields.rewrite = nil end
  local text = text_of_fields(self, fields)
  if text == fields then text = copy(fields) end
  if plugins then fields.plugins = plugins end
  if name then fields.name = name end
  if when then fields.when = when end
  if rewrite then fields.rewrite = rewrite end
  return text
end

-- The table that the next one goes into.
local function open_chunk(self)
  if self.last < CHUNK_SLOTS then return self.slots end
  local chunks, slots = self.chunks, new_table(CHUNK_SLOTS + CHUNK_SLOTS / 8, 0)
  self.ends[#chunks] = self.last
  chunks[#chunks + 1] = slots
  self.slots, self.last = slots, 0
  return slots
end

local function put_plugins(self, slots, last, plugins)
  local count = #plugins
  slots[last] = count
  for i = 1, count do slots[last + i] = text_of_plugin(self, plugins[i]) end
  self.last = last + count
end

-- What is of another type than it should be stays in the rest, where that is found.
local function put_fields(self, slots, last, fields)
  local plugins, name, when, rewrite = fields.plugins, fields.name, fields.when, fields.rewrite
  if not is_list(plugins) then plugins = nil end
  if type(name) ~= "string" then name = false end
  if type(when) ~= "function" then when = false end
  if type(rewrite) ~= "string" then rewrite = false end
  slots[last + 4], slots[last + 5], slots[last + 6] = name, when, rewrite
  slots[last + 7] = text_of_rest(self, fields, plugins, name, when, rewrite)
  put_plugins(self, slots, last + SLOTS, plugins or NONE)
end

---@param declaration Declaration
function Declarations:add(declaration)
  local slots, fields = open_chunk(self), declaration.fields
  local last = self.last
  slots[last + 1], slots[last + 2] = declaration.at, tostring(declaration.name)
  slots[last + 3] = declaration.group or false
  if type(fields) == "table" then
    put_fields(self, slots, last, fields)
  else
    slots[last + 4], slots[last + 5], slots[last + 6] = false, false, false
    slots[last + 7] = text_of(self, fields)
    put_plugins(self, slots, last + SLOTS, NONE)
  end
  self.count = self.count + 1
end

-- What is in the slot, which is free then.
local function take(slots, i)
  local value = slots[i]
  slots[i] = false
  return value
end

local function take_text(self, slots, i)
  local text = take(slots, i)
  if text == LONG then return self.long:decode() end
  return text
end

-- The table that the oldest one is in; nil when none is left.
local function oldest_chunk(self)
  local last = self.ends[self.reading]
  if self.taken < (last or self.last) then return self.chunks[self.reading] end
  if not last then return nil end
  self.chunks[self.reading] = false
  self.reading, self.taken = self.reading + 1, 0
  return oldest_chunk(self)
end

--- The oldest that is left, which is forgotten; good until the next one is taken.
---@return RouteDeclaration?
function Declarations:take()
  local slots = oldest_chunk(self)
  if not slots then return nil end
  local first, one = self.taken, self.one
  one.at, one.name = take(slots, first + 1), take(slots, first + 2)
  one.group, one.own_name = take(slots, first + 3), take(slots, first + 4)
  one.when, one.rewrite = take(slots, first + 5), take(slots, first + 6)
  one.rest, one.count = take_text(self, slots, first + 7), take(slots, first + SLOTS)
  for i = 1, one.count do one.plugins[i] = take_text(self, slots, first + SLOTS + i) end
  self.taken = first + SLOTS + one.count
  return one
end

---@return RouteDeclarations
function route_declarations.new()
  local slots = {}
  return setmetatable({
    count = 0, chunks = { slots }, ends = {}, slots = slots, last = 0, reading = 1, taken = 0,
    one = { plugins = {} }, long = buffer.new(),
  }, Declarations)
end

return route_declarations
