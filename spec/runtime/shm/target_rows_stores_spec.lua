--- target_rows_stores_spec: rows whose claimer, taker or holder is killed between any two stores.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = runtime.include("shm/segment.h", "shm/target_rows.h")
local slice = runtime.slice
local LANES, ROWS, WIDTH, KEEPER = 3, 9, 2, 1
local DEAD, SIBLING = 1, 2

describe("target_rows whose user is killed between two stores", function()
  local segment, words

  before_each(function()
    segment = ffi.new "struct segment"
    local limits = ffi.new("struct series_limits", { lanes = LANES, rows = ROWS, words = 1 })
    assert(C.segment_init(segment, 65536 + C.series_bytes(limits) + 65536))
  end)

  after_each(function() C.segment_clear(segment) end)

  local function view(lane)
    local limits = ffi.new("struct series_limits", { lanes = LANES, rows = ROWS, words = 1 })
    local rows = ffi.new "struct target_rows"
    assert.is_true(C.series_init(rows.lanes, segment, "lanes", limits))
    C.series_attach(rows.lanes, lane)
    words = ffi.cast("uint64_t *", C.segment_allot(segment, "words", 1, ROWS * WIDTH * 8))
    rows.hash_key, rows.words = C.segment_hash_key(segment), words
    rows.width, rows.keeper = WIDTH, KEEPER
    C.target_rows_init(rows, C.segment_allot(segment, "names", 1, C.target_rows_bytes(ROWS)))
    return rows
  end

  local function hold(rows, name) return C.target_rows_hold(rows, slice "u", slice(name)) end

  -- Each name has one row of its own, nothing is in a new one, and all rows can be had.
  local function check(kept)
    local rows = view(SIBLING)
    for row = 0, ROWS - 1 do C.series_mine(view(DEAD).lanes, row)[0] = 0 end
    local seen = {}
    for name, row in pairs(kept) do
      assert.equal(row, hold(rows, name))
      assert.equal(5, tonumber(words[row * WIDTH]))
      seen[row] = name
    end
    for i = 1, ROWS - 1 do
      local name = "new" .. i
      local row = hold(rows, name)
      if row == 0 then
        local count = 0
        for _ in pairs(seen) do count = count + 1 end
        assert.equal(ROWS - 1, count)
        return
      end
      assert.is_nil(seen[row], "two names have the row " .. row)
      assert.equal(0, tonumber(words[row * WIDTH]))
      assert.equal(row, hold(rows, name))
      seen[row] = name
    end
  end

  local function each(body, kept)
    if not stores.are_seen() then return pending "stores cannot be seen here" end
    local rows = view(DEAD)
    local count = stores.each(segment, function() body(rows) end, function() check(kept()) end)
    assert.is_true(count > 3, "stores: " .. count)
  end

  it("are whole when it claims one that was nobody's", function()
    each(function(rows) hold(rows, "x") end, function() return {} end)
  end)

  it("are whole when it takes one from a name that nobody holds", function()
    local rows, kept = view(SIBLING), {}
    for i = 1, ROWS - 1 do
      local row = hold(rows, "t" .. i)
      words[row * WIDTH] = 5
      if i == 1 or i == 4 then C.target_rows_release(rows, row) else kept["t" .. i] = row end
    end
    -- The sibling goes on holding what it has: its lane is as it left it.
    each(function(dead)
      hold(dead, "x")
      hold(dead, "y")
    end, function() return kept end)
  end)

  it("are whole when it holds, finds, releases and visits", function()
    local rows, kept = view(SIBLING), {}
    for i = 1, 4 do
      kept["t" .. i] = hold(rows, "t" .. i)
      words[kept["t" .. i] * WIDTH] = 5
      if i > 2 then C.target_rows_release(rows, kept["t" .. i]) end
    end
    each(function(dead)
      local row = hold(dead, "t3")
      C.target_rows_find(dead, slice "u", slice "t1")
      C.target_rows_release(dead, row)
      local cursor, name = ffi.new "uint32_t[1]", ffi.new "struct target_name"
      repeat until not C.target_rows_next(dead, cursor, name)
    end, function() return kept end)
  end)

  -- Each of these rows is the only one of its name, and has in it what its holder has put there.
  local function check_rows(held)
    local rows, seen = view(0), {}
    for name, mark in pairs(held) do
      local row = C.target_rows_find(rows, slice "u", slice(name))
      C.target_rows_release(rows, row)
      assert.is_true(row > 0, name .. " has none")
      assert.is_nil(seen[row], name .. " has another's")
      assert.equal(mark, tonumber(words[row * WIDTH]), name)
      seen[row] = true
    end
    local cursor, name, names = ffi.new "uint32_t[1]", ffi.new "struct target_name", {}
    while C.target_rows_next(rows, cursor, name) do
      local text = runtime.text(name.target)
      assert.is_nil(names[text], text .. " has two")
      names[text] = true
    end
  end

  -- Holds "x" in lane DEAD, which lives here, while `meanwhile` has its turn between any two steps.
  local function each_between(meanwhile, held)
    if not stores.are_seen() then return pending "stores cannot be seen here" end
    local rows = view(DEAD)
    local count = stores.between(segment, function()
      local row = hold(rows, "x")
      if row > 0 then words[row * WIDTH] = 1 end
    end, meanwhile, function() check_rows(held()) end)
    assert.is_true(count > 3, "stores: " .. count)
  end

  local function mark(rows, name, number)
    local row = hold(rows, name)
    if row > 0 then words[row * WIDTH] = number end
    return row
  end

  -- `unheld` of all rows keep their names, nobody holds them.
  local function prepare(unheld)
    local rows = view(SIBLING)
    for i = 1, ROWS - 1 do
      local row = mark(rows, "t" .. i, 10 + i)
      if i <= unheld then C.target_rows_release(rows, row) end
    end
    return rows
  end

  it("have one row when two want the same name at once", function()
    for _, unheld in ipairs { 2, ROWS - 1 } do
      local rows = prepare(unheld)
      each_between(function() mark(rows, "x", 1) end, function() return { x = 1 } end)
    end
    C.segment_clear(segment)
    assert(C.segment_init(segment, 65536 * 3))
    local rows = view(SIBLING)
    each_between(function() mark(rows, "x", 1) end, function() return { x = 1 } end)
  end)

  it("stay with who has come back while they are taken", function()
    local rows, has = prepare(1), nil
    each_between(function() has = mark(rows, "t1", 21) > 0 end, function()
      local held = { [has and "t1" or "x"] = has and 21 or 1 }
      for i = 2, ROWS - 1 do held["t" .. i] = 10 + i end
      return held
    end)
    rows = view(SIBLING)
    local other = C.target_rows_find(rows, slice "u", slice "t2")
    for _ = 1, 2 do C.target_rows_release(rows, other) end
    each_between(function() mark(rows, "t1", 21) end, function() return { t1 = 21, x = 1 } end)
  end)

  it("are not taken from one that fills them, though many names come by", function()
    local rows = prepare(2)
    each_between(function()
      for i = 1, 3 * ROWS do
        local row = mark(rows, "n" .. i, 30)
        if row > 0 then C.target_rows_release(rows, row) end
      end
    end, function() return { x = 1 } end)
  end)
end)
