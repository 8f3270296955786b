--- consumer_index_spec: places by hashes, however many there are, and however alike.

local runtime = require "spec.support.runtime"
local ffi = require "ffi"
local C = runtime.include("bridge/consumer_index.h")

describe("consumer_index", function()
  local index

  before_each(function() index = ffi.new("struct consumer_index") end)
  after_each(function() C.consumer_index_clear(index) end)

  local function places(hash)
    local found, at = {}, ffi.new("size_t[1]", hash)
    for _ = 1, 100 do
      local place = C.consumer_index_next(index, hash, at)
      if place == 0 then return found end
      found[#found + 1] = place
    end
    error "it does not end"
  end

  it("has nothing at first", function()
    assert.same({}, places(7))
  end)

  it("gives all places of a hash, and of no other", function()
    C.consumer_index_add(index, 7, 1)
    C.consumer_index_add(index, 7 + 64, 2) -- the same slot
    C.consumer_index_add(index, 7, 3)
    assert.same({ 1, 3 }, places(7))
    assert.same({ 2 }, places(71))
    assert.same({}, places(8))
  end)

  it("goes round at the end of its slots", function()
    for i = 1, 5 do C.consumer_index_add(index, 63, i) end
    C.consumer_index_add(index, 0xffffffff, 6)
    assert.same({ 1, 2, 3, 4, 5 }, places(63))
    assert.same({ 6 }, places(0xffffffff))
  end)

  it("keeps a slot free for each three, of eight bytes", function()
    assert.equal(8, ffi.sizeof "struct consumer_slot")
    for i = 1, 3000 do C.consumer_index_add(index, i * 2654435761 % 2 ^ 32, i) end
    assert.equal(4096, tonumber(index.slot_count))
    for i = 1, 3000 do assert.same({ i }, places(i * 2654435761 % 2 ^ 32)) end
  end)
end)
