local buffer = require "string.buffer"
local declarations = require "moongate.config.route_declarations"

describe("route declarations", function()
  -- What one of them says, its texts read.
  local function read(one)
    local function value(text)
      if type(text) == "string" then return buffer.decode(text) end
      return text
    end
    local plugins = {}
    for i = 1, one.count do plugins[i] = value(one.plugins[i]) end
    return { at = one.at, name = one.name, group = one.group, own_name = one.own_name,
      when = one.when, rewrite = one.rewrite, rest = value(one.rest), plugins = plugins }
  end

  local function taken(list)
    local all = {}
    for one in list.take, list do all[#all + 1] = read(one) end
    return all
  end

  local function add(list, fields) list:add { at = "a:1", name = "/", fields = fields } end

  it("come back in their order, with what each has of its own apart", function()
    local list, group = declarations.new(), { at = "a:1" }
    local function when() end
    list:add { at = "a:2", name = "GET /a", fields = { upstream = "u", name = "one", when = when,
      rewrite = "/b", plugins = { "x", { "y", n = 1.5 } } } }
    list:add { at = "b/c:3", name = 7, group = group,
      fields = { name = false, when = 1, rewrite = when } }
    list:add { at = "a:4", fields = "no table" }
    list:add { at = "a:5", name = "/d" }
    assert.equal(4, list.count)
    assert.same({
      { at = "a:2", name = "GET /a", group = false, own_name = "one", when = when, rewrite = "/b",
        rest = { upstream = "u" }, plugins = { "x", { "y", n = 1.5 } } },
      { at = "b/c:3", name = "7", group = group, own_name = false, when = false, rewrite = false,
        rest = { name = false, when = 1, rewrite = when }, plugins = {} },
      { at = "a:4", name = "nil", group = false, own_name = false, when = false, rewrite = false,
        rest = "no table", plugins = {} },
      { at = "a:5", name = "/d", group = false, own_name = false, when = false, rewrite = false,
        plugins = {} },
    }, taken(list))
    assert.is_nil(list:take())
  end)

  it("are many, in several tables, taken while others are added", function()
    local list, long, next_one = declarations.new(), ("l"):rep(200), 1
    local function expect(one)
      local i = next_one
      assert.same({ "a:" .. i, { host = i % 3 == 0 and long .. i or "h" .. i } },
        { one.at, one.rest })
      assert.equal(i % 40, #one.plugins)
      for k, plugin in ipairs(one.plugins) do assert.same({ "p" .. k, i }, plugin) end
      next_one = i + 1
    end
    for i = 1, 1100 do
      local plugins = {}
      for k = 1, i % 40 do plugins[k] = { "p" .. k, i } end
      list:add { at = "a:" .. i, name = "/",
        fields = { host = i % 3 == 0 and long .. i or "h" .. i, plugins = plugins } }
      if i % 3 == 0 then expect(read(list:take())) end
    end
    for one in list.take, list do expect(read(one)) end
    assert.equal(1101, next_one)
    assert.is_nil(list:take())
  end)

  it("are as their tables were when they were added, and leave them so", function()
    local list, plugin = declarations.new(), { "x", n = 1 }
    local fields = { host = "a", name = "one", rewrite = "/b", when = function() end,
      plugins = { plugin } }
    add(list, fields)
    assert.same({ "one", "/b" }, { fields.name, fields.rewrite })
    assert.is_function(fields.when)
    assert.equal(plugin, fields.plugins[1])
    fields.host, plugin.n = "b", 2
    add(list, fields)
    local all = taken(list)
    assert.same({ { "a", 1 }, { "b", 2 } }, { { all[1].rest.host, all[1].plugins[1].n },
      { all[2].rest.host, all[2].plugins[1].n } })
  end)

  it("have one text for what is alike", function()
    local list, texts = declarations.new(), {}
    for i = 1, 2 do
      add(list, { host = "a", name = "n" .. i, plugins = { { "x", n = 1 } } })
    end
    for one in list.take, list do texts[#texts + 1] = { one.rest, one.plugins[1] } end
    assert.same(texts[1], texts[2])
    assert.same({ "string", "string" }, { type(texts[1][1]), type(texts[1][2]) })
  end)

  it("are no texts where they are long, and in their order all the same", function()
    local list = declarations.new()
    for i = 1, 3 do
      add(list, { host = i .. ("h"):rep(200), plugins = { { i .. ("x"):rep(200) }, { "y", i },
        { i .. ("z"):rep(200) } } })
    end
    for i, one in ipairs(taken(list)) do
      assert.same({ host = i .. ("h"):rep(200) }, one.rest)
      assert.same({ { i .. ("x"):rep(200) }, { "y", i }, { i .. ("z"):rep(200) } }, one.plugins)
    end
  end)

  it("keep as it is what cannot be written", function()
    local function f() end
    local ring = {}
    ring[1] = ring
    local entries = { { "x", when = f }, { "x", by = f, text = ("x"):rep(500) }, ring, f }
    local list = declarations.new()
    add(list, { criticality = f, plugins = entries })
    add(list, { headers = ring })
    local all = taken(list)
    for i, entry in ipairs(entries) do assert.is_true(rawequal(entry, all[1].plugins[i])) end
    assert.same({ criticality = f }, all[1].rest)
    assert.equal(ring, all[2].rest.headers)
  end)

  it("leave plugins that are no list among the rest", function()
    local list = declarations.new()
    for _, plugins in ipairs { 7, { x = "y" }, { [2] = "x" }, { "x", y = 1 } } do
      add(list, { plugins = plugins })
      local one = read(list:take())
      assert.same({ plugins = plugins }, one.rest)
      assert.same({}, one.plugins)
    end
  end)
end)
