--- mem_spec: heap memory that never fails.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include "base/mem.h"

local SIGABRT = -6
local PAGE = 4096

local registry = debug.getregistry()
if not registry.moongate_mem_spec then
  registry.moongate_mem_spec = true
  ffi.cdef [[int mem_spec_mincore(void *, size_t, unsigned char *) __asm__("mincore");]]
end

local function bytes(pointer, count)
  return ffi.string(ffi.cast("char *", pointer), count)
end

local function free(pointer)
  system.C.spec_free(pointer)
end

describe("mem", function()
  it("gives memory that can be written", function()
    local pointer = C.mem_alloc(100)
    ffi.fill(pointer, 100, 7)
    assert.equal(("\7"):rep(100), bytes(pointer, 100))
    free(pointer)
  end)

  it("gives a pointer for nothing, too", function()
    for _, allocate in ipairs { C.mem_alloc, C.mem_zeroed } do
      local pointer = allocate(0)
      assert.is_true(pointer ~= nil)
      free(pointer)
    end
  end)

  it("zeroes where it says so", function()
    -- Dirty memory first, so that a malloc() in its place would show.
    local dirty = C.mem_alloc(4000)
    ffi.fill(dirty, 4000, 255)
    free(dirty)
    local pointer = C.mem_zeroed(4000)
    assert.equal(("\0"):rep(4000), bytes(pointer, 4000))
    free(pointer)
    local array = C.mem_zeroed_array(1000, 4)
    assert.equal(("\0"):rep(4000), bytes(array, 4000))
    free(array)
  end)

  it("has all pages of what is populated there", function()
    for _, length in ipairs { 0, 1, 5000, 300001, 5000001 } do
      local table_ = C.mem_table(length)
      assert.is_true(C.mem_populate(table_, length) == table_)
      local first = ffi.cast("uintptr_t", table_)
      local start = (first + (PAGE - 1)) / PAGE * PAGE -- whole numbers
      local left = tonumber(ffi.cast("int64_t", first + length - start))
      local pages = math.max(0, math.floor(left / PAGE))
      local there = ffi.new("unsigned char[?]", math.max(1, pages))
      if pages > 0 then
        assert.equal(0, ffi.C.mem_spec_mincore(ffi.cast("void *", start), pages * PAGE, there))
      end
      for i = 0, pages - 1 do assert.equal(1, bit.band(there[i], 1)) end
      free(table_)
    end
  end)

  it("keeps what was there when it resizes", function()
    local pointer = C.mem_resize(nil, 3)
    ffi.copy(pointer, "abc", 3)
    pointer = C.mem_resize(pointer, 100000)
    assert.equal("abc", bytes(pointer, 3))
    free(pointer)
  end)

  it("begins tables at a line of the cache, and large ones at a large page", function()
    local LINE, LARGE = 64, 2097152
    for size, alignment in pairs { [0] = LINE, [1] = LINE, [1000] = LINE, [LARGE + 10] = LARGE } do
      local start = C.mem_table(size)
      ffi.fill(start, size, 7)
      assert.equal(0, tonumber(ffi.cast("uintptr_t", start)) % alignment)
      free(start)
    end
  end)

  it("ends the process when there is no memory", function()
    local size_max = 0x7fffffffffffffffULL
    assert.equal(SIGABRT, runtime.end_of(function() C.mem_alloc(size_max) end))
    assert.equal(SIGABRT, runtime.end_of(function() C.mem_zeroed(size_max) end))
    assert.equal(SIGABRT, runtime.end_of(function() C.mem_table(size_max) end))
    assert.equal(SIGABRT, runtime.end_of(function() C.mem_resize(nil, size_max) end))
  end)

  it("ends the process when count times size overflows", function()
    assert.equal(SIGABRT, runtime.end_of(function()
      C.mem_zeroed_array(0x8000000000000001ULL, 2)
    end))
  end)
end)
