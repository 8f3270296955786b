--- scope: a limit's name and whose allowance it is, as C takes them.

local bridge = require "moongate.ffi"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local type = type

---@class moongate.scope
local scope = {}

-- Reused by every call: nothing may wait between a C call and reading it.
local keys = bridge.new "struct slice[2]"

--- For limit.lua and slots.lua: both, to be handed on at once.
---@param name string
---@param of string
---@return ffi.cdata*?  struct slice[2]; nil: no scope was given
function scope.keys(name, of)
  if type(of) ~= "string" then return nil end
  keys[0].start, keys[0].length = name, #name
  keys[1].start, keys[1].length = of, #of
  return keys
end

return scope
