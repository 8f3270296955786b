local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C
local PAGES, PAGE_BYTES = 8, 4096 -- a reserve of two
local NONE = 0xffffffff

describe("page_log", function()
  local memory, spot

  -- The view of a process in that lane.
  local function view(lane)
    local log = ffi.new "struct page_log"
    C.page_log_init(log, memory, PAGES, PAGE_BYTES)
    C.page_log_attach(log, lane)
    return log
  end

  before_each(function()
    local segment = shared.segment(1048576)
    memory = C.segment_allot(segment, "log", 1, C.page_log_bytes(PAGES, PAGE_BYTES))
    spot = ffi.new "uint64_t[1]"
  end)
  after_each(shared.finish)

  local function append(log, bytes, may_use_reserve)
    if not C.page_log_append(log, bytes, may_use_reserve or false, spot) then return nil end
    C.page_log_commit(log)
    return spot[0]
  end

  local function page_of(log, at)
    return math.floor(tonumber(C.page_log_at(log, at) - log.memory) / PAGE_BYTES)
  end

  local function live(log) return tonumber(C.page_log_live(log)) end

  -- The spots of a page, found by walking it in records of one size.
  local function spots(log, page, bytes)
    local found, offset = {}, 0
    while C.page_log_clean_spot(log, page, offset, spot) do
      found[#found + 1] = spot[0]
      offset = offset + bytes
    end
    return found
  end

  it("gives every record room of its own", function()
    local log, before = view(0), nil
    for i = 1, 20 do
      local at = C.page_log_at(log, append(log, 100))
      ffi.fill(at, 112, i)
      assert.is_true(before == nil or at - before >= 112 and before[111] == i - 1)
      before = at
    end
    assert.equal(20 * 112, live(log))
  end)

  it("says how much of the page is left from a spot on", function()
    local log = view(0)
    append(log, 16)
    assert.equal(PAGE_BYTES - 16, tonumber(C.page_log_rest(log, append(log, 64))))
  end)

  it("leaves the reserve to cleaning", function()
    local log, count = view(0), 0
    while append(log, PAGE_BYTES) do count = count + 1 end
    assert.equal(PAGES - 2, count)
    assert.is_true(append(log, PAGE_BYTES, true) ~= nil)
    assert.is_true(append(log, PAGE_BYTES, true) ~= nil)
    assert.is_nil(append(log, PAGE_BYTES, true))
  end)

  it("keeps an open page until there is another", function()
    local log = view(0)
    for _ = 1, PAGES - 2 do append(log, PAGE_BYTES - 64) end
    assert.is_nil(append(log, 128))
    assert.is_true(append(log, 64) ~= nil)
  end)

  it("has a page free again when its last record is released", function()
    local log, held = view(0), {}
    for i = 1, (PAGES - 2) * 2 do held[i] = append(log, PAGE_BYTES / 2) end
    assert.is_nil(append(log, PAGE_BYTES))
    C.page_log_release(log, held[1], PAGE_BYTES / 2)
    assert.is_nil(append(log, PAGE_BYTES))
    C.page_log_release(log, held[2], PAGE_BYTES / 2)
    assert.is_true(append(log, PAGE_BYTES) ~= nil)
  end)

  it("gives each lane a page of its own", function()
    local one, other = view(1), view(2)
    assert.are_not.equal(page_of(one, append(one, 16)), page_of(other, append(other, 16)))
  end)

  it("never gives the same spot twice", function()
    local log, seen = view(0), {}
    for _ = 1, 1000 do
      local at = append(log, PAGE_BYTES)
      local text = bit.tohex(at)
      assert.is_nil(seen[text])
      seen[text] = true
      C.page_log_release(log, at, PAGE_BYTES)
    end
  end)

  it("forgets a release that comes after the page was cleaned", function()
    local log, other = view(0), view(1)
    local late = append(other, PAGE_BYTES)
    append(other, PAGE_BYTES)
    local page = page_of(log, late)
    assert.is_true(C.page_log_clean_start(log, page))
    C.page_log_clean_end(log, page, true)
    for _ = 1, PAGES - 3 do append(log, PAGE_BYTES) end -- the page is among these
    local before = live(log)
    C.page_log_release(log, late, PAGE_BYTES)
    assert.equal(before, live(log))
  end)

  it("takes back the last record, room and all", function()
    local log = view(0)
    append(log, 64)
    local at = append(log, 128)
    C.page_log_take_back(log, at, 128)
    assert.equal(64, live(log))
    assert.equal(at, append(log, 256))
    -- Its room was never used twice over: the page ends behind the new record.
    C.page_log_take_back(log, at, 256)
    log = view(0)
    assert.is_true(C.page_log_clean_start(log, page_of(log, at)))
    assert.equal(1, #spots(log, page_of(log, at), 64))
  end)

  it("shows a cleaning what was committed, in order", function()
    local log, held = view(0), {}
    for i = 1, 5 do held[i] = append(log, 64) end
    C.page_log_append(log, 64, false, spot) -- killed before it was written
    local heir = view(0)
    local page = page_of(log, held[1])
    assert.is_true(C.page_log_clean_start(heir, page))
    assert.same(held, spots(heir, page, 64))
  end)

  it("cleans sealed pages only, one process at a time", function()
    local log, other = view(0), view(1)
    local page = page_of(log, append(log, 64))
    assert.is_false(C.page_log_clean_start(other, page))
    append(log, PAGE_BYTES)
    assert.is_true(C.page_log_clean_start(other, page))
    assert.is_false(C.page_log_clean_start(log, page))
    C.page_log_clean_end(other, page, false)
    assert.is_true(C.page_log_clean_start(log, page))
  end)

  it("seals the pages of a dead worker for its heir", function()
    local dead = view(3)
    append(dead, PAGE_BYTES - 64)
    local open = page_of(dead, append(dead, 128))
    local cleaning = C.page_log_emptiest(dead, PAGE_BYTES)
    assert.is_true(C.page_log_clean_start(dead, cleaning))
    local heir = view(4)
    assert.is_false(C.page_log_clean_start(heir, cleaning))
    assert.is_false(C.page_log_clean_start(heir, open))
    heir = view(3)
    assert.is_true(C.page_log_clean_start(heir, cleaning))
    assert.is_true(C.page_log_clean_start(heir, open))
  end)

  it("frees an heir's page in which nothing lived", function()
    local dead = view(0)
    local at = append(dead, 64)
    C.page_log_release(dead, at, 64)
    view(0)
    local log, count = view(1), 0
    while append(log, PAGE_BYTES) do count = count + 1 end
    assert.equal(PAGES - 2, count)
  end)

  it("names the sealed page in which least lives", function()
    local log, held = view(0), {}
    for i = 1, 4 do
      held[i] = append(log, 1024)
      append(log, PAGE_BYTES - 1024)
    end
    assert.equal(NONE, C.page_log_emptiest(log, PAGE_BYTES - 1))
    C.page_log_release(log, held[2], 1024)
    assert.equal(page_of(log, held[2]), C.page_log_emptiest(log, PAGE_BYTES - 1))
    assert.equal(NONE, C.page_log_emptiest(log, 1024))
  end)

  it("counts exactly what lives while many append and release", function()
    local log = view(0)
    shared.crowd(2, function(number)
      local mine, held = view(number), {}
      for i = 1, 30000 do
        local at = append(mine, 16 + i % 500)
        held[i] = at and { at, 16 + i % 500 }
        local old = held[i - 10]
        if old then C.page_log_release(mine, old[1], old[2]) end
        held[i - 10] = nil
      end
      for _, one in pairs(held) do C.page_log_release(mine, one[1], one[2]) end
    end)
    assert.equal(0, live(log))
  end)
end)
