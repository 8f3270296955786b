--- time_zone_spec: held against what the system's own clocks say (date, of coreutils).

local process = require "spec.support.process"

-- The clock alone asks C.
package.loaded["moongate.ffi"] = package.loaded["moongate.ffi"] or { C = {} }
local time_zone = require "moongate.time_zone"

local ZONES = { "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe",
  "Asia/Kolkata", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia", "Pacific/Chatham",
  "America/St_Johns", "Africa/Casablanca", "Asia/Beirut", "America/Santiago", "Etc/GMT+5" }

-- What `date` says to each of these times, one to a line.
local function dates(zone, format, times)
  local lines = {}
  for i, seconds in ipairs(times) do lines[i] = ("@%d"):format(seconds) end
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  local code, out = process.run({ "env", "TZ=" .. zone, "date", "-f", path, "+" .. format })
  os.remove(path)
  assert.equal(0, code)
  local said = {}
  for line in out:gmatch "[^\n]+" do said[#said + 1] = line end
  return said
end

describe("time_zone", function()
  -- From 1950 to 2100, with steps that hit every hour of the day and every day of the week.
  local times = {}
  for seconds = -631152000, 4102444800, 1234567 * 3 + 1801 do times[#times + 1] = seconds end

  for _, name in ipairs(ZONES) do
    it("knows the offsets of " .. name, function()
      local zone = assert(time_zone.load(name))
      for i, said in ipairs(dates(name, "%::z", times)) do
        local sign, h, m, s = said:match "^([+-])(%d+):(%d+):(%d+)$"
        local expected = (h * 3600 + m * 60 + s) * (sign == "-" and -1 or 1)
        if zone:offset(times[i]) ~= expected then
          error(("@%d: %d; date says %s"):format(times[i], zone:offset(times[i]), said))
        end
      end
    end)

    -- A window begins when its first time is shown, and not a second before.
    it("begins days, months and years when clocks do in " .. name, function()
      local zone = assert(time_zone.load(name))
      for unit, format in pairs { day = "%F", month = "%Y-%m", year = "%Y", week = "%G-%V" } do
        local probes = {}
        for i = 1000, #times, 7 do
          local start, stop = zone:window(unit, times[i])
          assert(start <= times[i] and times[i] < stop)
          for _, at in ipairs { times[i], start, start - 1, stop - 1, stop } do
            probes[#probes + 1] = at
          end
        end
        local said = dates(name, format, probes)
        for i = 1, #said, 5 do
          local now = said[i]
          local is_inside = said[i + 1] == now and said[i + 3] == now
          if not is_inside or said[i + 2] == now or said[i + 4] == now then
            error(("%s of @%d: %s"):format(unit, probes[i], table.concat(said, " ", i, i + 4)))
          end
        end
      end
    end)
  end

  it("has days of 23 and 25 hours", function()
    local zone = assert(time_zone.load "Europe/Berlin")
    local function hours(seconds)
      local start, stop = zone:window("day", seconds)
      return (stop - start) / 3600
    end
    assert.equal(23, hours(1774742400)) -- 29 March 2026
    assert.equal(25, hours(1792886400)) -- 25 October 2026
    assert.equal(24, hours(1792972800 + 86400))
    -- The hour from two to three, twice.
    local first = { zone:window("hour", 1792886400 + 1800) }
    local second = { zone:window("hour", 1792886400 + 5400) }
    assert.same({ 1792886400, 1792890000 }, first)
    assert.same({ 1792890000, 1792893600 }, second)
  end)

  it("takes fixed offsets", function()
    local zone = assert(time_zone.load "+05:30")
    assert.equal(19800, zone:offset(0))
    assert.same({ -19800, 66600 }, { zone:window("day", 0) })
    assert.same({ 0, 86400 }, { time_zone.load("UTC"):window("day", 86399) })
    assert.equal(-9000, time_zone.load("-02:30"):offset(0))
  end)

  it("refuses what is no time zone", function()
    for _, name in ipairs { "", "Mars/Olympus", "../../etc/passwd", "Europe/../../x", "/etc/passwd",
      "Europe", "tzdata.zi" } do
      local zone, why = time_zone.load(name)
      assert.is_nil(zone, name)
      assert.matches("time zone", why)
    end
  end)
end)
