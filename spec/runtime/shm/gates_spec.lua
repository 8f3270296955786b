local ffi = require "ffi"
local servers = require "spec.support.servers"
local shared = require "spec.support.shared"
local system = require "spec.support.system"

ffi.cdef [[ intptr_t spec_read_bell(int, void *, size_t) __asm__("read"); ]]

local C = shared.C
local ENDED, EXPIRED = 0, 1

describe("gates", function()
  local views, number, name, active, options

  before_each(function()
    views, name = servers.gates(), shared.slice "orders"
    number = C.gate_number(views[1], name)
    active = ffi.new "uint64_t[1]"
    options = ffi.new("struct gate_options", { 1, 3, 3, 250, 1.25 })
  end)
  after_each(shared.finish)

  local function enter(lane) return C.gate_enter(views[lane], number, options, active) end
  local function view()
    local seen = ffi.new "struct gate_view"
    assert.is_true(C.gates_next(views[1], ffi.new "size_t[1]", seen))
    return seen
  end

  it("let through as many as there may be, over all lanes", function()
    assert.is_true(enter(1))
    assert.is_true(enter(2))
    assert.is_true(enter(2))
    assert.equal(3, tonumber(active[0]))
    assert.is_false(enter(1))
    assert.is_false(enter(3))
    C.gate_leave(views[2], number)
    assert.is_true(enter(3))
    assert.equal("orders", shared.text(view().name))
    assert.equal(3, tonumber(view().active))
  end)

  it("never let two in for one place that come at the same moment", function()
    options.max, options.initial = 1, 1
    local segment = shared.segment(65536)
    local inside = ffi.cast("volatile uint64_t *", C.segment_allot(segment, "inside", 1, 512))
    local both = inside + 48
    shared.crowd(2, function(lane)
      local mine, other, ends = inside + 16 * lane, inside + 16 * (3 - lane), system.now() + 0.2
      while system.now() < ends do
        for _ = 1, 1000 do
          if enter(lane) then
            mine[0] = 1
            ffi.C.spec_sched_yield() -- stores are not put together over a call
            if other[0] == 1 then both[0] = both[0] + 1 end
            mine[0] = 0
            C.gate_leave(views[lane], number)
          end
        end
      end
    end)
    assert.equal(0, tonumber(both[0]))
    assert.equal(0, tonumber(view().active))
  end)

  it("have no limit where none is asked for", function()
    for _ = 1, 100 do assert.is_true(C.gate_enter(views[1], number, nil, active)) end
    assert.equal(100, tonumber(view().active))
  end)

  it("give back what a dead worker had", function()
    for _ = 1, 3 do enter(2) end
    C.gate_queue_join(views[2], number, 10)
    assert.is_false(enter(1))
    C.gates_forget_lane(views[1], 1)
    assert.equal(0, tonumber(view().active))
    assert.equal(0, tonumber(view().queued))
    assert.is_true(enter(1))
  end)

  it("keep a queue of so many over all lanes", function()
    assert.is_true(C.gate_queue_join(views[1], number, 2))
    assert.is_true(C.gate_queue_join(views[2], number, 2))
    assert.is_false(C.gate_queue_join(views[3], number, 2))
    C.gate_queue_leave(views[2], number, ENDED, 0.25)
    assert.is_true(C.gate_queue_join(views[3], number, 2))
    C.gate_queue_leave(views[3], number, EXPIRED, 0.5)
    local seen = view()
    assert.same({ 1, 1, 1, 1 }, { tonumber(seen.queued), tonumber(seen.waited),
      tonumber(seen.expired), tonumber(seen.overflowed) })
    assert.equal(0.25, seen.waited_seconds)
  end)

  describe("that have bells", function()
    before_each(function()
      assert.is_true(C.gates_hang_bells(views[1], 0, servers.LANES))
      for lane = 2, servers.LANES do views[lane].bells = views[1].bells end
    end)
    after_each(function() C.gates_clear(views[1]) end)

    -- Which lanes were told since the last time.
    local function told()
      local lanes, count = {}, ffi.new "uint64_t[1]"
      for lane = 1, servers.LANES do
        if C.spec_read_bell(C.gates_bell(views[lane]), count, 8) == 8 then
          lanes[#lanes + 1] = lane
        end
      end
      return lanes
    end

    it("tell one lane that waits for each request that is over, in turns", function()
      for _ = 1, 3 do enter(4) end
      assert.is_false(C.gate_leave(views[4], number))
      assert.same({}, told())
      C.gate_await(views[1], number)
      C.gate_await(views[2], number)
      C.gate_leave(views[4], number)
      local first = told()
      C.gate_leave(views[4], number)
      local second = told()
      assert.same({ 1, 1 }, { #first, #second })
      assert.equal(3, first[1] + second[1])
    end)

    it("need not tell the one that leaves", function()
      enter(1)
      C.gate_await(views[1], number)
      assert.is_true(C.gate_leave(views[1], number))
      assert.same({}, told())
    end)

    it("tell the next when the one that was told has nobody any more", function()
      C.gate_await(views[1], number)
      C.gate_tell(views[3], number)
      C.gate_await(views[2], number)
      assert.same({ 1 }, told())
      C.gate_forgo(views[1], number)
      assert.same({ 2 }, told())
      C.gate_await(views[1], number)
      C.gate_forgo(views[1], number)
      assert.same({}, told())
    end)

    it("tell who waits for what a dead worker had", function()
      enter(2)
      C.gate_await(views[3], number)
      C.gates_forget_lane(views[1], 1)
      assert.same({ 3 }, told())
    end)
  end)

  it("never let through more than the limit, with processes that are killed anywhere", function()
    local segment = shared.segment(65536)
    local most = ffi.cast("volatile uint64_t *", C.segment_allot(segment, "most", 1, 64))
    shared.massacre(40, function(lane)
      while true do
        if enter(lane) then
          if active[0] > 3 then most[0] = active[0] end
          C.gate_leave(views[lane], number)
        end
      end
    end, function()
      for lane = 0, servers.LANES - 1 do C.gates_forget_lane(views[1], lane) end
      assert.equal(0, tonumber(view().active))
    end)
    assert.equal(0, tonumber(most[0]))
    assert.is_true(enter(1))
  end)

  it("learn in words that no killed process leaves torn", function()
    local sample = ffi.new("struct gate_sample", { 0, 0.05, 3, 0 })
    shared.massacre(40, function(lane)
      while true do
        sample.now_ms = system.now() * 1000
        sample.outcome = sample.now_ms % 7 == 0 and 1 or 0
        C.gate_report(views[lane], number, options, sample)
      end
    end, function()
      local seen = view()
      assert.is_true(seen.limit >= 0 and seen.limit <= 3)
      assert.is_true(seen.usual_seconds == 0 or math.abs(seen.usual_seconds - 0.05) < 1e-6)
    end)
  end)

  it("forget what they have learnt when told to", function()
    options.max = 100
    local sample = ffi.new("struct gate_sample", { 0, 0.05, 3, 0 })
    for i = 1, 100 do
      sample.now_ms = 1000 + i * 50
      C.gate_report(views[1], number, options, sample)
    end
    assert.is_true(view().limit > 3)
    assert.is_true(C.gate_reset(views[2], name))
    assert.equal(0, view().limit)
    assert.is_false(C.gate_reset(views[2], shared.slice "others"))
  end)
end)
