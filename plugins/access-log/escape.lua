--- escape: texts from strangers, so that they stay one value of one line.
--
-- Most have nothing in them that needs it, which one search tells.

local utf8 = require "moongate.utf8"

local escape = {}

local JSON_SPECIAL = '[%c"\\\128-\255]'
local LINE_SPECIAL = '[%c"\\\127-\255]'
local WORD_SPECIAL = '[%c "\\\127-\255]'

local json_escapes, hex_escapes = {}, {}
for byte = 0, 255 do
  json_escapes[string.char(byte)] = ("\\u%04x"):format(byte)
  hex_escapes[string.char(byte)] = ("\\x%02X"):format(byte)
end
json_escapes['"'], json_escapes["\\"] = '\\"', "\\\\"
json_escapes["\n"], json_escapes["\r"], json_escapes["\t"] = "\\n", "\\r", "\\t"

--- Appends a JSON string; what is not UTF-8 becomes U+FFFD.
---@param line string.buffer
---@param text string
function escape.put_json(line, text)
  if text:find(JSON_SPECIAL) then
    text = utf8.mend((text:gsub('[%c"\\]', json_escapes)))
  end
  line:put('"', text, '"')
end

--- Appends what may stand between double quotes: quotes, backslashes, controls and bytes above
--- ASCII become \xHH.
---@param line string.buffer
---@param text string
function escape.put_quoted(line, text)
  if text:find(LINE_SPECIAL) then text = text:gsub(LINE_SPECIAL, hex_escapes) end
  line:put(text)
end

--- Appends what stands without quotes: a blank, too, becomes \x20.
---@param line string.buffer
---@param text string
function escape.put_word(line, text)
  if text:find(WORD_SPECIAL) then text = text:gsub(WORD_SPECIAL, hex_escapes) end
  line:put(text)
end

return escape
