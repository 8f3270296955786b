local runtime = require "spec.support.runtime"
local ffi = require "ffi"
local C = runtime.include("base/slice.h", "bridge/consumers.h")
local slice, text = runtime.slice, runtime.text

describe("consumers", function()
  local consumers

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
    local found = ffi.new("struct credential")
    if not C.consumers_credential(consumers, slice(key), now or 0, found) then return -1 end
    assert.equal("of " .. key, text(found.secret))
    return found.consumer
  end

  local function name_of(consumer) return text(C.consumers_name(consumers, consumer)) end

  local function list_of(consumer, list)
    local found, at, item = {}, ffi.new("uint32_t[1]"), ffi.new("struct slice[1]")
    while C.consumers_next(consumers, consumer, list, at, item) do
      found[#found + 1] = text(item[0])
    end
    return found
  end

  before_each(function() consumers = C.consumers_create() end)

  after_each(function()
    C.consumers_destroy(runtime.box("struct consumers *", consumers))
  end)

  it("finds nobody when there is nobody", function()
    assert.equal(-1, by_key("k"))
    assert.equal(-1, C.consumers_by_name(consumers, slice "n"))
    assert.equal(0, C.consumers_count(consumers))
  end)

  it("finds each by its keys and its name", function()
    local anna, bert = add("anna", "a1", "a2"), add("bert", "b1")
    assert.equal(anna, by_key("a2"))
    assert.equal(bert, by_key("b1"))
    assert.equal(bert, C.consumers_by_name(consumers, slice "bert"))
    assert.equal("anna", name_of(anna))
    assert.equal(2, C.consumers_count(consumers))
  end)

  it("does not find by a part of a key, or more than it, or a name", function()
    add("anna", "key")
    for _, wrong in ipairs { "ke", "keys", "KEY", "", "anna" } do
      assert.equal(-1, by_key(wrong))
    end
  end)

  it("refuses a name, or a key, that somebody has, and the empty key", function()
    local anna = add("anna", "a")
    assert.equal(-1, add "anna")
    assert.is_nil(add("bert", "a"))
    assert.is_nil(add("carl", ""))
    assert.equal(anna, by_key("a"))
  end)

  it("keeps lists, tags and the plan, empty texts among them", function()
    local groups = ffi.new("struct slice[3]", { slice "read", slice "", slice "write" })
    local tags = ffi.new("struct slice[2]", { slice "tier", slice "gold" })
    local anna = C.consumers_add(consumers, ffi.new("struct consumer", { name = slice "anna",
      plan = slice "free", lists = { groups, groups, groups + 1, tags },
      list_counts = { 3, 0, 1, 2 } }))
    assert.equal("free", text(C.consumers_plan(consumers, anna)))
    assert.same({ "read", "", "write" }, list_of(anna, C.CONSUMER_GROUPS))
    assert.same({}, list_of(anna, C.CONSUMER_ROLES))
    assert.same({ "" }, list_of(anna, C.CONSUMER_SCOPES))
    assert.same({ "tier", "gold" }, list_of(anna, C.CONSUMER_TAGS))
    assert.equal("", text(C.consumers_plan(consumers, add "bert")))
  end)

  it("does not find by what has expired", function()
    local index = add "anna"
    C.consumers_add_credential(consumers, ffi.new("struct credential",
      { name = slice "k", secret = slice "of k", expires = 1000.5, consumer = index }))
    assert.equal(index, by_key("k", 1000))
    assert.equal(-1, by_key("k", 1000.5))
    -- It is there all the same: nobody else gets it.
    assert.is_nil(add("bert", "k"))
  end)

  it("goes through them in the order of their names, once they were sorted", function()
    local function after(name) return C.consumers_after(consumers, slice(name)) end
    for _, name in ipairs { "b", "aa", "a", "c", "B" } do add(name) end
    assert.equal(-1, after "")
    C.consumers_sort(consumers)
    local names, consumer = {}, after ""
    while consumer >= 0 do
      names[#names + 1] = name_of(consumer)
      consumer = after(names[#names])
    end
    assert.same({ "B", "a", "aa", "b", "c" }, names)
    assert.equal("b", name_of(after "ab"))
    assert.equal(-1, after "c")
  end)

  it("finds each of very many, packed and after that", function()
    local numbers = {}
    local function add_up_to(count)
      for i = #numbers + 1, count do numbers[i] = add("name" .. i, "key" .. i) end
    end
    add_up_to(5000)
    C.consumers_pack(consumers)
    add_up_to(5001)
    for i = 1, 5001 do
      assert.equal(numbers[i], by_key("key" .. i))
      assert.equal(numbers[i], C.consumers_by_name(consumers, slice("name" .. i)))
    end
    assert.equal(-1, by_key("key5002"))
  end)

  it("packs records of any length", function()
    for first = 1, 8 do
      for second = 1, 40 do
        C.consumers_destroy(runtime.box("struct consumers *", consumers))
        consumers = C.consumers_create()
        add(("a"):rep(first))
        local last = add(("b"):rep(second))
        C.consumers_pack(consumers)
        assert.equal(("b"):rep(second), name_of(last))
      end
    end
  end)

  it("packs nobody", function()
    C.consumers_pack(consumers)
    assert.equal(-1, by_key("k"))
  end)
end)
