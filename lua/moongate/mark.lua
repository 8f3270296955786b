--- mark: which plugin runs, and in which phase, for whoever watches over the worker.
--
-- One number in memory that the master sees (runtime/shm/worker_board.h): chains store it before
-- each step, so it costs one store where they are compiled.

local bit = require "bit"
local bridge = require "moongate.ffi"

local C = bridge.C

local mark = {}

local word

--- Where the number is stored: mark.word()[0] = number.
---@return ffi.cdata*  valid as long as the state
function mark.word()
  if not word then
    -- Without a generation, as in specs, nobody sees it.
    word = bridge.generation and C.moon_step(bridge.generation) or bridge.new "uint32_t[1]"
  end
  return word
end

--- What says that a plugin runs.
---@param phase integer  MOON_PHASE_*, which are the PHASES of chain.lua
---@param name string    of the plugin
---@return integer
function mark.number(phase, name)
  local plugin = bridge.generation
    and C.moon_plugin_number(bridge.generation, name, #name) or 0
  return bit.bor(bit.lshift(phase, 16), plugin)
end

return mark
