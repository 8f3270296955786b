--- json_text: walks over JSON texts without making values of them.
--
-- So what is taken out of one is put into another byte for byte: numbers keep their digits. Only
-- for texts that are known to be JSON; without recursion. In a long text the loop has its turn now
-- and then, so only what may wait can call this.

local json = require "moongate.json"
local sleep = require "moongate.sleep"

local json_text = {}

-- Texts and brackets between two turns of the loop: about a millisecond.
local STEPS_PER_TURN = 2000

local function skip_blanks(text, at) return text:find("[^ \t\r\n]", at) or #text + 1 end

-- Behind the string whose quote is at `at`.
local function skip_string(text, at)
  at = at + 1
  while true do
    local stop = text:find('["\\]', at)
    if text:byte(stop) == 34 then return stop + 1 end
    at = stop + 2
  end
end

-- Behind the array or object that opens at `at`.
local function skip_brackets(text, at)
  local depth, count = 0, 0
  repeat
    local stop, _, found = text:find('(["%[%]{}])', at)
    at = stop + 1
    if found == '"' then at = skip_string(text, stop)
    elseif found == "{" or found == "[" then depth = depth + 1
    else depth = depth - 1 end
    count = count + 1
    if count % STEPS_PER_TURN == 0 then sleep(0) end
  until depth == 0
  return at
end

-- Behind the value that begins at `at`.
local function skip_value(text, at)
  local first = text:sub(at, at)
  if first == '"' then return skip_string(text, at) end
  if first == "{" or first == "[" then return skip_brackets(text, at) end
  return text:match("^[^,%]}%s]+()", at)
end

local function name_of(quoted)
  if not quoted:find("\\", 1, true) then return quoted:sub(2, -2) end
  local list = json.decode("[" .. quoted .. "]")
  return list and list[1] or quoted:sub(2, -2)
end

local CLOSERS = { ["{"] = "}", ["["] = "]" }

--- The members of an object, as names and values in turn; of an array, only the values.
---@param text string  JSON without blanks around it
---@return { name: string?, value: string }[]?  nil: neither of them
function json_text.members(text)
  local closer = CLOSERS[text:sub(1, 1)]
  if not closer then return nil end
  local list, at = {}, skip_blanks(text, 2)
  while text:sub(at, at) ~= closer do
    local name
    if closer == "}" then
      local behind = skip_string(text, at)
      name = name_of(text:sub(at, behind - 1))
      at = skip_blanks(text, skip_blanks(text, behind) + 1) -- behind the colon
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
