--- canonical: values as bytes, equal ones as equal bytes, whatever order their keys came in.
--
-- Text, numbers, booleans and plain tables are written here; of anything else the caller says what
-- makes it equal.

local canonical = { DEPTH_MAX = 20 }

local DEPTH_MAX = canonical.DEPTH_MAX
-- Below this whole numbers have so few digits that a buffer writes them exactly.
local EXACT_MAX = 1e14

local function by_kind(one, other)
  if type(one) ~= type(other) then return type(one) < type(other) end
  if type(one) == "number" then return one < other end
  return tostring(one) < tostring(other)
end

--- The keys of a table in an order that its making has no part in.
---@param map table
---@return any[]
function canonical.keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  if keys[2] ~= nil then table.sort(keys, by_kind) end
  return keys
end

local function is_among(key, count)
  return type(key) == "number" and key >= 1 and key <= count and key % 1 == 0
end

-- The keys behind the first `count` items, in order: the one there is, or a list; nil: none.
local function further_keys(value, count)
  local one, keys
  for key in pairs(value) do
    if not is_among(key, count) then
      if one == nil then
        one = key
      else
        keys = keys or { one }
        keys[#keys + 1] = key
      end
    end
  end
  if keys then table.sort(keys, by_kind) end
  return one, keys
end

local function put_number(into, number)
  if number ~= number then
    into:put "nan"
  elseif number % 1 == 0 and number > -EXACT_MAX and number < EXACT_MAX then
    into:put("n", number)
  else
    into:putf("n%.17g", number)
  end
end

local put

local function put_pair(into, key, value, other, depth)
  put(into, key, other, depth)
  into:put "="
  put(into, value, other, depth)
  into:put ","
end

local function put_table(into, value, other, depth)
  local count = 0
  into:put "{"
  while value[count + 1] ~= nil do
    count = count + 1
    put(into, value[count], other, depth)
    into:put ","
  end
  local one, keys = further_keys(value, count)
  into:put ";"
  if keys then
    for i = 1, #keys do put_pair(into, keys[i], value[keys[i]], other, depth) end
  elseif one ~= nil then
    put_pair(into, one, value[one], other, depth)
  end
  into:put "}"
end

function put(into, value, other, depth)
  local kind = type(value)
  if kind == "string" then
    into:put("s", #value, ":", value)
  elseif kind == "number" then
    put_number(into, value)
  elseif kind == "nil" then
    into:put "nil"
  elseif kind == "boolean" then
    into:put(value and "true" or "false")
  elseif kind == "table" and depth < DEPTH_MAX and not getmetatable(value) then
    put_table(into, value, other, depth + 1)
  else
    other(into, value, depth)
  end
end

--- Appends a value.
---@param into string.buffer
---@param value any
---@param other fun(into: string.buffer, value: any, depth: integer)  appends functions, tables with
--- metatables, what is nested too deeply
---@param depth integer?  of tables that are around it
function canonical.put(into, value, other, depth) put(into, value, other, depth or 0) end

--- Appends what is in a table, whether it has a metatable or not.
---@param into string.buffer
---@param value table
---@param other fun(into: string.buffer, value: any, depth: integer)
---@param depth integer  below canonical.DEPTH_MAX
function canonical.put_table(into, value, other, depth)
  put_table(into, value, other, depth + 1)
end

return canonical
