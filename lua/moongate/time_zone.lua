--- time_zone: the offsets of a place's clocks, and the days, weeks and months that they show.
--
--     local zone = assert(time_zone.load "Europe/Berlin")
--     local start, stop = zone:window("month", time.now())
--
-- Read from the system's files (RFC 9636) when a plugin is loaded; "UTC" and "+05:30" need none.

local time = require "moongate.time"

local floor = math.floor

local FOLDER = "/usr/share/zoneinfo/"
local HEADER_BYTES, FILE_BYTES_MAX = 44, 1048576
local DAY, HOUR = 86400, 3600

---@class moongate.time_zone
local time_zone = {}

---@class TimeZone
---@field times number[]     when the offset changed
---@field offsets number[]   seconds east of UTC from then on; [0] before the first
---@field rule table?        for what comes after the last
local Zone = {}
Zone.__index = Zone

local function word(bytes, at)
  local a, b, c, d = bytes:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function signed(bytes, at)
  local number = word(bytes, at)
  return number < 2 ^ 31 and number or number - 2 ^ 32
end

local function long(bytes, at)
  return signed(bytes, at) * 2 ^ 32 + word(bytes, at + 4)
end

local function counts_at(bytes, at)
  return { ut = word(bytes, at + 20), standard = word(bytes, at + 24), leaps = word(bytes, at + 28),
    times = word(bytes, at + 32), types = word(bytes, at + 36), letters = word(bytes, at + 40) }
end

-- "3", "+05:30", "-2:15:00": seconds; nil: it is none.
local function clock_seconds(text)
  local sign, rest = text:match "^([+-]?)(%d[%d:]*)$"
  if not rest then return nil end
  local hours, minutes, seconds = rest:match "^(%d+):?(%d*):?(%d*)$"
  if not hours then return nil end
  local all = hours * HOUR + (tonumber(minutes) or 0) * 60 + (tonumber(seconds) or 0)
  return sign == "-" and -all or all
end

-- "M3.5.0/3": a day of each year, with a time of the day.
local function parse_day(text)
  local day, clock = text:match "^([^/]+)/?(.*)$"
  local seconds = clock == "" and 2 * HOUR or clock_seconds(clock or "")
  local month, week, week_day = (day or ""):match "^M(%d+)%.(%d)%.(%d)$"
  if not month or not seconds then return nil end
  return { month = tonumber(month), week = tonumber(week), week_day = tonumber(week_day),
    seconds = seconds }
end

-- "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX, TZ); nil: nothing that is understood.
local function parse_rule(text)
  local rest = text:gsub("<[^>]*>", "A")
  local offset, name, more = rest:match "^%a+([+-]?[%d:]+)(%a*)(.*)$"
  local standard = offset and clock_seconds(offset)
  if not standard then return nil end
  if name == "" then return { standard = -standard } end
  local summer_text, from, to = more:match "^([+-]?[%d:]*),([^,]+),([^,]+)$"
  if not summer_text then return nil end
  local summer = summer_text == "" and standard - HOUR or clock_seconds(summer_text)
  from, to = parse_day(from), parse_day(to)
  if not summer or not from or not to then return nil end
  return { standard = -standard, summer = -summer, from = from, to = to }
end

-- When a rule's day is in a year, as the clock shows it: the week-th of such days, 5: the last.
local function at_day(day, year)
  local first = time.days_of(year, day.month, 1)
  local days = first + (day.week_day - (first + 4)) % 7 + (day.week - 1) * 7
  if days >= time.days_of(year, day.month + 1, 1) then days = days - 7 end
  return days * DAY + day.seconds
end

local function offset_by_rule(rule, seconds)
  if not rule.summer then return rule.standard end
  local year = time.date_of(floor((seconds + rule.standard) / DAY))
  local from = at_day(rule.from, year) - rule.standard
  local to = at_day(rule.to, year) - rule.summer
  local is_summer
  if from < to then is_summer = seconds >= from and seconds < to
  else is_summer = seconds < to or seconds >= from end
  return is_summer and rule.summer or rule.standard
end

--- Seconds east of UTC at a time.
---@param seconds number  since the epoch
---@return number
function Zone:offset(seconds)
  local times = self.times
  local low, high = 0, #times
  if self.rule and (high == 0 or seconds >= times[high]) then
    return offset_by_rule(self.rule, seconds)
  end
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if times[middle] <= seconds then low = middle else high = middle - 1 end
  end
  return self.offsets[low]
end

-- When clocks show that: the first time of two, and what would be it where they leap over it.
local function instant_of(self, shown)
  local before, after = self:offset(shown - DAY), self:offset(shown + DAY)
  local one, other = shown - before, shown - after
  if self:offset(one) == before or self:offset(other) ~= after then return one end
  return other
end

local BEGINS = {
  day = function(days) return days, days + 1 end,
  week = function(days) -- from Monday on
    local monday = days - (days + 3) % 7
    return monday, monday + 7
  end,
  month = function(days)
    local year, month = time.date_of(days)
    return time.days_of(year, month, 1), time.days_of(year, month + 1, 1)
  end,
  year = function(days)
    local year = time.date_of(days)
    return time.days_of(year, 1, 1), time.days_of(year + 1, 1, 1)
  end,
}

--- The hour, day, week, month or year of the place that a time is in. An hour that clocks show
--- twice is two hours.
---@param unit "hour"|"day"|"week"|"month"|"year"
---@param seconds number  since the epoch
---@return integer start
---@return integer stop  of the next one
function Zone:window(unit, seconds)
  local shown = seconds + self:offset(seconds)
  if unit == "hour" then
    local start = floor(shown / HOUR) * HOUR - (shown - seconds)
    return start, start + HOUR
  end
  local first, last = BEGINS[unit](floor(shown / DAY))
  return instant_of(self, first * DAY), instant_of(self, last * DAY)
end

local function parse(bytes)
  if #bytes < HEADER_BYTES or bytes:sub(1, 4) ~= "TZif" or bytes:byte(5) < 50 then return nil end
  local first = counts_at(bytes, 1)
  local at = 1 + HEADER_BYTES + first.times * 5 + first.types * 6 + first.letters + first.leaps * 8
    + first.standard + first.ut
  local counts = counts_at(bytes, at)
  at = at + HEADER_BYTES
  local indexes = at + counts.times * 8
  local types = indexes + counts.times
  local zone = { times = {}, offsets = { [0] = signed(bytes, types) } }
  for i = 1, counts.times do
    zone.times[i] = long(bytes, at + (i - 1) * 8)
    zone.offsets[i] = signed(bytes, types + 6 * bytes:byte(indexes + i - 1))
  end
  local footer = bytes:match "\n([^\n]*)\n$"
  zone.rule = footer and parse_rule(footer)
  return zone
end

local function fixed(offset)
  return setmetatable({ times = {}, offsets = { [0] = offset } }, Zone)
end

local loaded = {}

local function load_file(name)
  local file = io.open(FOLDER .. name, "rb")
  local bytes = file and file:read(FILE_BYTES_MAX)
  if file then file:close() end
  local ok, zone = pcall(parse, bytes or "")
  return ok and zone and setmetatable(zone, Zone) or nil
end

--- A place's clocks: "UTC", "Europe/Berlin", "+05:30".
---@param name string
---@return TimeZone?
---@return string? why
function time_zone.load(name)
  if name == "UTC" then return fixed(0) end
  local offset = name:find "^[+-]%d%d:%d%d$" and clock_seconds(name)
  if offset then return fixed(offset) end
  if not name:find "^%a[%w_+/-]*$" then
    return nil, ('%q is no time zone; expected "UTC", "Europe/Berlin" or "+05:30"'):format(name)
  end
  loaded[name] = loaded[name] or load_file(name)
  if loaded[name] then return loaded[name] end
  return nil, ("there is no time zone %q in %s (the package tzdata has them)"):format(name, FOLDER)
end

return time_zone
