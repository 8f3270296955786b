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
      if not C.consumers_add_key(consumers, index, slice(key)) then return nil end
    end
    return index
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
    assert.equal(-1, C.consumers_by_key(consumers, slice "k"))
    assert.equal(-1, C.consumers_by_name(consumers, slice "n"))
    assert.equal(nil, C.consumers_at(consumers, 0))
    assert.equal(nil, C.consumers_at(consumers, -1))
  end)

  it("finds each by its keys and its name", function()
    assert.equal(0, add("anna", "a1", "a2"))
    assert.equal(1, add("bert", "b1"))
    assert.equal(0, C.consumers_by_key(consumers, slice "a2"))
    assert.equal(1, C.consumers_by_key(consumers, slice "b1"))
    assert.equal(1, C.consumers_by_name(consumers, slice "bert"))
    assert.equal("anna", text(C.consumers_at(consumers, 0).name))
    assert.equal(2, C.consumers_count(consumers))
  end)

  it("does not find by a part of a key, or more than it, or a name", function()
    add("anna", "key")
    for _, wrong in ipairs { "ke", "keys", "KEY", "", "anna" } do
      assert.equal(-1, C.consumers_by_key(consumers, slice(wrong)))
    end
  end)

  it("refuses a name, or a key, that somebody has, and the empty key", function()
    add("anna", "a")
    assert.equal(-1, add "anna")
    assert.is_nil(add("bert", "a"))
    assert.is_nil(add("carl", ""))
    assert.equal(0, C.consumers_by_key(consumers, slice "a"))
  end)

  it("keeps groups and tags", function()
    local groups = ffi.new("struct slice[2]", { slice "read", slice "write" })
    local tags = ffi.new("struct slice[2]", { slice "tier", slice "gold" })
    C.consumers_add(consumers, ffi.new("struct consumer",
      { name = slice "anna", groups = groups, group_count = 2, tags = tags, tag_count = 1 }))
    local found = C.consumers_at(consumers, 0)
    assert.same({ "write", "tier", "gold" },
      { text(found.groups[1]), text(found.tags[0]), text(found.tags[1]) })
  end)

  it("finds each of very many", function()
    for i = 1, 5000 do add("name" .. i, "key" .. i) end
    for i = 1, 5000 do
      assert.equal(i - 1, C.consumers_by_key(consumers, slice("key" .. i)))
      assert.equal(i - 1, C.consumers_by_name(consumers, slice("name" .. i)))
    end
    assert.equal(-1, C.consumers_by_key(consumers, slice "key5001"))
  end)
end)
