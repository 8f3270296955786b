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
  "upstream_reused", "upstream_hedges", "upstream_hedge_won", "upstream_overtaken",
  "upstream_queue", "upstream_fault", "cache", "fault", "aborted", "user_agent", "referer",
}
-- ... and only where the request has the member.
local OF_MEMBER = {
  cache = { "cache_reason", "cache_detail", "cache_collapsed", "cache_age", "cache_ttl" },
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

-- Below this whole numbers have so few digits that a buffer writes them exactly, ...
local EXACT_MAX = 1e14
-- ... and seconds have microseconds that a double holds.
local SECONDS_MAX = 1e9

-- Six digits behind the point. Formats of fractions are slow: those of whole numbers are not.
local function put_fraction(line, number)
  if number < 0 or number >= SECONDS_MAX then
    line:put(("%.6f"):format(number))
  else
    local millionths = math.floor(number * 1e6 + 0.5)
    local whole = math.floor(millionths / 1e6)
    line:put(("%d.%06d"):format(whole, millionths - whole * 1e6))
  end
end

local function put_number(line, number)
  if number % 1 ~= 0 then
    put_fraction(line, number)
  elseif number > -EXACT_MAX and number < EXACT_MAX then
    line:put(number)
  else
    line:put(("%.0f"):format(number))
  end
end

local function put_json_value(line, value)
  if type(value) == "string" then
    escape.put_json(line, value)
  elseif type(value) == "number" then
    put_number(line, value)
  else
    line:put "true"
  end
end

local JSON_MEMBER = [[
  value = get_%d(req, res)
  if value ~= nil then
    line:put(%s)
    put(line, value)
    %s
  end
]]

-- The code of one member and of those behind it that are its own; its functions are put into
-- `getters`.
local function member_of(name, beginning, shows_query, getters)
  local at = #getters + 1
  getters[at] = field_of(name, shows_query)
  local own = {}
  for i, one in ipairs(OF_MEMBER[name] or {}) do
    own[i] = member_of(one, ",", shows_query, getters)
  end
  return JSON_MEMBER:format(at, ("%q"):format(('%s"%s":'):format(beginning, name)),
    table.concat(own))
end

-- One function that asks for all members in turn: in a loop over functions the compiler would have
-- to find out each time which one it is at. The first member, the time, is always there.
local function compile_json(shows_query)
  local getters, names, members = {}, {}, {}
  for i, name in ipairs(JSON) do
    members[i] = member_of(name, i == 1 and "{" or ",", shows_query, getters)
  end
  for i = 1, #getters do names[i] = "get_" .. i end
  local code = ([[
    local put, %s = ...
    return function(line, req, res)
      local value
      %s
      line:put "}"
    end
  ]]):format(table.concat(names, ", "), table.concat(members))
  return assert(loadstring(code, "=access-log"))(put_json_value, unpack(getters))
end

-- All instances share two, so that they stay compiled.
local compiled = {}

local function json(shows_query)
  compiled[shows_query] = compiled[shows_query] or compile_json(shows_query)
  return compiled[shows_query]
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
  elseif type(value) == "number" then
    put_number(line, value)
  else
    line:put "true"
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
