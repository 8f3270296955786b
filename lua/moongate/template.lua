--- template: texts with places for what a request has: "{param:id} of {consumer}".
--
-- Compiled when the configuration is loaded. A place is {NAME} or {KIND:NAME}:
--
--     {id} {method} {path} {query} {host} {authority} {scheme} {version} {address} {peer} {route}
--     {upstream} {consumer} {trace_id} {listener} {fault} {started} {bytes_in} {bytes_out}
--     {duration}                          and, where there is a response, {status}
--     {header:NAME} {query:NAME} {cookie:NAME} {param:NAME} {claim:NAME}
--     {response:NAME}                     a header of the response
--
-- A value that is missing is an empty text. Other braces stand for themselves, and "{{" for one.
-- What a template is for decides how values are written, so that none can be more than a value:
--
--     "text"     as they are
--     "json"     inside of a JSON string
--     "query"    a value for req.query; nothing at all when none of its values is there
--     "field"    the value of a header: control characters are escaped as in addresses, blanks
--                around it are gone; nothing at all when none of its values is there
--     "address"  a path, or a whole URI: {scheme}, {host}, {authority}, {path} and {query} are as
--                above, any other {NAME} is a parameter of the route's path. Values are escaped,
--                {NAME*} keeps its slashes; values of nothing but dots are refused

local by = require "moongate.by"
local json = require "moongate.json"
local nearest = require "moongate.config.nearest"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local byte = string.byte

---@class TemplatePlace
---@field get fun(req: Request, res: Response?): string|number|nil
---@field escape (fun(text: string): string?)?  nil: not to be written
---@field after string  what follows it

---@class Template
---@field text string            what comes first
---@field places TemplatePlace[] empty: it is the same for all
---@field may_be_empty boolean
---@field is_field boolean
local Template = {}
Template.__index = Template

local NAMES = {
  consumer = function(req) return req.consumer_name end,
  query = function(req) return req.query_string end,
  duration = function(req) return req.timing.total end,
  status = function(_, res) return res and res.status end,
}
for _, name in ipairs {
  "id", "method", "path", "host", "authority", "scheme", "version", "address", "peer", "route",
  "upstream", "trace_id", "listener", "fault", "started", "bytes_in", "bytes_out",
} do
  NAMES[name] = function(req) return req[name] end
end

local function bracketed_host(req)
  local host = req.host
  return host and host:find(":", 1, true) and "[" .. host .. "]" or host
end

-- The names that an address knows; their values are written as they are.
local ADDRESS_NAMES = {
  path = NAMES.path, query = NAMES.query, host = bracketed_host, authority = NAMES.authority,
  scheme = NAMES.scheme,
}

local function percent(octet) return ("%%%02X"):format(octet:byte()) end

local function escape_field(value)
  return (value:gsub("[%z\1-\8\10-\31\127]", percent):match "^%s*(.-)%s*$")
end

local function escape_json(value) return json.encode(value):sub(2, -2) end

-- Dots alone are refused even where something stands beside them: it may be another dot.
local function escape_segment(value)
  if value:find "^%.+$" then return nil end
  return (value:gsub("[^%w%-._~!$&'()*+,;=:@]", percent))
end

local function escape_rest(value)
  for segment in value:gmatch "[^/]+" do
    if segment:find "^%.+$" then return nil end
  end
  return (value:gsub("[^%w%-._~!$&'()*+,;=:@/]", percent))
end

local function escape_query(value) return (value:gsub("[^%w%-._~]", percent)) end


local function response_header(name)
  return function(_, res) return res and res.headers:get(name) end
end

-- What is to be read for what stands between braces. Nothing: they are braces; false: no such name.
local function getter_of(inside, is_address)
  local kind, name = inside:match "^(%l+):([^%s\"':;]+)$"
  if kind == "response" then return response_header(name) end
  if kind then return by.parse(inside) or false end
  name = inside:match "^[%a_][%w_]*$"
  if not name then return nil end
  if is_address then return ADDRESS_NAMES[name] or by.parse("param:" .. name) end
  return NAMES[name] or false
end

-- By what a template is for: how the value of a place is to be written.
local ESCAPES = {
  text = function() return nil end,
  query = function() return nil end, -- what sets it escapes it
  json = function() return escape_json end,
  -- What came in a field may go out in one.
  field = function(inside)
    local is_clean = NAMES[inside] or inside:find "^header:" or inside:find "^response:"
    return not is_clean and escape_field or nil
  end,
  address = function(inside, is_rest, before)
    if ADDRESS_NAMES[inside] then return nil end
    if before:find("?", 1, true) then return escape_query end
    return is_rest and escape_rest or escape_segment
  end,
}

local function unknown(inside)
  return ("there is no {%s}%s; {{ stands for a brace"):format(inside, nearest.hint(inside, NAMES))
end

-- The place that stands between braces, nothing when it is none, or false and what is wrong.
local function place_of(inside, use, before)
  local is_rest = use == "address" and inside:sub(-1) == "*"
  if is_rest then inside = inside:sub(1, -2) end
  local get = getter_of(inside, use == "address")
  if get == nil then return nil end
  if not get then return false, unknown(inside) end
  return { get = get, escape = ESCAPES[use](inside, is_rest, before), after = "" }
end

local BLANK = { [9] = true, [32] = true }

-- A value that is missing, or ends with nothing in a list, leaves the blank before it.
local function without_blanks(text)
  if BLANK[byte(text, 1)] or BLANK[byte(text, -1)] then return text:match "^%s*(.-)%s*$" end
  return text
end

--- For each request: the text. nil when one of its values must not be where it would be; of a field
--- or a query also when none is there.
---@param req Request
---@param res Response?
---@return string?
function Template:render(req, res)
  local text, places = self.text, self.places
  local is_empty = not self.may_be_empty
  for i = 1, #places do
    local place = places[i]
    local value, escape = place.get(req, res), place.escape
    if value then
      is_empty = false
      value = tostring(value)
      if escape then value = escape(value) end
      if not value then return nil end
      text = text .. value
    end
    text = text .. place.after
  end
  if is_empty then return nil end
  return self.is_field and without_blanks(text) or text
end

local template = {}

local NO_PLACES = {}

-- Most texts: there may be as many as routes.
local function fixed(text)
  return setmetatable({ text = text, places = NO_PLACES, may_be_empty = true,
    is_field = false }, Template)
end

-- What begins at an opening brace, a place or a text, and how many bytes of the template it is; or
-- nil and what is wrong.
local function piece_at(text, open, use)
  local inside, place, why = text:match("^{([^{}]*)}", open), nil, nil
  if inside then place, why = place_of(inside, use, text:sub(1, open)) end
  if place == false then return nil, why end
  if place then return place, #inside + 2 end
  return "{", text:sub(open, open + 1) == "{{" and 2 or 1
end

-- Of a text with braces.
local function compile(text, use)
  local places, literal, at = {}, "", 1
  local first

  local function finish_literal()
    if #places == 0 then first = literal else places[#places].after = literal end
    literal = ""
  end

  while true do
    local open = text:find("{", at, true)
    literal = literal .. text:sub(at, (open or 0) - 1)
    if not open then break end
    local piece, length = piece_at(text, open, use)
    if not piece then return nil, length end
    if type(piece) == "table" then
      finish_literal()
      places[#places + 1] = piece
    else
      literal = literal .. piece
    end
    at = open + length
  end
  finish_literal()
  return setmetatable({
    text = first, places = places,
    may_be_empty = #places == 0 or not (use == "field" or use == "query"),
    is_field = use == "field",
  }, Template)
end

--- Compiles a text. Of a template with `places` empty, `text` is the text for every request.
---@param text string
---@param use "text"|"json"|"query"|"field"|"address"
---@return Template?
---@return string? why  when it is none
function template.compile(text, use)
  if not text:find("{", 1, true) then return fixed(text) end
  return compile(text, use)
end

--- The same, but of what has no places the text alone.
---@param text string
---@param use "text"|"json"|"query"|"field"|"address"
---@return Template|string|nil
---@return string? why
function template.text_or_template(text, use)
  if not text:find("{", 1, true) then return text end
  local made, why = compile(text, use)
  if made and #made.places == 0 then return made.text end
  return made, why
end

return template
