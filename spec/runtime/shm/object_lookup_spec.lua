--- object_lookup_spec: between where a key leads to and the hold, an object may go.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/object_lookup.h", "shm/object_lanes.h")

describe("an object that was looked up", function()
  local store, other

  before_each(function()
    store = objects.new(131072)
    other = objects.view(2)
  end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  -- Whether it could be held; what is not leaves nothing held.
  local function is_held(reference)
    local hold = C.object_of_reference(reference)
    local was_held = C.object_lanes_hold(store, hold.page)
    local held = C.object_lookup_hold(store, reference, hold)
    if held then objects.release(store, hold) end
    assert.equal(was_held, C.object_lanes_hold(store, hold.page))
    return held
  end

  local function remove() C.object_purge_key(other, objects.key "a", C.OBJECT_PURGE_HARD) end

  it("is held while it is there", function()
    objects.put(store, "a", "", "")
    local _, hold = objects.find(other, "a")
    local reference = C.object_reference(hold.page, hold.generation)
    objects.release(other, hold)
    assert.is_true(is_held(reference))
    remove()
    assert.is_false(is_held(reference))
    objects.put(store, "a", "", "")
    _, hold = objects.find(other, "a")
    assert.is_true(is_held(C.object_reference(hold.page, hold.generation)))
    assert.is_false(is_held(C.object_reference(hold.page, hold.generation + 1)))
    objects.release(other, hold)
    assert.is_false(is_held(reference))
  end)

  it("is not held once it is removed, though others hold it still", function()
    objects.put(store, "a", "", "")
    local _, hold = objects.find(other, "a")
    local reference = C.object_reference(hold.page, hold.generation)
    remove()
    local its = ffi.new "struct object_hold"
    assert.is_false(C.object_lookup_hold(store, reference, its))
    objects.release(other, hold)
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)
end)
