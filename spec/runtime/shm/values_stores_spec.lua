--- values_stores_spec: workers that are killed between any two stores while they cache values.

local ffi = require "ffi"
local findings = require "spec.support.findings"
local stores = require "spec.support.stores"

local C = findings.C
local WRITER, READER, MASTER = 1, 2, 0
local claim, get, land, put = findings.claim, findings.get, findings.land, findings.put
-- Stores from one after which is killed to the next; MOONGATE_STORES_STRIDE=1 leaves out none.
local STRIDE = tonumber(os.getenv "MOONGATE_STORES_STRIDE") or 3

describe("values whose writer is killed between two stores", function()
  local values, reader, master

  before_each(function()
    values = findings.new()
    reader, master = findings.view(READER), findings.view(MASTER)
  end)
  after_each(function() findings.finish() end)

  local function repair()
    C.object_store_forget_lane(master.store, WRITER)
    C.object_store_attach(master.store, WRITER)
    C.object_store_attach(master.store, MASTER)
    C.object_store_forget_lane(master.store, WRITER)
    findings.check(master)
  end

  -- What the key has is `old` or `new`, or nothing; and others go on with it.
  local function check_key(case)
    local _, text = get(reader, "c\0k")
    assert.is_true(text == nil or text == case.old or text == case.new, tostring(text))
    assert.is_nil(findings.hold(reader, "c\0k"))
    local claimed, flight = claim(reader, "c\0k", true)
    assert.equal("claimed", claimed)
    assert.is_true((land(reader, flight, "mine")))
    assert.same({ "text", "mine" }, { get(reader, "c\0k") })
    findings.delete(reader, "c\0k")
    assert.equal("unknown", get(reader, "c\0k"))
    assert.same({ "text", "kept" }, { get(reader, "c\0other") })
  end

  -- All that was taken comes back.
  local function check_room()
    findings.purge(reader, "c")
    local scan = ffi.new "struct object_purge_scan"
    while C.object_purge_continue(reader.store, scan, 1000) do end
    local usage = ffi.new "struct object_usage"
    C.object_store_usage(reader.store, usage)
    assert.equal(0, tonumber(usage.pages))
    findings.check(reader)
  end

  local LONG = ("x"):rep(1000) -- pages behind the first one

  local CASES = {
    ["stores a value"] = { new = "new", body = function() put(values, "c\0k", "new") end },
    ["stores a long value"] = { new = LONG, body = function() put(values, "c\0k", LONG) end },
    ["stores what is new"] = { new = "new",
      body = function() put(values, "c\0k", "new", { only_new = true }) end },
    ["replaces a value"] = { old = "old", new = LONG,
      body = function() put(values, "c\0k", LONG) end },
    ["deletes a value"] = { old = LONG, body = function() findings.delete(values, "c\0k") end },
    ["finds out a value"] = { new = LONG,
      body = function()
        local _, flight = claim(values, "c\0k")
        land(values, flight, LONG)
      end },
    ["finds out what is not kept"] = {
      body = function()
        local _, flight = claim(values, "c\0k")
        land(values, flight, LONG, 0)
      end },
    ["finds out nothing"] = {
      body = function()
        local _, flight = claim(values, "c\0k")
        land(values, flight, nil)
      end },
    ["finds out a value anew"] = { old = "old", new = LONG,
      body = function()
        local _, flight = claim(values, "c\0k", true)
        land(values, flight, LONG)
      end },
    ["finds out anew in vain"] = { old = "old",
      body = function()
        local _, flight = claim(values, "c\0k", true)
        land(values, flight, nil)
      end },
  }

  for name, case in pairs(CASES) do
    it("are sound when one " .. name, function()
      if not stores.are_seen() then return pending "the processor has no trap flag" end
      put(values, "c\0other", "kept")
      if case.old then put(values, "c\0k", case.old) end
      local made = stores.each(findings.segment, case.body, function()
        repair()
        check_key(case)
        check_room()
      end, STRIDE)
      assert.is_true(made >= 5, made .. " stores")
    end)
  end

  for _, renews in ipairs { false, true } do
    it("tell those who wait at once, " .. (renews and "anew" or "for the first time"), function()
      if renews then put(values, "c\0k", "old") end
      claim(values, "c\0k", renews)
      local hold = findings.hold(reader, "c\0k")
      local wait, is_new, count = ffi.new "struct object_wait", ffi.new "bool[1]", 0
      local callback = ffi.cast("void (*)(struct object_wait *)", function() count = count + 1 end)
      wait.hold, wait.ready = hold, callback
      C.object_store_progress(reader.store, hold, wait.seen)
      assert.is_true(C.object_store_wait(reader.store, wait, is_new))
      repair()
      C.object_store_wake(reader.store)
      assert.equal(1, count)
      assert.not_equal("flying", (findings.read(reader, hold)))
      C.object_store_release(reader.store, hold)
      assert.equal("claimed", (claim(reader, "c\0k", true)))
      callback:free()
    end)
  end
end)
