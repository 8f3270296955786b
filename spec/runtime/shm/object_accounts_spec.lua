--- object_accounts_spec: whose the pages of a store are.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local runtime = require "spec.support.runtime"

local C = runtime.include "shm/object_accounts.h"

describe("the accounts of an object store", function()
  local store

  before_each(function() store = objects.new(1048576) end)
  after_each(function() objects.finish() end)

  local function look(pages)
    local held = ffi.new "struct object_accounts"
    local times = 0
    repeat times = times + 1 until not C.object_accounts_look(store, held, pages or 1000000)
    return held, times
  end

  local function take(held, account) return tonumber(C.object_accounts_take(held, account)) end

  it("are what their objects take", function()
    objects.put(store, "a", "head", "x", { account = 7, bytes = 1 })
    objects.put(store, "b", "head", ("x"):rep(9000), { account = 7, bytes = 9000 })
    objects.put(store, "c", ("m"):rep(3000), ("x"):rep(5000), { account = 8 })
    objects.put(store, "d", "head", "x")
    local held = look()
    local seven, eight = take(held, 7), take(held, 8)
    assert.equal(2048 * (1 + 5), seven)
    assert.equal(2048, tonumber(C.object_accounts_rest(held)))
    assert.equal(tonumber(objects.usage(store).bytes), seven + eight + 2048)
    assert.equal(0, take(held, 7))
    assert.equal(0, take(held, 9))
  end)

  it("are found out some pages at a time", function()
    for i = 1, 100 do objects.put(store, "a" .. i, "", "x", { account = 1 + i % 2, bytes = 1 }) end
    local held, times = look(10)
    assert.is_true(times >= 10)
    assert.equal(50 * 2048, take(held, 1))
  end)

  it("are told apart up to a number, and summed beyond", function()
    objects.finish()
    store = objects.new(8388608)
    for i = 1, 1000 do objects.put(store, "a" .. i, "", "x", { account = i, bytes = 1 }) end
    local held = look()
    assert.equal(768, held.count)
    assert.equal(1000 * 2048, tonumber(C.object_accounts_rest(held)))
    assert.equal(2048, take(held, 1))
    assert.equal(0, take(held, 1000))
  end)

  it("forget what has gone", function()
    objects.put(store, "a", "", "x", { account = 1, bytes = 1 })
    C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD)
    assert.equal(0, take(look(), 1))
  end)
end)
