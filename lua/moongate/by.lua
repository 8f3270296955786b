--- by: what a policy counts or chooses by: "consumer", "address", "route", "header:NAME" and so on.

---@class moongate.by
---@field EXPECTED string  what by.parse understands, for errors
local by = {}

local KINDS = {}

function KINDS.consumer() return function(req) return req.consumer_name end end

function KINDS.address() return function(req) return req.address end end

function KINDS.route() return function(req) return req.route end end

local NAMED = {
  header = function(name) return function(req) return req.headers:get(name) end end,
  query = function(name) return function(req) return req.query:get(name) end end,
  cookie = function(name) return function(req) return req.cookies:get(name) end end,
  param = function(name) return function(req) return req.params:get(name) end end,
  claim = function(name)
    return function(req)
      local claims = req.claims
      local value = claims and claims[name]
      if value ~= nil then return tostring(value) end
      return nil
    end
  end,
}

by.EXPECTED = '"consumer", "address", "route", "header:NAME", "query:NAME", "cookie:NAME", '
  .. '"param:NAME", "claim:NAME" or a function of the request'

local made = {}
-- What a function was made of, for what can read it without Lua: { kind, name }.
local origins = {}

local function make(text)
  local kind, name = text:match "^(%l+):(.+)$"
  if not kind then return KINDS[text] and KINDS[text](), { text } end
  if kind == "header" then name = name:lower() end
  return NAMED[kind] and NAMED[kind](name), { kind, name }
end

--- A function of the request for what was written; the same one for the same text.
---@param text string|fun(req: Request): string?
---@return (fun(req: Request): string?)?  nil: not understood; what is expected is in by.EXPECTED
function by.parse(text)
  if type(text) == "function" then return text end
  if type(text) ~= "string" then return nil end
  if made[text] then return made[text] end
  local f, origin = make(text)
  if not f then return nil end
  made[text], origins[f] = f, origin
  return f
end

--- For scope.lua: what a function was made of: its kind ("header") and name, if it has one.
---@param f fun(req: Request): string?
---@return string?, string?  nil: it is the operator's own
function by.origin(f)
  local origin = origins[f]
  if not origin then return nil end
  return origin[1], origin[2]
end

return by
