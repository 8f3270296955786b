--- utf8: whether bytes are UTF-8 (RFC 3629), and making them so.

local C = require("moongate.ffi").C

local utf8 = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD

-- By the first byte of a sequence: its length, and what the second byte may be.
local SEQUENCES = {}
for byte = 0xC2, 0xDF do SEQUENCES[byte] = { 2, 0x80, 0xBF } end
for byte = 0xE0, 0xEF do SEQUENCES[byte] = { 3, 0x80, 0xBF } end
for byte = 0xF0, 0xF4 do SEQUENCES[byte] = { 4, 0x80, 0xBF } end
SEQUENCES[0xE0] = { 3, 0xA0, 0xBF }
SEQUENCES[0xED] = { 3, 0x80, 0x9F }
SEQUENCES[0xF0] = { 4, 0x90, 0xBF }
SEQUENCES[0xF4] = { 4, 0x80, 0x8F }

-- Bytes of the sequence that begins there, nil when it is none.
local function length_at(text, at)
  local form = SEQUENCES[text:byte(at)]
  local second = form and text:byte(at + 1)
  if not second or second < form[2] or second > form[3] then return nil end
  for i = at + 2, at + form[1] - 1 do
    local byte = text:byte(i)
    if not byte or byte < 0x80 or byte > 0xBF then return nil end
  end
  return form[1]
end

local function mend_run(run)
  local parts, at = {}, 1
  while at <= #run do
    local length = length_at(run, at)
    parts[#parts + 1] = length and run:sub(at, at + length - 1) or REPLACEMENT
    at = at + (length or 1)
  end
  return table.concat(parts)
end

--- The text with each byte that is not part of UTF-8 replaced by U+FFFD.
---@param text string
---@return string
function utf8.mend(text)
  if not text:find "[\128-\255]" then return text end
  return (text:gsub("[\128-\255]+", mend_run))
end

---@param text string
---@return boolean
function utf8.is_valid(text)
  -- A tail call of a function that gives a truth is never compiled.
  return (C.moon_is_utf8(text, #text))
end

return utf8
