-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local instances = require "moongate.config.instances"

local PLUGIN = { options = {
  any = { type = "any", help = "anything" },
  other = { type = "any", help = "anything else" },
  list = { type = "list", default = {}, help = "a list" },
} }

describe("instances", function()
  local maker, wrong

  before_each(function()
    wrong = {}
    maker = instances.maker(function(_, message) wrong[#wrong + 1] = message end)
  end)

  local function of(options)
    options[1] = "own"
    local step = maker:step(PLUGIN, options, { route = "r", at = "here" })
    assert.same({}, wrong)
    return step.instance
  end

  local function many(count, last)
    local list = {}
    for i = 1, count do list[i] = ("value %d of many"):format(i) end
    list[count / 2] = last
    return list
  end

  local function nothing() end

  for name, pair in pairs {
    ["what is not given"] = { {}, {} },
    ["a default"] = { {}, { list = {} } },
    ["text"] = { { any = "a" }, { any = "a" } },
    ["no number"] = { { any = 0 / 0 }, { any = 0 / 0 } },
    ["a function"] = { { any = nothing }, { any = nothing } },
    ["tables"] = { { any = { a = 1, b = { 2, "c" } } }, { any = { b = { 2, "c" }, a = 1 } } },
    ["long lists"] = { { list = many(1000, "x") }, { list = many(1000, "x") } },
  } do
    it("are one instance where options are equal: " .. name, function()
      assert.equal(of(pair[1]), of(pair[2]))
    end)
  end

  for name, pair in pairs {
    ["one is not given"] = { {}, { any = false } },
    ["another option"] = { { any = 1 }, { other = 1 } },
    ["text and number"] = { { any = 1 }, { any = "1" } },
    ["text as a key"] = { { any = { [1] = true } }, { any = { ["1"] = true } } },
    ["functions"] = { { any = function() end }, { any = nothing } },
    ["nested otherwise"] = { { any = { { 1 }, 2 } }, { any = { 1, { 2 } } } },
    ["values changed places"] = { { any = { a = "b", c = "d" } }, { any = { a = "d", c = "b" } } },
    ["text that looks like a table"] = { { any = { "a" } }, { any = "1=2 " } },
    ["long lists"] = { { list = many(1000, "x") }, { list = many(1000, "y") } },
  } do
    it("are two where they are not: " .. name, function()
      assert.are_not.equal(of(pair[1]), of(pair[2]))
    end)
  end

  it("have their defaults however many there are, and few of them hold these themselves", function()
    local seen, holders = {}, 0
    for i = 1, 1000 do
      local instance = of { any = i }
      seen[instance.list] = i
      assert.is_nil(instance.other)
      assert.equal(i, instance.any)
      if rawget(instance, "list") then holders = holders + 1 end
    end
    assert.equal(1000, seen[PLUGIN.options.list.default])
    assert.is_true(holders < 100, holders .. " hold them")
    assert.equal(of { any = 999 }, of { any = 999, list = {} })
  end)

  it("are found among many that differ in one place", function()
    local made = {}
    for i = 1, 2000 do made[i] = of { list = many(40, i) } end
    assert.equal(made[7], of { list = many(40, 7) })
    assert.are_not.equal(made[7], made[8])
  end)
end)
