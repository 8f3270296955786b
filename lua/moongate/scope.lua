--- scope: whose allowance a request takes from, found where it stands in the request's memory.
--
--     local place = scope.place()
--     local is_found = scope.find(self.by, req, place) -- not: the place has the empty text
--     local allowed = self.gate:take(place)            -- before anything can wait
--
-- An address, a name or a header differs from request to request: a Lua string of each would have
-- to be found among all others and collected. So C finds it, and what is handed on is where it is.
-- What a function of the operator's returns, or a claim, is a text of Lua already. For plugins of
-- this tree: nothing but this order keeps a place from being read when its request is over.

local bridge = require "moongate.ffi"
local by_library = require "moongate.by"
local consumers = require "moongate.consumers"
local parts = require "moongate.parts"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local tostring, type = tostring, type
local C = bridge.C
local HANDLE, SERIAL, STATE = parts.HANDLE, parts.SERIAL, parts.STATE

---@class moongate.scope
local scope = {}

---@class Scope  a place for a text; good for one request, until something else is found into it
---@field keys ffi.cdata*  struct slice[3]: for the name of a limit; the text; room for what comes
--- with it
---@field text ffi.cdata*  keys + 1
---@field kept string|false  the text, where it is one of Lua's

local function alive(req)
  local handle = req[HANDLE]
  if handle.serial ~= req[SERIAL] then error("this request has already been answered", 3) end
  return handle
end

local function text_of(which)
  return function(req, place) return (C.moon_text(alive(req), which, place.text)) end
end

local function value_of(get)
  return function(name)
    return function(req, place) return (get(alive(req), name, #name, place.text)) end
  end
end

local function keep(place, text)
  text = tostring(text)
  place.kept = text
  place.text[0].start, place.text[0].length = text, #text
  return true
end

-- By kind, then name, if it has one: what puts into a place what C finds.
local FINDERS = {
  address = function() return text_of(C.MOON_TEXT_ADDRESS) end,
  route = function() return text_of(C.MOON_TEXT_ROUTE) end,
  query = value_of(C.moon_query_get),
  cookie = value_of(C.moon_cookie_get),
  param = value_of(C.moon_param_get),
}

function FINDERS.header(name)
  local id = C.moon_field_id(name, #name)
  return function(req, place)
    return (C.moon_header_get(alive(req), 0, id, name, #name, place.text))
  end
end

function FINDERS.consumer()
  return function(req, place)
    alive(req)
    local name = consumers.point_in_state(req[STATE], place.text)
    if name == true then return true end
    return name ~= nil and keep(place, name)
  end
end

-- By functions of moongate.by; false: Lua itself has to be asked.
local finders = {}

local function finder_of(by)
  local kind, name = by_library.origin(by)
  local make = kind and FINDERS[kind]
  local finder = make and make(name) or false
  finders[by] = finder
  return finder
end

--- A place for the texts of requests, one after the other. A request that may wait between finding
--- and using one needs a place of its own.
---@return Scope
function scope.place()
  local keys = bridge.new "struct slice[3]"
  return { keys = keys, text = keys + 1, kept = false }
end

--- Puts what a request is counted by into a place; the empty text where it has nothing of the kind.
---@param by fun(req: Request): string?  an option of the type "by"
---@param req Request
---@param place Scope
---@return boolean found
function scope.find(by, req, place)
  local finder = finders[by]
  if finder == nil then finder = finder_of(by) end
  if finder then
    if finder(req, place) then return true end
  else
    local text = by(req)
    if text then return keep(place, text) end
  end
  keep(place, "")
  return false
end

-- Reused by every call: nothing may wait between a C call and reading it.
local keys = bridge.new "struct slice[2]"

--- For limit.lua and slots.lua: a name and a scope, as C takes them.
---@param name string
---@param given string|Scope
---@return ffi.cdata*?  struct slice[2]; nil: no scope was given
function scope.keys(name, given)
  local slices = keys
  if type(given) == "string" then
    keys[1].start, keys[1].length = given, #given
  elseif type(given) == "table" and given.keys then
    slices = given.keys
  else
    return nil
  end
  slices[0].start, slices[0].length = name, #name
  return slices
end

return scope
