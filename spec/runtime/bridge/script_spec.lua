local gateway = require "spec.support.gateway"
local process = require "spec.support.process"
local system = require "spec.support.system"

describe("script", function()
  -- A copy of the program whose Lua is what a spec says.
  local function run(command)
    local directory = system.temporary_directory()
    os.execute(("mkdir -p '%s/bin' '%s/share/moongate/lua/moongate'"):format(directory, directory))
    os.execute(("cp '%s' '%s/bin/moongate'"):format(gateway.binary(), directory))
    local lua = directory .. "/share/moongate/lua/moongate/"
    system.write_file(lua .. "init.lua", "return {}")
    system.write_file(lua .. "command.lua", command)
    local code, out, err = process.run { directory .. "/bin/moongate", "check", "-c", "x" }
    process.remove(directory)
    return code, out, err
  end

  it("runs the main function, whose number is the exit code", function()
    local code, out, err = run [[
      return { main = function(arguments, generation, plugin_root)
        print(type(generation), plugin_root:match "share/moongate/plugins$", #arguments)
        return 7
      end }
    ]]
    assert.same({ 7, "" }, { code, err })
    assert.matches("^userdata share/moongate/plugins %d+\n$", (out:gsub("\t", " ")))
  end)

  it("says what it raised, and where", function()
    for _, command in ipairs { "error 'at load'",
      "return { main = function() error 'in main' end }",
      "return { main = function() error {} end }", "return {}" } do
      local code, out, err = run(command)
      assert.same({ 1, "" }, { code, out })
      assert.matches("^moongate: ", err)
    end
    assert.matches("command.lua:1: in main\nstack traceback",
      (select(3, run "return { main = function() error 'in main' end }")))
  end)
end)
