local runtime = require "spec.support.runtime"

local C = runtime.include "http/http_date.h"
local slice = runtime.slice

local NOW = 1790000000 -- in September 2026
local EXAMPLE = 784111777

local function parse(text)
  local seconds = runtime.box "int64_t"
  if not C.http_date_parse(slice(text), NOW, seconds) then return nil end
  return tonumber(seconds[0])
end

describe("http_date", function()
  it("reads all three forms", function()
    assert.equal(EXAMPLE, parse "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.equal(EXAMPLE, parse "Sunday, 06-Nov-94 08:49:37 GMT")
    assert.equal(EXAMPLE, parse "Sun Nov  6 08:49:37 1994")
    assert.equal(EXAMPLE + 10 * 86400, parse "Wed Nov 16 08:49:37 1994")
  end)

  it("knows the calendar", function()
    assert.equal(0, parse "Thu, 01 Jan 1970 00:00:00 GMT")
    assert.equal(-1, parse "Wed, 31 Dec 1969 23:59:59 GMT")
    assert.equal(951782400, parse "Tue, 29 Feb 2000 00:00:00 GMT")
    assert.equal(4107542400, parse "Mon, 01 Mar 2100 00:00:00 GMT")
    assert.equal(1483228800, parse "Sat, 31 Dec 2016 23:59:60 GMT")
    assert.equal(253402300799, parse "Fri, 31 Dec 9999 23:59:59 GMT")
    for _, text in ipairs {
      "Mon, 29 Feb 2100 00:00:00 GMT", "Thu, 30 Feb 2023 00:00:00 GMT",
      "Thu, 31 Apr 2023 00:00:00 GMT", "Thu, 00 Apr 2023 00:00:00 GMT",
      "Thu, 01 Apr 2023 24:00:00 GMT", "Thu, 01 Apr 2023 00:60:00 GMT",
      "Thu, 01 Apr 2023 00:00:61 GMT", "Thu, 01 Apr 0000 00:00:00 GMT",
    } do
      assert.is_nil(parse(text), text)
    end
  end)

  it("takes years of two digits for those nearest, at most 50 years ahead", function()
    local day = "Thursday, 18-Aug-%02d 02:01:18 GMT"
    assert.equal(parse "Thu, 18 Aug 2050 02:01:18 GMT", parse(day:format(50)))
    assert.equal(parse "Thu, 18 Aug 2076 02:01:18 GMT", parse(day:format(76)))
    assert.equal(parse "Thu, 18 Aug 1977 02:01:18 GMT", parse(day:format(77)))
  end)

  it("takes nothing else", function()
    for _, text in ipairs {
      "", "0", "-1", "foo", "Sun", "Sun, ", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 AEST",
      "Sun, 06 Nov 1994 08:49:37 gmt", "SUN, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 NOV 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun 06 Nov 1994 08:49:37 GMT", "Sun, 06  Nov 1994 08:49:37 GMT",
      "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT",
      "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun, 06 Nov 1994 08:49:37 +0000",
      "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 1994 08:49:37 GMT",
      "Xxx, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Xxx 1994 08:49:37 GMT",
      "Sun Nov 6 08:49:37 1994", "Sun Nov 006 08:49:37 1994", "Sun Nov  6 08:49:37 1994 ",
      "784111777", "1994-11-06T08:49:37Z",
    } do
      assert.is_nil(parse(text), text)
    end
  end)
end)
