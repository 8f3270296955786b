--- native: which phases of a chain C runs by itself, without Lua.
--
-- The log phase, where it is the one step of a plugin that only counts (runtime/bridge/tally.h).
-- Lua runs it until it has told C what it is, and wherever the step has a condition.

local bit = require "bit"
local bridge = require "moongate.ffi"

local C = bridge.C

local native = {}

---@class ChainStep
---@field index integer
---@field plugin Plugin
---@field mask integer       phases it takes part in
---@field condition integer?

---@param steps ChainStep[]
---@return integer?  the one step of the log phase, from 0
function native.tally_step(steps)
  local only
  for _, step in ipairs(steps) do
    if bit.band(step.mask, C.MOON_PHASE_LOG) ~= 0 then
      if only or step.condition or not step.plugin.is_tally then return nil end
      only = step.index - 1
    end
  end
  return only
end

return native
