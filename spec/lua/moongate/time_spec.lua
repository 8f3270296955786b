local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("time", function()
  local moongate

  local function ask(path, body)
    return http.request(moongate.port, { method = "POST", path = path, body = body or "" }).body
  end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/now", function(req, m) return ("%.3f"):format(m.time.now()) end)
      says("/same", function(req, m) return m.time.now() == m.time.now() end)
      says("/monotonic", function(req, m)
        local one = m.time.monotonic()
        m.sleep(0.01)
        local passed = m.time.monotonic() - one
        return passed >= 0.009 and passed < 30
      end)
      says("/http", function(req, m) return m.time.http(tonumber(req:body())) end)
      says("/iso", function(req, m) return m.time.iso(tonumber(req:body())) end)
      says("/iso-ms", function(req, m) return m.time.iso(tonumber(req:body()), true) end)
      says("/parse", function(req, m) return m.time.parse_http(req:body()) end)
      says("/parse-iso", function(req, m) return m.time.parse_iso(req:body()) end)
      says("/round", function(req, m)
        for i = -62135596800, 253402300799, 86399 * 1009 do
          if m.time.parse_http(m.time.http(i)) ~= i then return i end
        end
        return "round"
      end)
      says("/out", function(req, m)
        local out = {}
        for i, seconds in ipairs { -62135596801, 253402300800, 1 / 0, 0 / 0, "x" } do
          out[i] = tostring((pcall(m.time.http, seconds)))
        end
        return table.concat(out, " ")
      end)
      says("/two-digits", function(req, m)
        local year = tonumber(m.time.iso(m.time.now()):sub(1, 4))
        local function read(offset)
          local text = ("Monday, 01-Jan-%02d 00:00:00 GMT"):format((year + offset) % 100)
          return tonumber(m.time.iso(m.time.parse_http(text)):sub(1, 4)) - year
        end
        return read(0), read(50), read(51), read(-40)
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("knows what time it is", function()
    assert.is_true(math.abs(tonumber(ask "/now") - os.time()) < 30)
    assert.equal("true", ask "/same")
    assert.equal("true", ask "/monotonic")
  end)

  it("knows it while a plugin is loaded, too", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading [[if moongate.time.now() < 1.6e9 then error "no" end]],
    })
    assert.equal(0, code, err)
  end)

  it("writes dates as HTTP does", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", ask("/http", "784111777"))
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", ask("/http", "0"))
    assert.equal("Wed, 31 Dec 1969 23:59:59 GMT", ask("/http", "-0.5"))
    assert.equal("Tue, 29 Feb 2000 12:00:00 GMT", ask("/http", "951825600"))
    assert.equal("Mon, 01 Jan 0001 00:00:00 GMT", ask("/http", "-62135596800"))
    assert.equal("Fri, 31 Dec 9999 23:59:59 GMT", ask("/http", "253402300799"))
  end)

  it("writes dates as ISO 8601 does", function()
    assert.equal("1994-11-06T08:49:37Z", ask("/iso", "784111777.25"))
    assert.equal("1994-11-06T08:49:37.250Z", ask("/iso-ms", "784111777.25"))
    assert.equal("1970-01-01T00:00:00.000Z", ask("/iso-ms", "0"))
  end)

  it("refuses to write times beyond the years 1 to 9999", function()
    assert.equal("false false false false false", ask "/out")
  end)

  -- The examples of RFC 9110, 5.6.7.
  it("reads all three forms of a date", function()
    assert.equal("784111777", ask("/parse", "Sun, 06 Nov 1994 08:49:37 GMT"))
    assert.equal("784111777", ask("/parse", "Sunday, 06-Nov-94 08:49:37 GMT"))
    assert.equal("784111777", ask("/parse", "Sun Nov  6 08:49:37 1994"))
    assert.equal("1483228800", ask("/parse", "Sat, 31 Dec 2016 23:59:60 GMT"))
    assert.equal("round", ask "/round")
  end)

  it("reads times as RFC 3339 writes them", function()
    assert.equal("784111777", ask("/parse-iso", "1994-11-06T08:49:37Z"))
    assert.equal("784111777.25", ask("/parse-iso", "1994-11-06t08:49:37.25z"))
    assert.equal("784111777", ask("/parse-iso", "1994-11-06T09:49:37+01:00"))
    assert.equal("784111777", ask("/parse-iso", "1994-11-06T00:19:37-08:30"))
    for _, bad in ipairs { "", "1994-11-06", "1994-11-06T08:49:37", "1994-13-06T08:49:37Z",
      "1994-00-06T08:49:37Z", "1994-02-30T08:49:37Z", "1994-11-06T24:00:00Z",
      "1994-11-06T08:49:37+1:00", "1994-11-06T08:49:37+24:00", "1994-11-06T08:49:37.Z",
      "1994-11-06 08:49:37Z", "1994-11-06T08:49:37Z " } do
      assert.equal("nil this is not a time of RFC 3339", ask("/parse-iso", bad), bad)
    end
  end)

  it("takes a year of two digits for the past when it is more than 50 years ahead", function()
    assert.equal("0 50 -49 -40", ask "/two-digits")
  end)

  it("refuses what is no date", function()
    for _, bad in ipairs { "", "now", "784111777", "Sun, 06 Nov 1994 08:49:37",
      "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
      "Mon, 29 Feb 1900 00:00:00 GMT", "Xxx, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
      "Sun, 06-Nov-94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "1994-11-06T08:49:37Z" } do
      assert.equal("nil this is not a date of HTTP", ask("/parse", bad), bad)
    end
  end)
end)
