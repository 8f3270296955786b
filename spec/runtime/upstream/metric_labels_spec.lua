--- metric_labels_spec: words of the shared counters for what an upstream counts.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/counter.h", "upstream/metric_labels.h")

describe("metric_labels", function()
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

  local own = ffi.new "uint64_t[1]"

  local function total_of(upstream, target, from)
    local labels = ffi.new "struct metric_labels"
    C.metric_labels_add(labels, "upstream", runtime.slice(upstream))
    C.metric_labels_add(labels, "target", runtime.slice(target))
    return C.metric_labels_total(labels, from, "moongate_things_total", own)
  end

  local function labels_of()
    local cursor, view = ffi.new "size_t[1]", ffi.new "struct counter_view"
    assert.is_true(C.counter_next(counters, cursor, view))
    return runtime.text(view.labels)
  end

  it("count under the name that /metrics shows", function()
    C.series_add(total_of("users", "10.0.0.1:80", counters), 3)
    local slot = C.counter_slot(counters, 0, runtime.slice "moongate_things_total",
      runtime.slice 'upstream="users",target="10.0.0.1:80"')
    assert.equal(3, tonumber(C.counter_value(counters, slot)))
  end)

  it("go on where the predecessor in the lane ended", function()
    C.series_add(total_of("users", "10.0.0.1:80", counters), 3)
    assert.equal(3, tonumber(total_of("users", "10.0.0.1:80", counters)[0]))
  end)

  it("are written as moongate.metrics does", function()
    for _, row in ipairs {
      { 'a"b\\c\nd', 'a\\"b\\\\c\\nd' }, { "\195\188", "\195\188" }, { "a\255\195\188b", "a???b" },
      { ("x"):rep(300), ("x"):rep(256) }, { ("\\"):rep(300), ("\\\\"):rep(256) }, { "", "" },
    } do
      C.segment_clear(segment)
      make(64)
      total_of(row[1], row[1], counters)
      assert.equal(('upstream="%s",target="%s"'):format(row[2], row[2]), labels_of())
    end
  end)

  it("count for themselves where nobody shares counters", function()
    assert.is_true(total_of("users", "10.0.0.1:80", nil) == own)
  end)

  it("leave half of the counters to others, and find again those that they have", function()
    for i = 1, 100 do total_of("users", "10.0.0." .. i .. ":80", counters) end
    assert.equal(32, C.counter_count(counters))
    assert.equal(0, tonumber(C.counter_dropped(counters)))
    assert.is_true(total_of("users", "10.0.0.1:80", counters) ~= own)
    assert.is_true(total_of("users", "10.0.0.100:80", counters) == own)
  end)
end)
