local digest = require "moongate.core.digest"

local function nothing() end

-- The same keys, put in from the other end: they stand elsewhere in the table.
local function reversed(count)
  local forwards, backwards = {}, {}
  for i = 1, count do forwards["key" .. i] = i end
  for i = count, 1, -1 do backwards["key" .. i] = i end
  return forwards, backwards
end

local function nested(depth)
  local value = {}
  for _ = 2, depth do value = { value } end
  return value
end

describe("the digest of a value", function()
  it("is sixteen bytes, the same for equal values, whatever order their keys came in", function()
    for _, count in ipairs { 0, 1, 2, 100 } do
      local one, other = reversed(count)
      assert.equal(16, #digest.of(one))
      assert.equal(digest.of(one), digest.of(other))
      assert.equal(digest.of { list = { one, "x" } }, digest.of { list = { other, "x" } })
    end
    assert.equal(digest.of(0 / 0), digest.of(-(0 / 0)))
  end)

  it("is another one for different values", function()
    local seen = {}
    for i, value in ipairs {
      false, true, 0, 1, 1.5, 1e300, 2 ^ 53, 2 ^ 53 + 2, math.huge, 0 / 0, "", "1", "nil", "{;}",
      {}, { 1 }, { "1" }, { 1, 2 }, { 2, 1 }, { { 1 }, 2 }, { { 1, 2 } }, { ["1"] = 1 }, { a = 1 },
      { a = "1" }, { a = 1, b = 2 }, { a = 2, b = 1 }, { b = 1 }, { 1, a = 1 }, { [2] = 1 },
      { [1.5] = 1 }, { ab = "c" }, { a = "bc" }, { a = { b = 1 } }, { a = { b = {} } }, { {} },
      { {}, {} }, { a = {} }, { a = false }, { [true] = 1 }, { [false] = 1 },
    } do
      local text = digest.of(value)
      assert.is_nil(seen[text], ("%d is like %s"):format(i, tostring(seen[text])))
      seen[text] = i
    end
    assert.is_nil(seen[digest.of(nil)])
  end)

  it("tells many apart that differ in one place", function()
    local seen = {}
    for i = 1, 10000 do
      local one = digest.of { name = "x", list = { ("a"):rep(40) .. i .. ("b"):rep(40) } }
      assert.is_nil(seen[one])
      seen[one] = true
    end
  end)

  it("leaves functions, metatables and what is too deep to the caller, if there is one", function()
    local round = {}
    round[1] = round
    for _, value in ipairs { nothing, { f = nothing }, { [nothing] = 1 }, setmetatable({}, {}),
      { { a = setmetatable({}, {}) } }, nested(21), round, coroutine.create(nothing) } do
      assert.is_nil(digest.of(value))
      local count = 0
      local function other()
        count = count + 1
        return 7
      end
      assert.equal(16, #digest.of(value, other))
      assert.equal(1, count)
      assert.are_not.equal(digest.of(value, other), digest.of(value, function() return 8 end))
    end
    assert.equal(16, #digest.of(nested(20)))
  end)

  it("raises what the caller raises", function()
    local ok, why = pcall(digest.of, { { nothing } }, function() error("no", 0) end)
    assert.is_false(ok)
    assert.equal("no", why)
  end)
end)

describe("the digest of options", function()
  local DEFAULTS = { list = {}, number = 1, f = nothing }

  local function number_of(value) return value == nothing and 1 or 2 end
  local base = digest.of(DEFAULTS, number_of)
  local function over(options) return digest.over(DEFAULTS, base, options, number_of) end

  it("is that of the options with the defaults that are not among them", function()
    assert.equal(over {}, over { list = {} })
    assert.equal(over {}, over { number = 1, list = {}, f = nothing })
    assert.equal(over { other = 2 }, over { number = 1, other = 2 })
    for _, options in ipairs { { number = 2 }, { list = { 1 } }, { other = 1 }, { f = print },
      { number = false } } do
      assert.are_not.equal(over {}, over(options))
    end
    assert.are_not.equal(over { number = 2 }, over { number = 3 })
  end)

  it("depends on the defaults", function()
    local other = digest.over({ number = 2 }, digest.of { number = 2 }, {}, number_of)
    assert.are_not.equal(over {}, other)
  end)

  it("raises for arguments of other kinds", function()
    assert.has_error(function() digest.over({}, "short", {}, number_of) end)
    assert.has_error(function() digest.over(nil, base, {}, number_of) end)
    assert.has_error(function() digest.over({}, base, {}) end)
    assert.has_error(function() digest.over({}, nil, {}, number_of) end)
  end)
end)
