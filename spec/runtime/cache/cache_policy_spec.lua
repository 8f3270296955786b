local caching = require "spec.support.caching"

local C = caching.C

describe("cache_policy", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function holds(conditions, request)
    local policy = caching.policy { bypass = conditions }
    return C.cache_policy_holds(policy.bypass, policy.bypass_count, caching.request(request),
      caching.arena)
  end

  it("has conditions that hold for a header, a cookie or a parameter", function()
    assert.is_false(holds({}, {}))
    assert.is_true(holds({ { "header", "range" } }, { "Range: bytes=0-1" }))
    assert.is_true(holds({ { "header", "x-a", "1" } }, { "X-A: 1" }))
    assert.is_false(holds({ { "header", "x-a", "1" } }, { "X-A: 12" }))
    assert.is_true(holds({ { "cookie", "A", "1" } }, { "Cookie: A=1" }))
    assert.is_false(holds({ { "cookie", "A", "1" } }, { "Cookie: a=1" }))
    assert.is_true(holds({ { "query", "a b" } }, { query = "x&a%20b=" }))
    assert.is_false(holds({ { "query", "a" } }, {}))
    assert.is_true(holds({ { "query", "a" }, { "header", "b" } }, { "b: 1" }))
  end)

  it("keeps to what RFC 9111 has where nothing is said", function()
    local policy = caching.policy()
    assert.equal(-1, policy.ttl)
    assert.equal(0.1, policy.heuristic_share)
    assert.is_true(policy.obeys_clients)
    assert.equal(2, tonumber(policy.targeted_count))
  end)
end)
