--- native: which phases of a chain C runs by itself, without Lua.
--
-- The request phase, where all that is done is to put together what parts of an answer say
-- (runtime/bridge/gather_answer.h).
-- The log phase, where it is the one step of a plugin that only counts (runtime/bridge/tally.h).
-- The response phase, where all of its steps say what they change (edits.lua,
-- runtime/bridge/edits.h). Lua runs them until it has told C what they are, which it does when a
-- route is first asked for: of many routes, most hardly are. And it runs those of which a step has
-- a condition.

local bit = require "bit"
local bridge = require "moongate.ffi"
local edits = require "moongate.edits"

local C = bridge.C

local native = {}

---@class ChainStep
---@field index integer
---@field plugin Plugin
---@field mask integer       phases it takes part in
---@field condition integer?

---@class NativeShape  what the functions below say of its steps
---@field tally_step integer?
---@field edit_steps ChainStep[]?
---@field answers_alone boolean

--- Whether each request is answered by the same step, of a plugin that does nothing but to gather
--- the parts, and nothing is done before that.
---@param steps ChainStep[]
---@return boolean
function native.answers_alone(steps)
  local found = false
  for _, step in ipairs(steps) do
    if bit.band(step.mask, C.MOON_PHASE_REQUEST) ~= 0 then return false end
    if bit.band(step.mask, C.MOON_PHASE_RESPOND) ~= 0 then
      if found or step.condition or not step.plugin.is_gatherer then return false end
      found = true
    end
  end
  return found
end

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

--- The steps of the response phase, the last one first, if C may run it; nil: it may not.
---@param steps ChainStep[]
---@return ChainStep[]?
function native.edit_steps(steps)
  local found = {}
  for i = #steps, 1, -1 do
    local step = steps[i]
    if bit.band(step.mask, C.MOON_PHASE_RESPONSE_BODY) ~= 0 then return nil end
    if bit.band(step.mask, C.MOON_PHASE_RESPONSE) ~= 0 then
      if step.condition or not step.plugin.response_edits then return nil end
      found[#found + 1] = step
    end
  end
  return found[1] and found
end

--- For dispatch.lua: from now on C runs the response phase of the exchange's route, if each of the
-- instances says what it changes. What they say is kept with them: routes may share it.
---@param handle ffi.cdata*
---@param steps ChainStep[]  native.edit_steps()
---@param array table        of the route
function native.tell_edits(handle, steps, array)
  local program = array[steps]
  if program == nil then
    program = edits.program(steps, array) or false
    array[steps] = program
  end
  if program then C.moon_edits_keep(handle, program) end
end

return native
