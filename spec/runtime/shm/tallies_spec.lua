--- tallies_spec: counts by number that several processes share.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/tallies.h")

describe("tallies", function()
  local segment, tallies

  before_each(function()
    segment, tallies = ffi.new "struct segment", ffi.new "struct tallies"
    assert(C.segment_init(segment, 65536 + C.tallies_bytes()))
    assert.is_true(C.tallies_init(tallies, segment, "tallies"))
  end)

  after_each(function() C.segment_clear(segment) end)

  local function rest(...)
    local seen = ffi.new "struct tallies_seen"
    C.tallies_look(tallies, seen)
    for _, number in ipairs { ... } do C.tallies_leave_out(tallies, number, seen) end
    return tonumber(C.tallies_rest(seen))
  end

  it("tell numbers apart, also those that want the same word", function()
    local one, other = 7, 7 + 4096
    for _ = 1, 3 do C.tallies_count(tallies, one) end
    C.tallies_count(tallies, other)
    assert.same({ 3, 1, 0 }, { C.tallies_read(tallies, one), C.tallies_read(tallies, other),
      C.tallies_read(tallies, 8) })
    assert.equal(4, rest())
  end)

  it("lose nothing while several count", function()
    local workers = {}
    for i = 1, 2 do
      workers[i] = process.fork(function()
        for n = 1, 5000 do C.tallies_count(tallies, n % 50 + 1) end
      end)
    end
    for i = 1, 2 do workers[i]:wait(20) end
    for n = 1, 50 do assert.equal(200, C.tallies_read(tallies, n)) end
  end)

  it("say what is not of those that are named", function()
    for _ = 1, 3 do C.tallies_count(tallies, 7) end
    C.tallies_count(tallies, 7 + 4096)
    assert.same({ 1, 3, 0, 4 }, { rest(7), rest(7 + 4096), rest(7, 7 + 4096), rest(8) })
  end)

  it("say the same of the others while those that are named grow", function()
    for _ = 1, 3 do C.tallies_count(tallies, 1000) end
    C.tallies_count(tallies, 7)
    C.tallies_count(tallies, 4090)
    local counting = process.fork(function()
      for _ = 1, 2000000 do
        C.tallies_count(tallies, 7)
        C.tallies_count(tallies, 4090)
      end
    end)
    local seen = 0
    repeat
      assert.equal(3, rest(7, 4090))
      local now = C.tallies_read(tallies, 7)
      seen = seen + (now > 1 and now < 2000001 and 1 or 0)
    until now == 2000001
    assert.is_true(seen > 0, "nothing was counted meanwhile")
    assert.equal(0, (counting:wait(20)))
  end)

  it("leave out what is named and comes for the first time meanwhile", function()
    local seen = ffi.new "struct tallies_seen"
    C.tallies_count(tallies, 1000)
    C.tallies_look(tallies, seen)
    C.tallies_count(tallies, 7)
    C.tallies_leave_out(tallies, 7, seen)
    assert.equal(1, tonumber(C.tallies_rest(seen)))
  end)

  it("count together what finds no room", function()
    for n = 1, 5000 do C.tallies_count(tallies, n) end
    assert.equal(5000, rest())
    assert.equal(1, C.tallies_read(tallies, 4096))
    assert.equal(0, C.tallies_read(tallies, 5000))
  end)
end)
