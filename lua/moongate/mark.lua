--- mark: which plugin runs, and in which phase, for its accounts and whoever watches over the
--- worker.
--
-- One number in memory that the master sees (runtime/shm/worker_board.h): chains give it to C
-- before each step, which counts the call, too.

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

-- Without a generation, as in specs, nobody counts.
local function count_nothing() end

--- How chains say that a step begins: moon_step_begin() of abi.h and what it is called for.
---@return { moon_step_begin: function }, ffi.cdata*?
function mark.counting()
  if bridge.generation then return C, bridge.generation end
  return { moon_step_begin = count_nothing }, nil
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

--- For build.lua: the number of a chain of these plugins.
---@param names string[]
---@return integer
function mark.chain_number(names)
  if not bridge.generation then return 0 end
  local slices = bridge.new("struct slice[?]", #names + 1)
  for i, name in ipairs(names) do slices[i - 1].start, slices[i - 1].length = name, #name end
  return C.moon_build_chain(bridge.generation, slices, #names)
end

return mark
