--- escape: texts from strangers, so that they stay one value of one line.
--
-- Most have nothing in them that needs it, which one search tells.

local escape = {}

local JSON_SPECIAL = '[%c"\\\128-\255]'
local LINE_SPECIAL = '[%c"\\\127-\255]'
local WORD_SPECIAL = '[%c "\\\127-\255]'

local REPLACEMENT = "\239\191\189" -- U+FFFD

local json_escapes, hex_escapes = {}, {}
for byte = 0, 255 do
  json_escapes[string.char(byte)] = ("\\u%04x"):format(byte)
  hex_escapes[string.char(byte)] = ("\\x%02X"):format(byte)
end
json_escapes['"'], json_escapes["\\"] = '\\"', "\\\\"
json_escapes["\n"], json_escapes["\r"], json_escapes["\t"] = "\\n", "\\r", "\\t"

-- By the first byte of a sequence: its length, and what the second byte may be (RFC 3629).
local SEQUENCES = {}
for byte = 0xC2, 0xDF do SEQUENCES[byte] = { 2, 0x80, 0xBF } end
for byte = 0xE0, 0xEF do SEQUENCES[byte] = { 3, 0x80, 0xBF } end
for byte = 0xF0, 0xF4 do SEQUENCES[byte] = { 4, 0x80, 0xBF } end
SEQUENCES[0xE0] = { 3, 0xA0, 0xBF }
SEQUENCES[0xED] = { 3, 0x80, 0x9F }
SEQUENCES[0xF0] = { 4, 0x90, 0xBF }
SEQUENCES[0xF4] = { 4, 0x80, 0x8F }

-- The sequence that begins there, nil when it is none.
local function sequence_at(text, at)
  local form = SEQUENCES[text:byte(at)]
  local second = form and text:byte(at + 1)
  if not second or second < form[2] or second > form[3] then return nil end
  for i = at + 2, at + form[1] - 1 do
    local byte = text:byte(i)
    if not byte or byte < 0x80 or byte > 0xBF then return nil end
  end
  return text:sub(at, at + form[1] - 1)
end

local function mend_utf8(run)
  local parts, at = {}, 1
  while at <= #run do
    local sequence = sequence_at(run, at)
    parts[#parts + 1] = sequence or REPLACEMENT
    at = at + (sequence and #sequence or 1)
  end
  return table.concat(parts)
end

--- Appends a JSON string; what is not UTF-8 becomes U+FFFD.
---@param line string.buffer
---@param text string
function escape.put_json(line, text)
  if text:find(JSON_SPECIAL) then
    text = text:gsub('[%c"\\]', json_escapes):gsub("[\128-\255]+", mend_utf8)
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
