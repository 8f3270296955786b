--- note: what a plugin notes of a request in one phase, to read it in another.
--
-- Like req.context, without making a table for each request: lists stay where they are, one for
-- each slot of the pool of exchanges, and begin anew with each exchange.

local parts = require "moongate.parts"

local HANDLE = parts.HANDLE
-- Of a list; then a key and its two values follow, and the next.
local SERIAL, COUNT, KEY, VALUE, SECOND, STEP = 1, 2, 3, 4, 5, 3

local lists = {} -- by slot + 1

local note = {}

local function index_of(list, key)
  for i = 0, list[COUNT] - 1 do
    if list[KEY + STEP * i] == key then return i end
  end
  return list[COUNT]
end

local function new_list(slot)
  local list = { 0, 0, false, false, false }
  lists[slot + 1] = list
  return list
end

--- Notes a value or two, in the place of what was noted under that key before.
---@param req Request
---@param key table    the plugin's instance
---@param value any
---@param second any
function note.set(req, key, value, second)
  local handle = req[HANDLE]
  local list = lists[handle.slot + 1] or new_list(handle.slot)
  if list[SERIAL] ~= handle.serial then
    list[SERIAL], list[COUNT] = handle.serial, 0
  end
  local index = 0
  if list[COUNT] > 0 and list[KEY] ~= key then index = index_of(list, key) end
  local at = STEP * index
  list[KEY + at], list[VALUE + at], list[SECOND + at] = key, value, second
  if index >= list[COUNT] then list[COUNT] = index + 1 end
end

---@param req Request
---@param key table
---@return any value  nil when nothing was noted of this request
---@return any second
function note.get(req, key)
  local handle = req[HANDLE]
  local list = lists[handle.slot + 1]
  if not list or list[SERIAL] ~= handle.serial or list[COUNT] == 0 then return nil end
  if list[KEY] == key then return list[VALUE], list[SECOND] end
  local index = index_of(list, key)
  if index == list[COUNT] then return nil end
  return list[VALUE + STEP * index], list[SECOND + STEP * index]
end

return note
