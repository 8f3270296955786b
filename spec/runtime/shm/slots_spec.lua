--- slots_spec: counts of what goes on at once, of workers that live and of workers that die.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"
local system = require "spec.support.system"

local C = runtime.include("shm/segment.h", "shm/slots.h")
local slice = runtime.slice
local TAKEN, DENIED = 0, 1
local LANES = 6
local WRITER, SIBLING, MASTER = 1, 2, 0

describe("slots", function()
  local segment, held, used

  before_each(function()
    segment = ffi.new "struct segment"
    assert(C.segment_init(segment, 65536 + tonumber(C.slots_bytes(LANES))))
    held, used = ffi.new "uint32_t[1]", ffi.new "uint32_t[1]"
  end)
  after_each(function() C.segment_clear(segment) end)

  -- The view of a process that takes a lane.
  local function view(lane)
    local slots = ffi.new "struct slots"
    assert.is_true(C.slots_init(slots, segment, "slots", LANES))
    C.slots_attach(slots, lane)
    return slots
  end

  local function key(slots, scope) return C.slots_key(slots, slice "name", slice(scope or "a")) end

  local function take(slots, limit, scope)
    local outcome = tonumber(C.slots_take(slots, key(slots, scope), limit, held, used))
    return outcome, held[0]
  end

  local function count(scope)
    local slots = view(MASTER)
    return tonumber(C.slots_used(slots, key(slots, scope)))
  end

  it("are as many as the limit, and again when one is given back", function()
    local slots = view(WRITER)
    local _, first = take(slots, 2)
    assert.equal(1, used[0])
    assert.equal(TAKEN, (take(slots, 2)))
    assert.equal(DENIED, (take(slots, 2)))
    assert.equal(2, used[0])
    assert.equal(TAKEN, (take(slots, 2, "b")))
    C.slots_give(slots, first)
    assert.equal(TAKEN, (take(slots, 2)))
    assert.equal(DENIED, (take(slots, 2)))
    assert.equal(DENIED, (take(slots, 1)))
    C.slots_clear(slots)
  end)

  it("are shared by all lanes", function()
    local one, other = view(WRITER), view(SIBLING)
    assert.equal(TAKEN, (take(one, 2)))
    local _, second = take(other, 2)
    assert.equal(DENIED, (take(one, 2)))
    C.slots_give(other, second)
    assert.equal(TAKEN, (take(one, 2)))
    C.slots_clear(one)
    C.slots_clear(other)
  end)

  it("of a lane that is forgotten are given back, those of others are not", function()
    local one, other = view(WRITER), view(SIBLING)
    for i = 1, 10 do
      assert.equal(TAKEN, (take(one, 100, "s" .. i % 3)))
      assert.equal(TAKEN, (take(other, 100, "s" .. i % 3)))
    end
    C.slots_forget_lane(view(MASTER), WRITER)
    assert.same({ 3, 4, 3 }, { count "s0", count "s1", count "s2" })
    assert.equal(TAKEN, (take(view(WRITER), 100, "s0"))) -- its successor
    assert.equal(4, count "s0")
  end)

  it("leave no place taken for a key that nobody holds any more", function()
    local slots = view(WRITER)
    local places = tonumber(slots.cells.groups) * 8
    for i = 1, places + 1000 do
      local outcome, entry = take(slots, 1, "key " .. i)
      if outcome ~= TAKEN then error("no room at " .. i) end
      C.slots_give(slots, entry)
    end
    C.slots_clear(slots)
  end)

  it("are right wherever a worker is killed", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local sibling = view(SIBLING)
    assert.equal(TAKEN, (take(sibling, 9)))
    local before = view(WRITER)
    assert.equal(TAKEN, (take(before, 9, "kept")))
    local made = stores.each(segment, function()
      local slots = view(WRITER)
      slots.fresh = 1 -- the entry that is in use
      local _, first = take(slots, 9)
      take(slots, 9)
      C.slots_give(slots, first)
      take(slots, 9, "c")
    end, function()
      -- A sibling goes on before the master has noticed, or not.
      local other = view(SIBLING)
      other.fresh = 1
      assert.equal(TAKEN, (take(other, 9)))
      C.slots_forget_lane(view(MASTER), WRITER)
      C.slots_forget_lane(view(MASTER), WRITER)
      assert.equal(2, count())
      assert.equal(0, count "c")
      assert.equal(0, count "kept")
    end)
    assert.is_true(made > 20, made .. " stores")
  end)

  it("are right wherever the master is killed that gives them back", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local slots = view(WRITER)
    for _ = 1, 3 do assert.equal(TAKEN, (take(slots, 9))) end
    local made = stores.each(segment, function()
      C.slots_forget_lane(view(MASTER), WRITER)
    end, function()
      C.slots_forget_lane(view(MASTER), WRITER)
      assert.equal(0, count())
    end)
    assert.is_true(made > 9, made .. " stores")
  end)

  it("are never more than the limit, and none is lost, while workers are killed", function()
    local LIMIT, ROUNDS = 7, 60
    local words = ffi.cast("volatile int64_t *", C.segment_allot(segment, "watch", 1, 4096))
    for round = 1, ROUNDS do
      local victims = {}
      for lane = 1, 4 do
        victims[lane] = process.fork(function()
          local slots, mine = view(lane), {}
          while true do
            local outcome, entry = take(slots, LIMIT)
            if outcome == TAKEN then mine[#mine + 1] = entry end
            if used[0] > LIMIT then words[0] = used[0] end
            words[lane] = round
            if outcome ~= TAKEN and #mine > 0 or #mine > 3 then
              C.slots_give(slots, table.remove(mine))
            end
          end
        end)
      end
      for lane = 1, 4 do
        local deadline = system.now() + 30
        while words[lane] ~= round do
          assert(system.now() < deadline, "a worker did not begin in time")
          system.sleep(0.0002)
        end
      end
      for _, lane in ipairs { 3, 1, 4, 2 } do
        victims[lane]:kill()
        C.slots_forget_lane(view(MASTER), lane)
      end
      assert.equal(0, count(), "after round " .. round)
    end
    assert.equal(0, tonumber(words[0]))
  end)
end)
