local ffi = require "ffi"
local streams = require "spec.support.streams"
local C = streams.C

local registry = debug.getregistry()
if not registry.moongate_tls_names_spec then
  registry.moongate_tls_names_spec = true
  ffi.cdef [[
    struct net_names { void *names; size_t count, capacity; };
    void net_names_add(struct net_names *, struct net_slice, size_t) __asm__("tls_names_add");
    void net_names_sort(struct net_names *) __asm__("tls_names_sort");
    bool net_names_find(const struct net_names *, struct net_slice, size_t *)
      __asm__("tls_names_find");
    void net_names_clear(struct net_names *) __asm__("tls_names_clear");
  ]]
end

local kept -- a slice does not keep its bytes alive

local function slice(text)
  kept = ffi.new("char[?]", #text)
  ffi.copy(kept, text, #text)
  return ffi.new("struct net_slice", kept, #text)
end

describe("tls_names", function()
  local names

  before_each(function() names = ffi.new "struct net_names" end)
  after_each(function() C.net_names_clear(names) end)

  local function fill(list)
    for i, name in ipairs(list) do C.net_names_add(names, slice(name), i) end
    C.net_names_sort(names)
  end

  local function find(name)
    local found = ffi.new "size_t[1]"
    return C.net_names_find(names, slice(name), found) and tonumber(found[0]) or nil
  end

  it("finds nothing among none", function()
    fill {}
    assert.is_nil(find "a")
  end)

  it("finds names whatever their case and order", function()
    fill { "z.org", "A.example.com", "m.net", "b.example.com", "a" }
    assert.same({ 2, 4, 1, 3, 5 },
      { find "a.EXAMPLE.com", find "b.example.com", find "z.org", find "M.net", find "a" })
    assert.is_nil(find "example.com")
    assert.is_nil(find "a.example.co")
    assert.is_nil(find "a.example.comm")
    assert.is_nil(find "")
  end)

  it("prefers the exact name to a wildcard, the first to a later one", function()
    fill { "*.example.com", "a.example.com", "a.example.com", "*.example.com" }
    assert.same({ 2, 1 }, { find "a.example.com", find "b.example.com" })
  end)

  it("lets a wildcard stand for exactly one label", function()
    fill { "*.example.com" }
    assert.equal(1, find "x.example.com")
    for _, name in ipairs { "example.com", ".example.com", "a.b.example.com", "xexample.com" } do
      assert.is_nil(find(name))
    end
  end)

  it("is not asked for a wildcard itself", function()
    fill { "*.example.com", "*.com" }
    assert.is_nil(find "*.example.com")
    assert.is_nil(find "*.com")
    assert.is_nil(find "a*.com")
  end)

  it("ignores names that nobody can ask for", function()
    fill { "", "a*.example.com", "*", "*.", "a.*.com", "*.*.com", "a\0.com", ("a"):rep(254) }
    assert.equal(0, tonumber(names.count))
    fill { ("b"):rep(253) }
    assert.equal(1, find(("B"):rep(253)))
    assert.is_nil(find(("b"):rep(254)))
  end)

  it("finds each of thousands", function()
    local list = {}
    for i = 1, 3000 do list[i] = ("h%d.example.com"):format(i * 7919 % 3001) end
    fill(list)
    for i = 1, 3000 do assert.equal(i, find(list[i])) end
    assert.is_nil(find "h3001.example.com")
  end)
end)
