local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C

describe("cell_table", function()
  local cells, seen

  local function make(count)
    local segment = shared.segment(1048576)
    cells = ffi.new "struct cell_table"
    seen = ffi.new "struct cell_seen"
    C.cell_table_init(cells, C.segment_allot(segment, "cells", 1, C.cell_table_bytes(count)), count)
  end

  before_each(function() make(4096) end)
  after_each(shared.finish)

  local function claim(tag) return C.cell_table_claim(cells, tag, nil, nil, seen) end
  local function is_candidate() return seen.word >= 0x8000000000000000ULL end

  -- All cells of a tag, wherever they are.
  local function cells_of(tag)
    local found = {}
    for i = 0, tonumber(cells.groups) * 8 - 1 do
      if cells.cells[i].tag == tag then found[#found + 1] = cells.cells[i].word end
    end
    return found
  end

  local function put(tag, word)
    repeat assert(claim(tag)) until C.cell_swap(seen, word)
  end

  it("finds nothing before a cell is confirmed", function()
    assert.is_true(claim(7))
    assert.is_true(is_candidate())
    assert.is_false(C.cell_table_find(cells, 7, seen))
  end)

  it("finds the word that was swapped in", function()
    put(7, 100)
    assert.is_true(C.cell_table_find(cells, 7, seen))
    assert.equal(100, tonumber(seen.word))
    assert.is_true(C.cell_swap(seen, 101))
    assert.is_true(claim(7))
    assert.equal(101, tonumber(seen.word))
  end)

  it("refuses a swap of what is no longer there", function()
    put(7, 100)
    local old = ffi.new("struct cell_seen", seen)
    assert.is_true(C.cell_swap(seen, 101))
    assert.is_false(C.cell_swap(old, 102))
    assert.is_false(C.cell_free(old))
    assert.equal(101, tonumber(cells_of(7)[1]))
  end)

  it("refuses to confirm a candidate that another one replaced", function()
    assert.is_true(claim(7))
    local old = ffi.new("struct cell_seen", seen)
    assert.is_true(C.cell_free(old))
    assert.is_true(claim(7))
    assert.equal(old.cell, seen.cell)
    assert.is_false(C.cell_swap(old, 1))
    assert.is_true(C.cell_swap(seen, 2))
  end)

  it("confirms the candidate of a process that died", function()
    shared.crowd(1, function() assert(claim(7)) end)
    assert.equal(1, #cells_of(7))
    put(7, 100)
    assert.equal(1, #cells_of(7))
  end)

  it("drops all but one of two candidates", function()
    assert.is_true(claim(7))
    local group = seen.cell
    group[1].tag, group[1].word = 7, 0x8000000000001000ULL
    put(7, 100)
    assert.same({ 100ULL }, cells_of(7))
  end)

  it("takes a confirmed cell, and the room of the candidate beside it for others", function()
    make(8)
    assert.is_true(claim(7))
    seen.cell[1].tag, seen.cell[1].word = 7, 55
    assert.is_true(claim(7))
    assert.equal(55, tonumber(seen.word))
    for tag = 11, 17 do put(tag, 1) end
    assert.same({ 55ULL }, cells_of(7))
    assert.is_false(claim(18))
  end)

  it("holds sixteen keys where it has sixteen cells", function()
    make(16)
    local held = 0
    for tag = 1, 200 do
      local spread = tag * 0x9e3779b97f4a7c15ULL
      if claim(spread) and C.cell_swap(seen, 1) then held = held + 1 end
    end
    assert.equal(16, held)
    assert.equal(184, tonumber(C.cell_table_refused(cells)))
  end)

  it("takes a candidate's room before it refuses", function()
    make(8)
    for tag = 1, 8 do assert.is_true(claim(tag)) end
    put(9, 1)
    assert.same({ 1ULL }, cells_of(9))
    assert.equal(1, tonumber(C.cell_table_reused(cells)))
  end)

  it("fits into the bytes that it is given", function()
    for _, bytes in ipairs { 0, 255, 256, 383, 384, 1048576 } do
      local count = tonumber(C.cell_table_fit(bytes))
      assert.is_true(count == 0 and bytes < 256 or C.cell_table_bytes(count) <= bytes)
      assert.is_true(C.cell_table_bytes(count + 8) > bytes)
    end
  end)

  -- Two of the crowd fill and free cells of other keys, so that room comes and goes
  -- everywhere while two insert and count.
  it("counts exactly in the cells of keys that many insert at once", function()
    local KEYS, TIMES = 2000, 5
    make(64 * 80)
    local function churn()
      for i = 1, 100000 do
        if claim((1 + i % 2000) * 0x9e3779b97f4a7c15ULL) then
          if is_candidate() then C.cell_swap(seen, i) else C.cell_free(seen) end
        end
      end
    end
    local function count()
      for i = 1, KEYS * TIMES do
        local tag = (10000 + i % KEYS) * 0x9e3779b97f4a7c15ULL
        repeat
          assert(claim(tag), "no room")
        until C.cell_swap(seen, is_candidate() and 1 or seen.word + 1)
      end
    end
    shared.crowd(4, function(number) (number <= 2 and churn or count)() end)
    for i = 0, KEYS - 1 do
      assert.same({ 2ULL * TIMES }, cells_of((10000 + i) * 0x9e3779b97f4a7c15ULL))
    end
  end)

  it("keeps one cell for each key, and every place usable, when writers are killed", function()
    make(64)
    local function tag_of(i) return (1 + i % 40) * 0x9e3779b97f4a7c15ULL end
    local function check()
      local seen_tags = {}
      for i = 0, 63 do
        local cell = cells.cells[i]
        if cell.tag ~= 0 and cell.word < 0x8000000000000000ULL then
          local tag = bit.tohex(cell.tag)
          assert.is_nil(seen_tags[tag])
          seen_tags[tag] = true
        end
      end
    end
    shared.massacre(500, function(number)
      local i = number * 13
      while true do
        if claim(tag_of(i)) then
          if is_candidate() then C.cell_swap(seen, i) else C.cell_free(seen) end
        end
        i = i + 1
      end
    end, check)
    for i = 0, 39 do
      if claim(tag_of(i)) and not is_candidate() then C.cell_free(seen) end
    end
    local held = 0
    for i = 1, 300 do
      if claim((100 + i) * 0x9e3779b97f4a7c15ULL) and C.cell_swap(seen, 1) then held = held + 1 end
    end
    assert.equal(64, held)
  end)
end)
