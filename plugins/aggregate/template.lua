--- template: addresses, headers and bodies of parts, with places for values.
--
--     {user}             what the route's path captured
--     {profile.id}       from another part's answer, which is waited for; in arrays numbers from 0
--     {query:page}       and {header:NAME}, {cookie:NAME}, {claim:NAME}, {consumer}, {address}
--
-- Values are escaped for where they stand, so that none can be more than a value.

local json = require "moongate.json"
local places = require "aggregate.places"

local template = {}

local BODY_DEPTH_MAX = 16

local function add_text(compiler, text)
  if text ~= "" then compiler.pieces[#compiler.pieces + 1] = { text = text } end
end

local function add_reader(compiler, inside, place)
  local read, wrong = places.reader(inside, place, compiler.names, compiler.edges)
  if not read then
    compiler.wrong = compiler.wrong or wrong
    return
  end
  compiler.pieces[#compiler.pieces + 1] = { read = read }
end

-- `place` is a name, or a function of the text before.
local function add_template(compiler, text, place, literal)
  local at = 1
  for before, inside, behind in text:gmatch "([^{}]*){([^{}]*)}()" do
    add_text(compiler, literal and literal(before) or before)
    local where = type(place) == "function" and place(text:sub(1, behind)) or place
    add_reader(compiler, inside, where)
    at = behind
  end
  local rest = text:sub(at)
  if rest:find "[{}]" then
    compiler.wrong = compiler.wrong or ("%q has a lone brace"):format(text)
  end
  add_text(compiler, literal and literal(rest) or rest)
end

local function compiler_of(names, edges)
  return { names = names, edges = edges, pieces = {} }
end

-- What they are together, when none has to be read.
local function fixed_text(pieces)
  local texts = {}
  for i, piece in ipairs(pieces) do
    if not piece.text then return nil end
    texts[i] = piece.text
  end
  return table.concat(texts)
end

local function finish(compiler)
  if compiler.wrong then return nil, compiler.wrong end
  local pieces = compiler.pieces
  local fixed = fixed_text(pieces)
  if fixed then return { fixed = fixed, read = function() return fixed end } end
  return { read = function(req, values)
    local texts = {}
    for i = 1, #pieces do
      local piece = pieces[i]
      local text = piece.text or piece.read(req, values)
      if not text then return nil end
      texts[i] = text
    end
    return table.concat(texts)
  end }
end

---@class AggregateText
---@field fixed string?  what it always is
---@field read fun(req: Request, values: table<string, string>): string?  nil: a value lacks

---@class AggregateAddress
---@field scheme "http"|"https"
---@field authority string
---@field path AggregateText  with the query

--- The address of a part; scheme and host are fixed.
---@param url string
---@param names table<string, any>      the parts there are
---@param edges table<string, boolean>  gets the parts that are needed
---@return AggregateAddress?
---@return string? wrong
function template.url(url, names, edges)
  local scheme, authority, rest = url:match "^(https?)://([^/?#]+)(.*)$"
  if not scheme or authority:find "@" then
    return nil, ("%q is not an address; expected http://upstream/path"):format(url)
  end
  if authority:find "[{}]" then return nil, ("%q has a brace in its host"):format(url) end
  if url:find "[#%s%c]" then return nil, ("%q has a # or a blank in it"):format(url) end
  local compiler = compiler_of(names, edges)
  if rest:sub(1, 1) ~= "/" then rest = "/" .. rest end
  add_template(compiler, rest, function(before)
    return before:find("?", 1, true) and "query" or "path"
  end)
  local path, wrong = finish(compiler)
  if not path then return nil, wrong end
  return { scheme = scheme, authority = authority, path = path }
end

--- A text for a header or a body: `place` says for which.
---@param text string
---@param place "header"|"json"|"query"|"text"
---@return AggregateText?
---@return string? wrong
function template.text(text, place, names, edges)
  local compiler = compiler_of(names, edges)
  add_template(compiler, text, place)
  return finish(compiler)
end

local add_value

local function add_list(compiler, list, depth)
  add_text(compiler, "[")
  for i, item in ipairs(list) do
    if i > 1 then add_text(compiler, ",") end
    add_value(compiler, item, depth)
  end
  add_text(compiler, "]")
end

local function add_object(compiler, object, depth)
  local names = {}
  for name in pairs(object) do names[#names + 1] = tostring(name) end
  table.sort(names)
  add_text(compiler, "{")
  for i, name in ipairs(names) do
    add_text(compiler, (i > 1 and "," or "") .. json.encode(name) .. ":")
    add_value(compiler, object[name], depth)
  end
  add_text(compiler, "}")
end

local function add_string(compiler, text)
  local inside = text:match "^{([^{}]*)}$"
  if inside then return add_reader(compiler, inside, "value") end
  add_text(compiler, '"')
  add_template(compiler, text, "json", places.ESCAPES.json)
  add_text(compiler, '"')
end

function add_value(compiler, value, depth)
  if depth > BODY_DEPTH_MAX then
    compiler.wrong = "the body is nested too deeply"
  elseif type(value) == "string" then
    add_string(compiler, value)
  elseif type(value) ~= "table" then
    add_text(compiler, json.encode(value))
  elseif #value > 0 or getmetatable(value) then
    add_list(compiler, value, depth + 1)
  else
    add_object(compiler, value, depth + 1)
  end
end

--- A JSON body from a table: a string that is one place alone becomes the value with its type.
---@param value table
---@return AggregateText?
---@return string? wrong
function template.json(value, names, edges)
  local compiler = compiler_of(names, edges)
  add_value(compiler, value, 0)
  return finish(compiler)
end

return template
