local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local TOTAL, GAUGE = 0, 2
local EINVAL, MIB, NOTICE_BYTES, WORKERS_ROOM = 22, 1048576, 122880, 32

describe("shared", function()
  local all

  local function destroy()
    if all then C.shared_destroy(ffi.new("struct shared *[1]", all)) end
    all = nil
  end

  local function create(options)
    destroy()
    all = C.shared_create(ffi.new("struct shared_options", options))
    if all == nil then
      all = nil
      return nil, ffi.errno()
    end
    return all
  end

  after_each(destroy)

  local function counter(name, kind)
    return C.counter_slot(all.counters, kind or TOTAL, shared.slice(name), shared.slice "")
  end

  local function value(slot) return tonumber(C.counter_value(all.counters, slot)) end

  it("has room for ten thousand routes when nobody says how much", function()
    create { workers = 4 }
    assert.is_true(all.histograms.series.rows > 10000)
    assert.is_true(all.counters.series.rows > 60000)
    assert.equal(65536, tonumber(C.dict_value_bytes_max(all.dict)))
    assert.is_true(all.limiter.cells.groups * 8 > 1000000)
  end)

  it("makes of each size what fits, and little less", function()
    for _, workers in ipairs { 1, 4, 64 } do
      for _, size in ipairs { 4, 16, 100 } do
        local counters = size * MIB
        create { workers = workers, counters_bytes = counters, limits_bytes = MIB,
          dict_bytes = MIB, value_bytes = MIB, object_bytes = MIB }
        -- The lanes of workers that there are not, an upgrade's among them, come on top.
        local lanes = 2 * math.max(workers, WORKERS_ROOM) + 2
        local bytes = tonumber(all.segment.bytes - C.worker_board_bytes(lanes)
          - C.plugin_accounts_bytes(lanes) - C.slots_bytes(lanes)
          - C.object_store_bytes(ffi.new("struct object_store_shape", MIB, 2048, lanes))
          - C.values_region_bytes(MIB, lanes) - C.target_board_bytes(lanes)
          - C.breakers_bytes() - C.gates_bytes(lanes) - C.answer_times_bytes()) - 2 * MIB
        assert.equal(lanes, all.counters.series.lanes)
        assert.is_true(bytes <= counters * lanes / (workers + 1) + 65536 + NOTICE_BYTES
          and bytes > counters * 0.5, ("%d workers, %d MiB: %d"):format(workers, size, bytes))
      end
    end
  end)

  it("refuses numbers that make no sense", function()
    for _, options in ipairs {
      { workers = 0 }, { workers = 257 }, { workers = 1, dict_bytes = 1000 },
      { workers = 1, value_bytes = 1000 }, { workers = 1, object_bytes = 1000 },
      { workers = 1, counters_bytes = 1000 }, { workers = 1, limits_bytes = 2 ^ 40 },
      { workers = 256, counters_bytes = 131072 },
    } do
      assert.same({ nil, EINVAL }, { create(options) })
    end
  end)

  it("counts what workers and master count, each in a lane of its own", function()
    create { workers = 4 }
    C.counter_add(all.counters, counter "n", 1)
    shared.crowd(4, function(number)
      C.shared_attach(all, number - 1)
      for _ = 1, 50000 do C.counter_add(all.counters, counter "n", 1) end
    end)
    assert.equal(200001, value(counter "n"))
  end)

  it("forgets the gauges of a dead worker alone", function()
    create { workers = 2 }
    local open = counter("open", GAUGE)
    C.counter_gauge_set(all.counters, open, 1)
    shared.crowd(2, function(number)
      C.shared_attach(all, number - 1)
      C.counter_gauge_add(all.counters, open, 10 ^ number)
      C.counter_add(all.counters, counter "n", 1)
    end)
    assert.equal(111, value(open))
    C.shared_forget_worker(all, 0)
    assert.equal(101, value(open))
    assert.equal(2, value(counter "n"))
  end)

  describe("that another gateway made", function()
    local other

    local function adopt(options, side)
      local why = ffi.new "const char *[1]"
      local fd = C.spec_dup(all.segment.fd)
      other = C.shared_adopt(fd, ffi.new("struct shared_options", options), side or 0, why)
      if other ~= nil then return other end
      other = nil
      assert.equal(0, C.spec_close(fd), "the descriptor was left alone")
      return nil, ffi.string(why[0])
    end

    after_each(function()
      if other then C.shared_destroy(ffi.new("struct shared *[1]", other)) end
      other = nil
    end)

    it("goes on, in lanes of its own", function()
      create { workers = 2 }
      C.shared_attach(all, 1)
      C.counter_add(all.counters, counter "n", 1)
      C.counter_gauge_set(all.counters, counter("open", GAUGE), 10)
      assert(adopt { workers = 5 })
      for worker = 0, 4 do
        C.shared_attach(other, worker)
        C.counter_add(other.counters, counter "n", 1)
        C.counter_gauge_set(other.counters, counter("open", GAUGE), 1)
      end
      C.counter_add(all.counters, counter "n", 1)
      assert.equal(7, value(counter "n"))
      assert.equal(15, value(counter("open", GAUGE)))
      C.shared_forget_other_side(other)
      assert.equal(5, value(counter("open", GAUGE)))
      assert.equal(7, value(counter "n"))
    end)

    it("goes on in turn on two sides", function()
      create { workers = 1 }
      assert(adopt { workers = 1 })
      assert.equal(1, other.side)
      C.shared_destroy(ffi.new("struct shared *[1]", other))
      assert(adopt({ workers = 1 }, 1))
      assert.equal(0, other.side)
    end)

    it("is not taken when it is another memory than is wanted", function()
      create { workers = 2, dict_bytes = 2 * MIB }
      assert.same({ nil, "it was made for fewer workers" },
        { adopt { workers = WORKERS_ROOM + 1, dict_bytes = 2 * MIB } })
      assert.same({ nil, "its sizes are configured in another way" },
        { adopt { workers = 2, dict_bytes = 3 * MIB } })
      assert.same({ nil, "its sizes are configured in another way" }, { adopt { workers = 2 } })
      assert(adopt { workers = 1, dict_bytes = 2 * MIB })
    end)

    it("is not taken when it is laid out in another way, or no memory at all", function()
      create { workers = 2 }
      local made = all
      local bytes = tonumber(made.segment.bytes)
      local segment = shared.segment(bytes)
      local fd = made.segment.fd
      made.segment.fd = segment.fd
      assert.same({ nil, "it is laid out in another way" }, { adopt { workers = 2 } })
      made.segment.fd = C.spec_open("/dev/zero", 0, 0)
      assert.same({ nil, "it cannot be mapped" }, { adopt { workers = 2 } })
      C.spec_close(made.segment.fd)
      made.segment.fd = fd
      shared.finish()
    end)
  end)

  it("clears the place of a dead worker", function()
    create { workers = 2 }
    local place = ffi.cast("double *", C.shared_place(all, 1))
    shared.crowd(1, function()
      C.shared_attach(all, 1)
      ffi.cast("double *", all.place)[0] = 12.5
    end)
    assert.equal(12.5, place[0])
    C.shared_forget_worker(all, 0)
    assert.equal(12.5, place[0])
    C.shared_forget_worker(all, 1)
    assert.equal(0, place[0])
  end)

  it("shares one dictionary and one limiter", function()
    create { workers = 2 }
    local amount = ffi.new "struct dict_value"
    local take, verdict = ffi.new "struct limiter_take", ffi.new "struct limiter_verdict"
    C.limiter_rate(5, 1e9, 5, take)
    take.key, take.cost = C.limiter_key(all.limiter, shared.slice "l", shared.slice "s"), 1
    shared.crowd(2, function(number)
      C.shared_attach(all, number - 1)
      for _ = 1, 10 do
        amount.kind, amount.integer = 1, 1
        if C.limiter_take(all.limiter, take, verdict) == 0 then
          assert(C.dict_increment(all.dict, shared.slice "allowed", 0, amount) == 0)
        end
      end
    end)
    assert.equal(0, C.dict_get(all.dict, shared.slice "allowed", 0, amount))
    assert.equal(5, tonumber(amount.integer))
  end)

  it("observes the turns of the loop, whatever the clock says", function()
    create { workers = 1 }
    for _, seconds in ipairs { 0.000001, 0.01, 0.0100001, -1, 1e300 } do
      C.shared_observe_turn(all, seconds)
    end
    local sum = ffi.new "struct histogram_sum"
    C.histogram_read(all.histograms, all.loop_turns, sum)
    assert.same({ 2, 1, 1, 1 }, {
      tonumber(sum.buckets[0]), tonumber(sum.buckets[9]), tonumber(sum.buckets[10]),
      tonumber(sum.buckets[22]),
    })
    assert.equal(10e6, tonumber(C.histogram_bound_ns(9)))
  end)
end)
