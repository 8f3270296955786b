local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/cache_control.h"
local bit = require "bit"

local FLAGS = {
  "no_store", "no_cache", "private", "public", "must_revalidate", "proxy_revalidate",
  "must_understand", "no_transform", "immutable", "only_if_cached",
}
local SECONDS = {
  "max_age", "s_maxage", "min_fresh", "max_stale", "stale_while_revalidate", "stale_if_error",
}

-- The directives as text: "max_age=1 no_store".
local function describe_control(control)
  local words = {}
  local function has(name)
    return bit.band(control.directives, C["CACHE_" .. name:upper()]) ~= 0
  end
  for _, name in ipairs(SECONDS) do
    if has(name) then words[#words + 1] = ("%s=%d"):format(name, tonumber(control[name])) end
  end
  for _, name in ipairs(FLAGS) do
    if has(name) then words[#words + 1] = name end
  end
  for _, name in ipairs { "no_cache_names", "private_names" } do
    local names = runtime.text(control[name])
    if names then words[#words + 1] = ("%s(%s)"):format(name, names) end
  end
  return table.concat(words, " ")
end

local function read(lines, targeted)
  local control, headers = ffi.new "struct cache_control", ffi.new "struct headers"
  caching.add(headers, lines)
  if not targeted then
    C.cache_control_read(control, headers, caching.arena)
  else
    local policy = caching.policy { targeted = targeted }
    C.cache_control_read_targeted(control, headers, policy.targeted, policy.targeted_count,
      caching.arena)
  end
  return describe_control(control), runtime.text(control.field)
end

describe("cache_control", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function reads(rows)
    for _, row in ipairs(rows) do
      local lines = type(row[1]) == "table" and row[1] or { row[1] }
      for i, line in ipairs(lines) do lines[i] = "Cache-Control: " .. line end
      assert.equal(row[2], (read(lines)), table.concat(lines, " / "))
    end
  end

  it("reads each directive, in any case", function()
    reads {
      { "", "" },
      { "max-age=3600", "max_age=3600" },
      { "MaX-aGe=3600, S-MAXAGE=1", "max_age=3600 s_maxage=1" },
      { "no-store,no-cache , private", "no_store no_cache private" },
      { "public, must-revalidate, proxy-revalidate", "public must_revalidate proxy_revalidate" },
      { "must-understand, no-transform, immutable", "must_understand no_transform immutable" },
      { "only-if-cached, min-fresh=5", "min_fresh=5 only_if_cached" },
      { "stale-while-revalidate=6, stale-if-error=7",
        "stale_while_revalidate=6 stale_if_error=7" },
    }
  end)

  it("ignores what it does not know, and does not look into quotes (RFC 9111, 5.2.3)", function()
    reads {
      { "foobar, max-age=3600", "max_age=3600" },
      { 'extension="max-age=3600", max-age=1', "max_age=1" },
      { 'max-age=1, extension="max-age=3600"', "max_age=1" },
      { 'extension="no-store, \\", private", max-age=1', "max_age=1" },
      { "max-agee=1, amax-age=1, no-stor", "" },
      { 'x="unfinished, no-store', "" },
    }
  end)

  it("reads numbers with quotes, and with zeros before them (RFC 9111, 5.2)", function()
    reads {
      { 'max-age="3600"', "max_age=3600" },
      { "max-age=003600", "max_age=3600" },
    }
  end)

  it("takes a lifetime that is malformed for none (RFC 9111, 4.2.1)", function()
    for _, value in ipairs {
      "", "=", "='3600'", "=-3600", "=3600.0", "=3600.5", "=a3600", "=3600a", " =3600", "= 3600",
      '="3600', '="', '=""', "=+5", "=0x10", '="36"00',
    } do
      reads { { "max-age" .. value, "max_age=0" }, { "s-maxage" .. value, "s_maxage=0" } }
    end
  end)

  it("takes two different values for none, and equal ones for one (RFC 9111, 4.2.1)", function()
    reads {
      { "max-age=1, max-age=1800", "max_age=0" },
      { { "max-age=1800", "max-age=1" }, "max_age=0" },
      { { "max-age=60", 'max-age="60"' }, "max_age=60" },
      { "s-maxage=3, S-Maxage=4", "s_maxage=0" },
    }
  end)

  it("takes what is too large for 2^31 (RFC 9111, 1.2.2)", function()
    reads {
      { "max-age=2147483647", "max_age=2147483647" },
      { "max-age=2147483649", "max_age=2147483648" },
      { "max-age=" .. ("9"):rep(400), "max_age=2147483648" },
    }
  end)

  it("joins all lines", function()
    reads {
      { { "s-maxage=3600", "max-age=1" }, "max_age=1 s_maxage=3600" },
      { { "", "no-store" }, "no_store" },
    }
  end)

  it("tells names from no names", function()
    reads {
      { 'no-cache="a, b"', "no_cache_names(a, b)" },
      { "no-cache=a", "no_cache_names(a)" },
      { 'no-cache="a", no-cache="b"', "no_cache_names(a,b)" },
      { 'private="set-cookie", no-cache', "no_cache private_names(set-cookie)" },
      { 'no-cache="a", no-cache', "no_cache no_cache_names(a)" },
      { 'no-cache=""', "no_cache" },
      { 'private="' .. ("x"):rep(1025) .. '"', "private" },
    }
  end)

  it("reads max-stale without a number as any", function()
    reads {
      { "max-stale", "max_stale=2147483648" },
      { "max-stale=5", "max_stale=5" },
      { "max-stale=x", "max_stale=0" },
    }
  end)

  describe("of a field that is aimed at us (RFC 9213)", function()
    local BOTH = { "Moongate-Cache-Control", "CDN-Cache-Control" }

    it("comes before Cache-Control, the first one of the list", function()
      local control, field = read({
        "Cache-Control: no-store", "CDN-Cache-Control: max-age=2",
        "Moongate-Cache-Control: max-age=3, private=?0",
      }, BOTH)
      assert.equal("max_age=3", control)
      assert.equal("moongate-cache-control", field)
      assert.equal("max_age=2",
        (read({ "Cache-Control: no-store", "CDN-Cache-Control: max-age=2" }, BOTH)))
      assert.equal("no_store", (read({ "Cache-Control: no-store" }, BOTH)))
    end)

    it("counts as absent when it is empty or no dictionary", function()
      for _, value in ipairs {
        "", "max-age=60, ,", "max-age=60 no-store", "Max-Age=60", "max-age='60'", 'x="', "&",
      } do
        local control, field = read({
          "CDN-Cache-Control: " .. value, "Cache-Control: max-age=7",
        }, BOTH)
        assert.equal("max_age=7", control, value)
        assert.equal("Cache-Control", field)
      end
    end)

    it("has numbers that are integers", function()
      for value, expected in pairs {
        ["max-age=60"] = "max_age=60", ["max-age=60;x=1"] = "max_age=60",
        ["max-age=60.0"] = "max_age=0", ['max-age="60"'] = "max_age=0", ["max-age"] = "max_age=0",
        ["max-age=-1"] = "max_age=0", ["max-age=(1 2)"] = "max_age=0",
        ["max-age=99999999999"] = "max_age=2147483648", ["max-age=1, max-age=2"] = "max_age=2",
      } do
        assert.equal(expected, (read({ "CDN-Cache-Control: " .. value }, BOTH)), value)
      end
    end)

    it("has names as strings or lists, and flags", function()
      for value, expected in pairs {
        ['no-cache="a, b"'] = "no_cache_names(a, b)", ["no-cache=(a b)"] = "no_cache_names(a,b,)",
        ["no-cache"] = "no_cache", ["private=?1"] = "private", ["no-store=?0, public"] = "public",
        ["no-store, must-revalidate"] = "no_store must_revalidate",
      } do
        assert.equal(expected, (read({ "CDN-Cache-Control: " .. value }, BOTH)), value)
      end
    end)
  end)
end)
