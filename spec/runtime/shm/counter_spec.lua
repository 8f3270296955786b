local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local TOTAL, NANOSECONDS, GAUGE = 0, 1, 2

describe("counter", function()
  local segment, counters

  local function make(slots)
    segment = shared.segment(33554432)
    counters = ffi.new "struct counter_table"
    local limits = ffi.new("struct counter_limits", 4, slots or 4096, 65536)
    assert.is_true(C.counter_table_init(counters, segment, "counters", limits))
    C.counter_table_attach(counters, 0)
  end

  before_each(function() make() end)
  after_each(shared.finish)

  local function slot(name, labels, kind)
    return C.counter_slot(counters, kind or TOTAL, shared.slice(name), shared.slice(labels or ""))
  end

  local function value(number) return tonumber(C.counter_value(counters, number)) end

  local function all()
    local found, cursor, view = {}, ffi.new "size_t[1]", ffi.new "struct counter_view"
    while C.counter_next(counters, cursor, view) do
      local text = shared.text(view.name) .. "{" .. shared.text(view.labels) .. "}"
      assert.is_nil(found[text])
      found[text] = tonumber(view.value)
    end
    return found
  end

  it("gives a name the same slot again, and other names others", function()
    local one = slot("requests", 'code="200"')
    assert.is_true(one > 0)
    assert.equal(one, slot("requests", 'code="200"'))
    assert.are_not.equal(one, slot("requests", 'code="404"'))
    assert.are_not.equal(one, slot('requestscode="200"', ""))
    assert.are_not.equal(one, slot("requests", 'code="200"', NANOSECONDS))
  end)

  it("sums over the lanes", function()
    local requests = slot "requests"
    for lane = 0, 3 do
      C.counter_table_attach(counters, lane)
      C.counter_add(counters, requests, 10 ^ lane)
    end
    assert.equal(1111, value(requests))
  end)

  it("shows every name once, with its value", function()
    for i = 1, 100 do C.counter_add(counters, slot("n", "i=" .. i), i) end
    local found = all()
    for i = 1, 100 do assert.equal(i, found["n{i=" .. i .. "}"]) end
    assert.equal(100, C.counter_count(counters))
  end)

  it("has gauges that go down, each worker with its own part", function()
    local open = slot("open", "", GAUGE)
    C.counter_gauge_add(counters, open, 5)
    C.counter_table_attach(counters, 1)
    C.counter_gauge_add(counters, open, -7)
    assert.equal(-2, value(open))
    C.counter_gauge_set(counters, open, 3)
    assert.equal(8, value(open))
  end)

  it("resets the gauges of one lane, and nothing else", function()
    local open, requests = slot("open", "", GAUGE), slot "requests"
    for lane = 0, 1 do
      C.counter_table_attach(counters, lane)
      C.counter_gauge_add(counters, open, 5)
      C.counter_add(counters, requests, 5)
    end
    C.counter_lane_reset_gauges(counters, 0)
    assert.equal(5, value(open))
    assert.equal(10, value(requests))
  end)

  it("counts in one slot what has no room, and says so", function()
    make(11)
    for i = 1, 10 do assert.is_true(slot("name " .. i) > 0) end
    assert.equal(0, slot "name 11")
    assert.equal(0, slot "name 12")
    assert.is_true(slot "name 7" > 0)
    assert.equal(2, tonumber(C.counter_dropped(counters)))
    C.counter_add(counters, 0, 3)
    assert.equal(3, value(0))
  end)

  it("has no room for a name without end, or for none", function()
    assert.equal(0, slot(("x"):rep(2049)))
    assert.equal(0, slot("x", ("y"):rep(2048)))
    assert.equal(0, slot(""))
    assert.is_true(slot(("x"):rep(2048)) > 0)
  end)

  it("runs out of text before it runs over", function()
    local given = 0
    for i = 1, 200 do
      if slot(("x"):rep(2000) .. i) > 0 then given = given + 1 end
    end
    assert.is_true(given >= 32 and given < 100)
    assert.equal(200 - given, tonumber(C.counter_dropped(counters)))
  end)

  it("refuses a region that was made with other limits", function()
    local limits = ffi.new("struct counter_limits", 4, 4000, 65536)
    assert.is_false(C.counter_table_init(counters, segment, "counters", limits))
  end)

  it("keeps what a dead worker counted, and its successor continues", function()
    local requests = slot "requests"
    for _ = 1, 3 do
      shared.crowd(1, function()
        C.counter_table_attach(counters, 2)
        C.counter_add(counters, requests, 7)
      end)
    end
    assert.equal(21, value(requests))
  end)

  it("loses no addition of workers that run at once", function()
    shared.crowd(4, function(number)
      C.counter_table_attach(counters, number - 1)
      local requests = slot "requests"
      for _ = 1, 100000 do C.counter_add(counters, requests, 1) end
    end)
    assert.equal(400000, value(slot "requests"))
  end)

  it("gives one slot to a name that many ask for at once", function()
    local slots = ffi.cast("uint32_t *", C.segment_allot(segment, "slots", 1, 4 * 2000 * 4))
    shared.crowd(4, function(number)
      C.counter_table_attach(counters, number - 1)
      for i = 0, 1999 do
        slots[(number - 1) * 2000 + i] = slot("name", "i=" .. i)
        C.counter_add(counters, slots[(number - 1) * 2000 + i], 1)
      end
    end)
    for i = 0, 1999 do
      for number = 1, 3 do assert.equal(slots[i], slots[number * 2000 + i]) end
      assert.equal(4, value(slots[i]))
    end
    assert.equal(0, tonumber(C.counter_dropped(counters)))
    -- Each lost race may leave a number unused, as long as others took theirs meanwhile.
    assert.is_true(C.counter_count(counters) >= 2000 and C.counter_count(counters) < 2200)
  end)

  it("has whole names only, and counts on, when workers are killed", function()
    make(200000)
    local KILLS = 500
    shared.massacre(KILLS, function(number)
      C.counter_table_attach(counters, number - 1)
      local i = tonumber(C.counter_count(counters)) % 500
      while true do
        i = i + 1
        C.counter_add(counters, slot("name number " .. i, 'label="' .. i .. '"'), 1)
      end
    end)
    local found, names = all(), 0
    for text in pairs(found) do
      local i = text:match "^name number (%d+){"
      assert.equal(("name number %d{label=\"%d\"}"):format(i, i), text)
      names = names + 1
    end
    assert.is_true(names > 500)
    assert.is_true(C.counter_count(counters) - names <= KILLS)
    local before = found['name number 300{label="300"}']
    C.counter_add(counters, slot("name number 300", 'label="300"'), 1)
    assert.equal(before + 1, all()['name number 300{label="300"}'])
  end)
end)
