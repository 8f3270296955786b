--- lookup: named values of a request, read one by one: query, cookies, path parameters.
--
--     req.query.page      -- the first value, decoded; nil when there is none
--     req.query.page = 2  -- replaces it in what goes upstream; nil removes (the query only)
--     req.params.id       -- what {id} in the route's path matched, decoded
--     for _, name, value in req.query:each() do ... end
--
-- A value that is named like a function here is read with `req.query:get("each")`.

local bridge = require "moongate.ffi"
local C, found, at = bridge.C, bridge.found, bridge.at
local text, pair = bridge.text, bridge.pair

local HANDLE, SERIAL = 1, 2

local function alive(self)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 3) end
  return handle
end

local function next_value(values, index)
  local value = values[index + 1]
  if not value then return nil end
  return index + 1, value[1], value[2]
end

---@class Lookup
---@field [string] string?
---@field get fun(self: Lookup, name: string): string?           the first value
---@field all fun(self: Lookup, name: string): string[]          all values of that name
---@field list fun(self: Lookup): { [1]: string, [2]: string }[] names and values in their order
---@field each fun(self: Lookup): function, table, integer       the same, to loop over

-- One kind of look-up: its two C functions, and what an assignment does.
local function kind_of(get, walk, set)
  local Lookup, meta = {}, {}

  function Lookup:get(name)
    if get(alive(self), name, #name, found) then return text() end
    return nil
  end

  function Lookup:list()
    local handle, values = alive(self), {}
    at[0] = 0
    while walk(handle, at, found) do
      values[#values + 1] = { pair() }
    end
    return values
  end

  function Lookup:all(name)
    local values = {}
    for _, one in ipairs(Lookup.list(self)) do
      if one[1] == name then values[#values + 1] = one[2] end
    end
    return values
  end

  function Lookup:each()
    return next_value, Lookup.list(self), 0
  end

  function meta.__index(self, name)
    return Lookup[name] or Lookup.get(self, name)
  end

  function meta.__newindex(self, name, value)
    set(alive(self), name, value)
  end

  return function(handle, serial)
    return (setmetatable({ handle, serial }, meta)) -- no tail call: as in headers.lua
  end
end

local function set_query(handle, name, value)
  if value == nil then
    C.moon_query_set(handle, name, #name, nil, 0)
    return
  end
  if type(value) == "number" then value = tostring(value) end
  C.moon_query_set(handle, name, #name, value, #value)
end

local function read_only(_, name)
  error(("%s cannot be set: it is what the client sent"):format(name), 3)
end

return {
  query = kind_of(C.moon_query_get, C.moon_query_next, set_query),
  cookies = kind_of(C.moon_cookie_get, C.moon_cookie_next, read_only),
  params = kind_of(C.moon_param_get, C.moon_param_next, read_only),
}
