--- json_buffer: values as JSON at the end of a buffer, without a string for each.
--
-- LuaJIT hashes a few bytes of a long string: similar ones by the ten thousand are slow to make.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local utf8 = require "moongate.utf8"

local json_buffer = {}

local C = bridge.C

-- Below this whole numbers have so few digits that a buffer writes them exactly.
local EXACT_MAX = 1e14
local DEPTH_MAX = 128

local escapes = {}
for byte = 0, 255 do escapes[string.char(byte)] = ("\\u%04x"):format(byte) end
escapes['"'], escapes["\\"] = '\\"', "\\\\"
escapes["\n"], escapes["\r"], escapes["\t"] = "\\n", "\\r", "\\t"

--- Appends a JSON string; what is not UTF-8 becomes U+FFFD.
---@param into string.buffer
---@param text string
function json_buffer.put_text(into, text)
  if not C.moon_is_plain(text, #text) then
    text = utf8.mend((text:gsub('[%c"\\]', escapes)))
  end
  into:put('"', text, '"')
end

local function put_number(into, number)
  if number ~= number or number == math.huge or number == -math.huge then
    error("not a number that JSON can say", 0)
  end
  local is_short = number % 1 == 0 and number > -EXACT_MAX and number < EXACT_MAX
  into:put(is_short and number or ("%.17g"):format(number))
end

local put

local function put_list(into, list, depth)
  into:put "["
  for i = 1, #list do
    if i > 1 then into:put "," end
    put(into, list[i], depth)
  end
  into:put "]"
end

local function put_object(into, object, depth)
  local before = "{"
  for name, value in pairs(object) do
    into:put(before)
    json_buffer.put_text(into, tostring(name))
    into:put ":"
    put(into, value, depth)
    before = ","
  end
  into:put(before == "{" and "{}" or "}")
end

local function put_table(into, value, depth)
  if depth > DEPTH_MAX then error("tables are nested too deeply", 0) end
  local put_all = (value[1] ~= nil or json.is_array(value)) and put_list or put_object
  put_all(into, value, depth + 1)
end

local PUT = {
  string = json_buffer.put_text,
  number = put_number,
  table = put_table,
  boolean = function(into, value) into:put(value and "true" or "false") end,
  userdata = function(into, value)
    if value ~= json.null then error("not a value that JSON can say: a userdata", 0) end
    into:put "null"
  end,
}

function put(into, value, depth)
  local put_it = PUT[type(value)]
  if not put_it then error("not a value that JSON can say: a " .. type(value), 0) end
  put_it(into, value, depth)
end

--- Appends a value, in the form that moongate.json gives it.
---@param into string.buffer
---@param value any
---@return string.buffer into
function json_buffer.put(into, value)
  put(into, value, 0)
  return into
end

return json_buffer
