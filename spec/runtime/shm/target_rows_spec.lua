--- target_rows_spec: rows that are held, found again, and given away when nobody has them.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/target_rows.h")
local slice, text = runtime.slice, runtime.text
local LANES, ROWS, WIDTH, KEEPER = 4, 33, 2, 1
local NONE = ffi.new "struct slice"

describe("target_rows", function()
  local segment, names, words, views

  before_each(function()
    segment, views = ffi.new "struct segment", {}
    local limits = ffi.new("struct series_limits", { lanes = LANES, rows = ROWS, words = 1 })
    assert(C.segment_init(segment, 65536 + C.series_bytes(limits) + 65536))
    local lanes = ffi.new "struct series"
    assert.is_true(C.series_init(lanes, segment, "lanes", limits))
    names = C.segment_allot(segment, "names", 1, C.target_rows_bytes(ROWS))
    words = ffi.cast("uint64_t *", C.segment_allot(segment, "words", 1, ROWS * WIDTH * 8))
    for lane = 0, LANES - 1 do
      local rows = ffi.new("struct target_rows", { hash_key = C.segment_hash_key(segment),
        lanes = lanes, words = words, width = WIDTH, keeper = KEEPER })
      C.series_attach(rows.lanes, lane)
      C.target_rows_init(rows, names)
      views[lane] = rows
    end
  end)

  after_each(function() C.segment_clear(segment) end)

  local function hold(lane, target)
    return C.target_rows_hold(views[lane], slice "u", target and slice(target) or NONE)
  end

  local function find(lane, target)
    local row = C.target_rows_find(views[lane], slice "u", slice(target))
    C.target_rows_release(views[lane], row)
    return row
  end

  local function release(lane, row) C.target_rows_release(views[lane], row) end

  -- As the master does for one that is dead.
  local function forget(lane)
    for row = 0, ROWS - 1 do C.series_mine(views[lane].lanes, row)[0] = 0 end
  end

  local function names_seen()
    local cursor, name, seen = ffi.new "uint32_t[1]", ffi.new "struct target_name", {}
    while C.target_rows_next(views[0], cursor, name) do
      seen[#seen + 1] = text(name.target)
      assert.equal(cursor[0], name.row)
    end
    table.sort(seen)
    return seen
  end

  local function fill(lane)
    local rows = {}
    for i = 1, ROWS - 1 do rows[i] = hold(lane, "t" .. i) end
    return rows
  end

  it("are found by all lanes by their names, of which one may be none", function()
    local row, other = hold(0, "a"), hold(1, "b")
    assert.is_true(row > 0 and other > 0 and row ~= other)
    assert.equal(row, hold(1, "a"))
    assert.equal(row, find(2, "a"))
    assert.equal(0, find(2, "c"))
    local whole = hold(0)
    assert.is_true(whole ~= row and whole ~= other)
    assert.same({ "", "a", "b" }, names_seen())
    assert.equal(0, C.target_rows_hold(views[0], slice "u", slice(("x"):rep(504))))
    assert.is_true(C.target_rows_hold(views[0], slice "u", slice(("x"):rep(503))) > 0)
  end)

  it("that nobody holds keep their name and what is in them while there are others", function()
    local row = hold(0, "a")
    words[row * WIDTH] = 7
    release(0, row)
    for i = 1, ROWS - 2 do hold(0, "t" .. i) end
    assert.equal(row, hold(1, "a"))
    assert.equal(7, tonumber(words[row * WIDTH]))
  end)

  it("are given to another name when there is no other, and then are empty", function()
    local rows = fill(0)
    assert.equal(0, hold(1, "new"))
    words[rows[5] * WIDTH] = 7
    release(0, rows[5])
    assert.equal(rows[5], hold(1, "new"))
    assert.equal(0, tonumber(words[rows[5] * WIDTH]))
    assert.equal(0, find(0, "t5"))
    release(0, rows[9])
    words[rows[9] * WIDTH] = 8
    assert.equal(rows[9], hold(0, "t5")) -- it has come back, and starts afresh
    assert.equal(0, tonumber(words[rows[9] * WIDTH]))
  end)

  it("are never taken from one that holds them, nor from an operator", function()
    local rows = fill(0)
    for _, row in ipairs(rows) do hold(1, "t" .. row) end
    for _, row in ipairs(rows) do release(0, row) end
    assert.equal(0, hold(0, "new"))
    release(1, rows[3])
    words[rows[3] * WIDTH + KEEPER] = 1
    assert.equal(0, hold(0, "new"))
    words[rows[3] * WIDTH + KEEPER] = 0
    assert.equal(rows[3], hold(0, "new"))
  end)

  it("are held while they are looked at", function()
    local rows = fill(0)
    local cursor, name = ffi.new "uint32_t[1]", ffi.new "struct target_name"
    assert.is_true(C.target_rows_next(views[1], cursor, name))
    release(0, rows[1])
    assert.equal(rows[1], name.row)
    assert.equal(0, hold(2, "new"))
    assert.equal("t1", text(name.target))
    assert.is_true(C.target_rows_next(views[1], cursor, name))
    assert.equal(rows[1], hold(2, "new"))
  end)

  it("of a dead worker are somebody else's once the master has forgotten it", function()
    local worker = process.fork(function() fill(1) end)
    assert.equal(0, worker:wait(10))
    assert.equal(0, hold(0, "new"))
    forget(1)
    assert.is_true(hold(0, "new") > 0)
  end)

  it("stay whole while a hundred thousand names come and go", function()
    local kept = hold(1, "kept")
    for i = 1, 100000 do
      local row = hold(0, "t" .. i)
      assert(row > 0 and row ~= kept)
      release(0, row)
    end
    assert.equal(kept, find(2, "kept"))
    assert.equal(ROWS - 1, #names_seen())
    assert.is_true(find(2, "t100000") > 0)
    assert.equal(0, find(2, "t50000"))
  end)

  it("are one for each name, whoever asks for it at once", function()
    local function churn(lane)
      for turn = 1, 20000 do
        local name = "t" .. (turn * 7 + lane) % 50
        local row = hold(lane, name)
        assert(row > 0, "no row")
        words[row * WIDTH] = words[row * WIDTH] -- mapped
        assert(find(lane, name) == row, "two rows")
        if turn % 3 == 0 then -- by now another one has looked for it, too
          local again = hold(lane, name)
          assert(again == row, "another row")
          release(lane, again)
        end
        release(lane, row)
      end
    end
    local workers = {}
    for lane = 1, 3 do workers[lane] = process.fork(function() churn(lane) end) end
    for _, worker in ipairs(workers) do assert.equal(0, worker:wait(60)) end
    local seen = {}
    for _, name in ipairs(names_seen()) do
      assert.is_nil(seen[name], name)
      seen[name] = true
    end
    fill(0) -- nothing is left held
    for i = 1, ROWS - 1 do assert.is_true(find(1, "t" .. i) > 0) end
  end)
end)
