--- object_fill_spec: one process fills an object while others read it and wait for more.

local ffi = require "ffi"
local objects = require "spec.support.objects"

local C = objects.C

describe("filling an object", function()
  local store, other

  before_each(function()
    store = objects.new(1048576)
    other = objects.view(2)
  end)
  after_each(function()
    objects.check(store)
    objects.finish()
  end)

  it("is one process's at a time, and others read what is there", function()
    local filled, fill = objects.claim(store, "a")
    assert.equal("done", filled)
    assert.equal("taken", (objects.claim(other, "a")))
    local found, hold = objects.find(other, "a")
    assert.equal("filling", found)
    assert.is_false(objects.progress(other, hold).has_head)
    assert.equal("", objects.metadata(other, hold))

    objects.head(store, fill, "head", { bytes = 6000 })
    assert.equal("head", objects.metadata(other, hold))
    assert.equal(6000, tonumber(objects.progress(other, hold).body_bytes))
    assert.equal("", (objects.body(other, hold)))
    objects.append(store, fill, ("x"):rep(3000))
    assert.equal(3000, tonumber(objects.progress(other, hold).bytes))
    local cursor = ffi.new "struct object_cursor"
    C.object_store_seek(other, hold, 0, cursor)
    local read = 0
    repeat
      local piece = C.object_store_read(other, hold, cursor, 1000)
      read = read + tonumber(piece.length)
    until piece.length == 0
    assert.equal(3000, read)
    objects.append(store, fill, ("y"):rep(3000))
    assert.equal(1000, tonumber(C.object_store_read(other, hold, cursor, 1000).length))
    assert.is_true(C.object_fill_complete(store, fill))
    assert.equal("complete", objects.state(other, hold))
    assert.equal(("x"):rep(3000) .. ("y"):rep(3000), (objects.body(other, hold)))
    objects.release(other, hold)
    assert.equal("complete", (objects.get(other, "a")))
  end)

  it("that is aborted is told of, and the key is free at once", function()
    local _, fill = objects.claim(store, "a")
    objects.head(store, fill, "head")
    objects.append(store, fill, ("x"):rep(5000))
    local _, hold = objects.find(other, "a")
    C.object_fill_abort(store, fill)
    C.object_fill_abort(store, fill)
    assert.equal("aborted", objects.state(other, hold))
    assert.equal(("x"):rep(5000), (objects.body(other, hold)))
    assert.equal("missing", (objects.find(other, "a")))
    assert.equal("done", (objects.put(other, "a", "new", "body")))
    objects.release(other, hold)
    assert.equal(1, tonumber(objects.usage(store).pages))
  end)

  it("that comes short of its length is aborted", function()
    local _, fill = objects.claim(store, "a")
    objects.head(store, fill, "head", { bytes = 10 })
    objects.append(store, fill, "123456789")
    assert.is_false(C.object_fill_complete(store, fill))
    assert.equal("missing", (objects.find(store, "a")))
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("that proves uncacheable is passed for a while, and may be claimed", function()
    local _, fill = objects.claim(store, "a")
    local _, hold = objects.find(other, "a")
    C.object_fill_uncache(store, fill, objects.now + 10)
    assert.equal("uncached", objects.state(other, hold))
    objects.release(other, hold)
    assert.equal("passed", (objects.find(other, "a")))
    objects.now = objects.now + 10
    assert.equal("missing", (objects.find(other, "a")))

    _, fill = objects.claim(store, "b")
    C.object_fill_uncache(store, fill, objects.now + 10)
    assert.equal("passed", (objects.find(other, "b")))
    assert.equal("done", objects.put(other, "b", "head", "body"))
    assert.equal("complete", (objects.get(store, "b")))

    _, fill = objects.claim(store, "c")
    C.object_fill_uncache(store, fill, 0)
    assert.equal("missing", (objects.find(other, "c")))
  end)

  it("that proves uncacheable to some is passed to them alone", function()
    local _, fill = objects.claim(store, "a")
    C.object_fill_uncache_for_some(store, fill, objects.now + 10)
    assert.equal("passed by some", (objects.find(other, "a")))
    for _, doubt in ipairs { "OBJECT_NOT_DOUBTED", "OBJECT_DOUBTED_BY_SOME", "OBJECT_DOUBTED" } do
      local done
      done, fill = objects.claim(other, "a", { doubt = C[doubt] })
      assert.equal("done", done)
      local found, hold = objects.find(store, "a")
      assert.equal("filling", found)
      local progress = ffi.new "struct object_progress"
      C.object_store_progress(store, hold, progress)
      assert.equal(C[doubt], progress.doubt)
      objects.release(store, hold)
      C.object_fill_uncache_for_some(other, fill, objects.now + 10)
      assert.equal("passed by some", (objects.find(other, "a")))
    end
    _, fill = objects.claim(other, "a", { doubt = C.OBJECT_DOUBTED_BY_SOME })
    C.object_fill_uncache(other, fill, objects.now + 10)
    assert.equal("passed", (objects.find(store, "a")))
    assert.equal("done", objects.put(other, "a", "head", "body"))
    assert.equal("complete", (objects.get(store, "a")))
  end)

  it("can be read by who fills it", function()
    local _, fill = objects.claim(store, "a")
    local hold = ffi.new "struct object_hold"
    assert.is_true(C.object_fill_hold(store, fill, hold))
    objects.head(store, fill, "head")
    objects.append(store, fill, "body")
    C.object_fill_abort(store, fill)
    assert.equal("body", (objects.body(store, hold)))
    objects.release(store, hold)
    assert.equal(0, tonumber(objects.usage(store).pages))
  end)

  it("finds out in the end that it was purged, and is not kept", function()
    local _, fill = objects.claim(store, "a")
    objects.head(store, fill, "head")
    local _, hold = objects.find(other, "a")
    assert.is_true(C.object_purge_key(other, objects.key "a", C.OBJECT_PURGE_HARD))
    assert.equal("missing", (objects.find(other, "a")))
    assert.equal("done", objects.put(other, "a", "new", "new body"))
    objects.append(store, fill, "old body")
    assert.is_true(C.object_fill_complete(store, fill))
    assert.equal("old body", (objects.body(other, hold)))
    objects.release(other, hold)
    assert.same({ "complete", "new", "new body" }, { objects.get(store, "a") })
    assert.equal(1, tonumber(objects.usage(store).objects))
  end)

  describe("is waited for", function()
    local told

    before_each(function() told = {} end)
    after_each(function()
      if told.wait then C.object_store_wait_cancel(told.wait) end
      if told.callback then told.callback:free() end
    end)

    local function wake() C.object_store_wake(other) end

    it("until it goes on, step by step", function()
      local _, fill = objects.claim(store, "a")
      local _, hold = objects.find(other, "a")
      local steps = {
        function() objects.head(store, fill, "head") end,
        function() objects.append(store, fill, "x") end,
        function() objects.append(store, fill, ("x"):rep(10000)) end,
        function() C.object_fill_complete(store, fill) end,
      }
      for i, step in ipairs(steps) do
        assert.is_true((objects.wait(other, hold, told)))
        wake()
        assert.equal(0, told.count)
        step()
        wake()
        assert.equal(1, told.count, "step " .. i)
        wake()
        assert.equal(1, told.count)
        told.callback:free()
        told = {}
      end
      objects.release(other, hold)
    end)

    it("not at all when it went on before", function()
      local _, fill = objects.claim(store, "a")
      local _, hold = objects.find(other, "a")
      local wait, is_new = ffi.new "struct object_wait", ffi.new "bool[1]"
      wait.hold = hold
      C.object_store_progress(other, hold, wait.seen)
      objects.head(store, fill, "head")
      assert.is_false(C.object_store_wait(other, wait, is_new))
      assert.is_true(is_new[0])
      objects.release(other, hold)
      C.object_fill_abort(store, fill)
    end)

    it("until the end, whatever that is", function()
      for _, ending in ipairs { "abort", "uncache", "moved", "died" } do
        local _, fill = objects.claim(store, "a")
        local _, hold = objects.find(other, "a")
        assert.is_true((objects.wait(other, hold, told)))
        if ending == "abort" then
          C.object_fill_abort(store, fill)
        elseif ending == "uncache" then
          C.object_fill_uncache(store, fill, 0)
        elseif ending == "moved" then
          objects.vary(store, fill, "rules", "variant")
        else
          C.object_store_forget_lane(objects.view(0), 1)
          C.object_store_attach(store, 1)
        end
        wake()
        assert.equal(1, told.count, ending)
        objects.release(other, hold)
        if ending == "moved" then C.object_fill_abort(store, fill) end
        C.object_purge_key(store, objects.key "a", C.OBJECT_PURGE_HARD)
        told.callback:free()
        told = {}
      end
    end)

    it("unless who fills it could not tell", function()
      local _, fill = objects.claim(store, "a")
      local _, hold = objects.find(other, "a")
      local fd = store.wake_fds[1]
      store.wake_fds[1] = -1
      local waits, is_new = objects.wait(other, hold, told)
      assert.is_false(waits)
      assert.is_false(is_new)
      store.wake_fds[1] = fd
      objects.release(other, hold)
      C.object_fill_abort(store, fill)
    end)
  end)
end)
