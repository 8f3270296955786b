--- shedder_spec: whom a worker refuses, at half to five times the load that it can take.

local ffi = require "ffi"
local overload = require "spec.support.overload"
local runtime = require "spec.support.runtime"

local LOW, NORMAL, HIGH, CRITICAL = overload.LOW, overload.NORMAL, overload.HIGH, overload.CRITICAL
local C = runtime.include("base/log.h", "shm/segment.h", "shm/worker_board.h")

describe("a shedder", function()
  local worker

  setup(function() C.log_configure(C.LOG_ERROR, C.LOG_TEXT) end)
  teardown(function() C.log_configure(C.LOG_INFO, C.LOG_TEXT) end)
  before_each(function() worker = overload.worker() end)

  local function refused()
    local sum = 0
    for _, count in pairs(worker.refused) do sum = sum + count end
    return sum
  end
  local function between(low, high, value)
    assert(value >= low and value <= high, ("%g is not from %g to %g"):format(value, low, high))
  end

  it("leaves half a load alone, and nine tenths of one", function()
    worker:run(4, 0.5)
    assert.equal(0, refused())
    assert.is_true(worker.delay_max < 0.005)
    worker:run(10, 0.9)
    assert.equal(0, refused())
    assert.is_false(worker.shedder.is_shedding)
  end)

  it("refuses nothing for one long turn", function()
    for _, pause in ipairs { 0.05, 0.3 } do
      worker:run(2, 0.5)
      worker:turn(pause)
      worker:run(2, 0.5)
      assert.equal(0, refused())
    end
  end)

  it("refuses nothing while the queue behind one drains", function()
    local begun = 0
    for _ = 1, 10 do
      worker:run(2, 0.9)
      worker:turn(0.05)
      worker:run(2, 0.9)
      begun = begun + (refused() > 0 and 1 or 0)
    end
    assert.equal(0, begun)
  end)

  it("waits for a window before it begins, and then keeps the delay down", function()
    worker:run(0.4, 2)
    assert.equal(0, refused())
    worker:run(4, 2)
    assert.is_true(refused() > 1000)
    worker:run(6, 2)
    assert.is_true(worker.delay_max < 0.1)
  end)

  -- With 30, 40, 20 and 10 of a hundred requests low, normal, high and critical: what has to go is
  -- a third, a half, two thirds, and what is refused costs a little, too.
  for load, shares in pairs {
    [1.5] = { { 0.9, 1 }, { 0.05, 0.3 }, { 0, 0.01 } },
    [2] = { { 0.97, 1 }, { 0.45, 0.7 }, { 0, 0.05 } },
    [3] = { { 0.99, 1 }, { 0.9, 1 }, { 0.01, 0.25 } },
    [5] = { { 1, 1 }, { 0.99, 1 }, { 0.6, 0.9 } },
  } do
    it(("refuses the least critical first, at %g times the load"):format(load), function()
      worker:run(4, load)
      worker:run(5, load)
      between(shares[1][1], shares[1][2], worker:share(LOW))
      between(shares[2][1], shares[2][2], worker:share(NORMAL))
      between(shares[3][1], shares[3][2], worker:share(HIGH))
      assert.equal(0, worker:share(CRITICAL))
      between(0, 0.25, worker.late[CRITICAL])
      -- What is not refused is what can be served.
      local served = 0
      for criticality, asked in pairs(worker.asked) do
        served = served + asked - (worker.refused[criticality] or 0)
      end
      between(5000 * 0.7, 5000 * 1.1, served)
    end)
  end

  it("does the same whatever the mixture", function()
    worker.mixture = { [LOW] = 0.9, [CRITICAL] = 0.1 }
    worker:run(4, 2)
    worker:run(4, 2)
    between(0.5, 0.65, worker:share(LOW))
    worker.mixture = { [7] = 0.5, [60] = 0.5 }
    worker:run(4, 1.5)
    worker:run(4, 1.5)
    between(0.6, 0.9, worker:share(7))
    between(0, 0.01, worker:share(60))
  end)

  it("refuses for connections that wait to be accepted, too", function()
    worker.behind = 100
    worker:run(3, 0.9)
    assert.is_true(refused() > 100)
  end)

  it("never refuses what is critical, however late it is", function()
    worker.mixture = { [CRITICAL] = 1 }
    worker:run(3, 3)
    assert.equal(0, refused())
    assert.equal(1, worker.shedder.level)
  end)

  it("ends when the load has gone, without swinging on the way", function()
    worker:run(6, 3)
    worker:run(4, 0.9)
    between(1, 5000, refused())
    assert.is_true(worker.delay_max < 0.1)
    worker:run(5, 0.9)
    assert.equal(0, refused())
    assert.is_false(worker.shedder.is_shedding)
  end)

  it("ends while nothing comes at all", function()
    worker:run(3, 3)
    worker.queue, worker.next = {}, math.huge
    worker.now = worker.now + 3
    C.shedder_end_turn(worker.shedder, worker.now, 1e-5, 0)
    assert.equal(0, worker.shedder.level)
    C.shedder_end_turn(worker.shedder, worker.now + 2, 1e-5, 0)
    assert.is_false(worker.shedder.is_shedding)
  end)

  -- For how long one is late that has to refuse two thirds, from when it begins to.
  local function late_seconds(late)
    late.rate = 3
    repeat late:turn() until late.shedder.is_shedding
    local began = late.now
    repeat late:turn() until late.shedder.delay.seconds < 2 * late.shedder.options.lag_seconds
    return late.now - began
  end

  it("begins where its siblings have settled", function()
    local segment, board = ffi.new "struct segment", ffi.new "struct worker_board"
    assert(C.segment_init(segment, 65536 + C.worker_board_bytes(3)))
    assert.is_true(C.worker_board_init(board, segment, 3))
    local function place_on_board(one, lane)
      one.shedder.place, one.shedder.board = C.worker_board_place(board, lane), board
    end
    local alone = late_seconds(overload.worker())
    local late = overload.worker()
    place_on_board(late, 1)
    assert.equal(alone, late_seconds(late)) -- none has settled
    C.worker_place_clear(C.worker_board_place(board, 1))
    place_on_board(worker, 0)
    worker:run(8, 3)
    between(0.65, 0.85, C.worker_board_shed_settled(board, nil))
    late = overload.worker()
    place_on_board(late, 1)
    local told = late_seconds(late)
    assert.is_true(told < alone / 2, ("%g s, alone %g s"):format(told, alone))
    -- What it begins with is no more than a guess.
    local light = overload.worker()
    place_on_board(light, 2)
    light:run(4, 1.2)
    light:run(4, 1.2)
    between(0.3, 0.8, light:share(LOW))
    between(0, 0.01, light:share(NORMAL))
    C.segment_clear(segment)
  end)

  it("counts what it refuses by criticality, and tells when to come again", function()
    worker:run(0.4, 3) -- nothing yet
    assert.equal(0, refused())
    worker:run(4, 3)
    local counts, seen = worker.shedder.counts, {}
    assert.equal(worker.refused[LOW] or 0, tonumber(counts[C.SHEDDER_LOW][0]))
    assert.equal(worker.refused[NORMAL] or 0, tonumber(counts[C.SHEDDER_NORMAL][0]))
    assert.equal(worker.refused[HIGH] or 0, tonumber(counts[C.SHEDDER_HIGH][0]))
    for _ = 1, 200 do
      local seconds = C.shedder_retry_seconds(worker.shedder)
      between(1, 10, seconds)
      seen[seconds] = true
    end
    assert.is_true(#seen > 4) -- not all at the same time
  end)

  it("that only reports refuses nothing and counts what it would", function()
    worker = overload.worker { is_report_only = true }
    worker:run(0.9, 1.2)
    assert.equal(0, refused())
    between(1, 400, tonumber(worker.shedder.counts[C.SHEDDER_LOW][0]))
    between(0.01, 0.99, worker.shedder.level)
    local late = math.min(1, (worker.shedder.delay.seconds - 0.02) / 0.18)
    assert.is_true(math.abs(worker.shedder.level - late / 2 - late ^ 3 / 2) < 1e-9)
  end)

  it("goes on with other numbers, and forgets when there are none", function()
    worker:run(4, 2)
    local level = worker.shedder.level
    local options = ffi.new("struct shedder_options", { 0.03, 0.3, 0.5, false })
    C.shedder_configure(worker.shedder, options)
    assert.equal(level, worker.shedder.level)
    worker:run(4, 2)
    between(0.97, 1, worker:share(LOW))
    C.shedder_configure(worker.shedder, ffi.new "struct shedder_options")
    assert.equal(0, worker.shedder.level)
    worker:run(1, 2)
    assert.equal(0, refused())
  end)
end)
