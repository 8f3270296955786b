--- object_repair_spec: what workers leave that are killed between any two of their stores.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local runtime = require "spec.support.runtime"
local stores = require "spec.support.stores"

local C = objects.C
local WRITER, READER, MASTER = 1, 2, 0
-- Stores from one after which is killed to the next; MOONGATE_STORES_STRIDE=1 leaves out none.
local STRIDE = tonumber(os.getenv "MOONGATE_STORES_STRIDE") or 7

describe("an object store", function()
  local store, reader, master

  before_each(function()
    store = objects.new(131072)
    reader, master = objects.view(READER), objects.view(MASTER)
  end)
  after_each(function() objects.finish() end)

  -- The master finds out, and begins again once.
  local function repair()
    C.object_store_forget_lane(master, WRITER)
    C.object_store_attach(master, WRITER)
    C.object_store_attach(master, MASTER)
    C.object_store_forget_lane(master, WRITER)
    objects.check(master)
  end

  -- Kills a writer after each of its stores; what is left must be sound, and useful.
  local function kill_each(body, check)
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local made = stores.each(objects.segment, body, function(number)
      repair()
      if check then check(number) end
      local answer = { objects.get(reader, "fresh") }
      assert.same({ "missing" }, answer)
      assert.equal("done", objects.put(reader, "fresh", "head", ("y"):rep(5000)))
      assert.equal("complete", (objects.get(reader, "fresh")))
      objects.check(reader)
    end, STRIDE)
    assert.is_true(made > 10, made .. " stores")
    return made
  end

  -- One of these, or nothing, is what a key may lead to.
  local function is_one_of(key, ...)
    local found, metadata, body = objects.get(reader, key)
    if found == "missing" or found == "passed" then return found end
    assert.equal("complete", found)
    for _, answer in ipairs { ... } do
      if answer[1] == metadata and answer[2] == body then return found end
    end
    error(("%s of %d bytes"):format(metadata, #body))
  end

  local LONG = ("x"):rep(5000)

  it("is sound wherever who fills an object is killed", function()
    kill_each(function() objects.put(store, "a", ("m"):rep(3000), LONG) end, function()
      is_one_of("a", { ("m"):rep(3000), LONG })
    end)
  end)

  it("has as many free pages as before when all objects are purged", function()
    kill_each(function()
      objects.put(store, "a", ("m"):rep(3000), LONG)
      C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD)
      local _, fill = objects.claim(store, "b")
      objects.head(store, fill, "head")
      objects.append(store, fill, LONG)
      C.object_fill_abort(store, fill)
      _, fill = objects.claim(store, "c")
      C.object_fill_uncache(store, fill, objects.now + 1)
    end, function()
      C.object_purge_all(reader, C.OBJECT_PURGE_HARD)
      local scan = ffi.new "struct object_purge_scan"
      while C.object_purge_continue(reader, scan, 1000) do end
      assert.equal(0, tonumber(objects.usage(reader).pages))
    end)
  end)

  it("is sound wherever who fills a variant is killed", function()
    kill_each(function()
      local _, fill = objects.claim(store, "a")
      objects.vary(store, fill, "accept", "json")
      objects.head(store, fill, "head")
      objects.append(store, fill, LONG)
      C.object_fill_complete(store, fill)
      local _, marker = objects.find(store, "a")
      _, fill = objects.claim_variant(store, marker, "html")
      objects.vary(store, fill, "accept, cookie", "html, none")
      objects.head(store, fill, "head")
      C.object_fill_complete(store, fill)
      objects.release(store, marker)
    end, function()
      local found, marker = objects.find(reader, "a")
      if found ~= "varies" then return assert.equal("missing", found) end
      for _, variant in ipairs { "json", "html, none" } do
        local what, hold = objects.find_variant(reader, marker, variant)
        if what ~= "missing" then
          assert.equal("complete", what)
          assert.equal("head", objects.metadata(reader, hold))
          objects.release(reader, hold)
        end
      end
      objects.release(reader, marker)
    end)
  end)

  it("is sound wherever who refreshes an object is killed", function()
    objects.put(reader, "a", "old", LONG)
    kill_each(function()
      for _, metadata in ipairs { "new", ("n"):rep(3000) } do
        local _, hold = objects.find(store, "a")
        local _, refresh = objects.refresh(store, hold)
        objects.refresh_done(store, refresh, metadata)
        objects.release(store, hold)
      end
      local _, hold = objects.find(store, "a")
      local _, refresh = objects.refresh(store, hold)
      local _, fill = objects.refresh_replace(store, refresh)
      objects.head(store, fill, "other")
      C.object_fill_complete(store, fill)
      objects.release(store, hold)
    end, function()
      local found = is_one_of("a", { "old", LONG }, { "new", LONG }, { ("n"):rep(3000), LONG },
        { "other", "" })
      if found == "missing" then return end
      local _, hold = objects.find(reader, "a")
      assert.is_false(objects.progress(reader, hold).is_refreshing)
      objects.release(reader, hold)
    end)
  end)

  it("is sound wherever who makes room is killed", function()
    for i = 1, 30 do objects.put(reader, "old" .. i, "head", ("x"):rep(3000)) end
    kill_each(function()
      for i = 1, 3 do objects.put(store, "new" .. i, "head", LONG) end
    end, function()
      for i = 1, 30 do is_one_of("old" .. i, { "head", ("x"):rep(3000) }) end
      for i = 1, 3 do is_one_of("new" .. i, { "head", LONG }) end
    end)
  end)

  it("gives back what a dead reader held, and what it let go", function()
    objects.put(reader, "a", "head", LONG)
    kill_each(function()
      local _, one = objects.find(store, "a")
      local _, two = objects.find(store, "a")
      C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD)
      objects.put(store, "a", "new", "body")
      objects.release(store, one)
      objects.release(store, two)
    end, function()
      is_one_of("a", { "head", LONG }, { "new", "body" })
      C.object_purge_key(reader, objects.key "a", C.OBJECT_PURGE_HARD)
      assert.equal(0, tonumber(objects.usage(reader).pages))
    end)
  end)

  it("keeps what others hold of what a dead worker was filling", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local _, fill = objects.claim(store, "a")
    objects.head(store, fill, "head")
    objects.append(store, fill, LONG)
    stores.each(objects.segment, function()
      objects.append(store, fill, LONG)
      C.object_fill_complete(store, fill)
    end, function()
      local told = {}
      local _, hold = objects.find(reader, "a")
      local waits = objects.wait(reader, hold, told)
      repair()
      C.object_store_wake(reader)
      local state = objects.state(reader, hold)
      if waits and state == "aborted" then
        assert.equal(1, told.count, "nobody was told")
      else
        assert.equal("complete", objects.state(reader, hold))
      end
      assert.equal(LONG, objects.body(reader, hold):sub(1, 5000))
      C.object_store_wait_cancel(told.wait)
      told.callback:free()
      objects.release(reader, hold)
      objects.check(reader)
      if state == "aborted" then assert.equal(0, tonumber(objects.usage(reader).pages)) end
    end)
  end)

  it("is purged by tag and prefix, or not, wherever who purges is killed", function()
    for i = 1, 3 do objects.put(reader, "a" .. i, "head", "body", { tags = { "red" } }) end
    kill_each(function()
      C.object_purge_prefix(store, runtime.slice "a1", C.OBJECT_PURGE_HARD)
      local scan = ffi.new "struct object_purge_scan"
      while C.object_purge_continue(store, scan, 1000) do end
      C.object_purge_tag(store, runtime.slice "red", C.OBJECT_PURGE_HARD)
    end, function()
      for i = 1, 3 do is_one_of("a" .. i, { "head", "body" }) end
      for _ = 1, 16 do C.object_purge_prefix(reader, runtime.slice "z", C.OBJECT_PURGE_HARD) end
      local scan = ffi.new "struct object_purge_scan"
      while C.object_purge_continue(reader, scan, 1000) do end
      for _ = 1, 16 do
        assert.is_true(C.object_purge_prefix(reader, runtime.slice "z", C.OBJECT_PURGE_HARD))
      end
    end)
  end)

  it("loses nothing that becomes complete wherever who purges it is", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local _, filling = objects.claim(reader, "b")
    objects.head(reader, filling, "head")
    objects.append(reader, filling, LONG)
    local fill = ffi.new "struct object_fill"
    stores.between(objects.segment, function()
      C.object_purge_key(store, objects.key "b", C.OBJECT_PURGE_HARD)
    end, function()
      ffi.copy(fill, filling, ffi.sizeof(fill))
      C.object_fill_complete(reader, fill)
    end, function()
      assert.same({ "missing" }, { objects.get(reader, "b") })
      objects.check(reader)
      assert.equal(0, tonumber(objects.usage(reader).pages))
    end)
  end)

  -- What it found in the making, and hid when it had become complete, nobody else knows any more.
  it("gets back what becomes complete wherever who purges it is, which is killed then", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    local _, filling = objects.claim(reader, "b")
    objects.head(reader, filling, "head")
    objects.append(reader, filling, LONG)
    local fill = ffi.new "struct object_fill"
    local killed = stores.between_each(objects.segment, function()
      C.object_purge_key(store, objects.key "b", C.OBJECT_PURGE_HARD)
    end, function()
      ffi.copy(fill, filling, ffi.sizeof(fill))
      C.object_fill_complete(reader, fill)
    end, function(stop, last)
      local where = ("stopped before store %d, killed after %d"):format(stop, last)
      repair()
      is_one_of("b", { "head", LONG })
      C.object_purge_key(reader, objects.key "b", C.OBJECT_PURGE_HARD)
      objects.check(reader)
      assert.equal(0, tonumber(objects.usage(reader).pages), where)
    end)
    assert.is_true(killed > 20, killed .. " kills")
  end)

  it("is sound wherever the master is killed that repairs it", function()
    if not stores.are_seen() then return pending "the processor has no trap flag" end
    objects.put(store, "a", "head", LONG)
    objects.find(store, "a")
    local _, fill = objects.claim(store, "b")
    objects.head(store, fill, ("m"):rep(3000))
    objects.append(store, fill, LONG)
    local _, hold = objects.find(store, "a")
    local _, refresh = objects.refresh(store, hold)
    assert.equal(1, tonumber(refresh.stamp >= 0 and 1))
    C.object_purge_key(reader, objects.key "a", C.OBJECT_PURGE_HARD)
    stores.each(objects.segment, function() C.object_store_forget_lane(master, WRITER) end,
      function()
        C.object_store_forget_lane(master, WRITER)
        objects.check(master)
        assert.equal(0, tonumber(objects.usage(master).pages))
      end, STRIDE)
  end)
end)
