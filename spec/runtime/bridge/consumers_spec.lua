local runtime = require "spec.support.runtime"
local ffi = require "ffi"
local C = runtime.include("base/arena.h", "base/slice.h", "bridge/consumers.h")
local slice, text = runtime.slice, runtime.text

describe("consumers", function()
  local arena, consumers

  local function add(name, ...)
    local consumer = ffi.new("struct consumer", { name = slice(name) })
    local index = C.consumers_add(consumers, consumer)
    for _, key in ipairs { ... } do
      local credential = ffi.new("struct credential",
        { name = slice(key), secret = slice("of " .. key), consumer = index })
      if not C.consumers_add_credential(consumers, credential) then return nil end
    end
    return index
  end

  local function by_key(key, now)
    local found = C.consumers_credential(consumers, slice(key), now or 0)
    if found == nil then return -1 end
    assert.equal("of " .. key, text(found.secret))
    return found.consumer
  end

  before_each(function()
    arena = runtime.new_arena()
    consumers = C.consumers_create(arena)
  end)

  after_each(function()
    C.consumers_destroy(runtime.box("struct consumers *", consumers))
    C.arena_clear(arena)
  end)

  it("finds nobody when there is nobody", function()
    assert.equal(-1, by_key("k"))
    assert.equal(-1, C.consumers_by_name(consumers, slice "n"))
    assert.equal(nil, C.consumers_at(consumers, 0))
    assert.equal(nil, C.consumers_at(consumers, -1))
  end)

  it("finds each by its keys and its name", function()
    assert.equal(0, add("anna", "a1", "a2"))
    assert.equal(1, add("bert", "b1"))
    assert.equal(0, by_key("a2"))
    assert.equal(1, by_key("b1"))
    assert.equal(1, C.consumers_by_name(consumers, slice "bert"))
    assert.equal("anna", text(C.consumers_at(consumers, 0).name))
    assert.equal(2, C.consumers_count(consumers))
  end)

  it("does not find by a part of a key, or more than it, or a name", function()
    add("anna", "key")
    for _, wrong in ipairs { "ke", "keys", "KEY", "", "anna" } do
      assert.equal(-1, by_key(wrong))
    end
  end)

  it("refuses a name, or a key, that somebody has, and the empty key", function()
    add("anna", "a")
    assert.equal(-1, add "anna")
    assert.is_nil(add("bert", "a"))
    assert.is_nil(add("carl", ""))
    assert.equal(0, by_key("a"))
  end)

  it("keeps lists, tags and the plan", function()
    local groups = ffi.new("struct slice[2]", { slice "read", slice "write" })
    local tags = ffi.new("struct slice[2]", { slice "tier", slice "gold" })
    C.consumers_add(consumers, ffi.new("struct consumer", { name = slice "anna",
      plan = slice "free", lists = { groups, groups, groups + 1 }, list_counts = { 2, 0, 1 },
      tags = tags, tag_count = 1 }))
    local found = C.consumers_at(consumers, 0)
    assert.same({ "free", "write", "write", "tier", "gold" }, { text(found.plan),
      text(found.lists[0][1]), text(found.lists[2][0]), text(found.tags[0]), text(found.tags[1]) })
  end)

  it("does not find by what has expired", function()
    local index = add "anna"
    C.consumers_add_credential(consumers, ffi.new("struct credential",
      { name = slice "k", secret = slice "of k", expires = 1000.5, consumer = index }))
    assert.equal(0, by_key("k", 1000))
    assert.equal(-1, by_key("k", 1000.5))
  end)

  it("finds each of very many", function()
    for i = 1, 5000 do add("name" .. i, "key" .. i) end
    for i = 1, 5000 do
      assert.equal(i - 1, by_key("key" .. i))
      assert.equal(i - 1, C.consumers_by_name(consumers, slice("name" .. i)))
    end
    assert.equal(-1, by_key("key5001"))
  end)
end)
