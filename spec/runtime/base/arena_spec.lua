--- arena_spec: memory that lives as long as one request.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/arena.h"
local slice, text = runtime.slice, runtime.text

local BLOCK_BYTES = 4096

describe("arena", function()
  local arena

  before_each(function() arena = runtime.new_arena() end)
  after_each(function() if arena.blocks ~= nil then C.arena_clear(arena) end end)

  local function address(pointer) return tonumber(ffi.cast("uintptr_t", pointer)) end

  it("aligns everything to sixteen bytes", function()
    for bytes = 1, 40 do assert.equal(0, address(C.arena_alloc(arena, bytes)) % 16) end
    assert.equal(0, address(C.arena_alloc(arena, 3 * BLOCK_BYTES)) % 16)
  end)

  it("gives pieces that do not overlap", function()
    local pieces = {}
    for i = 1, 600 do
      pieces[i] = ffi.cast("char *", C.arena_alloc(arena, 24))
      ffi.fill(pieces[i], 24, i % 251)
    end
    for i = 1, 600 do
      assert.equal(string.char(i % 251):rep(24), ffi.string(pieces[i], 24))
    end
  end)

  it("fills one block before it asks for the next", function()
    local first = address(C.arena_alloc(arena, 16))
    local last = address(C.arena_alloc(arena, BLOCK_BYTES - 16))
    assert.equal(first + 16, last)
    assert.is_true(arena.next == arena["end"])
  end)

  it("gives what is larger than a block", function()
    local pointer = C.arena_alloc(arena, 10 * BLOCK_BYTES)
    ffi.fill(pointer, 10 * BLOCK_BYTES, 1)
  end)

  it("counts what was asked for since the reset", function()
    C.arena_alloc(arena, 1)
    C.arena_alloc(arena, 17)
    C.arena_alloc(arena, 2 * BLOCK_BYTES)
    assert.equal(16 + 32 + 2 * BLOCK_BYTES, tonumber(arena.bytes))
    C.arena_reset(arena)
    assert.equal(0, tonumber(arena.bytes))
  end)

  it("gives the first block again after a reset, from its start", function()
    local first = C.arena_alloc(arena, 100)
    C.arena_alloc(arena, 5 * BLOCK_BYTES)
    C.arena_reset(arena)
    assert.is_true(arena.blocks ~= nil)
    assert.equal(first, C.arena_alloc(arena, 100))
    C.arena_alloc(arena, BLOCK_BYTES - 112)
  end)

  it("keeps one block after a reset, large enough for what was used", function()
    for _ = 1, 3 do C.arena_alloc(arena, BLOCK_BYTES - 1000) end
    C.arena_reset(arena)
    local first = address(C.arena_alloc(arena, BLOCK_BYTES - 1000))
    assert.equal(first + BLOCK_BYTES - 992, address(C.arena_alloc(arena, 2 * BLOCK_BYTES)))
  end)

  it("keeps nothing of much", function()
    C.arena_alloc(arena, 100 * BLOCK_BYTES)
    C.arena_reset(arena)
    assert.equal(BLOCK_BYTES, tonumber(ffi.cast("char *", arena["end"])
      - ffi.cast("char *", arena.next)))
  end)

  it("zeroes where it says so", function()
    ffi.fill(C.arena_alloc(arena, 64), 64, 255)
    C.arena_reset(arena)
    assert.equal(("\0"):rep(64), ffi.string(ffi.cast("char *", C.arena_zeroed(arena, 64)), 64))
  end)

  it("copies slices, empty ones too", function()
    local original = ffi.new("char[3]", "abc")
    local copy = C.arena_copy(arena, ffi.new("struct slice", original, 3))
    ffi.fill(original, 3, 0)
    assert.equal("abc", text(copy))
    assert.equal("", text(C.arena_copy(arena, slice(nil))))
  end)

  it("joins slices", function()
    assert.equal("/v2/users", text(C.arena_join(arena, slice "/v2", slice "/users")))
    assert.equal("/v2", text(C.arena_join(arena, slice "/v2", slice(nil))))
    assert.equal("/users", text(C.arena_join(arena, slice(nil), slice "/users")))
  end)

  it("formats, and ends the text with a NUL that it does not count", function()
    local made = C.arena_format(arena, "%s:%d", "host", ffi.new("int", 80))
    assert.equal("host:80", text(made))
    assert.equal("host:80", ffi.string(made.start))
    local long = ("x"):rep(3 * BLOCK_BYTES)
    for _, length in ipairs { 0, 511, 512, 513 } do
      local one = ("y"):rep(length)
      local formatted = C.arena_format(arena, "%s", one)
      assert.equal(one, text(formatted))
      assert.equal(0, formatted.start[length])
    end
    assert.equal(long, text(C.arena_format(arena, "%s", long)))
  end)

  it("runs what was deferred at the reset, newest first and once", function()
    local order = {}
    local callback = ffi.cast("void (*)(void *)", function(data)
      order[#order + 1] = ffi.cast("int *", data)[0]
    end)
    local numbers = ffi.new("int[3]", { 1, 2, 3 })
    for i = 0, 2 do C.arena_defer(arena, callback, numbers + i) end
    assert.same({}, order)
    C.arena_reset(arena)
    assert.same({ 3, 2, 1 }, order)
    C.arena_reset(arena)
    assert.same({ 3, 2, 1 }, order)
    C.arena_defer(arena, callback, numbers)
    C.arena_clear(arena)
    assert.same({ 3, 2, 1, 1 }, order)
    callback:free()
  end)

  it("lets what was deferred defer more", function()
    local count = 0
    local callback
    callback = ffi.cast("void (*)(void *)", function()
      count = count + 1
      if count < 3 then C.arena_defer(arena, callback, nil) end
    end)
    C.arena_defer(arena, callback, nil)
    C.arena_reset(arena)
    assert.equal(3, count)
    callback:free()
  end)

  it("ends the process rather than wrap around", function()
    assert.equal(-6, runtime.end_of(function()
      C.arena_alloc(arena, 0xffffffffffffffffULL)
    end))
  end)
end)
