--- places: what may stand between braces in a part's template, and how its value is escaped.

local by = require "moongate.by"
local json = require "moongate.json"
local json_text = require "aggregate.json_text"
local nearest = require "moongate.config.nearest"

local places = {}

local function percent(octet) return ("%%%02X"):format(octet:byte()) end

-- By where a value stands; nil: it must not stand there.
local ESCAPES = {
  path = function(value)
    if value == "" or value:find "^%.+$" then return nil end
    return (value:gsub("[^%w%-._~!$&'()*+,;=:@]", percent))
  end,
  query = function(value) return (value:gsub("[^%w%-._~]", percent)) end,
  header = function(value) return not value:find "%c" and value or nil end,
  json = function(value) return json.encode(value):sub(2, -2) end,
  text = function(value) return value end,
}

local function read_part(name, path, place)
  return function(_, values)
    local value = values[name] and json_text.at(values[name], path)
    if place == "value" then return value end
    value = value and json_text.scalar(value)
    return value and ESCAPES[place](value)
  end
end

local function read_request(get, place, is_needed)
  return function(req)
    local value = get(req)
    if value == nil then
      if is_needed then return nil end
      return place == "value" and "null" or ""
    end
    return place == "value" and json.encode(value) or ESCAPES[place](value)
  end
end

local function split(path)
  local names = {}
  for name in path:gmatch "[^.]+" do names[#names + 1] = name end
  return names
end

--- What reads the value of what stands between braces, or nil and what is wrong.
---@param inside string
---@param place "path"|"query"|"header"|"json"|"text"|"value"  "value": JSON as it is
---@param names table<string, any>      the parts there are
---@param edges table<string, boolean>  gets the parts that are needed
---@return (fun(req: Request, values: table<string, string>): string?)?
---@return string? wrong
function places.reader(inside, place, names, edges)
  local part, path = inside:match "^([%w_-]+)%.(.+)$"
  if part then
    if not names[part] then
      return nil, ("{%s} names the part %q, which does not exist%s"):format(inside, part,
        nearest.hint(part, names))
    end
    edges[part] = true
    return read_part(part, split(path), place)
  end
  local get = by.parse(inside)
  if get then return read_request(get, place, place == "path") end
  if not inside:find "^[%a_][%w_]*$" then
    return nil, ("{%s} is not understood; expected {param}, {part.name} or {header:NAME}")
      :format(inside)
  end
  return read_request(by.parse("param:" .. inside), place, true)
end

places.ESCAPES = ESCAPES

return places
