--- object_store_spec: what is kept is found, held, and read where it lies.

local objects = require "spec.support.objects"

local C = objects.C

describe("an object store", function()
  local store

  before_each(function() store = objects.new(1048576) end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  it("gives back what was put, by its key alone", function()
    assert.equal("missing", (objects.get(store, "a")))
    assert.equal("done", objects.put(store, "a", "head of a", "body of a"))
    assert.equal("done", objects.put(store, "b", "head of b", ""))
    assert.equal("done", objects.put(store, "", "", "the empty key"))
    assert.same({ "complete", "head of a", "body of a" }, { objects.get(store, "a") })
    assert.same({ "complete", "head of b", "" }, { objects.get(store, "b") })
    assert.same({ "complete", "", "the empty key" }, { objects.get(store, "") })
    assert.equal("missing", (objects.get(store, "c")))
  end)

  for _, length in ipairs { 0, 1, 1000, 1900, 2047, 2048, 2049, 4096, 10000, 100000 } do
    it("takes bodies and metadata across pages, of " .. length .. " bytes", function()
      local body = ("0123456789"):rep(math.ceil(length / 10)):sub(1, length)
      local metadata = ("m"):rep(math.min(length, 32000))
      assert.equal("done", objects.put(store, "large", metadata, body))
      assert.same({ "complete", metadata, body }, { objects.get(store, "large") })
      local _, hold = objects.find(store, "large")
      for _, from in ipairs { 0, 1, 1500, 2048, 4097, length - 1, length } do
        if from >= 0 and from <= length then
          assert.equal(body:sub(from + 1), (objects.body(store, hold, from)))
          assert.equal(body:sub(from + 1), (objects.body(store, hold, from, 700)))
        end
      end
      objects.release(store, hold)
    end)
  end

  it("reads pages that lie together as one", function()
    objects.put(store, "a", "", ("x"):rep(100000), { bytes = 100000 })
    local _, hold = objects.find(store, "a")
    local body, pieces = objects.body(store, hold)
    assert.equal(100000, #body)
    assert.equal(1, pieces)
    objects.release(store, hold)
  end)

  it("takes keys up to their limit", function()
    local key = ("k"):rep(1536)
    assert.equal("done", objects.put(store, key, "head", "body"))
    assert.same({ "complete", "head", "body" }, { objects.get(store, key) })
    assert.equal("too large", objects.put(store, key .. "k", "head", "body"))
  end)

  it("refuses metadata and bodies beyond their limits, and goes on", function()
    assert.equal("too large", objects.put(store, "a", ("m"):rep(32001), ""))
    assert.equal("too large", objects.put(store, "a", "", ("x"):rep(131073)))
    assert.equal("too large", objects.put(store, "a", "", "", { bytes = 131073 }))
    assert.equal("too large", objects.put(store, "a", "", "xx", { bytes = 1 }))
    local tags = {}
    for i = 1, 65 do tags[i] = "tag" .. i end
    assert.equal("too large", objects.put(store, "a", "", "", { tags = tags }))
    assert.equal(0, tonumber(objects.usage(store).pages))
    tags[65] = nil
    local metadata, body = ("m"):rep(32000), ("x"):rep(131072)
    assert.equal("done", objects.put(store, "a", metadata, body, { tags = tags }))
  end)

  it("forgets what is of no more use", function()
    objects.put(store, "a", "head", "body", { useful_until = objects.now + 10 })
    assert.equal("complete", (objects.get(store, "a")))
    objects.now = objects.now + 10
    assert.equal("missing", (objects.get(store, "a")))
    assert.equal("done", objects.put(store, "a", "new", "body"))
    assert.same({ "complete", "new", "body" }, { objects.get(store, "a") })
    assert.equal(1, tonumber(objects.usage(store).objects))
  end)

  it("keeps what is held where it is, until the last hold goes", function()
    local other = objects.view(2)
    objects.put(store, "a", "head", ("x"):rep(5000))
    local _, one = objects.find(store, "a")
    local _, two = objects.find(other, "a")
    local _, three = objects.find(other, "a")
    assert.is_true(C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD))
    assert.equal("missing", (objects.get(store, "a")))
    assert.equal("done", objects.put(store, "a", "new", ("y"):rep(5000)))
    assert.equal(("x"):rep(5000), (objects.body(other, two)))
    assert.is_true(objects.progress(other, two).is_removed)
    assert.equal("complete", objects.state(other, two))
    assert.equal(2, tonumber(objects.usage(store).objects))
    objects.release(store, one)
    objects.release(other, two)
    assert.equal("head", objects.metadata(other, three))
    assert.equal(1, tonumber(objects.usage(store).removed))
    objects.release(other, three)
    assert.equal(1, tonumber(objects.usage(store).objects))
    assert.same({ "complete", "new", ("y"):rep(5000) }, { objects.get(store, "a") })
  end)

  it("can be held more than once through one hold", function()
    objects.put(store, "a", "head", "body")
    local _, hold = objects.find(store, "a")
    assert.is_true(C.object_store_hold_again(store, hold))
    C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD)
    objects.release(store, hold)
    assert.equal("body", (objects.body(store, hold)))
    objects.release(store, hold)
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("tells of bytes and pages, and of whom an object is", function()
    objects.put(store, "a", "head", "body", { account = 42 })
    objects.put(store, "b", "head", ("x"):rep(2048))
    local usage = objects.usage(store)
    assert.same({ 2, 3, 3 * 2048, 512 - 3 }, { tonumber(usage.objects), tonumber(usage.pages),
      tonumber(usage.bytes), tonumber(usage.pages_free) })
    local _, hold = objects.find(store, "a")
    assert.equal(42, C.object_store_account(store, hold))
    assert.equal("a", require("spec.support.runtime").text(C.object_store_key(store, hold)))
    objects.release(store, hold)
    objects.find(store, "nothing")
    assert.same({ 1, 1, 2, 2 }, { objects.count(store, "FOUND"), objects.count(store, "MISSED"),
      objects.count(store, "CLAIMED"), objects.count(store, "COMPLETED") })
  end)

  it("costs no memory that is not used", function()
    objects.finish()
    store = objects.new(268435456)
    objects.put(store, "a", "head", ("x"):rep(10000))
    for i = 1, 200 do
      local _, fill = objects.claim(store, "uncached " .. i % 10)
      C.object_fill_abort(store, fill)
    end
    assert.equal("complete", (objects.get(store, "a")))
    local resident
    for line in io.lines "/proc/self/smaps" do
      if line:find "memfd:moongate" then
        resident = 0
      elseif resident == 0 and line:match "^Rss:" then
        resident = tonumber(line:match "%d+")
        break
      end
    end
    assert.is_true(resident > 0 and resident < 600, resident .. " KiB are resident")
  end)
end)
