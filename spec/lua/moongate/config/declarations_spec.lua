local declarations = require "moongate.config.declarations"

describe("declarations", function()
  local function copy(one)
    return one and { at = one.at, name = one.name, fields = one.fields, group = one.group }
  end

  -- All that are taken until nothing is left.
  local function taken(list)
    local all = {}
    for one in list.take, list do all[#all + 1] = copy(one) end
    return all
  end

  it("come back in their order, as they were", function()
    local list, group = declarations.new(), { at = "a:1" }
    local added = {
      { at = "a:2", name = "GET /a", fields = { upstream = "u", plugins = { { "x", n = 1.5 } } } },
      { at = "b/c:3", name = "/b", fields = {}, group = group },
      { at = "a:4", name = "/c", fields = "no table" },
      { at = "a:5", name = 7, fields = { { nested = { true, false } } }, group = group },
      { at = "a:6" },
    }
    for _, one in ipairs(added) do list:add(one) end
    assert.equal(5, list.count)
    local all = taken(list)
    assert.same(added, all)
    assert.equal(group, all[2].group)
    assert.is_nil(list:take())
  end)

  it("with functions or rings in them come back themselves, others stay as they are", function()
    local list, ring = declarations.new(), {}
    ring[1] = ring
    local deep = {}
    for _ = 1, 200 do deep = { deep } end
    local with_function = { when = function() end, text = ("x"):rep(5000) }
    local added = { "plain", with_function, ring, deep, "plain too" }
    for i, fields in ipairs(added) do list:add { at = "a:" .. i, name = "/", fields = fields } end
    local all = taken(list)
    for i, fields in ipairs(added) do assert.is_true(rawequal(fields, all[i].fields)) end
    assert.equal(5, #all)
  end)

  it("may be added while others are taken", function()
    local list = declarations.new()
    for i = 1, 3 do list:add { at = "a:" .. i, name = "/", fields = {} } end
    assert.equal("a:1", list:take().at)
    list:add { at = "a:4", name = "/", fields = {} }
    assert.same({ "a:2", "a:3", "a:4" }, { list:take().at, list:take().at, list:take().at })
  end)
end)
