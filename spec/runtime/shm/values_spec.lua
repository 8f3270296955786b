--- values_spec: what plugins have found out, in memory that all workers share.

local ffi = require "ffi"
local findings = require "spec.support.findings"
local jit = require "jit"

local C = findings.C
local get, put, claim, land = findings.get, findings.put, findings.claim, findings.land

describe("values", function()
  local values, other

  before_each(function()
    findings.now = 1000000000000
    values = findings.new()
    other = findings.view(2)
  end)
  after_each(function()
    findings.check(values)
    findings.finish()
  end)

  it("are texts of any bytes, or that there is nothing and why", function()
    assert.equal("unknown", get(values, "c\0a"))
    assert.is_true(put(values, "c\0a\0b", "x\0y"))
    assert.is_true(put(values, "c\0", ""))
    assert.is_true(put(values, "c\0no", "no such token", { kind = C.VALUE_NOTHING }))
    assert.same({ "text", "x\0y" }, { get(other, "c\0a\0b") })
    assert.same({ "text", "" }, { get(other, "c\0") })
    assert.same({ "nothing", "no such token" }, { get(other, "c\0no") })
  end)

  it("are told apart by keys of any length", function()
    for _, length in ipairs { 1, 127, 128, 129, 1000, 100000 } do
      local key = "c\0" .. ("k"):rep(length - 2)
      put(values, key .. "1", "one" .. length)
      put(values, key .. "2", "two" .. length)
      assert.same({ "text", "one" .. length }, { get(other, key .. "1") })
      assert.same({ "text", "two" .. length }, { get(other, key .. "2") })
    end
  end)

  it("are as long as there is room for, and 64 KiB at most", function()
    assert.is_true(put(values, "c\0k", ("x"):rep(16383)))
    assert.same({ "text", ("x"):rep(16383) }, { get(other, "c\0k") })
    assert.is_false((put(values, "c\0k", ("x"):rep(16384))))
    assert.same({ "text", ("x"):rep(16383) }, { get(other, "c\0k") })
    findings.finish()
    values = findings.new(1048576)
    assert.is_true(put(values, "c\0k", ("y"):rep(65536)))
    assert.same({ "text", ("y"):rep(65536) }, { get(values, "c\0k") })
    assert.is_false((put(values, "c\0k", ("x"):rep(65537))))
  end)

  it("end to the nanosecond", function()
    put(values, "c\0k", "v", { seconds = 10 })
    findings.now = findings.now + 10 * findings.SECOND - 1
    assert.equal("text", (get(other, "c\0k")))
    findings.now = findings.now + 1
    assert.equal("unknown", get(other, "c\0k"))
    assert.is_true(put(other, "c\0k", "new", { only_new = true }))
    assert.same({ "text", "new" }, { get(values, "c\0k") })
  end)

  it("are replaced, unless only what is new is to be stored", function()
    assert.is_true(put(values, "c\0k", "one", { only_new = true }))
    assert.is_false((put(other, "c\0k", "two", { only_new = true })))
    assert.same({ "text", "one" }, { get(other, "c\0k") })
    assert.is_true(put(other, "c\0k", "two"))
    assert.same({ "text", "two" }, { get(values, "c\0k") })
    findings.delete(values, "c\0k")
    assert.equal("unknown", get(other, "c\0k"))
    findings.delete(values, "c\0k")
  end)

  it("give way to what is new, those that nobody asks for first", function()
    local told = { evicted = 0 }
    local callback = ffi.cast("object_store_freed *", function(_, account, _, was_evicted)
      assert(account == 7)
      if was_evicted then told.evicted = told.evicted + 1 end
    end)
    jit.off()
    C.object_store_on_freed(values.store, callback, nil)
    local refused = 0 -- of so few cells those for a key may be taken
    put(values, "c\0hot", "hot", { account = 7 })
    for i = 1, 3000 do
      if not put(values, "c\0" .. i, "v" .. i, { account = 7 }) then refused = refused + 1 end
      if i % 10 == 0 then assert.same({ "text", "hot" }, { get(values, "c\0hot") }) end
    end
    assert.is_true(refused < 60, refused .. " refused")
    assert.is_true(told.evicted > 2000, told.evicted .. " evicted")
    C.object_store_on_freed(values.store, nil, nil)
    callback:free()
  end)

  it("are purged by the name of their cache, whatever the key", function()
    local long = ("k"):rep(500)
    for _, key in ipairs { "c\0k", "c\0" .. long, "d\0k", "cc\0k" } do put(values, key, key) end
    local before = C.values_epoch(other)
    findings.purge(other, "c")
    assert.is_true(C.values_epoch(values) ~= before)
    assert.equal("unknown", get(values, "c\0k"))
    assert.equal("unknown", get(values, "c\0" .. long))
    assert.equal("text", (get(values, "d\0k")))
    assert.equal("text", (get(values, "cc\0k")))
    put(values, "c\0k", "new")
    assert.same({ "text", "new" }, { get(other, "c\0k") })
  end)

  describe("that are found out", function()
    it("are claimed by one, and there for all when it has", function()
      local claimed, flight = claim(values, "c\0k")
      assert.equal("claimed", claimed)
      assert.equal("taken", (claim(other, "c\0k")))
      assert.equal("unknown", get(other, "c\0k"))
      assert.is_false((put(other, "c\0k", "mine", { only_new = true })))
      local hold = findings.hold(other, "c\0k")
      assert.equal("flying", findings.read(other, hold))
      assert.is_true(land(values, flight, "found"))
      assert.same({ "text", "found" }, { findings.read(other, hold) })
      C.object_store_release(other.store, hold)
      assert.same({ "text", "found" }, { get(other, "c\0k") })
      assert.equal("taken", (claim(other, "c\0k")))
      assert.is_nil(findings.hold(other, "c\0k"))
    end)

    it("are told to those who wait when they are not kept", function()
      for kind, name in pairs { [C.VALUE_TEXT] = "text", [C.VALUE_NOTHING] = "nothing" } do
        local _, flight = claim(values, "c\0k")
        local hold = findings.hold(other, "c\0k")
        assert.is_true(land(values, flight, "once", 0, kind))
        assert.same({ name, "once" }, { findings.read(other, hold) })
        C.object_store_release(other.store, hold)
        assert.equal("unknown", get(other, "c\0k"))
      end
    end)

    it("are anybody's again when that failed", function()
      local _, flight = claim(values, "c\0k")
      local hold = findings.hold(other, "c\0k")
      assert.is_false((land(values, flight, nil)))
      assert.equal("unknown", findings.read(other, hold))
      C.object_store_release(other.store, hold)
      local claimed, again = claim(other, "c\0k")
      assert.equal("claimed", claimed)
      assert.is_false((land(other, again, ("x"):rep(16384)))) -- too long
      assert.equal("claimed", (claim(values, "c\0k")))
    end)

    it("anew stay until there is something else", function()
      put(values, "c\0k", "old")
      local claimed, flight = claim(values, "c\0k", true)
      assert.equal("claimed", claimed)
      assert.equal("taken", (claim(other, "c\0k", true)))
      assert.same({ "text", "old" }, { get(other, "c\0k") })
      local hold = findings.hold(other, "c\0k")
      assert.is_true(land(values, flight, "once", 0)) -- not to be kept
      assert.not_equal("flying", (findings.read(other, hold)))
      C.object_store_release(other.store, hold)
      assert.same({ "text", "old" }, { get(other, "c\0k") })
      local _, again = claim(other, "c\0k", true)
      assert.is_true(land(other, again, "new"))
      assert.same({ "text", "new" }, { get(values, "c\0k") })
    end)

    it("are not kept when they were deleted or purged meanwhile", function()
      local forgets = {
        function() findings.delete(other, "c\0k") end,
        function() findings.purge(other, "c") end,
      }
      for _, forget in ipairs(forgets) do
        local _, flight = claim(values, "c\0k")
        forget()
        assert.is_true(land(values, flight, "of before"))
        assert.equal("unknown", get(other, "c\0k"))
        assert.is_true(put(values, "c\0k", "kept"))
        findings.delete(values, "c\0k")
      end
      put(values, "c\0k", "old")
      local _, flight = claim(values, "c\0k", true)
      findings.purge(other, "c")
      land(values, flight, "of before")
      assert.equal("unknown", get(other, "c\0k"))
    end)

    it("give way to what is stored meanwhile, and take nothing from it", function()
      local _, flight = claim(values, "c\0k")
      put(other, "c\0k", "stored")
      land(values, flight, "found")
      assert.same({ "text", "stored" }, { get(values, "c\0k") })
    end)
  end)
end)
