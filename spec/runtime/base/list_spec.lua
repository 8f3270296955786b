--- list_spec: a circular list whose links live inside its elements.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/list.h"

describe("list", function()
  local list, one, two, three

  local function element()
    local node = ffi.new "struct list"
    C.list_init(node)
    return node
  end

  local function address(node)
    return tonumber(ffi.cast("uintptr_t", ffi.cast("struct list *", node)))
  end

  -- The elements, following one kind of link.
  local function walk(link)
    local names = { [address(one)] = 1, [address(two)] = 2, [address(three)] = 3 }
    local found, node = {}, list[link]
    while address(node) ~= address(list) do
      found[#found + 1] = names[address(node)]
      node = node[link]
    end
    return found
  end

  -- The elements in order, after a check that they are the same backwards.
  local function contents()
    local forwards, backwards = walk "next", walk "prev"
    assert.equal(#forwards, #backwards)
    for i, name in ipairs(forwards) do assert.equal(name, backwards[#backwards + 1 - i]) end
    return forwards
  end

  before_each(function()
    list, one, two, three = element(), element(), element(), element()
  end)

  it("is empty at first", function()
    assert.is_true(C.list_is_empty(list))
    assert.same({}, contents())
  end)

  it("keeps what is pushed to the back in order", function()
    C.list_push_back(list, one)
    C.list_push_back(list, two)
    C.list_push_back(list, three)
    assert.is_false(C.list_is_empty(list))
    assert.same({ 1, 2, 3 }, contents())
  end)

  it("puts what is pushed to the front first", function()
    C.list_push_front(list, one)
    C.list_push_front(list, two)
    assert.same({ 2, 1 }, contents())
  end)

  it("inserts behind an element", function()
    C.list_push_back(list, one)
    C.list_push_back(list, three)
    C.list_insert(one, two)
    assert.same({ 1, 2, 3 }, contents())
  end)

  it("removes from the middle and from both ends", function()
    C.list_push_back(list, one)
    C.list_push_back(list, two)
    C.list_push_back(list, three)
    C.list_remove(two)
    assert.same({ 1, 3 }, contents())
    C.list_remove(one)
    assert.same({ 3 }, contents())
    C.list_remove(three)
    assert.is_true(C.list_is_empty(list))
  end)

  it("forgives a second removal", function()
    C.list_push_back(list, one)
    C.list_push_back(list, two)
    C.list_remove(one)
    assert.is_true(C.list_is_empty(one))
    C.list_remove(one)
    assert.same({ 2 }, contents())
  end)
end)
