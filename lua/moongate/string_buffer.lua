--- string_buffer: LuaJIT's string.buffer, whose encode() and decode() may raise whoever calls them.
--
-- Called by compiled code, they write their message where the stack ended when the interpreter left
-- it, over variables that are in use (LuaJIT 2.1 of January 2023), whether somebody catches it or
-- not. So they are called by functions that are never compiled: by way of `string.buffer`, too,
-- once ffi.lua has been loaded, which is before any plugin.

local buffer = require "string.buffer"

local methods = debug.getmetatable(buffer.new()).__index

for _, functions in ipairs { buffer, methods } do
  for _, name in ipairs { "encode", "decode" } do
    local raw = functions[name]
    local function interpreted(first, second) return raw(first, second) end
    jit.off(interpreted)
    functions[name] = interpreted
  end
end

return buffer
