local caching = require "spec.support.caching"
local ffi = require "ffi"

local C, NOW = caching.C, caching.NOW
local _ = require("spec.support.runtime").include "cache/reuse.h"

local NAMES = {}
for _, name in ipairs { "FRESH", "STALE", "REFRESH", "VALIDATE", "UNAVAILABLE", "GONE" } do
  NAMES[tonumber(C["REUSE_" .. name])] = name:lower()
end
local FAILURES = {
  [tonumber(C.REUSE_FAILURE_STALE)] = "stale", [tonumber(C.REUSE_FAILURE_PASS)] = "pass",
  [tonumber(C.REUSE_FAILURE_TIMEOUT)] = "timeout",
}

describe("reuse", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function stored(response, policy)
    local _, storable = caching.judge(caching.ask({}, policy), response)
    return storable.freshness
  end

  -- What becomes of an answer after some seconds, when it is asked for with these fields.
  local function reuse(response, seconds, request, policy, is_purged)
    local asked = caching.ask(request or {}, policy)
    local verdict =
      C.reuse_decide(asked, stored(response, policy), NOW + seconds, is_purged or false)
    return NAMES[tonumber(verdict.reuse)], ffi.string(C.cache_forward_text(verdict.forward))
  end

  local function reuses(rows)
    for i, row in ipairs(rows) do
      local found = reuse(row[1], row[2], row[3], row[5], row[6])
      assert.equal(row[4], found, ("row %d: %s"):format(i, table.concat(row[1], " ")))
    end
  end

  local MINUTE = { "Cache-Control: max-age=60", 'ETag: "a"' }

  it("uses what is fresh, and validates what is not (RFC 9111, 4.2)", function()
    reuses {
      { MINUTE, 0, nil, "fresh" }, { MINUTE, 59.9, nil, "fresh" }, { MINUTE, 60, nil, "validate" },
      { MINUTE, 61, nil, "validate" }, { MINUTE, -100, nil, "fresh" },
      { { "Cache-Control: max-age=60", "Age: 59" }, 0.5, nil, "fresh" },
      { { "Cache-Control: max-age=60", "Age: 59", 'ETag: "a"' }, 1, nil, "validate" },
    }
    assert.equal("stale", select(2, reuse(MINUTE, 60)))
  end)

  it("forgets what is beyond all windows", function()
    local policy = { keep = 100 }
    reuses {
      { MINUTE, 159, nil, "validate", policy }, { MINUTE, 160, nil, "gone", policy },
      { { "Cache-Control: max-age=60" }, 60, nil, "gone", policy },
    }
  end)

  it("never uses no-cache without validation, but with names (RFC 9111, 5.2.2.4)", function()
    reuses {
      { { "Cache-Control: max-age=60, no-cache", 'ETag: "a"' }, 0, nil, "validate" },
      { { "Cache-Control: no-cache", 'ETag: "a"' }, 0, { "Cache-Control: max-stale" }, "validate" },
      { { 'Cache-Control: max-age=60, no-cache="a"' }, 0, nil, "fresh" },
    }
  end)

  it("validates when the client wants it (RFC 9111, 5.2.1)", function()
    reuses {
      { MINUTE, 1, { "Cache-Control: no-cache" }, "validate" },
      { MINUTE, 1, { "Pragma: no-cache" }, "validate" },
      { MINUTE, 1, { "Pragma: unknown" }, "fresh" },
      { MINUTE, 1, { "Pragma: no-cache", "Cache-Control: max-age=5" }, "fresh" },
      { MINUTE, 1, { "Cache-Control: max-age=0" }, "validate" },
      { MINUTE, 5, { "Cache-Control: max-age=5" }, "fresh" },
      { MINUTE, 6, { "Cache-Control: max-age=5" }, "validate" },
      { MINUTE, 1, { "Cache-Control: max-age=x" }, "validate" },
      { MINUTE, 50, { "Cache-Control: min-fresh=10" }, "fresh" },
      { MINUTE, 51, { "Cache-Control: min-fresh=10" }, "validate" },
      { MINUTE, 1, { "Cache-Control: no-store" }, "fresh" },
    }
    assert.equal("request", select(2, reuse(MINUTE, 1, { "Cache-Control: no-cache" })))
  end)

  it("does not listen to clients where the policy says so", function()
    local policy = { obeys_clients = false }
    for _, directive in ipairs { "no-cache", "max-age=0", "min-fresh=100" } do
      reuses { { MINUTE, 1, { "Cache-Control: " .. directive }, "fresh", policy } }
    end
    reuses {
      { MINUTE, 1, { "Pragma: no-cache" }, "fresh", policy },
      { MINUTE, 61, { "Cache-Control: max-stale" }, "validate", policy },
      { MINUTE, 61, { "Cache-Control: only-if-cached" }, "unavailable", policy },
    }
  end)

  it("does not validate what is immutable for a max-age, only for no-cache (RFC 8246)", function()
    local line = { "Cache-Control: max-age=60, immutable", 'ETag: "a"' }
    reuses {
      { line, 1, { "Cache-Control: max-age=0" }, "fresh" },
      { line, 1, { "Cache-Control: no-cache" }, "validate" },
      { line, 61, { "Cache-Control: max-age=0" }, "validate" },
    }
  end)

  it("uses stale ones for who takes them (RFC 9111, 5.2.1.2)", function()
    reuses {
      { MINUTE, 65, { "Cache-Control: max-stale=5" }, "stale" },
      { MINUTE, 66, { "Cache-Control: max-stale=5" }, "validate" },
      { MINUTE, 500, { "Cache-Control: max-stale" }, "stale" },
      { MINUTE, 65, { "Cache-Control: max-stale, max-age=10" }, "validate" },
    }
    for _, directive in ipairs { "must-revalidate", "proxy-revalidate", "s-maxage=60" } do
      local line = { "Cache-Control: max-age=60, " .. directive, 'ETag: "a"' }
      reuses {
        { line, 59, { "Cache-Control: max-stale" }, "fresh" },
        { line, 61, { "Cache-Control: max-stale" }, "validate" },
      }
    end
  end)

  it("uses stale ones while they are validated, to the end of the window (RFC 5861, 3)", function()
    local line = { "Cache-Control: max-age=60, stale-while-revalidate=10", 'ETag: "a"' }
    reuses {
      { line, 60, nil, "refresh" }, { line, 70, nil, "refresh" }, { line, 70.1, nil, "validate" },
      { line, 65, { "Cache-Control: no-cache" }, "validate" },
      { line, 65, { "Cache-Control: max-age=0" }, "validate" },
      { MINUTE, 61, nil, "refresh", { grace = 5 } }, { MINUTE, 66, nil, "validate", { grace = 5 } },
    }
  end)

  it("takes what was purged softly for just stale", function()
    local line = { "Cache-Control: max-age=60, stale-while-revalidate=10", 'ETag: "a"' }
    reuses {
      { MINUTE, 1, nil, "validate", nil, true }, { line, 1, nil, "refresh", nil, true },
      { line, 71, nil, "validate", nil, true },
      { { "Cache-Control: max-age=60" }, 1, nil, "validate", nil, true },
    }
  end)

  it("asks nobody for only-if-cached (RFC 9111, 5.2.1.7)", function()
    local only = { "Cache-Control: only-if-cached" }
    local line = { "Cache-Control: max-age=60, stale-while-revalidate=10" }
    reuses {
      { MINUTE, 1, only, "fresh" }, { MINUTE, 61, only, "unavailable" },
      { MINUTE, 1, { "Cache-Control: only-if-cached, no-cache" }, "unavailable" },
      { MINUTE, 61, { "Cache-Control: only-if-cached, max-stale" }, "stale" },
      { line, 65, only, "stale" }, { line, 80, only, "unavailable" },
    }
    assert.equal("unavailable", NAMES[tonumber(C.reuse_of_nothing(caching.ask(only)))])
    assert.equal("gone", NAMES[tonumber(C.reuse_of_nothing(caching.ask {}))])
  end)

  describe("when the upstream fails", function()
    local function failure(response, seconds, status, request, policy)
      local asked = caching.ask(request or {}, policy)
      return FAILURES[tonumber(C.reuse_on_failure(asked, stored(response, policy), NOW + seconds,
        status))]
    end

    local ERROR = { "Cache-Control: max-age=60, stale-if-error=10", 'ETag: "a"' }

    it("uses a stale one to the end of its window (RFC 5861, 4)", function()
      for _, status in ipairs { 0, 500, 502, 503, 504 } do
        assert.equal("stale", failure(ERROR, 70, status), status)
        assert.equal("pass", failure(ERROR, 70.1, status), status)
        assert.equal("pass", failure(MINUTE, 61, status), status)
        assert.equal("stale", failure(MINUTE, 61, status, nil, { stale_if_error = 5 }), status)
        assert.equal("stale", failure(MINUTE, 61, status, nil, { grace = 5 }), status)
      end
      for _, status in ipairs { 200, 404, 429, 501, 505 } do
        assert.equal("pass", failure(ERROR, 61, status), status)
      end
    end)

    it("uses one that is fresh and had only to be validated for the client", function()
      assert.equal("stale", failure(MINUTE, 1, 503, { "Cache-Control: max-age=0" }))
      assert.equal("pass", failure(ERROR, 1, 503, { "Cache-Control: no-cache" }))
    end)

    it("listens to stale-if-error and max-stale of requests", function()
      assert.equal("stale", failure(MINUTE, 65, 0, { "Cache-Control: stale-if-error=5" }))
      assert.equal("pass", failure(MINUTE, 66, 0, { "Cache-Control: stale-if-error=5" }))
      assert.equal("stale", failure(MINUTE, 65, 0, { "Cache-Control: max-stale=5" }))
    end)

    it("gives a 504 for what has to be validated (RFC 9111, 5.2.2.2)", function()
      for _, directive in ipairs {
        "must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60",
      } do
        local line = { "Cache-Control: max-age=60, stale-if-error=10, " .. directive, 'ETag: "a"' }
        assert.equal("timeout", failure(line, 61, 0), directive)
        assert.equal("pass", failure(line, 61, 503), directive)
        assert.equal("timeout", failure(line, 61, 0, { "Cache-Control: max-stale" }), directive)
      end
    end)
  end)
end)
