--- shared_stores_spec: writers of shared memory that are killed between any two of their stores.
--
-- Those of the dictionary: dict_stores_spec.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = runtime.include("shm/segment.h", "shm/counter.h", "shm/histogram.h", "shm/limiter.h",
  "shm/notice.h", "shm/worker_board.h", "shm/plugin_accounts.h")
local SECOND = 1000000000
local TOTAL, GAUGE = 0, 2
local ALLOWED = 0
local WRITER, SIBLING = 1, 2 -- lanes

describe("when a writer is killed between two stores,", function()
  local segment

  before_each(function()
    segment = ffi.new "struct segment"
    assert(C.segment_init(segment, 2097152))
  end)
  after_each(function() C.segment_clear(segment) end)

  local slice, text = runtime.slice, runtime.text

  -- Kills `body` everywhere; it makes so many stores at least.
  local function killed(least, body, check)
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local made = stores.each(segment, body, check)
    assert.is_true(made >= least, made .. " stores")
  end

  local function is_one_of(value, from, to)
    value = tonumber(value)
    assert.is_true(value == from or value == to, tostring(value))
  end

  describe("counters", function()
    local limits

    -- The view of a process that takes a lane.
    local function view(lane)
      limits = ffi.new("struct counter_limits", { lanes = 4, slots = 32, text_bytes = 4096 })
      local counters = ffi.new "struct counter_table"
      assert.is_true(C.counter_table_init(counters, segment, "counters", limits))
      C.counter_table_attach(counters, lane)
      return counters
    end

    local function slot(counters, name, kind)
      return C.counter_slot(counters, kind or TOTAL, slice(name), slice 'label="one"')
    end

    local function names(counters)
      local cursor, seen, found = ffi.new "size_t[1]", ffi.new "struct counter_view", {}
      while C.counter_next(counters, cursor, seen) do
        local name = text(seen.name)
        assert.is_nil(found[name], "twice: " .. name)
        assert.equal('label="one"', text(seen.labels))
        found[name] = seen.slot
      end
      return found
    end

    it("have a new name whole or not at all, and count under it", function()
      local writer = view(WRITER)
      local old = slot(writer, "old_total")
      killed(5, function() slot(writer, "a_name_that_is_new_total") end, function()
        for _, lane in ipairs { SIBLING, WRITER } do
          local counters = view(lane)
          local before = names(counters)
          assert.equal(old, before.old_total)
          local new = slot(counters, "a_name_that_is_new_total")
          assert.is_true(new > old)
          assert.equal(before.a_name_that_is_new_total or new, new)
          assert.same({ old_total = old, a_name_that_is_new_total = new }, names(counters))
          local counted = tonumber(C.counter_value(counters, new))
          C.counter_add(counters, new, 1)
          assert.equal(counted + 1, tonumber(C.counter_value(counters, new)))
        end
        -- One number is lost, not more.
        local counters = view(SIBLING)
        local found = 0
        for i = 1, 40 do
          if slot(counters, "more" .. i) ~= 0 then found = found + 1 end
        end
        assert.is_true(found >= 28, found)
      end)
    end)

    it("have what was added or do not", function()
      local writer = view(WRITER)
      local total, gauge = slot(writer, "a_total"), slot(writer, "a_gauge", GAUGE)
      C.counter_add(writer, total, 10)
      C.counter_gauge_set(writer, gauge, 4)
      killed(3, function()
        C.counter_add(writer, total, 5)
        C.counter_gauge_add(writer, gauge, -1)
        C.counter_gauge_set(writer, gauge, 9)
      end, function()
        local successor = view(WRITER)
        is_one_of(C.counter_value(successor, total), 10, 15)
        C.counter_add(successor, total, 1)
        is_one_of(C.counter_value(successor, total), 11, 16)
        C.counter_lane_reset_gauges(successor, WRITER)
        assert.equal(0, tonumber(C.counter_value(successor, gauge)))
      end)
    end)
  end)

  it("histograms lose at most the time of one observation", function()
    local limits = ffi.new("struct histogram_limits", { lanes = 4, slots = 8, text_bytes = 512 })
    local writer, sum = ffi.new "struct histogram_table", ffi.new "struct histogram_sum"
    assert.is_true(C.histogram_table_init(writer, segment, "histograms", limits))
    C.histogram_table_attach(writer, WRITER)
    local number = C.histogram_slot(writer, slice "all", slice "")
    C.histogram_observe(writer, number, SECOND)
    killed(2, function() C.histogram_observe(writer, number, SECOND) end, function()
      C.histogram_read(writer, number, sum)
      is_one_of(sum.count, 1, 2)
      is_one_of(sum.total_ns, SECOND, 2 * SECOND)
      assert.is_true(tonumber(sum.total_ns) <= tonumber(sum.count) * SECOND)
      C.histogram_observe(writer, number, SECOND)
      C.histogram_read(writer, number, sum)
      is_one_of(sum.count, 2, 3)
    end)
  end)

  describe("limits", function()
    local PLACES = 8 -- all in the reach of every key
    local limiter, take, verdict, now

    before_each(function()
      limiter, take = ffi.new "struct limiter", ffi.new "struct limiter_take"
      verdict, now = ffi.new "struct limiter_verdict", 1000 * SECOND
      assert.is_true(C.limiter_init(limiter, segment, "limits", PLACES))
      assert.is_true(C.limiter_rate(10, 10 * SECOND, 10, take))
    end)

    local function try(scope, cost)
      take.key, take.now_ns, take.cost = C.limiter_key(limiter, slice "limit", slice(scope)), now,
        cost or 1
      return tonumber(C.limiter_take(limiter, take, verdict))
    end

    local function remaining(scope)
      try(scope, 0)
      return tonumber(verdict.remaining)
    end

    -- Of this key it was one unit, or none; nobody else's; and no place is lost.
    local function check(scope, from, others)
      is_one_of(remaining(scope), from, from - 1)
      for other, left in pairs(others or {}) do assert.equal(left, remaining(other)) end
      local left = remaining(scope)
      for i = 1, left do
        assert.equal(ALLOWED, try(scope))
        assert.equal(left - i, remaining(scope))
      end
      assert.is_true(try(scope) ~= ALLOWED)
      now = now + 60 * SECOND
      for i = 1, PLACES do assert.equal(ALLOWED, try("later " .. i)) end
      now = now - 60 * SECOND
    end

    it("have taken a unit or not, where the key is new", function()
      killed(2, function() try "a" end, function() check("a", 10) end)
    end)

    it("have taken a unit or not, where it was known", function()
      try "a"
      try "b"
      killed(1, function() try "a" end, function() check("a", 9, { b = 9 }) end)
    end)

    it("have taken a unit or not, where the place was another's", function()
      for i = 1, PLACES do try("old " .. i) end
      now = now + 60 * SECOND
      killed(2, function() try "a" end, function() check("a", 10) end)
    end)

    it("have taken a unit or not, where the allowance was larger", function()
      assert.is_true(C.limiter_rate(20, 20 * SECOND, 20, take))
      try("a", 15)
      assert.is_true(C.limiter_rate(10, 10 * SECOND, 10, take))
      now = now + SECOND -- one more unit
      killed(1, function() try "a" end, function()
        assert.is_true(remaining "a" <= 1)
        try "a"
        assert.is_true(try "a" ~= ALLOWED)
      end)
    end)

    it("let go of a place or do not", function()
      local seen = ffi.new "struct cell_seen"
      try "a"
      assert.is_true(C.cell_table_find(limiter.cells, take.key, seen))
      killed(1, function() C.cell_free(seen) end, function() check("a", 10) end)
    end)
  end)

  it("a notice is the one before or the new one", function()
    local writer, old, new = ffi.new "struct notice", ("o"):rep(300), ("n"):rep(200)
    assert.is_true(C.notice_init(writer, segment, "notice"))
    C.notice_publish(writer, slice "first")
    C.notice_publish(writer, slice(old))
    killed(5, function() C.notice_publish(writer, slice(new)) end, function()
      local reader = ffi.new "struct notice"
      assert.is_true(C.notice_init(reader, segment, "notice"))
      local seen = text(C.notice_read(reader))
      assert.is_true(seen == old or seen == new, seen)
      for _, next in ipairs { "next", "and the next", "" } do
        assert.is_true(C.notice_publish(reader, slice(next)))
        assert.equal(next, text(C.notice_read(reader)))
      end
      C.notice_clear(reader)
    end)
    C.notice_clear(writer)
  end)

  it("a worker's place has whole texts or none, and is cleared", function()
    local board = ffi.new "struct worker_board"
    assert.is_true(C.worker_board_init(board, segment, 4))
    local place = C.worker_board_place(board, WRITER)
    local route, lines = ("GET /users/{id} "):rep(6), ("a.lua:1\n"):rep(40)
    C.worker_place_set_route(place, 1, slice "old")
    killed(8, function()
      C.worker_place_set_step(place, 65536 + 7)
      C.worker_place_set_route(place, 2, slice(route))
      C.worker_place_set_lines(place, slice(lines))
    end, function()
      local sight = C.worker_place_read(place)
      local seen = text(sight.route)
      assert.is_true(seen == "old" or seen == "" or seen == route, seen)
      assert.is_true(text(sight.lines) == "" or text(sight.lines) == lines)
      C.worker_place_clear(place)
      sight = C.worker_place_read(place)
      assert.same({ "", "" }, { text(sight.route), text(sight.lines) })
      C.worker_place_set_route(place, 2, slice(route))
      assert.equal(route, text(C.worker_place_read(place).route))
    end)
  end)

  it("accounts of plugins have each number of a cost or do not", function()
    local writer, view = ffi.new "struct plugin_accounts", ffi.new "struct plugin_accounts_view"
    assert.is_true(C.plugin_accounts_init(writer, segment, 4))
    C.plugin_accounts_attach(writer, WRITER)
    local function add()
      local cost = C.plugin_accounts_of(writer, slice "auth", slice "GET /")
      local words = ffi.cast("uint64_t *", cost)
      for i = 0, 4 do C.series_add(words + i, i + 1) end
    end
    -- A pair is there whole or not at all, too.
    local function check(before, after)
      local cursor, count = ffi.new "size_t[1]", 0
      while C.plugin_accounts_next_pair(writer, cursor, view) do
        count = count + 1
        assert.equal("auth GET /", text(view.plugin) .. " " .. text(view.route))
        for i, name in ipairs { "calls", "errors", "cpu_ns", "wait_ns", "measured" } do
          is_one_of(view.cost[name], before * i, after * i)
        end
      end
      assert.is_true(count == 1 or before == 0 and count == 0, count)
    end
    killed(8, add, function() check(0, 1) end)
    add()
    killed(4, add, function() check(1, 2) end)
  end)

  it("a segment has a region whole or not at all", function()
    killed(5, function() assert(C.segment_allot(segment, "region", 3, 5000) ~= nil) end, function()
      local fresh = ffi.new "struct segment"
      ffi.copy(fresh, segment, ffi.sizeof(fresh))
      local region = C.segment_allot(fresh, "region", 3, 5000)
      assert.is_true(region ~= nil)
      local other = C.segment_allot(fresh, "other", 3, 5000)
      assert.is_true(other ~= nil)
      assert.is_true(math.abs(ffi.cast("char *", other) - ffi.cast("char *", region)) >= 5000)
    end)
  end)
end)
