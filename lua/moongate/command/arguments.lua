--- arguments: options and words of a verb.

local nearest = require "moongate.config.nearest"

local arguments = {}

-- Every verb has these: the configuration's file, and printing for programs.
local COMMON = { ["-c"] = { key = "config", value = true }, ["--json"] = { key = "json" } }

---@class Arguments
---@field config string      path of the configuration
---@field json boolean?
---@field words string[]     what is no option
---@field generation userdata
---@field plugin_root string

local function take(given, option, value)
  if option.list then
    given[option.key] = given[option.key] or {}
    table.insert(given[option.key], value)
  else
    given[option.key] = value
  end
end

local function unknown(word, options)
  local names = { "-c", "--json" }
  for name in pairs(options) do names[#names + 1] = name end
  return ("there is no option %s%s"):format(word, nearest.hint(word, names))
end

-- Takes one word, and its value when it is an option that has one: how many were taken.
local function take_next(given, words, i, options)
  local word = words[i]
  if word:sub(1, 1) ~= "-" then
    given.words[#given.words + 1] = word
    return 1
  end
  local option = options[word] or COMMON[word]
  if not option then return nil, unknown(word, options) end
  if not option.value then
    take(given, option, true)
    return 1
  end
  if not words[i + 1] then return nil, word .. " needs a value" end
  take(given, option, words[i + 1])
  return 2
end

--- Takes the words behind the verb apart.
---@param words string[]
---@param options table<string, { key: string, value: boolean?, list: boolean? }>
---@param count { [1]: integer, [2]: integer }  how many words there may be
---@return Arguments? given
---@return string? wrong
function arguments.parse(words, options, count)
  local given = { config = "conf/gateway.lua", words = {} }
  local i = 2
  while i <= #words do
    local taken, wrong = take_next(given, words, i, options)
    if not taken then return nil, wrong end
    i = i + taken
  end
  if #given.words < count[1] then return nil, "something is missing" end
  if #given.words > count[2] then
    return nil, ("%q is one word too many"):format(given.words[count[2] + 1])
  end
  return given
end

return arguments
