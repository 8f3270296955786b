--- path_trie_builder_spec: how what is packed lies in memory.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("base/slice.h", "gateway/path_trie.h", "gateway/path_trie_builder.h")
local slice = runtime.slice

local LINE_BYTES = 64

-- Where a node begins in its line of the cache, and what it takes.
local function place_of(trie, id)
  local node = C.path_trie_node(trie, id)
  local bytes = tonumber(C.path_trie_entries_offset(node.label_length))
    + node.entry_count * ffi.sizeof "struct path_trie_entry"
  return tonumber(ffi.cast("uintptr_t", node)) % LINE_BYTES, bytes
end

describe("path_trie_builder", function()
  local builder, trie

  before_each(function()
    builder, trie = C.path_trie_builder_create(), ffi.new "struct path_trie"
  end)

  after_each(function()
    C.path_trie_clear(trie)
    C.path_trie_builder_destroy(runtime.box("struct path_trie_builder *", builder))
  end)

  it("lays no node across two lines of the cache that fits into one", function()
    local entry = ffi.new "struct path_trie_entry"
    for i = 0, 299 do
      local path = slice(("/%s%d%s"):format(("x"):rep(i % 30), i, i % 3 == 0 and "/{id}" or ""))
      entry.route = i
      C.path_trie_builder_add(builder, C.path_trie_builder_reach(builder, slice "", path), entry)
    end
    C.path_trie_builder_seal(builder, trie, nil, nil)
    assert.equal(300, tonumber(trie.end_count))
    local across, fitting = 0, 0
    for i = 0, 299 do
      local start, bytes = place_of(trie, trie.ends[i].node)
      if bytes <= LINE_BYTES then
        fitting = fitting + 1
        if start + bytes > LINE_BYTES then across = across + 1 end
      end
    end
    assert.is_true(fitting > 150, fitting .. " fit into a line")
    assert.equal(0, across)
  end)

  it("holds what comes, whether as much was expected, less or more", function()
    for _, expected in ipairs { 0, 1, 299, 300, 5000 } do
      local other, sealed = C.path_trie_builder_create(), ffi.new "struct path_trie"
      local entry = ffi.new "struct path_trie_entry"
      C.path_trie_builder_expect(other, expected)
      for i = 0, 299 do
        entry.route = i
        C.path_trie_builder_add(other,
          C.path_trie_builder_reach(other, slice "", slice(("/%d/%d"):format(i % 7, i))), entry)
      end
      C.path_trie_builder_seal(other, sealed, nil, nil)
      assert.equal(300, tonumber(sealed.end_count))
      for i = 0, 299 do
        local folder = C.path_trie_child(sealed, sealed.any_host, slice(tostring(i % 7)))
        local node = C.path_trie_child(sealed, folder, slice(tostring(i)))
        assert.equal(sealed.ends[i].node, node)
        assert.equal(i, sealed.ends[i].route)
      end
      C.path_trie_clear(sealed)
      C.path_trie_builder_destroy(runtime.box("struct path_trie_builder *", other))
    end
  end)
end)
