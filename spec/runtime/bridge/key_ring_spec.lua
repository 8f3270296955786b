--- key_ring_spec: keys by numbers that are never those of another.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("bridge/key_ring.h", "crypto/jws_algorithm.h")
local slice = runtime.slice

describe("key_ring", function()
  local ring

  before_each(function() ring = ffi.new "struct key_ring[1]" end)
  after_each(function() C.key_ring_clear(ring) end)

  local function new_key()
    local why = ffi.new "const char *[1]"
    local algorithm = C.jws_algorithm_of(slice "HS256")
    local key = C.jws_key_of_secret(algorithm, slice(("x"):rep(32)), why)
    return runtime.box("struct jws_key *", key)
  end

  local function add()
    local key = new_key()
    local pointer = key[0]
    local number = C.key_ring_add(ring, key)
    assert.is_true(key[0] == nil, "the ring owns it")
    return number, pointer
  end

  it("finds each key by its number", function()
    local keys = {}
    for i = 1, 20 do keys[i] = { add() } end
    for i = 1, 20 do assert.is_true(C.key_ring_find(ring, keys[i][1]) == keys[i][2]) end
  end)

  it("finds nothing by a number that was never given", function()
    add()
    for _, number in ipairs { -1, 1, 65536, 1e300, 0 / 0, 1 / 0, -1 / 0 } do
      assert.is_true(C.key_ring_find(ring, number) == nil, tostring(number))
      C.key_ring_remove(ring, number)
    end
  end)

  it("never gives a number again", function()
    local seen = {}
    for _ = 1, 50 do
      local one, two = add(), add()
      assert.is_nil(seen[one])
      assert.is_nil(seen[two])
      seen[one], seen[two] = true, true
      C.key_ring_remove(ring, one)
      C.key_ring_remove(ring, one)
      assert.is_true(C.key_ring_find(ring, one) == nil)
      assert.is_true(C.key_ring_find(ring, two) ~= nil)
      C.key_ring_remove(ring, two)
    end
    assert.is_true(ring[0].count <= 2, "places are used again")
  end)

  it("holds 65536 keys and no more", function()
    for _ = 1, 65536 do assert.is_true(add() >= 0) end
    local key = new_key()
    assert.equal(-1, C.key_ring_add(ring, key))
    assert.is_true(key[0] == nil)
  end)
end)
