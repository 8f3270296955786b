--- freshness: for how long an answer may be used, as its sender says (RFC 9111, 4.2).

local time = require "moongate.time"

local freshness = {}

-- Seconds of a directive, or nil. The last of its kind counts.
local function directive(control, name)
  local found
  for part in control:gmatch "[^,]+" do
    local key, value = part:match "^%s*([%w%-]+)%s*=?%s*\"?([^\"]-)\"?%s*$"
    if key and key:lower() == name then found = value end
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
