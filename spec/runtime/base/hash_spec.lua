local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C

-- SipHash-1-3 of the bytes 0, 1, 2, … under the key 0, 1, 2, … 15, as OpenSSL's SIPHASH
-- computes it with c-rounds 1 and d-rounds 3.
local VECTORS = {
  [0] = "abac0158050fc4dc",
  [1] = "c9f49bf37d57ca93",
  [2] = "82cb9b024dc7d44d",
  [3] = "8bf80ab8e7ddf7fb",
  [4] = "cf75576088d38328",
  [5] = "def9d52f49533b67",
  [6] = "c50d2b50c59f22a7",
  [7] = "d3927d989bb11140",
  [8] = "369095118d299a8e",
  [9] = "25a48eb36c063de4",
  [15] = "d320d86d2a519956",
  [16] = "cc4fdd1a7d908b66",
  [63] = "9d199062b7bbb3a8",
  [256] = "75b3e64e167de370",
  [300] = "4016a23bda5a2224",
}

local function count_up(length)
  local bytes = {}
  for i = 1, length do bytes[i] = string.char((i - 1) % 256) end
  return table.concat(bytes)
end

describe("hash", function()
  local key

  before_each(function()
    key = ffi.new("struct hash_key", 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL)
  end)

  local function hash(text) return bit.tohex(C.hash_slice(key, shared.slice(text))) end
  local function pair(one, other)
    return bit.tohex(C.hash_pair(key, shared.slice(one), shared.slice(other)))
  end

  for length, expected in pairs(VECTORS) do
    it("is SipHash-1-3 for " .. length .. " bytes", function()
      assert.equal(expected, hash(count_up(length)))
    end)
  end

  it("depends on both halves of the key", function()
    local before = hash "x"
    key.low = key.low + 1
    local after = hash "x"
    key.low, key.high = key.low - 1, key.high + 1
    assert.are_not.equal(before, after)
    assert.are_not.equal(before, hash "x")
  end)

  it("is the same for a pair whose first is known", function()
    for length = 0, 17 do
      local one = count_up(length)
      local prefix = C.hash_prefix_of(key, shared.slice(one))
      for other = 0, 17 do
        local text = count_up(other)
        assert.equal(pair(one, text), bit.tohex(C.hash_after(prefix, shared.slice(text))))
      end
    end
  end)

  it("has a second half that says something else", function()
    local seen = {}
    for i = 0, 100 do
      local wide = C.hash_pair_wide(key, shared.slice(tostring(i)), shared.slice "x")
      local low, high = bit.tohex(wide.low), bit.tohex(wide.high)
      assert.equal(pair(tostring(i), "x"), low)
      assert.is_nil(seen[high])
      assert.is_nil(seen[low])
      seen[high], seen[low] = true, true
    end
  end)

  it("takes the border between two parts into account", function()
    assert.equal(pair("ab", "c"), pair("ab", "c"))
    assert.are_not.equal(pair("ab", "c"), pair("a", "bc"))
    assert.are_not.equal(pair("", "abc"), pair("abc", ""))
    assert.are_not.equal(pair("a\0", "b"), pair("a", "\0b"))
    assert.are_not.equal(pair("limit", "x"), pair("limit", "y"))
    assert.are_not.equal(pair("limit", "x"), pair("limits", "x"))
  end)

  it("makes a new key each time", function()
    local one, other = ffi.new "struct hash_key", ffi.new "struct hash_key"
    C.hash_key_init(one)
    C.hash_key_init(other)
    assert.are_not.equal(one.low, other.low)
    assert.are_not.equal(one.high, other.high)
  end)
end)
