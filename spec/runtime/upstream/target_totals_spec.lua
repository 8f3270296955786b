--- target_totals_spec: words of the shared counters for what a target counts.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/counter.h", "upstream/target_totals.h")

describe("target_totals", function()
  local segment, counters

  local function make(slots)
    local limits = ffi.new("struct counter_limits", { lanes = 2, slots = slots,
      text_bytes = slots * 96 })
    segment, counters = ffi.new "struct segment", ffi.new "struct counter_table"
    assert(C.segment_init(segment, 65536 + C.counter_table_bytes(limits)))
    assert.is_true(C.counter_table_init(counters, segment, "counters", limits))
    C.counter_table_attach(counters, 0)
  end

  before_each(function() make(64) end)
  after_each(function() C.segment_clear(segment) end)

  local function totals_of(upstream, target, from)
    local totals = ffi.new "struct target_totals"
    C.target_totals_init(totals, from, runtime.slice(upstream), runtime.slice(target))
    return totals
  end

  local function value(name, labels)
    return tonumber(C.counter_value(counters, C.counter_slot(counters, 0, runtime.slice(name),
      runtime.slice(labels))))
  end

  local function labels_of()
    local cursor, view = ffi.new "size_t[1]", ffi.new "struct counter_view"
    assert.is_true(C.counter_next(counters, cursor, view))
    return runtime.text(view.labels)
  end

  it("are counted under the names that /metrics shows", function()
    local totals = totals_of("users", "10.0.0.1:80", counters)
    C.series_add(totals.attempts, 3)
    C.series_add(totals.errors, 1)
    local labels = 'upstream="users",target="10.0.0.1:80"'
    assert.equal(3, value("moongate_target_attempts_total", labels))
    assert.equal(1, value("moongate_target_errors_total", labels))
  end)

  it("go on where the predecessor in the lane ended", function()
    C.series_add(totals_of("users", "10.0.0.1:80", counters).attempts, 3)
    local totals = totals_of("users", "10.0.0.1:80", counters)
    assert.equal(3, tonumber(totals.attempts[0]))
    assert.equal(0, tonumber(totals.errors[0]))
  end)

  it("write labels as moongate.metrics does", function()
    for _, row in ipairs {
      { 'a"b\\c\nd', 'a\\"b\\\\c\\nd' }, { "\195\188", "\195\188" }, { "a\255\195\188b", "a???b" },
      { ("x"):rep(300), ("x"):rep(256) }, { ("\\"):rep(300), ("\\\\"):rep(256) }, { "", "" },
    } do
      C.segment_clear(segment)
      make(64)
      totals_of(row[1], row[1], counters)
      assert.equal(('upstream="%s",target="%s"'):format(row[2], row[2]), labels_of())
    end
  end)

  it("are the target's own where nobody shares counters", function()
    local totals = totals_of("users", "10.0.0.1:80", nil)
    C.series_add(totals.attempts, 2)
    C.series_add(totals.errors, 1)
    assert.same({ 2, 1 }, { tonumber(totals.own[0]), tonumber(totals.own[1]) })
  end)

  it("leave half of the counters to others, and find again those that they have", function()
    for i = 1, 100 do totals_of("users", "10.0.0." .. i .. ":80", counters) end
    assert.equal(32, C.counter_count(counters))
    assert.equal(0, tonumber(C.counter_dropped(counters)))
    local first = totals_of("users", "10.0.0.1:80", counters)
    assert.is_true(first.attempts ~= first.own)
    local last = totals_of("users", "10.0.0.100:80", counters)
    assert.is_true(last.attempts == last.own)
  end)
end)
