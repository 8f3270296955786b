local nearest = require "moongate.config.nearest"

describe("config.nearest", function()
  local NAMES = { "key-auth", "rate-limit", "transform", "log" }

  it("finds the name that was meant", function()
    assert.equal("key-auth", nearest.of("key-aut", NAMES))
    assert.equal("key-auth", nearest.of("kye-auth", NAMES))
    assert.equal("key-auth", nearest.of("keyauth", NAMES))
    assert.equal("rate-limit", nearest.of("ratelimits", NAMES))
  end)

  it("takes lists and tables by name", function()
    assert.equal("host", nearest.of("hots", { host = {}, path = {} }))
  end)

  it("finds nothing where nothing is similar", function()
    assert.is_nil(nearest.of("aggregate", NAMES))
    assert.is_nil(nearest.of("io", NAMES))
    assert.is_nil(nearest.of("x", {}))
  end)

  it("prefers the fewest edits, then the alphabet", function()
    assert.equal("abcd", nearest.of("abce", { "abcdef", "abcd" }))
    assert.equal("ab1d", nearest.of("abcd", { "ab2d", "ab1d" }))
  end)

  it("hints at one, or lists a few", function()
    assert.equal('; did you mean "log"?', nearest.hint("lgo", NAMES))
    assert.equal("; known are key-auth, log, rate-limit, transform", nearest.hint("cache", NAMES))
    assert.equal("", nearest.hint("x", {}))
    local many = {}
    for i = 1, 25 do many[i] = ("name-number-%d"):format(i) end
    assert.equal("", nearest.hint("x", many))
  end)
end)
