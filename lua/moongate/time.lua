--- time: the clock of the gateway, and dates as HTTP and ISO 8601 write them.
--
--     res.headers["last-modified"] = time.http(time.now())
--     local since, why = time.parse_http(req.headers["if-modified-since"] or "")
--
-- Times are seconds since 1970 in UTC, without leap seconds.

local bridge = require "moongate.ffi"

local C = bridge.C

---@class moongate.time
local time = {}

local DAY = 86400
local YEAR_MAX = 9999
local SECONDS_MIN, SECONDS_MAX = -62135596800, 253402300799 -- years 1 to 9999
-- Days from 1 March of year 0 to 1 January 1970, and in 400 years.
local EPOCH_DAYS, CYCLE_DAYS = 719468, 146097

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local LONG_DAYS = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
  "Dec" }
local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function index_of(names)
  local index = {}
  for i, name in ipairs(names) do index[name] = i end
  return index
end

local MONTH_NUMBERS = index_of(MONTHS)
local DAY_NUMBERS, LONG_DAY_NUMBERS = index_of(DAYS), index_of(LONG_DAYS)

--- Now, as of this turn of the event loop: the same for everything that happens at once.
---@return number seconds
function time.now()
  return (C.moon_now(bridge.generation))
end

--- A clock that nobody sets, for durations: only differences mean something.
---@return number seconds
function time.monotonic()
  return (C.moon_monotonic())
end

--- Days from 1 January 1970 to a date of the Gregorian calendar. Months beyond 12 are of later
--- years.
---@param year integer
---@param month integer
---@param day integer
---@return integer
function time.days_of(year, month, day)
  year, month = year + math.floor((month - 1) / 12), (month - 1) % 12 + 1
  -- Years begin in March here, so that the day that comes and goes is the last one.
  if month <= 2 then year = year - 1 end
  local cycle = math.floor(year / 400)
  local year_of_cycle = year - cycle * 400
  local day_of_year = math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  local day_of_cycle = year_of_cycle * 365 + math.floor(year_of_cycle / 4)
    - math.floor(year_of_cycle / 100) + day_of_year
  return cycle * CYCLE_DAYS + day_of_cycle - EPOCH_DAYS
end

--- The date so many days after 1 January 1970.
---@param days integer
---@return integer year
---@return integer month
---@return integer day
function time.date_of(days)
  days = days + EPOCH_DAYS
  local cycle = math.floor(days / CYCLE_DAYS)
  local day_of_cycle = days - cycle * CYCLE_DAYS
  local year = math.floor((day_of_cycle - math.floor(day_of_cycle / 1460)
    + math.floor(day_of_cycle / 36524) - math.floor(day_of_cycle / 146096)) / 365)
  local day_of_year = day_of_cycle - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted = math.floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - math.floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return year + cycle * 400 + (month <= 2 and 1 or 0), month, day
end

local function parts_of(seconds)
  if type(seconds) ~= "number" or not (seconds >= SECONDS_MIN and seconds <= SECONDS_MAX) then
    error("a time is seconds since 1970, within the years 1 to 9999", 3)
  end
  local whole = math.floor(seconds)
  local days = math.floor(whole / DAY)
  local rest = whole - days * DAY
  local year, month, day = time.date_of(days)
  return {
    year = year, month = month, day = day, week_day = (days + 4) % 7 + 1,
    hour = math.floor(rest / 3600), minute = math.floor(rest / 60) % 60, second = rest % 60,
    thousandth = math.floor((seconds - whole) * 1000),
  }
end

--- As in Date and Last-Modified: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
---@param seconds number
---@return string
function time.http(seconds)
  local at = parts_of(seconds)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[at.week_day], at.day,
    MONTHS[at.month], at.year, at.hour, at.minute, at.second)
end

--- As in RFC 3339: "1994-11-06T08:49:37Z", with milliseconds "1994-11-06T08:49:37.250Z".
---@param seconds number
---@param with_milliseconds boolean?
---@return string
function time.iso(seconds, with_milliseconds)
  local at = parts_of(seconds)
  local fraction = with_milliseconds and (".%03d"):format(at.thousandth) or ""
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(at.year, at.month, at.day, at.hour, at.minute,
    at.second, fraction)
end

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function is_date(year, month, day)
  if not month or year < 1 or year > YEAR_MAX or day < 1 then return false end
  return day <= MONTH_DAYS[month] + (month == 2 and is_leap(year) and 1 or 0)
end

-- nil when there is no such time; a leap second is the one after it.
local function seconds_of(year, month, day, clock)
  local hour, minute, second = clock:match "^(%d%d):(%d%d):(%d%d)$"
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not is_date(year, month, day) then return nil end
  if hour > 23 or minute > 59 or second > 60 then return nil end
  return time.days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second
end

-- Of "Z" or "+02:00"; nil when it is none.
local function offset_of(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match "^([+-])(%d%d):(%d%d)$"
  hours, minutes = tonumber(hours), tonumber(minutes)
  if not hours or hours > 23 or minutes > 59 then return nil end
  return (hours * 3600 + minutes * 60) * (sign == "-" and -1 or 1)
end

--- Reads a time as RFC 3339 writes it: "1994-11-06T08:49:37Z", "1994-11-06T09:49:37.5+01:00".
---@param text string
---@return number? seconds
---@return string? why
function time.parse_iso(text)
  local year, month, day, clock, fraction, zone =
    text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d:%d%d:%d%d)(%.?%d*)([Zz+-].*)$"
  local offset = zone and (fraction == "" or fraction:find "^%.%d+$") and offset_of(zone)
  month = tonumber(month)
  local seconds = offset and month >= 1 and month <= 12
    and seconds_of(tonumber(year), month, tonumber(day), clock)
  if not seconds then return nil, "this is not a time of RFC 3339" end
  return seconds - offset + (tonumber("0" .. fraction) or 0)
end

-- A year of two digits that would be more than 50 years ahead is of the past.
local function full_year(digits)
  local now = time.date_of(math.floor(time.now() / DAY))
  local year = now - now % 100 + digits
  return year > now + 50 and year - 100 or year
end

local function parse_fixed(text)
  local name, day, month, year, clock =
    text:match "^(%a%a%a), (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$"
  if not DAY_NUMBERS[name] then return nil end
  return seconds_of(tonumber(year), MONTH_NUMBERS[month], tonumber(day), clock)
end

local function parse_rfc850(text)
  local name, day, month, year, clock =
    text:match "^(%a+), (%d%d)%-(%a%a%a)%-(%d%d) (%d%d:%d%d:%d%d) GMT$"
  if not LONG_DAY_NUMBERS[name] then return nil end
  return seconds_of(full_year(tonumber(year)), MONTH_NUMBERS[month], tonumber(day), clock)
end

local function parse_asctime(text)
  local name, month, day, clock, year =
    text:match "^(%a%a%a) (%a%a%a) ([ %d]%d) (%d%d:%d%d:%d%d) (%d%d%d%d)$"
  if not DAY_NUMBERS[name] then return nil end
  return seconds_of(tonumber(year), MONTH_NUMBERS[month], tonumber(day), clock)
end

--- Reads all three forms of a date in HTTP (RFC 9110, 5.6.7); the day's name is not compared.
---@param text string
---@return integer? seconds
---@return string? why
function time.parse_http(text)
  local seconds = parse_fixed(text) or parse_rfc850(text) or parse_asctime(text)
  if not seconds then return nil, "this is not a date of HTTP" end
  return seconds
end

return time
