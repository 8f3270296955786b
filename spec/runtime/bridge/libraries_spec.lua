local gateway = require "spec.support.gateway"
local probe = require "spec.support.probe"

describe("libraries", function()
  -- Whether a plugin whose new() runs `during` loads, and what is said otherwise.
  local function load(during)
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading(during),
    })
    return code == 0, err
  end

  it("are there for require, with their functions alone", function()
    local all = { body = "request", fetch = "call target", gather = "wait",
      task = "join sleep spawn" }
    for name, functions in pairs(all) do
      local ok, err = load(([[
        local names = {}
        for name, value in pairs(require "moongate.core.%s") do
          assert(type(value) == "function")
          names[#names + 1] = name
        end
        table.sort(names)
        assert((" " .. table.concat(names, " ")):find(" %s", 1, true), table.concat(names, " "))
      ]]):format(name, functions))
      assert.is_true(ok, err)
    end
  end)

  it("are no more than are named", function()
    local ok, err = load [[require "moongate.core.nothing"]]
    assert.is_false(ok)
    assert.matches("moongate.core.nothing", err)
  end)

  it("raise for arguments of other kinds, and crash for none", function()
    for _, call in ipairs { "fetch.target()", "fetch.target 'a b'", "fetch.call()",
      "fetch.call(-1, 'GET', '/', 'a', {}, nil, 0, 0, 0)", "task.sleep()", "task.sleep {}",
      "task.spawn()", "task.join()", "task.join(7)",
      "gather.wait()", "body.request()" } do
      local library = call:match "^%a+"
      local ok, err = load(("local %s = require 'moongate.core.%s' %s"):format(library, library,
        call))
      assert.is_false(ok, call)
      assert.matches("gateway.lua:2", err)
    end
  end)
end)
