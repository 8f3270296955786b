local gateway = require "spec.support.gateway"
local process = require "spec.support.process"
local system = require "spec.support.system"

describe("moongate new plugin", function()
  local directory

  before_each(function() directory = system.temporary_directory() .. "/with a space" end)
  after_each(function() process.remove((directory:gsub("/with a space$", ""))) end)

  local function new(...)
    return process.run { gateway.binary(), "new", "plugin", ..., "-c", directory .. "/gateway.lua" }
  end

  it("writes a plugin that the gateway loads, and a spec that passes", function()
    local code, out, err = new "add-team"
    assert.same({ 0, "" }, { code, err })
    for _, name in ipairs { "add-team.lua", "add-team_spec.lua", ".luarc.json" } do
      assert.truthy(out:find("wrote " .. directory .. "/plugins/" .. name, 1, true), name)
    end
    system.write_file(directory .. "/gateway.lua", [[
      listen "127.0.0.1:0"
      route "GET /" { upstream = "http://127.0.0.1:9", plugins = { { "add-team" } } }
    ]])
    assert.equal(0, (process.run { gateway.binary(), "check", "-c", directory .. "/gateway.lua" }))
    local passed, said = process.run({ "busted", "--lua=luajit", "-o", "plainTerminal",
      "plugins/add-team_spec.lua" }, { directory = directory })
    assert.matches("3 successes / 0 failures / 0 errors", said)
    assert.equal(0, passed)
  end)

  it("has settings by which editors know the libraries", function()
    new "add-team"
    local settings = system.read_file(directory .. "/plugins/.luarc.json")
    local library = settings:match '"workspace.library": %["([^"]+)"%]'
    assert.is_string(system.read_file(library .. "/moongate/init.lua"))
    assert.matches("^/", library)
    assert.is_nil(library:find("..", 1, true))
  end)

  it("never writes over a file", function()
    new "add-team"
    local path = directory .. "/plugins/add-team.lua"
    system.write_file(path, "mine")
    local code, _, err = new "add-team"
    assert.equal(1, code)
    assert.matches("add%-team%.lua is there already; nothing was written", err)
    assert.equal("mine", system.read_file(path))
  end)

  it("refuses names that are none", function()
    for _, name in ipairs { "Add", "add_team", "../x", "9x", "a b", "add-", "-add", "a--b" } do
      assert.equal(2, (new(name)), name)
    end
  end)
end)
