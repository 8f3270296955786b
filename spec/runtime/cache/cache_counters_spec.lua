local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "cache/cache_counters.h"

local OUTCOMES = {}
for _, name in ipairs { "HIT", "STALE", "MISS", "REVALIDATED", "EXPIRED", "BYPASS" } do
  OUTCOMES[tonumber(C["CACHE_OUTCOME_" .. name])] = name:lower()
end

describe("cache_counters", function()
  it("knows what became of a request by its Cache-Status", function()
    local function of(forward, fields)
      local status = ffi.new("struct cache_status", fields or {})
      status.forward = C["CACHE_FORWARD_" .. forward]
      return OUTCOMES[tonumber(C.cache_outcome_of(status))]
    end
    assert.equal("hit", of "NONE")
    assert.equal("hit", of("NONE", { has_ttl = true, ttl = 0 }))
    assert.equal("stale", of("NONE", { has_ttl = true, ttl = -1 }))
    assert.equal("stale", of("STALE", { has_ttl = true, ttl = -1, forward_status = 503 }))
    assert.equal("expired", of("STALE", { has_ttl = true, ttl = -1, is_stored = true }))
    assert.equal("miss", of "URI_MISS")
    assert.equal("miss", of "VARY_MISS")
    assert.equal("miss", of "MISS")
    assert.equal("revalidated", of("STALE", { forward_status = 304 }))
    assert.equal("revalidated", of("REQUEST", { forward_status = 304 }))
    assert.equal("expired", of("STALE", { forward_status = 200 }))
    assert.equal("bypass", of "BYPASS")
    assert.equal("bypass", of "METHOD")
  end)
end)
