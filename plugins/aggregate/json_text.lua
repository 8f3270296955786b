--- json_text: walks over JSON texts without making values of them.
--
-- So what is taken out of one is put into another byte for byte: numbers keep their digits. Strict
-- (RFC 8259), without recursion, no deeper than DEPTH_MAX. In a long text the loop has its turn now
-- and then, so only what may wait can call this; a short one is checked in C, in one go.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local sleep = require "moongate.sleep"
local utf8 = require "moongate.utf8"

local C = bridge.C

local json_text = {}

local DEPTH_MAX = 128
-- Of a text that is checked in one go: well below a millisecond.
local SHORT_MAX = 65536
-- Of what is outside of strings, blanks alone are not above it.
local BLANK = 32
-- Values between two turns of the loop: about a millisecond.
local VALUES_PER_TURN = 2000

local function skip_blanks(text, at) return text:find("[^ \t\r\n]", at) or #text + 1 end

-- Behind the string whose quote is at `at`; nil when it is none.
local function skip_string(text, at)
  at = at + 1
  while true do
    local stop = text:find('["\\%z\1-\31]', at)
    if not stop then return nil end
    local found = text:sub(stop, stop)
    if found == '"' then return stop + 1 end
    if found ~= "\\" then return nil end
    at = text:match('^["\\/bfnrt]()', stop + 1) or text:match("^u%x%x%x%x()", stop + 1)
    if not at then return nil end
  end
end

local function skip_number(text, at)
  local stop = text:match("^%-?0()", at) or text:match("^%-?[1-9]%d*()", at)
  if not stop then return nil end
  stop = text:match("^%.%d+()", stop) or stop
  return text:match("^[eE][+-]?%d+()", stop) or stop
end

local function skip_word(text, at)
  return text:match("^true()", at) or text:match("^false()", at) or text:match("^null()", at)
end

-- Behind a scalar.
local function skip_scalar(text, at)
  local first = text:sub(at, at)
  if first == '"' then return skip_string(text, at) end
  if first:find "[%-%d]" then return skip_number(text, at) end
  return skip_word(text, at)
end

-- Behind `"name":` and the blanks after it.
local function skip_name(text, at)
  if text:sub(at, at) ~= '"' then return nil end
  at = skip_string(text, at)
  at = at and skip_blanks(text, at)
  if not at or text:sub(at, at) ~= ":" then return nil end
  return skip_blanks(text, at + 1)
end

local CLOSERS = { ["{"] = "}", ["["] = "]" }

-- Behind the opening of something that is not empty: where its first value begins.
local function enter(text, at, closers)
  local closer = closers[#closers]
  if closer == "}" then return skip_name(text, at) end
  return at
end

-- After a value: where the next value begins and true, or behind the last value and false; nil when
-- neither comes.
local function leave(text, at, closers)
  while #closers > 0 do
    at = skip_blanks(text, at)
    local found = text:sub(at, at)
    if found == "," then
      return enter(text, skip_blanks(text, at + 1), closers), true
    elseif found ~= closers[#closers] then
      return nil
    end
    closers[#closers] = nil
    at = at + 1
  end
  return at, false
end

-- One step at a value's beginning: as leave().
local function step(text, at, closers)
  local closer = CLOSERS[text:sub(at, at)]
  if not closer then
    local stop = skip_scalar(text, at)
    if not stop then return nil end
    return leave(text, stop, closers)
  end
  if #closers == DEPTH_MAX then return nil end
  closers[#closers + 1] = closer
  at = skip_blanks(text, at + 1)
  if text:sub(at, at) == closer then return leave(text, at, closers) end
  return enter(text, at, closers), true
end

-- Behind the value that begins at `at`.
local function skip_value(text, at)
  local closers, goes_on, count = {}, true, 0
  while at and goes_on do
    at, goes_on = step(text, at, closers)
    count = count + 1
    if count % VALUES_PER_TURN == 0 then sleep(0) end
  end
  return at
end

local function is_json(text)
  if #text <= SHORT_MAX then return C.moon_json_fault(text, #text) < 0 end
  local behind = skip_value(text, skip_blanks(text, 1))
  return behind and skip_blanks(text, behind) > #text
end

--- The value that a text is, without blanks around it; nil when it is not JSON.
---@param text string
---@return string?
function json_text.value(text)
  if not is_json(text) or not utf8.is_valid(text) then return nil end
  local from, to = 1, #text
  while text:byte(from) <= BLANK do from = from + 1 end
  while text:byte(to) <= BLANK do to = to - 1 end
  return text:sub(from, to)
end

local function name_of(quoted)
  if not quoted:find("\\", 1, true) then return quoted:sub(2, -2) end
  local list = json.decode("[" .. quoted .. "]")
  return list and list[1] or quoted:sub(2, -2)
end

--- The members of an object, as names and values in turn; of an array, only the values.
---@param text string  of json_text.value()
---@return { name: string?, value: string }[]?  nil: neither of them
function json_text.members(text)
  local closer = CLOSERS[text:sub(1, 1)]
  if not closer then return nil end
  local list, at = {}, skip_blanks(text, 2)
  while text:sub(at, at) ~= closer do
    local name
    if closer == "}" then
      name = name_of(text:sub(at, skip_string(text, at) - 1))
      at = skip_name(text, at)
    end
    local behind = skip_value(text, at)
    list[#list + 1] = { name = name, value = text:sub(at, behind - 1) }
    at = skip_blanks(text, behind)
    if text:sub(at, at) == "," then at = skip_blanks(text, at + 1) end
  end
  return list
end

local function member(text, name)
  local is_array = text:sub(1, 1) == "["
  local found
  for i, one in ipairs(json_text.members(text) or {}) do
    -- Of equal names the last one counts, as for most parsers.
    if one.name == name or (is_array and tostring(i - 1) == name) then found = one.value end
  end
  return found
end

--- The value at a path of names and, in arrays, numbers from 0; nil when there is none.
---@param text string
---@param path string[]
---@return string?
function json_text.at(text, path)
  for _, name in ipairs(path) do
    text = member(text, name)
    if not text then return nil end
  end
  return text
end

--- A scalar as people write it: strings decoded, numbers as they are; nil for all else.
---@param text string
---@return string?
function json_text.scalar(text)
  local first = text:sub(1, 1)
  if first == '"' then return name_of(text) end
  if first == "{" or first == "[" or text == "null" then return nil end
  return text
end

return json_text
