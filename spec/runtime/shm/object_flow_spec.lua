--- object_flow_spec: answers that outgrow their objects, for those who read along.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = objects.C
local slice, text = runtime.slice, runtime.text
local WRITER, READER, MASTER = 1, 2, 0

describe("an object that outgrows the store", function()
  local store, reader, master

  before_each(function()
    store = objects.new(131072)
    reader, master = objects.view(READER), objects.view(MASTER)
  end)
  after_each(function() objects.finish() end)

  -- A fill of unknown length that has begun, and a reader of it in another process.
  local function begin(key, body)
    local _, fill = objects.claim(store, key)
    assert.equal("done", (objects.head(store, fill, "head")))
    assert.equal("done", objects.append(store, fill, body))
    local found, hold = objects.find(reader, key)
    assert.equal("filling", found)
    local cursor = ffi.new "struct object_cursor"
    C.object_store_seek(reader, hold, 0, cursor)
    return fill, { hold = hold, cursor = cursor }
  end

  local function flow(fill, bytes)
    local kept = slice(bytes)
    return tonumber(C.object_flow_append(store, fill, kept, objects.now))
  end

  -- All that is there, in whatever it lies.
  local function read(one)
    local parts = {}
    while true do
      local piece = text(C.object_store_read(reader, one.hold, one.cursor, 1e9))
      parts[#parts + 1] = piece
      if piece == "" and (objects.state(reader, one.hold) ~= "continued" or
        not C.object_flow_follow(reader, one.hold, one.cursor)) then
        return table.concat(parts)
      end
    end
  end

  -- `count` bytes from number `from` on of what no other stretch looks like.
  local function stretch(from, count)
    local parts = {}
    for i = math.floor(from / 8), math.floor((from + count) / 8) + 1 do
      parts[#parts + 1] = ("%08d"):format(i)
    end
    return table.concat(parts):sub(from % 8 + 1, from % 8 + count)
  end

  -- Objects that are held take all room but for `left` pages.
  local function crowd(left)
    local holds = {}
    while tonumber(objects.usage(store).pages_free) > (left or 0) do
      local key = "held" .. #holds
      assert.equal("done", objects.put(store, key, "", "x", { bytes = 1 }))
      holds[#holds + 1] = select(2, objects.find(reader, key))
    end
    return holds
  end

  it("takes all room that a known length needs before anybody is told", function()
    local _, fill = objects.claim(store, "a")
    assert.equal("done", (objects.head(store, fill, "head", { bytes = 15000 })))
    objects.check(store)
    local free = tonumber(objects.usage(store).pages_free)
    assert.equal("done", objects.append(store, fill, stretch(0, 15000)))
    assert.equal(free, tonumber(objects.usage(store).pages_free))
    assert.is_true(C.object_fill_complete(store, fill))
    assert.equal(stretch(0, 15000), select(3, objects.get(store, "a")))
    objects.check(store)
  end)

  it("has no head where there is no room for all of a known length", function()
    local _, fill = objects.claim(store, "a")
    local holds = crowd()
    assert.equal("no room", (objects.head(store, fill, "head", { bytes = 16000 })))
    objects.check(store)
    C.object_fill_uncache(store, fill, 0)
    for _, hold in ipairs(holds) do objects.release(reader, hold) end
    objects.check(store)
  end)

  it("goes on for its readers through two windows", function()
    local fill, one = begin("a", stretch(0, 15000))
    C.object_flow_begin(store, fill, objects.now)
    assert.equal("missing", (objects.find(reader, "a")))
    local written, got = 15000, read(one)
    while written < 1000000 do
      written = written + flow(fill, stretch(written, 50000))
      objects.check(store)
      got = got .. read(one)
    end
    C.object_flow_finish(store, fill)
    assert.equal("complete", objects.state(reader, one.hold))
    assert.is_true(got .. read(one) == stretch(0, written), "not the same bytes")
    assert.is_true(C.object_flow_is_read(store, fill))
    C.object_flow_leave(reader, one.hold)
    assert.is_false(C.object_flow_is_read(store, fill))
    C.object_fill_abort(store, fill)
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("waits for the slowest reader", function()
    local fill, slow = begin("a", stretch(0, 100))
    local _, hold = objects.find(reader, "a")
    local fast = { hold = hold, cursor = ffi.new "struct object_cursor" }
    C.object_store_seek(reader, hold, 0, fast.cursor)
    C.object_flow_begin(store, fill, objects.now)
    local written = 100
    for _ = 1, 10 do
      written = written + flow(fill, stretch(written, 100000))
      read(fast)
    end
    assert.equal(0, flow(fill, "x"))
    assert.is_true(read(slow) == stretch(0, written), "not the same bytes")
    assert.is_true(flow(fill, "x") == 1)
    C.object_flow_leave(reader, slow.hold)
    C.object_flow_leave(reader, fast.hold)
    C.object_fill_abort(store, fill)
    objects.check(store)
  end)

  it("has a page for each window when there is no other", function()
    local fill, one = begin("a", stretch(0, 2500))
    local holds = crowd()
    C.object_flow_begin(store, fill, objects.now)
    local written, got = 2500, ""
    for _ = 1, 20 do
      local taken = flow(fill, stretch(written, 9000))
      written, got = written + taken, got .. read(one)
    end
    assert.is_true(written > 2500 + 20 * 1500, written)
    assert.is_true(got == stretch(0, written), "not the same bytes")
    for _, hold in ipairs(holds) do objects.release(reader, hold) end
    C.object_flow_leave(reader, one.hold)
    C.object_fill_abort(store, fill)
    objects.check(store)
  end)

  it("is sound wherever who fills it is killed", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local fill, one = begin("a", stretch(0, 5000))
    local holds = crowd(3)
    local more = stretch(5000, 11000)
    local body = function()
      C.object_flow_begin(store, fill, objects.now)
      flow(fill, more)
      C.object_flow_finish(store, fill)
    end
    stores.each(objects.segment, body, function()
      C.object_store_forget_lane(master, WRITER)
      C.object_store_attach(master, WRITER)
      C.object_store_attach(master, MASTER)
      C.object_store_forget_lane(master, WRITER)
      objects.check(master)
      assert.equal("aborted", objects.state(reader, one.hold))
      assert.equal("missing", (objects.find(reader, "a")))
      local hold = ffi.new("struct object_hold", one.hold)
      objects.release(reader, hold)
      assert.equal(#holds, tonumber(objects.usage(reader).pages))
    end, 37)
    for _, hold in ipairs(holds) do objects.release(reader, hold) end
    C.object_flow_leave(reader, one.hold)
    C.object_fill_abort(store, fill)
  end)
end)
