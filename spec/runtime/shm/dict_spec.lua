local ffi = require "ffi"
local shared = require "spec.support.shared"
local system = require "spec.support.system"

local C = shared.C
local DONE, MISSING, EXISTS, NOT_INTEGER, OUT_OF_RANGE, TOO_LARGE, NO_ROOM = 0, 1, 2, 3, 4, 5, 6
local STRING, INTEGER = 0, 1
local SECOND = 1000000000

describe("dict", function()
  local segment, dict, value, now

  local function make(bytes)
    segment = shared.segment(33554432)
    if dict then C.dict_clear(dict) end
    dict = ffi.new "struct dict"
    assert.is_true(C.dict_init(dict, segment, "dict", bytes or 4194304))
    C.dict_attach(dict, 0)
  end

  before_each(function()
    value, now = ffi.new "struct dict_value", 100 * SECOND
    make()
  end)
  after_each(function()
    C.dict_clear(dict)
    dict = nil
    shared.finish()
  end)

  local function fill(content, seconds)
    if type(content) == "string" then
      value.kind, value.string, value.integer = STRING, shared.slice(content), 0
    else
      value.kind, value.integer = INTEGER, content
    end
    value.expires_ns = seconds and now + seconds * SECOND or 0
  end

  local function set(key, content, seconds)
    fill(content, seconds)
    return C.dict_set(dict, shared.slice(key), now, value)
  end

  local function add(key, content, seconds)
    fill(content, seconds)
    return C.dict_add(dict, shared.slice(key), now, value)
  end

  local function increment(key, amount, seconds)
    fill(amount, seconds)
    local outcome = C.dict_increment(dict, shared.slice(key), now, value)
    return outcome, tonumber(value.integer)
  end

  local function delete(key) return C.dict_delete(dict, shared.slice(key), now) end

  local function get(key)
    local outcome = C.dict_get(dict, shared.slice(key), now, value)
    if outcome ~= DONE then return nil end
    if value.kind == INTEGER then return tonumber(value.integer) end
    return shared.text(value.string)
  end

  it("gives back what was set", function()
    assert.is_nil(get "a")
    assert.equal(DONE, set("a", "one"))
    assert.equal(DONE, set("b", 42))
    assert.equal(DONE, set("", ""))
    assert.equal("one", get "a")
    assert.equal(42, get "b")
    assert.equal("", get "")
    assert.is_nil(get "c")
  end)

  it("replaces what was set, and wins the room back", function()
    for i = 1, 1000 do assert.equal(DONE, set("a", ("x"):rep(i * 20))) end
    assert.equal(("x"):rep(20000), get "a")
    assert.equal(20048, tonumber(C.dict_bytes_used(dict)))
  end)

  it("takes keys and values of any bytes, up to their limits", function()
    local key, text = ("\0k\255"):rep(341) .. "k", ("v\0"):rep(32768)
    make(33000000)
    assert.equal(65536, tonumber(C.dict_value_bytes_max(dict)))
    assert.equal(DONE, set(key, text))
    assert.equal(text, get(key))
    assert.equal(TOO_LARGE, set(key .. "k", "x"))
    assert.equal(TOO_LARGE, set("a", text .. "x"))
    make(131072)
    assert.equal(8192, tonumber(C.dict_value_bytes_max(dict)))
    assert.equal(DONE, set(key, text:sub(1, 8192)))
    assert.equal(TOO_LARGE, set(key, text:sub(1, 8193)))
  end)

  it("forgets what has expired, to the nanosecond", function()
    set("a", "one", 10)
    now = now + 10 * SECOND - 1
    assert.equal("one", get "a")
    now = now + 1
    assert.is_nil(get "a")
    assert.equal(DONE, add("a", "two"))
    assert.equal("two", get "a")
  end)

  it("adds only where there is nothing", function()
    assert.equal(DONE, add("a", "one"))
    assert.equal(EXISTS, add("a", "two"))
    assert.equal("one", get "a")
    assert.equal(48, tonumber(C.dict_bytes_used(dict)))
  end)

  it("increments integers, from nothing too, and keeps their expiry", function()
    assert.same({ DONE, 5 }, { increment("a", 5, 10) })
    now = now + 9 * SECOND
    assert.same({ DONE, 3 }, { increment("a", -2, 10) })
    assert.equal(3, get "a")
    now = now + SECOND
    assert.is_nil(get "a")
    assert.same({ DONE, 1 }, { increment("a", 1) })
  end)

  it("does not increment strings, nor beyond 64 bits", function()
    set("a", "1")
    assert.equal(NOT_INTEGER, (increment("a", 1)))
    set("b", 0x7fffffffffffffffLL)
    assert.equal(OUT_OF_RANGE, (increment("b", 1)))
    assert.equal("1", get "a")
    assert.equal(DONE, (increment("b", -0x7ffffffffffffffcLL)))
    assert.equal(3, get "b")
  end)

  it("deletes", function()
    set("a", "one")
    assert.equal(DONE, delete "a")
    assert.equal(MISSING, delete "a")
    assert.is_nil(get "a")
    assert.equal(0, tonumber(C.dict_bytes_used(dict)))
    set("a", "one", 1)
    now = now + SECOND
    assert.equal(MISSING, delete "a")
    assert.equal(0, tonumber(C.dict_bytes_used(dict)))
  end)

  -- How many values of `length` bytes fit, and that each of them is still there.
  local function fill_up(name, length, seconds)
    local text, count = ("x"):rep(length), 0
    while set(name .. count, text .. count, seconds) == DONE do count = count + 1 end
    for i = 0, count - 1 do assert.equal(text .. i, get(name .. i)) end
    return count
  end

  for _, length in ipairs { 0, 100, 1000, 8000 } do
    it("refuses what does not fit and keeps what it has, at " .. length .. " bytes", function()
      make(1048576)
      local count = fill_up("a", length)
      local bytes = count * (length + 50)
      assert.is_true(bytes > 1048576 * 0.4, "only " .. bytes)
      assert.is_true(C.dict_refused(dict) > 0)
      -- Of the shortest values it is the places for keys that run out, some before others.
      if length > 0 then assert.equal(NO_ROOM, set("b", ("x"):rep(length + 100))) end
    end)
  end

  it("has all its room again when everything was deleted", function()
    make(1048576)
    local before = fill_up("a", 500)
    for i = 0, before - 1 do assert.equal(DONE, delete("a" .. i)) end
    assert.equal(0, tonumber(C.dict_bytes_used(dict)))
    assert.is_true(fill_up("b", 500) >= before - 30)
  end)

  it("wins back the room of what has expired", function()
    make(1048576)
    local before = fill_up("a", 500, 10)
    assert.equal(NO_ROOM, set("b0", ("x"):rep(500)))
    now = now + 10 * SECOND
    assert.is_true(fill_up("b", 500) >= before - 30)
  end)

  it("moves values together when every page is partly used", function()
    make(1048576)
    local before = fill_up("a", 500)
    for i = 0, before - 1 do
      if i % 3 > 0 then delete("a" .. i) end
    end
    local more = fill_up("b", 500)
    assert.is_true(more > before * 0.4, more .. " after " .. before)
    for i = 0, before - 1, 3 do assert.equal(("x"):rep(500) .. i, get("a" .. i)) end
  end)

  it("finds room that killed workers never released", function()
    make(1048576)
    local before = fill_up("a", 500)
    for i = 0, before - 1 do
      if i % 3 > 0 then delete("a" .. i) end
    end
    for page = 0, dict.log.pages - 1 do -- bits 62 and 63: 2 is sealed; 0 to 19: live bytes
      local state = dict.log.states[page]
      if bit.rshift(state, 62) == 2 then
        dict.log.states[page] = state - state % 1048576 + dict.log.page_bytes
      end
    end
    now = now + SECOND
    assert.is_true(fill_up("b", 500) > before * 0.4)
    for i = 0, before - 1, 3 do assert.equal(("x"):rep(500) .. i, get("a" .. i)) end
  end)

  it("goes on for ever in little room", function()
    make(131072)
    for i = 1, 50 do set("kept" .. i, ("k"):rep(100) .. i) end
    for i = 1, 20000 do assert.equal(DONE, set("changing" .. i % 30, ("x"):rep(i % 900) .. i)) end
    for i = 1, 50 do assert.equal(("k"):rep(100) .. i, get("kept" .. i)) end
  end)

  it("increments exactly when many do at once", function()
    shared.crowd(4, function(number)
      C.dict_attach(dict, number)
      for i = 1, 10000 do assert(increment("count" .. i % 3, 1) == DONE) end
    end)
    assert.equal(40000, get "count0" + get "count1" + get "count2")
  end)

  it("lets one of many add", function()
    local won = ffi.cast("uint64_t *", C.segment_allot(segment, "won", 1, 64))
    shared.crowd(4, function(number)
      C.dict_attach(dict, number)
      for i = 1, 2000 do
        if add("key" .. i, number) == DONE then won[number] = won[number] + 1 end
      end
    end)
    assert.equal(2000, tonumber(won[1] + won[2] + won[3] + won[4]))
  end)

  -- A value that shows whether it is whole: of key and number, with a length of its own.
  local function whole(key, number)
    return (key .. ":" .. number .. ";"):rep(1 + number * 7 % 40)
  end

  local function assert_whole(key, text)
    local number = text:match "^[^:]*:(%d+);"
    assert(number and text == whole(key, tonumber(number)), "torn: " .. text)
  end

  it("never shows half a value while many write, delete and clean", function()
    make(262144)
    shared.crowd(4, function(number)
      C.dict_attach(dict, number)
      for i = 1, 6000 do
        local key = "key" .. i * 7 % 97
        local text = get(key)
        if text then assert_whole(key, text) end
        if i % 10 == 0 then delete(key) else assert(set(key, whole(key, i)) == DONE) end
      end
    end)
    assert.equal(0, tonumber(C.dict_refused(dict)))
  end)

  it("never shows half a value where pages are used again at once", function()
    make(131072)
    local texts = {}
    for i = 0, 255 do texts[i] = string.char(i):rep(6000) end
    local deadline = system.now() + 0.5
    shared.crowd(3, function(number)
      C.dict_attach(dict, number)
      while system.now() < deadline do
        for i = 0, 255 do
          if number == 1 then
            set("a", texts[i])
          else
            local text = get "a"
            assert(not text or text == texts[text:byte()], "torn")
          end
        end
      end
    end)
  end)

  -- Two thirds full and written at random: values are moved as often as set.
  it("loses no value while others move it", function()
    make(262144)
    local KEYS = 240
    local padding = ("x"):rep(400)
    shared.crowd(2, function(number)
      C.dict_attach(dict, number)
      local latest, random = {}, number
      for i = 1, 20000 do
        random = (random * 1103515245 + 12345) % 2147483648
        local key = number .. " " .. math.floor(random / 65536) % KEYS
        assert(get(key) == latest[key], "lost")
        local text = i .. padding:sub(1, random % 400)
        if set(key, text) == DONE then latest[key] = text end
      end
    end)
  end)

  it("shows whole values, counts on and loses no room when workers are killed", function()
    make(262144)
    local KILLS = 500
    local report = ffi.cast("volatile uint64_t *", C.segment_allot(segment, "report", 1, 64))
    local function check()
      for i = 0, 59 do
        local text = get("key" .. i)
        if text then assert_whole("key" .. i, text) end
      end
    end
    shared.massacre(KILLS, function(number)
      C.dict_attach(dict, number)
      local i = number * 1000
      while true do
        i = i + 1
        local key = "key" .. i * 7 % 60
        if i % 5 == 0 then delete(key) else assert(set(key, whole(key, i % 1000)) == DONE) end
        if increment("count", 1) == DONE then report[number] = report[number] + 1 end
      end
    end, check)
    local counted, reported = get "count", tonumber(report[1] + report[2] + report[3] + report[4])
    assert.is_true(reported > KILLS and counted >= reported and counted <= reported + KILLS,
      counted .. " for " .. reported)
    for i = 0, 59 do delete("key" .. i) end
    delete "count"
    for lane = 4, 0, -1 do C.dict_attach(dict, lane) end
    local after = fill_up("a", 500)
    make(262144)
    assert.is_true(after >= fill_up("a", 500) - 30)
  end)
end)
