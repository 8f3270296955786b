--- json: texts to values and back, by lua-cjson.
--
-- JSON's null is `json.null`. Numbers are doubles: whole ones are exact up to 2^53, and written as
-- they are (lua-cjson alone would round to 14 digits). Empty arrays stay arrays: those that were
-- decoded, and `json.array {}`; any other empty table is an object.

local bridge = require "moongate.ffi"
local cjson = require "cjson.safe"

local DEPTH_MAX = 128
-- Below this whole numbers have so few digits that lua-cjson writes them exactly.
local EXACT_MAX = 1e14

local codec = cjson.new()
codec.decode_max_depth(DEPTH_MAX)
codec.encode_max_depth(DEPTH_MAX)
codec.encode_keep_buffer(false)
codec.encode_sparse_array(false, 2, 64)
codec.encode_invalid_numbers(false)
codec.decode_invalid_numbers(false)

local ARRAY = { __name = "moongate.json.array" }

-- What lua-cjson cannot write goes through it as a text between marks that no other text has: the
-- address of a table is not to be guessed.
local MARK = "\1" .. tostring(ARRAY):match "0x%x+" .. ":"
local MARKED = '"\\u0001' .. MARK:sub(2) .. '([^"]*)"'

---@class moongate.json
local json = { null = cjson.null }

local function number_text(number)
  if number % 1 == 0 and number > -EXACT_MAX and number < EXACT_MAX then return nil end
  if tonumber(("%.14g"):format(number)) == number or number ~= number then return nil end
  return ("%.17g"):format(number)
end

local encodable

-- The table, or a copy of it where it holds something that has to be marked.
local function encodable_table(value, depth)
  if depth > DEPTH_MAX then error("tables are nested too deeply", 0) end
  if next(value) == nil then return getmetatable(value) == ARRAY and MARK .. "[]" or value end
  local copy = value
  for key, item in next, value do
    local changed = encodable(item, depth + 1)
    if changed ~= item then
      if copy == value then
        copy = {}
        for name, one in next, value do copy[name] = one end
      end
      copy[key] = changed
    end
  end
  return copy
end

function encodable(value, depth)
  local kind = type(value)
  if kind == "table" then return encodable_table(value, depth) end
  local text = kind == "number" and number_text(value)
  return text and MARK .. text or value
end

--- Raises for what JSON cannot say: functions, cycles, infinity.
---@param value any
---@return string
function json.encode(value)
  local prepared = encodable(value, 0)
  local text, reason = codec.encode(prepared)
  if not text then error("not a value that JSON can say: " .. tostring(reason), 2) end
  if prepared ~= value then text = text:gsub(MARKED, "%1") end
  return text
end

-- Where empty arrays are in a text, they become arrays of one mark; strings are passed over.
local function mark_empty_arrays(text)
  local parts, from, at = {}, 1, 1
  while true do
    local found = text:find('["%[]', at)
    if not found then break end
    if text:byte(found) == 34 then
      at = found + 1
      repeat
        local stop, _, slashes = text:find('(\\*)"', at)
        if not stop then return text end
        at = stop + #slashes + 1
      until #slashes % 2 == 0
    else
      local _, closed = text:find("^%s*%]", found + 1)
      at = (closed or found) + 1
      if closed then
        parts[#parts + 1] = text:sub(from, found) .. '"\\u0001' .. MARK:sub(2) .. '"'
        from = closed
      end
    end
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts)
end

local function restore_empty_arrays(value)
  if type(value) ~= "table" then return value end
  if value[1] == MARK and #value == 1 then return setmetatable({}, ARRAY) end
  for key, item in next, value do
    if type(item) == "table" then value[key] = restore_empty_arrays(item) end
  end
  return value
end

--- Strict (RFC 8259): what lua-cjson takes beside JSON is refused before it sees it.
---@param text string
---@return any value       nil when it is not JSON
---@return string? reason
function json.decode(text)
  local wrong = bridge.C.moon_json_fault(text, #text)
  if wrong >= 0 then return nil, ("not JSON at byte %d"):format(wrong) end
  if not text:find "%[%s*%]" then return codec.decode(text) end
  local value, reason = codec.decode(mark_empty_arrays(text))
  return restore_empty_arrays(value), reason
end

--- Marks a table as an array, so that it is one even when it is empty.
---@generic T: table
---@param values T
---@return T
function json.array(values)
  return setmetatable(values, ARRAY)
end

--- Whether a table is marked as one.
---@param values table
---@return boolean
function json.is_array(values)
  return getmetatable(values) == ARRAY
end

return json
