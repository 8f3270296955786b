--- freshness: for how long an answer may be used, as its sender says (RFC 9111, 4.2).

local time = require "moongate.time"

local freshness = {}

-- Without blanks behind it, and quotes about it; nil when there are others. No pattern: one that
-- looks for blanks at an end takes as long as the square of their number.
local function unquoted(value)
  local first, last = 1, #value
  while last > 0 and value:find("^%s", last) do last = last - 1 end
  if value:sub(1, 1) == '"' then first = 2 end
  if last >= first and value:sub(last, last) == '"' then last = last - 1 end
  value = value:sub(first, last)
  return not value:find('"', 1, true) and value or nil
end

-- Seconds of a directive, or nil. The last of its kind counts.
local function directive(control, name)
  local found
  for part in control:gmatch "[^,]+" do
    local key, value = part:match "^%s*([%w%-]+)%s*=?%s*(.*)$"
    if key and key:lower() == name then found = unquoted(value) or found end
  end
  return found
end

local function seconds_of(text)
  local number = text and text:match "^%d+$"
  return number and tonumber(number)
end

local function of_expires(headers, now)
  local expires = time.parse_http(headers.expires)
  local date = headers.date and time.parse_http(headers.date) or now
  return expires and math.max(0, expires - date) or 0
end

local function lifetime(headers, now)
  local control = headers["cache-control"] or ""
  if directive(control, "no-store") or directive(control, "no-cache") then return 0 end
  local age = directive(control, "max-age")
  if age then return seconds_of(age) or 0 end
  return headers.expires and of_expires(headers, now) or nil
end

--- Seconds for which an answer that has just come may be used; what was used up on the way (Age) is
--- taken off.
---@param headers table<string, string>  lower-case names
---@param now number
---@return number? seconds  nil: the sender does not say
function freshness.of(headers, now)
  local seconds = lifetime(headers, now)
  if not seconds then return nil end
  return math.max(0, seconds - (seconds_of(headers.age) or 0))
end

return freshness
