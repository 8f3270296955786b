--- object_eviction_spec: what gives way in a full store, and what does not.

local ffi = require "ffi"
local objects = require "spec.support.objects"

local C = objects.C
local PAGES = 512

describe("a full store", function()
  local store

  before_each(function() store = objects.new(PAGES * 2048) end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  local function count_of(name, from, to)
    local there = 0
    for i = from, to do
      local found, hold = objects.find(store, name .. i)
      if found == "complete" then
        there = there + 1
        objects.release(store, hold)
      end
    end
    return there
  end

  it("takes what is new, whatever its size, and loses nothing to crumbs", function()
    for i = 1, 3000 do
      assert.equal("done", objects.put(store, "a" .. i, "head", ("x"):rep(i * 37 % 20000)))
    end
    assert.is_true(tonumber(objects.usage(store).pages) > PAGES * 0.9)
    assert.is_true(objects.count(store, "EVICTED") > 2000)
    assert.equal(0, objects.count(store, "REFUSED"))
  end)

  it("keeps what was found more than once, however much is asked for once", function()
    for i = 1, 100 do objects.put(store, "hot" .. i, "", "") end
    for round = 1, 40 do
      assert.equal(100, count_of("hot", 1, 100))
      for i = 1, 100 do objects.put(store, ("once %d %d"):format(round, i), "", "") end
    end
  end)

  it("has a main queue for what comes back", function()
    for i = 1, PAGES + 200 do objects.put(store, "a" .. i, "", "") end
    local gone = {}
    for i = 1, PAGES do
      if objects.get(store, "a" .. i) == "missing" then gone[#gone + 1] = "a" .. i end
    end
    assert.is_true(#gone >= 200)
    assert.equal(0, tonumber(objects.usage(store).promoted_pages))
    for _, key in ipairs(gone) do objects.put(store, key, "", "") end
    -- What is remembered is a table by hash, so some is forgotten.
    assert.is_true(tonumber(objects.usage(store).promoted_pages) > 80)
  end)

  it("leaves alone what is held, and says so when all is", function()
    local holds = {}
    for i = 1, PAGES do
      objects.put(store, "a" .. i, "head", "body " .. i)
      local _, hold = objects.find(store, "a" .. i)
      holds[i] = hold
    end
    assert.equal("no room", objects.put(store, "more", "", ""))
    assert.equal(1, objects.count(store, "REFUSED"))
    assert.equal("body 7", (objects.body(store, holds[7])))
    objects.release(store, holds[7])
    -- It was found; after a round or two of the hands it goes.
    local filled
    for _ = 1, 4 do filled = objects.put(store, "more", "", "") end
    assert.is_true(filled == "done" or filled == "taken")
    for i = 1, PAGES do
      if i ~= 7 then
        assert.equal("body " .. i, (objects.body(store, holds[i])))
        objects.release(store, holds[i])
      end
    end
  end)

  it("stops an object that no room can be made for, and those who read it are told", function()
    local holds = {}
    for i = 1, PAGES - 5 do -- two of what is left are its windows
      objects.put(store, "a" .. i, "", "")
      holds[i] = select(2, objects.find(store, "a" .. i))
    end
    local _, fill = objects.claim(store, "large")
    objects.head(store, fill, "head")
    assert.equal("done", objects.append(store, fill, ("x"):rep(3000)))
    local _, reader = objects.find(store, "large")
    assert.equal("no room", objects.append(store, fill, ("x"):rep(5000)))
    assert.equal("done", objects.append(store, fill, ("y"):rep(1500)))
    assert.equal(("x"):rep(3000) .. ("y"):rep(1500), (objects.body(store, reader)))
    C.object_fill_abort(store, fill)
    assert.equal("aborted", objects.state(store, reader))
    objects.release(store, reader)
    for _, hold in ipairs(holds) do objects.release(store, hold) end
  end)

  it("evicts what is of no use any more before what is", function()
    for i = 1, 100 do
      objects.put(store, "short" .. i, "", "", { useful_until = objects.now + 10 })
      objects.get(store, "short" .. i)
      objects.get(store, "short" .. i)
    end
    for i = 1, PAGES - 100 do
      objects.put(store, "long" .. i, "", "")
      objects.get(store, "long" .. i)
      objects.get(store, "long" .. i)
    end
    objects.now = objects.now + 10
    for i = 1, 100 do objects.put(store, "new" .. i, "", "") end
    assert.equal(PAGES - 100, count_of("long", 1, PAGES - 100))
    assert.equal(100, objects.count(store, "EXPIRED"))
  end)

  it("tells whoever asks of what is freed, with its number and bytes", function()
    local freed = { bytes = 0, evicted = 0, count = 0 }
    local callback = ffi.cast("object_store_freed *", function(_, account, bytes, was_evicted)
      assert(account == 7)
      freed.count = freed.count + 1
      freed.bytes = freed.bytes + tonumber(bytes)
      if was_evicted then freed.evicted = freed.evicted + 1 end
    end)
    C.object_store_on_freed(store, callback, nil)
    for i = 1, PAGES do objects.put(store, "a" .. i, "", ("x"):rep(2048), { account = 7 }) end
    assert.equal(freed.count, freed.evicted)
    assert.is_true(freed.count >= PAGES / 2)
    C.object_purge_all(store, C.OBJECT_PURGE_HARD)
    local scan = ffi.new "struct object_purge_scan"
    while C.object_purge_continue(store, scan, 1000) do end
    assert.same({ PAGES, PAGES * 4096 }, { freed.count, freed.bytes })
    C.object_store_on_freed(store, nil, nil)
    callback:free()
  end)
end)
