local bit = require "bit"
local caching = require "spec.support.caching"

local C, NOW = caching.C, caching.NOW

describe("freshness", function()
  before_each(caching.begin)
  after_each(caching.finish)

  -- Of an answer that was asked for at NOW - delay and came at NOW.
  local function freshness(lines, options)
    options = options or {}
    local ffi = require "ffi"
    local found = caching.keep(ffi.new "struct freshness")
    local response = caching.response(lines)
    local policy = caching.policy(options.policy)
    local control = caching.keep(ffi.new "struct cache_control")
    C.cache_control_read_targeted(control, response.headers, policy.targeted,
      policy.targeted_count, caching.arena)
    local received = NOW + (options.fraction or 0)
    local times = { received - (options.delay or 0), received }
    C.freshness_of(found, policy, response, control, times)
    return found
  end

  local function lifetime(lines, policy) return freshness(lines, { policy = policy }).lifetime end

  describe("age", function()
    local function age(lines, options) return freshness(lines, options).initial_age end

    it("is what Age says, or how long ago its Date was (RFC 9111, 4.2.3)", function()
      for _, row in ipairs {
        { {}, 0 },
        { { "Date: {0}" }, 0 },
        { { "Date: {-20}" }, 20 },
        { { "Date: {20}" }, 0 },
        { { "Date: {-20}", "Age: 5" }, 20 },
        { { "Date: {-20}", "Age: 50" }, 50 },
        { { "Date: foo", "Age: 50" }, 50 },
      } do
        assert.equal(row[2], age(row[1]), table.concat(row[1], " "))
      end
    end)

    it("has the time that the request took", function()
      assert.equal(3, age({}, { delay = 3 }))
      assert.equal(13, age({ "Age: 10" }, { delay = 3 }))
      assert.equal(20, age({ "Age: 10", "Date: {-20}" }, { delay = 3 }))
      assert.equal(0, age({}, { delay = -3 }))
    end)

    it("has no fraction of the second in which it came", function()
      assert.equal(0, age({ "Date: {0}" }, { fraction = 0.9 }))
    end)

    it("is more than any lifetime where Age is not one number (RFC 9111, 5.1)", function()
      for value, seconds in pairs { ["7200"] = 7200, [" 007 "] = 7, ["0"] = 0 } do
        assert.equal(seconds, age { "Age: " .. value }, value)
      end
      for _, value in ipairs { "7200, 0", "0, 7200", "abc", "-7200", "7200.0", "7200;foo=bar", "",
        ", 5", "1 2", "99999999999999999999" } do
        assert.equal(2147483648, age { "Age: " .. value }, value)
      end
      assert.equal(2147483648, age { "Age: 0", "Age: 0" })
    end)

    it("grows while it is stored, and not backwards", function()
      local found = freshness { "Age: 10", "Cache-Control: max-age=60" }
      assert.equal(10, C.freshness_age(found, NOW))
      assert.equal(40.5, C.freshness_age(found, NOW + 30.5))
      assert.equal(10, C.freshness_age(found, NOW - 1000))
      assert.equal(20, C.freshness_left(found, NOW + 30))
      assert.equal(-5, C.freshness_left(found, NOW + 55))
    end)
  end)

  describe("lifetime", function()
    it("is s-maxage, else max-age, else Expires (RFC 9111, 4.2.1)", function()
      for _, row in ipairs {
        { { "Cache-Control: s-maxage=1, max-age=2", "Expires: {3}" }, 1 },
        { { "Cache-Control: max-age=2", "Expires: {3}" }, 2 },
        { { "Expires: {3}" }, 3 },
        { { "Expires: {3}", "Date: {-10}" }, 13 },
        { { "Expires: {300}", "Date: {400}" }, 0 },
        { { "Expires: {10}", "Date: foo" }, 10 },
        { { "Expires: {-1}" }, 0 },
        { { "Expires: {0}", "Date: {0}" }, 0 },
        { { "Cache-Control: max-age=0", "Expires: {3600}" }, 0 },
        { { "Cache-Control: max-age=x", "Expires: {3600}" }, 0 },
        { { "Cache-Control: max-age=9", "Expires: {-3600}" }, 9 },
      } do
        assert.equal(row[2], lifetime(row[1]), table.concat(row[1], " "))
      end
    end)

    it("is over where Expires is malformed or contradicts itself (RFC 9111, 5.3)", function()
      for _, value in ipairs { "0", "-1", "foo", "", "Thu, 18 Aug 2050 02:01:18 UTC" } do
        assert.equal(0, lifetime { "Expires: " .. value, "Last-Modified: {-1000}" }, value)
      end
      assert.equal(0, lifetime { "Expires: {10}", "Expires: {20}" })
      assert.equal(10, lifetime { "Expires: {10}", "Expires: {10}" })
    end)

    it("does not look at Expires beside a field that is aimed at us (RFC 9213, 2.2)", function()
      assert.equal(0, lifetime { "CDN-Cache-Control: public", "Expires: {10}" })
      assert.equal(5, lifetime { "CDN-Cache-Control: max-age=5", "Cache-Control: max-age=50" })
      assert.equal(10, lifetime { "CDN-Cache-Control: &", "Expires: {10}" })
    end)

    it("is a tenth of how long it has been so, at most a day (RFC 9111, 4.2.2)", function()
      local old = "Last-Modified: {-1000}"
      assert.equal(100, lifetime { old })
      assert.equal(100, lifetime { old, "Date: {0}" })
      assert.equal(90, lifetime { old, "Date: {-100}" })
      assert.equal(86400, lifetime { "Last-Modified: {-10000000}" })
      assert.equal(0, lifetime { "Last-Modified: {5}" })
      assert.equal(0, lifetime { "Last-Modified: foo" })
      assert.equal(0, lifetime({ old }, { heuristic_share = 0 }))
      assert.equal(50, lifetime({ old }, { heuristic_max = 50 }))
    end)

    it("is guessed for those statuses alone that permit it, or where it is public", function()
      local permitted = { [200] = 1, [203] = 1, [204] = 1, [300] = 1, [301] = 1, [308] = 1,
        [404] = 1, [405] = 1, [410] = 1, [414] = 1, [501] = 1 }
      for _, status in ipairs {
        200, 201, 202, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410,
        414, 429, 500, 501, 502, 503, 504, 599,
      } do
        local lines = { "Last-Modified: {-1000}", status = status }
        assert.equal(permitted[status] and 100 or 0, lifetime(lines), status)
        table.insert(lines, "Cache-Control: public")
        assert.equal(100, lifetime(lines), status)
      end
    end)

    it("is the policy's where the answer has none", function()
      local policy = { ttl = 60, ttls = { { 404, 404, 5 }, { 400, 499, 7 } } }
      assert.equal(60, lifetime({}, policy))
      assert.equal(60, lifetime({ "Last-Modified: {-1000}" }, policy))
      assert.equal(5, lifetime({ status = 404 }, policy))
      assert.equal(7, lifetime({ status = 403 }, policy))
      assert.equal(0, lifetime({ status = 500 }, policy))
      assert.equal(1, lifetime({ "Cache-Control: max-age=1" }, policy))
      assert.equal(0, lifetime({ "Expires: 0" }, policy))
    end)

    it("is the policy's all the same where that is forced, or its limit", function()
      local forced = { ttl = 60, ttls = { { 404, 404, 5 } }, is_ttl_forced = true }
      assert.equal(60, lifetime({ "Cache-Control: max-age=1" }, forced))
      assert.equal(5, lifetime({ "Cache-Control: max-age=1", status = 404 }, forced))
      assert.equal(1, lifetime({ "Cache-Control: max-age=1", status = 500 }, forced))
      assert.equal(30, lifetime({ "Cache-Control: max-age=50" }, { lifetime_max = 30 }))
    end)
  end)

  describe("windows after the lifetime", function()
    local function windows(lines, policy)
      local found = freshness(lines, { policy = policy })
      return { found.stale_while_revalidate, found.stale_if_error, found.keep }
    end

    local POLICY = { grace = 10, stale_if_error = 20, keep = 30 }

    it("are the answer's, else the policy's (RFC 5861)", function()
      assert.same({ 10, 20, 0 }, windows({}, POLICY))
      assert.same({ 10, 20, 30 }, windows({ 'ETag: "a"' }, POLICY))
      assert.same({ 1, 2, 0 },
        windows({ "Cache-Control: stale-while-revalidate=1, stale-if-error=2" }, POLICY))
      assert.same({ 0, 20, 0 }, windows({ "Cache-Control: stale-while-revalidate=x" }, POLICY))
    end)

    it("are closed by what forbids to be stale (RFC 9111, 4.2.4)", function()
      for _, directive in ipairs {
        "must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=5",
      } do
        local line = "Cache-Control: stale-if-error=9, stale-while-revalidate=9, " .. directive
        assert.same({ 0, 0, 0 }, windows({ line }, POLICY), directive)
        assert.same({ 0, 0, 30 }, windows({ line, "Last-Modified: {-1}" }, POLICY), directive)
      end
    end)

    it("may be open beside s-maxage, where the policy says so and the answer does", function()
      local policy = { grace = 10, stale_if_error = 20, is_stale_after_s_maxage = true }
      local found = windows({ "Cache-Control: s-maxage=5, stale-while-revalidate=9" }, policy)
      assert.same({ 9, 20, 0 }, found)
      assert.same({ 0, 0, 0 }, windows({ "Cache-Control: s-maxage=5" }, policy))
      assert.same({ 0, 0, 0 }, windows({
        "Cache-Control: s-maxage=5, stale-while-revalidate=9, must-revalidate" }, policy))
    end)

    it("say how long it is of use to anybody", function()
      local found = freshness({ "Cache-Control: max-age=5", "Age: 1" }, { policy = POLICY })
      assert.equal(24, C.freshness_kept(found, NOW))
      assert.equal(-1, C.freshness_kept(found, NOW + 25))
    end)
  end)

  it("knows explicit lifetimes, guesses, and what is immutable", function()
    local function has(flag, lines, policy)
      return bit.band(freshness(lines, { policy = policy }).flags, C["FRESHNESS_" .. flag]) ~= 0
    end
    assert.is_true(has("IS_EXPLICIT", { "Cache-Control: max-age=0" }))
    assert.is_true(has("IS_EXPLICIT", {}, { ttl = 5 }))
    assert.is_false(has("IS_EXPLICIT", { "Last-Modified: {-5}" }))
    assert.is_true(has("IS_HEURISTIC", { "Last-Modified: {-5}" }))
    assert.is_true(has("IS_IMMUTABLE", { "Cache-Control: immutable" }))
  end)
end)
