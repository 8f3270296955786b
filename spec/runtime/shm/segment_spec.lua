local ffi = require "ffi"
local shared = require "spec.support.shared"
local system = require "spec.support.system"

local C = shared.C
local EPROTO = 71

describe("segment", function()
  after_each(shared.finish)

  local function address(pointer) return tonumber(ffi.cast("uintptr_t", pointer)) end

  it("hands out zeroed regions on pages of their own", function()
    local segment = shared.segment(1048576)
    local one = C.segment_allot(segment, "one", 1, 5000)
    local other = C.segment_allot(segment, "other", 1, 10)
    assert.equal(0, address(one) % 4096)
    assert.equal(8192, address(other) - address(one))
    assert.equal(("\0"):rep(5000), ffi.string(one, 5000))
  end)

  it("finds a region again under its name", function()
    local segment = shared.segment(1048576)
    local one = C.segment_allot(segment, "one", 1, 5000)
    C.segment_allot(segment, "other", 1, 5000)
    assert.equal(one, C.segment_allot(segment, "one", 1, 5000))
  end)

  it("refuses a region that exists with another size or layout", function()
    local segment = shared.segment(1048576)
    C.segment_allot(segment, "one", 1, 5000)
    assert.is_true(C.segment_allot(segment, "one", 1, 5001) == nil)
    assert.is_true(C.segment_allot(segment, "one", 2, 5000) == nil)
  end)

  it("refuses what does not fit, to the byte", function()
    local segment = shared.segment(1048576)
    C.segment_allot(segment, "one", 1, 5000)
    local room = C.segment_room(segment)
    assert.is_true(C.segment_allot(segment, "all", 1, room + 1) == nil)
    local all = C.segment_allot(segment, "all", 1, room)
    assert.is_true(all ~= nil)
    ffi.cast("char *", all)[room - 1] = 1
    assert.equal(0, tonumber(C.segment_room(segment)))
    assert.is_true(C.segment_allot(segment, "more", 1, 1) == nil)
  end)

  it("has a directory that fills up", function()
    local segment = shared.segment(4194304)
    for i = 1, 62 do
      assert.is_true(C.segment_allot(segment, "region " .. i, 1, 8) ~= nil)
    end
    assert.is_true(C.segment_allot(segment, "region 63", 1, 8) == nil)
    assert.is_true(C.segment_allot(segment, "region 62", 1, 8) ~= nil)
  end)

  it("is the same in every process that maps it, at any address", function()
    local segment, other = shared.segment(1048576), ffi.new "struct segment"
    local one = ffi.cast("uint64_t *", C.segment_allot(segment, "one", 1, 8))
    assert.is_true(C.segment_init_from_fd(other, ffi.C.spec_dup(segment.fd)))
    local same = ffi.cast("uint64_t *", C.segment_allot(other, "one", 1, 8))
    assert.are_not.equal(address(one), address(same))
    one[0] = 42
    assert.equal(42, tonumber(same[0]))
    assert.equal(C.segment_hash_key(segment).low, C.segment_hash_key(other).low)
    C.segment_clear(other)
    assert.equal(42, tonumber(one[0]))
  end)

  it("refuses a file that is none, or of another layout", function()
    local segment, other = shared.segment(1048576), ffi.new "struct segment"
    local fd = ffi.C.spec_dup(segment.fd)
    local layout = ffi.cast("uint32_t *", segment.memory) + 2
    layout[0] = layout[0] + 1
    assert.is_false(C.segment_init_from_fd(other, fd))
    assert.equal(EPROTO, ffi.errno())
    ffi.fill(segment.memory, 4096)
    assert.is_false(C.segment_init_from_fd(other, fd))
    assert.equal(EPROTO, ffi.errno())
    system.C.spec_close(fd)
    assert.is_false(C.segment_init_from_fd(other, fd))
  end)

  it("outlives a process that dies with it", function()
    local segment = shared.segment(1048576)
    C.segment_allot(segment, "one", 1, 8)
    shared.massacre(4, function()
      local word = ffi.cast("uint64_t *", C.segment_allot(segment, "one", 1, 8))
      while true do word[0] = 7 end
    end)
    assert.equal(7, tonumber(ffi.cast("uint64_t *", C.segment_allot(segment, "one", 1, 8))[0]))
  end)
end)
