--- values: what operators write as text and the gateway keeps as numbers: durations, sizes.

local values = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local KNOWN_MAX = 100
local BYTES = { [""] = 1, b = 1, k = 1024, m = 1024 ^ 2, g = 1024 ^ 3 }

-- By their text: a few are written again and again.
local known, known_count = {}, 0

local function seconds_of(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a+)$"
  local seconds = number and SECONDS[unit] and tonumber(number) * SECONDS[unit]
  if seconds and known_count < KNOWN_MAX then
    known[text], known_count = seconds, known_count + 1
  end
  return seconds
end

--- Seconds, or "250ms", "5s", "1m", "1h", "1d".
---@return number? seconds
function values.duration(value)
  if type(value) == "number" then return value >= 0 and value < math.huge and value or nil end
  if type(value) ~= "string" then return nil end
  return known[value] or seconds_of(value)
end

--- Bytes, or "64k", "10m", "1g".
---@return integer? bytes
function values.size(value)
  if type(value) == "number" then
    return value >= 0 and value % 1 == 0 and value < 2 ^ 53 and value or nil
  end
  if type(value) ~= "string" then return nil end
  local number, unit = value:match "^(%d+)(%a?)$"
  local bytes = number and BYTES[unit:lower()]
  return bytes and tonumber(number) * bytes
end

--- How a value looks in a message: quoted, shortened, never a secret (the caller's duty).
---@return string
function values.show(value)
  if type(value) == "string" then
    return ("%q"):format(#value > 40 and value:sub(1, 37) .. "..." or value):gsub("\n", "n")
  end
  if type(value) == "table" or type(value) == "function" then return "a " .. type(value) end
  return tostring(value)
end

return values
