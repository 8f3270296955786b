--- plugin_accounts_spec: what plugins cost, added up over workers.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/segment.h", "shm/plugin_accounts.h")
local slice, text = runtime.slice, runtime.text
local LANES, PLUGINS_MAX, PAIRS_MAX = 3, 1024, 4096

describe("plugin_accounts", function()
  local segment, accounts

  before_each(function()
    segment, accounts = ffi.new "struct segment", ffi.new "struct plugin_accounts"
    assert(C.segment_init(segment, 65536 + C.plugin_accounts_bytes(LANES)))
    assert.is_true(C.plugin_accounts_init(accounts, segment, LANES))
    C.plugin_accounts_attach(accounts, 0)
  end)

  after_each(function() C.segment_clear(segment) end)

  local function number(plugin) return C.plugin_accounts_number(accounts, slice(plugin)) end

  local function add(cost, amounts)
    for word, amount in pairs(amounts) do cost[word] = cost[word] + amount end
  end

  local function add_to(plugin, route, amounts)
    add(C.plugin_accounts_of(accounts, slice(plugin), slice(route)), amounts)
  end

  -- By name: calls, errors, and the two times; but for who did nothing.
  local function all(next)
    local found, cursor = {}, ffi.new "size_t[1]"
    local view = ffi.new "struct plugin_accounts_view"
    while next(accounts, cursor, view) do
      local name, cost = text(view.plugin), view.cost
      if view.route.start ~= nil then name = name .. " " .. text(view.route) end
      if cost.calls > 0 or cost.errors > 0 then
        found[name] = { tonumber(cost.calls), tonumber(cost.errors), tonumber(cost.cpu_ns),
          tonumber(cost.wait_ns) }
      end
    end
    return found
  end

  it("knows each plugin by one number", function()
    local first = number "key-auth"
    assert.is_true(first > 0)
    assert.are_not.equal(first, number "cors")
    assert.equal(first, number "key-auth")
    assert.equal("key-auth", text(C.plugin_accounts_name(accounts, first)))
    assert.equal("?", text(C.plugin_accounts_name(accounts, 0)))
    assert.equal("?", text(C.plugin_accounts_name(accounts, 900)))
  end)

  it("adds up what all workers add, by route and elsewhere", function()
    for lane = 1, 2 do
      process.fork(function()
        C.plugin_accounts_attach(accounts, lane)
        add_to("cors", "/a", { calls = 1, cpu_ns = 10 * lane })
        add_to("cors", "/b", { calls = 64, errors = 1, wait_ns = 5 })
        add(C.plugin_accounts_elsewhere(accounts, number "cors"), { errors = 1 })
      end):wait(20)
    end
    assert.same({ ["cors /a"] = { 2, 0, 30, 0 }, ["cors /b"] = { 128, 2, 0, 10 } },
      all(C.plugin_accounts_next_pair))
    assert.same({ cors = { 0, 2, 0, 0 } }, all(C.plugin_accounts_next_plugin))
    assert.equal(2, tonumber(C.plugin_accounts_pairs(accounts)))
  end)

  it("goes on in the lane of a worker that ended", function()
    for _ = 1, 2 do
      process.fork(function()
        C.plugin_accounts_attach(accounts, 1)
        add_to("cors", "/a", { calls = 3 })
      end):wait(20)
    end
    assert.same({ ["cors /a"] = { 6, 0, 0, 0 } }, all(C.plugin_accounts_next_pair))
  end)

  it("counts by plugin what finds no room when there are too many routes, and tells", function()
    for i = 1, PAIRS_MAX + 9 do add_to("cors", "/" .. i, { calls = 1 }) end
    assert.same({ cors = { 10, 0, 0, 0 } }, all(C.plugin_accounts_next_plugin))
    local pairs_seen = 0
    for _ in pairs(all(C.plugin_accounts_next_pair)) do pairs_seen = pairs_seen + 1 end
    assert.equal(PAIRS_MAX - 1, pairs_seen)
    assert.equal(10, tonumber(C.plugin_accounts_refused(accounts)))
  end)

  it("has no number left for too many plugins, and goes on", function()
    for i = 1, PLUGINS_MAX - 1 do assert.is_true(number("p" .. i) > 0) end
    assert.equal(0, number "one-more")
    add_to("one-more", "/", { calls = 1 })
    assert.same({ 1, 0, 0, 0 }, all(C.plugin_accounts_next_pair)["one-more /"])
    add(C.plugin_accounts_elsewhere(accounts, 0), { errors = 1 })
    assert.same({ ["?"] = { 0, 1, 0, 0 } }, all(C.plugin_accounts_next_plugin))
  end)
end)
