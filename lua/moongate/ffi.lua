--- ffi: the one door through which Lua calls C functions that answer at once.
--
-- The declarations are those that the binary was compiled with (runtime/bridge/abi.h), so they
-- cannot differ from it. `generation` is what most functions are called for; boot.lua sets it
-- once.

local ffi = require "ffi"
require "moongate.string_buffer" -- before anybody uses string.buffer

ffi.cdef "const char *moon_abi_text(void);"
ffi.cdef(ffi.string(ffi.C.moon_abi_text()))

---@class moongate.ffi
---@field C ffi.namespace*       the exported functions and constants
---@field generation ffi.cdata*  of this state; set by boot.lua
---@field new fun(type: string, ...): ffi.cdata*
---@field string fun(pointer: ffi.cdata*, length: integer?): string
---@field found ffi.cdata*       struct slice[2] for texts: read it before the next call
---@field at ffi.cdata*          uint32_t[1] to walk with
local bridge = {
  C = ffi.C,
  new = ffi.new,
  string = ffi.string,
  generation = nil,
  found = ffi.new("struct slice[2]"),
  at = ffi.new("uint32_t[1]"),
}

local C, string_of, found = ffi.C, ffi.string, bridge.found
local ROOM = 4096
local room = ffi.new("char[?]", ROOM)

--- Memory that a call may write a text into: read it before the next call.
---@param size integer  bytes
---@return ffi.cdata*
function bridge.room(size)
  return size <= ROOM and room or ffi.new("char[?]", size)
end

--- For boot.lua: whom this state belongs to.
---@param pointer userdata
function bridge.set_generation(pointer)
  bridge.generation = ffi.cast("struct generation *", pointer)
end

-- "@.../lua/moongate/": how the sources of this folder begin.
local OWN = debug.getinfo(1, "S").source:match "^(.*)ffi%.lua$"

-- "file:line: " of the plugin or configuration that called what runs, whatever was in between.
local function position_outside()
  local level = 3
  local info = debug.getinfo(level, "Sl")
  while info and (info.source:sub(1, #OWN) == OWN or info.currentline < 0) do
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  return info and ("%s:%d: "):format(info.source:gsub("^@", ""), info.currentline) or ""
end

--- Raises while a plugin is being loaded, when nothing may have an effect: before functions that
--- need a generation that serves.
---@param what string  "a limit"
function bridge.must_serve(what)
  if C.moon_is_live(bridge.generation) then return end
  error(position_outside() .. what
    .. " works only while the gateway serves, not while a plugin is loaded", 0)
end

--- The text that a call has just put into `found`.
---@return string
function bridge.text()
  return (string_of(found[0].start, found[0].length))
end

--- The two texts that a call has just put into `found`.
---@return string name
---@return string value
function bridge.pair()
  return string_of(found[0].start, found[0].length), string_of(found[1].start, found[1].length)
end

return bridge
