--- slots: how many requests go on at once, exactly over all workers, by name and scope.
--
--     local slots = moongate.slots { name = "search", limit = 10 }
--     local taken, used = slots:take(req, req.address)
--
-- A slot is given back when its request ends, however it ends: answered, cut off, with a worker
-- that was killed.

local bridge = require "moongate.ffi"
local scope_of = require "moongate.scope"

local type = type
local C, must_serve = bridge.C, bridge.must_serve

-- Of one scope, as shm/slots.h has it.
local COUNT_MAX = 2 ^ 20 - 1

---@class Slots
---@field name string
---@field limit integer
---@field how integer  for limit_rules.lua
local Slots = { how = C.MOON_LIMIT_SLOTS }
Slots.__index = Slots

-- Reused by every call: nothing may wait between a C call and reading it.
local used = bridge.new "double[1]"

--- Takes a slot for a request.
---@param req Request
---@param scope string   whose slots: a consumer's, an address's
---@return boolean taken
---@return number used   slots in use now, this one included
function Slots:take(req, scope)
  must_serve "a slot"
  local keys = scope_of.keys(self.name, scope) or error("the scope of slots is a string", 2)
  local outcome = C.moon_slot_take(req.handle, keys, self.limit, used)
  if outcome < 0 then error(("the limit of slots %q is out of range"):format(self.name), 2) end
  return outcome == 0, used[0]
end

--- Slots of a name; made when a plugin is loaded.
---@param options { name: string, limit: integer }
---@return Slots
return function(options)
  local limit = options.limit
  if type(options.name) ~= "string" then error("slots need a name", 2) end
  if not (type(limit) == "number" and limit >= 1 and limit <= COUNT_MAX and limit % 1 == 0) then
    error(("there are 1 to %d slots"):format(COUNT_MAX), 2)
  end
  return setmetatable({ name = options.name, limit = limit }, Slots)
end
