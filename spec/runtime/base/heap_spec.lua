--- heap_spec: memory for the small things of a Lua state.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/heap.h"

local SMALL_MAX, SLAB, SPAN = 8192, 65536, 2 * 1024 * 1024

describe("a heap", function()
  local heap

  before_each(function() heap = C.heap_create() end)
  after_each(function()
    C.heap_end(heap)
    C.heap_destroy(ffi.new("struct heap *[1]", { heap }))
  end)

  local function take(bytes) return C.heap_resize(heap, nil, 0, bytes) end
  local function give(memory, bytes) return C.heap_resize(heap, memory, bytes, 0) end

  local function filled(memory, bytes)
    local text = ffi.string(memory, bytes)
    return text == text:sub(1, 1):rep(bytes) and text:byte()
  end

  it("gives each its own bytes, of any size, aligned for anything", function()
    local things = {}
    for bytes = 1, SMALL_MAX + 100, 7 do
      local memory = take(bytes)
      assert.equal(0, tonumber(ffi.cast("uintptr_t", memory) % 16))
      ffi.fill(memory, bytes, bytes % 251)
      things[bytes] = memory
    end
    for bytes, memory in pairs(things) do assert.equal(bytes % 251, filled(memory, bytes)) end
    for bytes, memory in pairs(things) do assert.is_true(give(memory, bytes) == nil) end
  end)

  it("keeps what is in them, whatever they grow and shrink to", function()
    math.randomseed(1)
    local things, sizes = {}, {}
    local function resize(i, bytes)
      local before = sizes[i] or 0
      local memory = C.heap_resize(heap, things[i], before, bytes)
      local kept = math.min(before, bytes)
      if kept > 0 then assert.equal(i % 251, filled(memory, kept)) end
      if bytes > 0 then ffi.fill(memory, bytes, i % 251) end
      things[i], sizes[i] = bytes > 0 and memory or nil, bytes
    end
    for _ = 1, 60000 do
      local largest = math.random() < 0.9 and 300 or 12000
      resize(math.random(1500), math.random() < 0.4 and 0 or math.random(largest))
    end
    for i in pairs(things) do resize(i, 0) end
  end)

  it("uses for one size what another has given back", function()
    local function use(bytes, count)
      local things = {}
      for i = 1, count do things[i] = take(bytes) end
      for i = 1, count do give(things[i], bytes) end
    end
    use(48, 100000)
    local before = C.heap_bytes(heap)
    for bytes = 16, 4096, 200 do use(bytes, math.floor(4000000 / bytes)) end
    assert.is_true(C.heap_bytes(heap) <= before + SLAB * 40)
  end)

  it("is as small as what is in it, to a stretch", function()
    for _ = 1, 1000 do take(100) end
    assert.is_true(C.heap_bytes(heap) <= 2 * SLAB)
    for _ = 1, 100000 do take(112) end
    assert.is_true(C.heap_bytes(heap) <= 11200000 * 1.01 + SPAN)
  end)

  it("gives back what nothing is in, and takes it again", function()
    local things = {}
    for i = 1, 50000 do things[i] = take(100) end
    local full = C.heap_bytes(heap)
    for i = 1, 50000 do give(things[i], 100) end
    C.heap_trim(heap)
    assert.is_true(C.heap_bytes(heap) < full / 8)
    C.heap_trim(heap)
    for i = 1, 50000 do
      things[i] = take(64)
      ffi.fill(things[i], 64, i % 251)
    end
    for i = 1, 50000 do assert.equal(i % 251, filled(things[i], 64)) end
    assert.is_true(C.heap_bytes(heap) <= full)
  end)

  it("looks at nothing that is given back at its end", function()
    local memory = take(64)
    ffi.fill(memory, 64, 7)
    C.heap_end(heap)
    give(memory, 64)
    assert.equal(7, filled(memory, 64))
  end)
end)
