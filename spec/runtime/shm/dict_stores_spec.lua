--- dict_stores_spec: a dictionary whose writer is killed between any two of its stores.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = runtime.include("shm/segment.h", "shm/dict.h")
local DONE, MISSING, EXISTS, NO_ROOM = 0, 1, 2, 6
local STRING, INTEGER = 0, 1
local SECOND = 1000000000
local BYTES = 131072
local WRITER, SIBLING = 1, 2 -- lanes

describe("a dictionary whose writer is killed between two stores", function()
  local segment, value, now, views

  before_each(function()
    segment, value = ffi.new "struct segment", ffi.new "struct dict_value"
    now, views = 100 * SECOND, {}
    assert(C.segment_init(segment, BYTES + 65536))
  end)

  after_each(function()
    for _, dict in ipairs(views) do C.dict_clear(dict) end
    C.segment_clear(segment)
  end)

  -- The view of a process that takes a lane.
  local function view(lane)
    local dict = ffi.new "struct dict"
    assert.is_true(C.dict_init(dict, segment, "dict", BYTES))
    C.dict_attach(dict, lane)
    views[#views + 1] = dict
    return dict
  end

  local function fill(content, seconds)
    value.kind = type(content) == "string" and STRING or INTEGER
    value.string = runtime.slice(type(content) == "string" and content or "")
    value.integer = type(content) == "number" and content or 0
    value.expires_ns = seconds and now + seconds * SECOND or 0
    return value
  end

  -- The slice lives as long as the call.
  local function set(dict, key, content, seconds)
    local name, text = runtime.slice(key), fill(content, seconds)
    return C.dict_set(dict, name, now, text)
  end

  local function get(dict, key)
    if C.dict_get(dict, runtime.slice(key), now, value) ~= DONE then return nil end
    if value.kind == INTEGER then return tonumber(value.integer) end
    return runtime.text(value.string)
  end

  local function delete(dict, key) return C.dict_delete(dict, runtime.slice(key), now) end

  local function increment(dict, key, amount)
    local sum = fill(amount)
    local outcome = C.dict_increment(dict, runtime.slice(key), now, sum)
    return outcome, tonumber(sum.integer)
  end

  -- How many values of 500 bytes fit.
  local function room(dict, name)
    local text, count = ("x"):rep(500), 0
    while set(dict, name .. count, text) == DONE do count = count + 1 end
    for i = 0, count - 1 do delete(dict, name .. i) end
    return count
  end

  -- `known` are the values by key that the dictionary has whatever happens, `key` has one of two.
  local function check_values(dict, case)
    for key, content in pairs(case.known) do assert.equal(content, get(dict, key), key) end
    if not case.key then return end
    local content = get(dict, case.key)
    assert.is_true(content == case.from or content == case.to,
      ("%s is %s"):format(case.key, tostring(content)))
  end

  -- Others go on, with the same key too, and so does the successor.
  local function check_writers(case)
    for _, lane in ipairs { SIBLING, WRITER } do
      local dict = view(lane)
      check_values(dict, case)
      if case.key then
        assert.equal(DONE, set(dict, case.key, "mine"))
        assert.equal("mine", get(dict, case.key))
        assert.equal(DONE, delete(dict, case.key))
        assert.is_nil(get(dict, case.key))
        assert.same({ DONE, 2 }, { increment(dict, case.key, 2) })
        assert.equal(EXISTS, C.dict_add(dict, runtime.slice(case.key), now, fill(7)))
        assert.equal(DONE, delete(dict, case.key))
        case = { known = case.known }
      end
    end
  end

  -- What there is room for once all is deleted and the writer has a successor.
  local function room_after(case)
    local successor, sibling = view(WRITER), view(SIBLING)
    for key in pairs(case.known) do delete(successor, key) end
    if case.key then delete(successor, case.key) end
    now = now + SECOND -- those that clean may look at all pages again
    return room(sibling, "a")
  end

  -- The memory of before, and of when nobody was killed.
  local function room_of_whole(case, writer)
    local before = ffi.new("char[?]", segment.bytes)
    ffi.copy(before, segment.memory, segment.bytes)
    local copy = ffi.new "struct dict"
    ffi.copy(copy, writer, ffi.sizeof(copy)) -- as a process that was forked has it
    case.body(copy)
    local count = room_after(case)
    ffi.copy(segment.memory, before, segment.bytes)
    return count
  end

  -- Everything that holds whenever `case.body` is killed.
  local function survives(case)
    local writer = view(WRITER)
    case.known = case.known or {}
    case.prepare(writer, case)
    local whole = room_of_whole(case, writer)
    local made = stores.each(segment, function() case.body(writer) end, function()
      check_writers(case)
      local later = now
      local count = room_after(case)
      assert.is_true(count >= whole - 1, ("room for %d, not %d"):format(count, whole))
      now = later
      while #views > 1 do C.dict_clear(table.remove(views)) end
    end)
    assert.is_true(made >= case.stores, made .. " stores")
  end

  local function writes_others(dict, case)
    for i = 1, 20 do
      case.known["other" .. i] = ("y"):rep(i * 10)
      assert(set(dict, "other" .. i, case.known["other" .. i]) == DONE)
    end
  end

  -- All pages are full of values that are there for good, or for ten seconds.
  local function fills_up(dict, seconds)
    local count, text = 0, ("x"):rep(500)
    while set(dict, "full" .. count, text .. count, seconds) == DONE do count = count + 1 end
    return count
  end

  local CASES = {
    ["sets a value"] = { stores = 8, key = "a", to = ("v"):rep(100),
      prepare = writes_others,
      body = function(dict) set(dict, "a", ("v"):rep(100)) end },
    ["replaces a value"] = { stores = 8, key = "a", from = "old", to = ("v"):rep(100),
      prepare = function(dict, case)
        writes_others(dict, case)
        set(dict, "a", "old")
      end,
      body = function(dict) set(dict, "a", ("v"):rep(100)) end },
    ["replaces the last value of another page"] = { stores = 8, key = "a",
      from = ("o"):rep(8000), to = "new",
      prepare = function(dict)
        set(dict, "b", ("b"):rep(8000))
        set(dict, "a", ("o"):rep(8000)) -- the next page
        delete(dict, "b")
        set(dict, "b", ("b"):rep(8000))
        delete(dict, "b")
      end,
      body = function(dict) set(dict, "a", "new") end },
    ["begins a page"] = { stores = 8, key = "a", to = ("v"):rep(1500),
      prepare = function(dict, case)
        writes_others(dict, case)
        case.known.large = ("l"):rep(8000)
        set(dict, "large", case.known.large)
        case.known.larger = ("l"):rep(7000)
        set(dict, "larger", case.known.larger)
      end,
      body = function(dict) set(dict, "a", ("v"):rep(1500)) end },
    ["adds a value where there is none"] = { stores = 8, key = "a", to = "new",
      prepare = writes_others,
      body = function(dict) C.dict_add(dict, runtime.slice "a", now, fill "new") end },
    ["adds a value where there is one"] = { stores = 8, key = "a", from = "old", to = "old",
      prepare = function(dict) set(dict, "a", "old") end,
      body = function(dict) C.dict_add(dict, runtime.slice "a", now, fill "new") end },
    ["adds a value where one has expired"] = { stores = 8, key = "a", to = "new",
      prepare = function(dict)
        set(dict, "a", "old", 1)
        now = now + SECOND
      end,
      body = function(dict) C.dict_add(dict, runtime.slice "a", now, fill "new") end },
    ["counts from nothing"] = { stores = 8, key = "a", to = 5,
      prepare = writes_others,
      body = function(dict) increment(dict, "a", 5) end },
    ["counts"] = { stores = 8, key = "a", from = 5, to = 8,
      prepare = function(dict) increment(dict, "a", 5) end,
      body = function(dict) increment(dict, "a", 3) end },
    ["deletes"] = { stores = 2, key = "a", from = "old",
      prepare = function(dict, case)
        writes_others(dict, case)
        set(dict, "a", "old")
      end,
      body = function(dict) delete(dict, "a") end },
    ["deletes the only value of a page"] = { stores = 2, key = "a", from = "old",
      prepare = function(dict)
        set(dict, "a", "old")
        for i = 1, 3 do set(dict, "b", ("b"):rep(6000 + i)) end
        delete(dict, "b")
      end,
      body = function(dict) delete(dict, "a") end },
    ["deletes what has expired"] = { stores = 2, key = "a",
      prepare = function(dict)
        set(dict, "a", "old", 1)
        now = now + SECOND
      end,
      body = function(dict) delete(dict, "a") end },
    ["cleans out what has expired"] = { stores = 50, key = "a", to = ("n"):rep(600),
      prepare = function(dict)
        fills_up(dict, 10)
        now = now + 10 * SECOND
      end,
      body = function(dict) set(dict, "a", ("n"):rep(600)) end },
    ["moves values together"] = { stores = 50, key = "a", to = ("n"):rep(600),
      prepare = function(dict, case)
        for i = 0, fills_up(dict) - 1 do
          local key = "full" .. i
          if i % 3 > 0 then delete(dict, key) else case.known[key] = ("x"):rep(500) .. i end
        end
      end,
      body = function(dict) set(dict, "a", ("n"):rep(600)) end },
    ["finds no room"] = { stores = 2,
      prepare = function(dict, case)
        for i = 0, fills_up(dict) - 1 do case.known["full" .. i] = ("x"):rep(500) .. i end
      end,
      body = function(dict) assert(set(dict, "a", ("n"):rep(600)) == NO_ROOM) end },
    ["takes the lane of a dead one"] = { stores = 1,
      prepare = writes_others,
      body = function(dict) C.dict_attach(dict, WRITER) end },
  }

  for name, case in pairs(CASES) do
    it("holds when one " .. name, function()
      if not stores.are_seen() then return pending "the processor has no trap flag" end
      survives(case)
    end)
  end

  it("says MISSING of what was never there", function()
    assert.equal(MISSING, delete(view(WRITER), "a"))
  end)
end)
