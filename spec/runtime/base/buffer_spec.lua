--- buffer_spec: bytes that wait between a writer and a reader.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/buffer.h"
local slice, text = runtime.slice, runtime.text

local BLOCK_BYTES = 16384
local POOL_BLOCKS_MAX = 256

describe("buffer", function()
  local buffer, pool

  local function new(bytes_max, of)
    local made = ffi.new "struct buffer"
    C.buffer_init(made, bytes_max, of)
    return made
  end

  local function waiting() return text(C.buffer_slice(buffer)) end

  before_each(function()
    pool = ffi.new "struct buffer_pool"
    buffer = new(100000, pool)
  end)

  after_each(function()
    C.buffer_clear(buffer)
    C.buffer_pool_clear(pool)
  end)

  it("holds no storage until the first byte, and none after the last", function()
    assert.is_true(buffer.data == nil)
    C.buffer_append(buffer, slice "")
    assert.is_true(buffer.data == nil)
    C.buffer_append(buffer, slice "abc")
    assert.is_true(buffer.data ~= nil)
    C.buffer_consume(buffer, 3)
    assert.is_true(buffer.data == nil)
    assert.equal(0, tonumber(buffer.capacity))
  end)

  it("gives back what was written, in order", function()
    C.buffer_append(buffer, slice "one,")
    C.buffer_append(buffer, slice "two")
    assert.equal("one,two", waiting())
    C.buffer_consume(buffer, 4)
    assert.equal("two", waiting())
    C.buffer_append(buffer, slice ",three")
    assert.equal("two,three", waiting())
  end)

  it("takes up to its maximum and not a byte more", function()
    buffer = new(10)
    assert.is_true(C.buffer_append(buffer, slice "0123456789"))
    assert.is_false(C.buffer_append(buffer, slice "x"))
    assert.equal("0123456789", waiting())
    assert.is_true(C.buffer_reserve(buffer, 1) == nil)
    C.buffer_consume(buffer, 4)
    assert.is_true(C.buffer_append(buffer, slice "abcd"))
    assert.equal("456789abcd", waiting())
    assert.is_false(C.buffer_append(buffer, slice "x"))
  end)

  it("refuses sizes that would wrap around", function()
    C.buffer_append(buffer, slice "abc")
    assert.is_true(C.buffer_reserve(buffer, 0xffffffffffffffffULL) == nil)
    assert.is_true(C.buffer_reserve(buffer, 0xfffffffffffffffdULL) == nil)
    assert.equal("abc", waiting())
  end)

  it("makes room to write into, of which only what is committed counts", function()
    local room = C.buffer_reserve(buffer, 1000)
    ffi.copy(room, "hello, world", 12)
    assert.equal(0, tonumber(C.buffer_length(buffer)))
    C.buffer_commit(buffer, 5)
    assert.equal("hello", waiting())
  end)

  it("moves what waits to the start before it grows", function()
    C.buffer_append(buffer, slice(("a"):rep(BLOCK_BYTES - 4)))
    C.buffer_consume(buffer, BLOCK_BYTES - 8)
    C.buffer_append(buffer, slice "12345678")
    assert.equal("aaaa12345678", waiting())
    assert.equal(BLOCK_BYTES, tonumber(buffer.capacity))
    assert.equal(0, tonumber(buffer.start))
  end)

  it("keeps what waits when it grows beyond a block", function()
    local long = ("0123456789"):rep(9000)
    for i = 1, #long, 1000 do
      assert.is_true(C.buffer_append(buffer, slice(long:sub(i, i + 999))))
    end
    assert.equal(long, waiting())
    C.buffer_consume(buffer, 89990)
    assert.equal("0123456789", waiting())
  end)

  it("grows without a pool, too", function()
    local alone = new(50000)
    for _ = 1, 50 do assert.is_true(C.buffer_append(alone, slice(("x"):rep(1000)))) end
    assert.equal(("x"):rep(50000), text(C.buffer_slice(alone)))
    C.buffer_clear(alone)
  end)

  it("takes its block from the pool and puts it back", function()
    C.buffer_append(buffer, slice "a")
    local block = buffer.data
    assert.equal(0, tonumber(pool.count))
    C.buffer_clear(buffer)
    assert.equal(1, tonumber(pool.count))
    C.buffer_append(buffer, slice "b")
    assert.equal(block, buffer.data)
    assert.equal(0, tonumber(pool.count))
  end)

  it("does not put storage of another size into the pool", function()
    C.buffer_append(buffer, slice(("a"):rep(BLOCK_BYTES + 1)))
    C.buffer_clear(buffer)
    assert.equal(0, tonumber(pool.count))
  end)

  it("keeps a bounded number of blocks", function()
    local many = {}
    for i = 1, POOL_BLOCKS_MAX + 5 do
      many[i] = new(10, pool)
      C.buffer_append(many[i], slice "a")
    end
    for _, one in ipairs(many) do C.buffer_clear(one) end
    assert.equal(POOL_BLOCKS_MAX, tonumber(pool.count))
    C.buffer_pool_clear(pool)
    assert.equal(0, tonumber(pool.count))
    assert.is_true(pool.free == nil)
  end)

  it("ends the process when more is consumed or committed than there is", function()
    C.buffer_append(buffer, slice "abc")
    assert.equal(-6, runtime.end_of(function() C.buffer_consume(buffer, 4) end))
    assert.equal(-6, runtime.end_of(function() C.buffer_commit(buffer, 1000000) end))
  end)
end)
