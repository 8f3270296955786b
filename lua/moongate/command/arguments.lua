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

--- Takes the words behind the verb apart.
---@param words string[]
---@param options table<string, { key: string, value: boolean?, list: boolean? }>
---@param count { [1]: integer, [2]: integer }  how many words there may be
---@return Arguments? given
---@return string? wrong
function arguments.parse(words, options, count)
  local known = setmetatable({}, { __index = function(_, name)
    return options[name] or COMMON[name]
  end })
  local given = { config = "conf/gateway.lua", words = {} }
  local i = 2
  while i <= #words do
    local word = words[i]
    local option = word:sub(1, 1) == "-" and known[word]
    if option and option.value then
      i = i + 1
      if not words[i] then return nil, word .. " needs a value" end
      take(given, option, words[i])
    elseif option then
      take(given, option, true)
    elseif word:sub(1, 1) == "-" then
      local names = { "-c", "--json" }
      for name in pairs(options) do names[#names + 1] = name end
      return nil, ("there is no option %s%s"):format(word, nearest.hint(word, names))
    else
      given.words[#given.words + 1] = word
    end
    i = i + 1
  end
  if #given.words < count[1] then return nil, "something is missing" end
  if #given.words > count[2] then
    return nil, ("%q is one word too many"):format(given.words[count[2] + 1])
  end
  return given
end

return arguments
