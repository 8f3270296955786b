--- string_buffer: LuaJIT's string.buffer, whose encode() and decode() may raise whoever calls them.
--
-- Called by compiled code, they write their message where the stack ended when the interpreter left
-- it, over variables that are in use (LuaJIT 2.1 of January 2023), whether somebody catches it or
-- not. So they are called by way of C, which compiled code leaves to the interpreter: by way of
-- `string.buffer`, too, once ffi.lua has been loaded, which is before any plugin.

local interpreter = require "moongate.core.interpreter"

local buffer = require "string.buffer"

local methods = debug.getmetatable(buffer.new()).__index

for _, functions in ipairs { buffer, methods } do
  for _, name in ipairs { "encode", "decode" } do
    functions[name] = interpreter.leave(functions[name])
  end
end

return buffer
