--- formats: makes a function that writes one line about a request.

local escape = require "access-log.escape"
local fields = require "access-log.fields"
local nearest = require "moongate.config.nearest"

local formats = {}

local COMBINED = '{address} - {consumer} [{time_common}] "{method} {target} {version}" '
  .. '{status} {bytes} "{referer}" "{user_agent}"'

-- Members of a JSON line, in their order; those that a request has not are left out.
local JSON = {
  "time", "id", "trace_id", "address", "consumer", "method", "scheme", "host", "path", "query",
  "version", "route", "status", "bytes", "bytes_in", "duration", "response_after", "upstream",
  "upstream_target", "upstream_attempts", "upstream_connect", "upstream_response",
  "upstream_reused", "upstream_fault", "fault", "aborted", "user_agent", "referer",
}

local function without_query(get)
  return function(req, res)
    local text = get(req, res)
    return text and text:match "^[^?#]*"
  end
end

-- What may hold a query string, when none is to be logged.
local function field_of(name, shows_query)
  local get = fields.by_name(name)
  if shows_query or not get then return get end
  if name == "query" then return function() return nil end end
  if name == "target" or name == "referer" or name == "header:referer" then
    return without_query(get)
  end
  return get
end

local function number_text(number)
  return number % 1 == 0 and ("%.0f"):format(number) or ("%.6f"):format(number)
end

local function put_json_value(line, value)
  if type(value) == "string" then
    escape.put_json(line, value)
  else
    line:put(type(value) == "number" and number_text(value) or "true")
  end
end

local function json(shows_query)
  local names, getters = {}, {}
  for i, name in ipairs(JSON) do
    names[i], getters[i] = ('"%s":'):format(name), field_of(name, shows_query)
  end
  return function(line, req, res)
    local separator = "{"
    for i = 1, #names do
      local value = getters[i](req, res)
      if value ~= nil then
        line:put(separator, names[i])
        put_json_value(line, value)
        separator = ","
      end
    end
    line:put "}"
  end
end

local function known_names()
  local names = {}
  for name in pairs(fields) do names[name] = true end
  names.by_name = nil
  return names
end

-- The part that {name} is. Inside of double quotes, or of the brackets around a time, blanks stay.
local function placeholder(name, shows_query, is_quoted)
  local get = name and field_of(name, shows_query)
  if get then
    local keeps_blanks = is_quoted or name == "time_common"
    return { get = get, put = keeps_blanks and escape.put_quoted or escape.put_word }
  end
  if not name then return nil, "format has a lone { in it; expected {name}" end
  return nil, ("format has {%s} in it, which is not known%s"):format(name,
    nearest.hint(name, known_names()))
end

-- The format's parts: { text = } or { get =, put = }.
local function parse(format, shows_query)
  local parts, at, is_quoted = {}, 1, false
  while at <= #format do
    local literal, stop = format:match("^([^{]+)()", at)
    if literal then
      parts[#parts + 1] = { text = literal }
      local _, quotes = literal:gsub('"', "")
      is_quoted = is_quoted ~= (quotes % 2 == 1)
    else
      local name
      name, stop = format:match("^{([^{}]*)}()", at)
      local part, wrong = placeholder(name, shows_query, is_quoted)
      if not part then return nil, wrong end
      parts[#parts + 1] = part
    end
    at = stop
  end
  return parts
end

local function put_part(line, part, req, res)
  local value = part.get(req, res)
  if value == nil or value == "" then
    line:put "-"
  elseif type(value) == "string" then
    part.put(line, value)
  else
    line:put(type(value) == "number" and number_text(value) or "true")
  end
end

local function own(format, shows_query)
  local parts, wrong = parse(format, shows_query)
  if not parts then return nil, wrong end
  return function(line, req, res)
    for i = 1, #parts do
      local part = parts[i]
      if part.text then
        line:put(part.text)
      else
        put_part(line, part, req, res)
      end
    end
  end
end

--- The function that writes lines of that format, or nil and what is wrong with it.
---@param format string  "json", "combined", or a text with {name} in it
---@param shows_query boolean
---@return (fun(line: string.buffer, req: Request, res: Response?))?
---@return string? wrong
function formats.of(format, shows_query)
  if format == "json" then return json(shows_query) end
  if format == "combined" then format = COMBINED end
  if not format:find "{" then
    return nil, ('format is %q; expected "json", "combined" or a text with {name} in it'):format(
      format)
  end
  if format:find "%c" then return nil, "format has a control character in it" end
  return own(format, shows_query)
end

return formats
