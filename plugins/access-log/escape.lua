--- escape: texts from strangers, so that they stay one value of one line.
--
-- Most have nothing in them that needs it, which one look in C tells: searches for patterns are
-- slow, and not compiled.

local C = require("moongate.ffi").C
local json_buffer = require "moongate.json_buffer"

local escape = { put_json = json_buffer.put_text }

local LINE_SPECIAL = '[%c"\\\127-\255]'
local WORD_SPECIAL = '[%c "\\\127-\255]'

local hex_escapes = {}
for byte = 0, 255 do hex_escapes[string.char(byte)] = ("\\x%02X"):format(byte) end

--- Appends what may stand between double quotes: quotes, backslashes, controls and bytes above
--- ASCII become \xHH.
---@param line string.buffer
---@param text string
function escape.put_quoted(line, text)
  if not C.moon_is_plain(text, #text) then text = text:gsub(LINE_SPECIAL, hex_escapes) end
  line:put(text)
end

--- Appends what stands without quotes: a blank, too, becomes \x20.
---@param line string.buffer
---@param text string
function escape.put_word(line, text)
  if not C.moon_is_plain(text, #text) or text:find(" ", 1, true) then
    text = text:gsub(WORD_SPECIAL, hex_escapes)
  end
  line:put(text)
end

return escape
