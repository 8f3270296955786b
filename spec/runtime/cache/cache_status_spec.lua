local caching = require "spec.support.caching"
local ffi = require "ffi"

local C = caching.C

describe("cache_status", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function member(status, policy, lines)
    local response = caching.response(lines or {})
    local made = ffi.new "struct cache_status"
    for name, value in pairs(status) do
      if name == "key" then value = caching.slice(value) end
      if name == "detail" then value = caching.keep(ffi.new("char[?]", #value + 1, value)) end
      made[name] = value
    end
    C.cache_status_add(made, caching.policy(policy), response, caching.arena)
    return caching.field(response.headers, "cache-status")
  end

  it("is a hit, or says why it went on (RFC 9211, 2.1, 2.2)", function()
    assert.equal("moongate;hit", member { forward = C.CACHE_FORWARD_NONE })
    for id, text in pairs {
      BYPASS = "bypass", METHOD = "method", URI_MISS = "uri-miss", VARY_MISS = "vary-miss",
      MISS = "miss", REQUEST = "request", STALE = "stale", PARTIAL = "partial",
    } do
      assert.equal("moongate;fwd=" .. text, member { forward = C["CACHE_FORWARD_" .. id] })
    end
  end)

  it("says what else is known (RFC 9211, 2.3 to 2.8)", function()
    assert.equal("moongate;hit;ttl=-12",
      member { forward = C.CACHE_FORWARD_NONE, has_ttl = true, ttl = -12 })
    assert.equal("moongate;fwd=stale;fwd-status=304;ttl=2147483648;stored;collapsed;detail=purged",
      member { forward = C.CACHE_FORWARD_STALE, forward_status = 304, has_ttl = true,
        ttl = 2147483648, is_stored = true, is_collapsed = true, detail = "purged" })
    assert.equal("moongate;hit", member { forward = C.CACHE_FORWARD_NONE, forward_status = 200 })
  end)

  it("shows the key where the policy does", function()
    local status = { forward = C.CACHE_FORWARD_NONE, key = '=a\n"\\http://h/\195\188' }
    assert.equal("moongate;hit", member(status))
    local policy = { is_key_shown = true }
    assert.equal('moongate;hit;key="=a \\"\\\\http://h/  "', member(status, policy))
  end)

  it("stands behind those of other caches, under its own name", function()
    local miss = { forward = C.CACHE_FORWARD_MISS }
    assert.equal("other;hit|edge-1;fwd=miss",
      member(miss, { name = "edge-1" }, { "Cache-Status: other;hit" }))
  end)

  it("is left out where the policy says so", function()
    assert.is_nil(member({ forward = C.CACHE_FORWARD_MISS }, { is_status_shown = false }))
  end)
end)
