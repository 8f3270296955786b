--- object_purge_spec: what must not be used any more, by key, tag, route, prefix, and all.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local slice = require("spec.support.runtime").slice

local C = objects.C
local HARD, SOFT

describe("a purge", function()
  local store, other

  before_each(function()
    HARD, SOFT = C.OBJECT_PURGE_HARD, C.OBJECT_PURGE_SOFT
    store = objects.new(1048576)
    other = objects.view(2)
  end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  local function is_stale(key)
    local found, hold = objects.find(other, key)
    assert.equal("complete", found)
    local stale = objects.progress(other, hold).is_stale
    objects.release(other, hold)
    return stale
  end

  local function scan()
    local walk, steps = ffi.new "struct object_purge_scan", 1
    while C.object_purge_continue(store, walk, 20) do steps = steps + 1 end
    return tonumber(walk.purged), steps
  end

  it("by key is of that key alone", function()
    assert.is_false(C.object_purge_key(store, objects.key "a", HARD))
    objects.put(store, "a", "", "a")
    objects.put(store, "b", "", "b")
    assert.is_true(C.object_purge_key(other, objects.key "a", SOFT))
    assert.is_true(is_stale "a")
    assert.is_false(is_stale "b")
    assert.is_true(C.object_purge_key(other, objects.key "a", HARD))
    assert.equal("missing", (objects.get(store, "a")))
    assert.equal("complete", (objects.get(store, "b")))
  end)

  it("by tag is of all that have it, in all processes at once", function()
    objects.put(store, "a", "", "", { tags = { "red", "blue" } })
    objects.put(store, "b", "", "", { tags = { "blue", "green" } })
    objects.put(store, "c", "", "", { tags = { "green" } })
    objects.get(other, "a")
    C.object_purge_tag(store, slice "blue", SOFT)
    assert.same({ true, true, false }, { is_stale "a", is_stale "b", is_stale "c" })
    C.object_purge_tag(store, slice "green", HARD)
    assert.same({ "complete", "missing", "missing" },
      { (objects.get(other, "a")), (objects.get(other, "b")), (objects.get(other, "c")) })
    objects.put(store, "b", "", "", { tags = { "green" } })
    assert.equal("complete", (objects.get(other, "b")))
    assert.is_false(is_stale "b")
    assert.equal(2, objects.count(store, "PURGED"))
  end)

  it("by tag is of what is being filled, too", function()
    local _, fill = objects.claim(store, "a")
    C.object_purge_tag(other, slice "blue", HARD)
    objects.get(other, "a")
    objects.head(store, fill, "head", { tags = { "blue" } })
    assert.equal("missing", (objects.get(other, "a")))
    C.object_fill_complete(store, fill)
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("by route is of that route's, and all are all", function()
    objects.put(store, "a", "", "", { route = "users" })
    objects.put(store, "b", "", "", { route = "orders" })
    objects.put(store, "c", "", "", { tags = { "users" } })
    C.object_purge_route(other, slice "users", HARD)
    assert.same({ "missing", "complete", "complete" },
      { (objects.get(other, "a")), (objects.get(other, "b")), (objects.get(other, "c")) })
    C.object_purge_all(other, SOFT)
    assert.is_true(is_stale "b")
    C.object_purge_all(other, HARD)
    assert.equal("missing", (objects.get(other, "b")))
    assert.equal(1, (scan()))
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("by prefix is of URLs that begin so, before and after they are taken out", function()
    for i = 1, 50 do
      objects.put(store, "GET https://a/users/" .. i, "", "", { url_at = 4 })
      objects.put(store, "GET https://a/orders/" .. i, "", "", { url_at = 4 })
    end
    local _, fill = objects.claim(store, "GET https://a/users/new", { url_at = 4 })
    assert.is_true(C.object_purge_prefix(other, slice "https://a/users/", HARD))
    assert.equal("missing", (objects.get(store, "GET https://a/users/1")))
    assert.equal("complete", (objects.get(store, "GET https://a/orders/1")))
    objects.put(store, "GET https://a/users/1", "", "", { url_at = 4 })
    local purged, steps = scan()
    assert.equal(49, purged)
    assert.is_true(steps > 4)
    assert.equal("complete", (objects.get(store, "GET https://a/users/1")))
    objects.head(store, fill, "head")
    C.object_fill_complete(store, fill)
    assert.equal("missing", (objects.get(store, "GET https://a/users/new")))
    assert.equal(51, tonumber(objects.usage(store).objects))
    assert.is_true(C.object_purge_prefix(other, slice "https://a/or", SOFT))
    assert.is_true(is_stale "GET https://a/orders/1")
    assert.equal(0, (scan()))
    assert.is_true(is_stale "GET https://a/orders/2")
    assert.is_false(is_stale "GET https://a/users/1")
  end)

  it("by prefix waits for a place on the list", function()
    for i = 1, 16 do assert.is_true(C.object_purge_prefix(store, slice("p" .. i), HARD)) end
    assert.is_false(C.object_purge_prefix(other, slice "more", HARD))
    scan()
    for i = 1, 16 do assert.is_true(C.object_purge_prefix(other, slice("q" .. i), HARD)) end
    scan()
    assert.is_false(C.object_purge_prefix(other, slice(("x"):rep(1025)), HARD))
    assert.is_true(C.object_purge_prefix(other, slice(("x"):rep(1024)), HARD))
  end)
end)
