local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("boot", function()
  after_each(gateway.stop_all)

  it("forgets what only building needs", function()
    local moongate = gateway.start {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loaded" } }',
      files = { ["plugins/loaded.lua"] = [[
        local moongate = require "moongate"
        local loaded = { summary = "Says which modules there are.", options = {} }
        function loaded:respond()
          local names = {}
          for name in pairs(package.loaded) do names[#names + 1] = name end
          table.sort(names)
          return moongate.reply.text(200, table.concat(names, "\n"))
        end
        return loaded
      ]] },
    }
    local names = "\n" .. http.request(moongate.port, {}).body .. "\n"
    for _, name in ipairs { "moongate.config", "moongate.config.routes", "moongate.build",
      "moongate.router", "moongate.chain" } do
      assert.is_nil(names:find("\n" .. name .. "\n", 1, true), name)
    end
    assert.truthy(names:find("\nmoongate.dispatch\n", 1, true))
  end)

  it("says which file cannot be read, and where a file is wrong", function()
    local code, _, err = gateway.run { "check", "-c", "/nowhere/gateway.lua" }
    assert.equal(1, code)
    assert.truthy(err:find("/nowhere/gateway.lua", 1, true))
    code, _, err = gateway.run({ "check" }, { config = "listen '127.0.0.1:0'\nroute (" })
    assert.equal(1, code)
    assert.matches("gateway.lua:2", err)
    code, _, err = gateway.run({ "check" }, { config = "listen '127.0.0.1:0'\nerror 'mine'" })
    assert.equal(1, code)
    assert.matches("gateway.lua:2: [^\n]*mine", err)
  end)

  it("names plain paths in tracebacks", function()
    local moongate = gateway.start { files = probe.files, config = [==[
      listen "127.0.0.1:0"
      route "/" { plugins = { { "answer", on_respond = function(req, m)
        return m.reply.problem()
      end } } }
    ]==] }
    assert.equal(500, http.request(moongate.port, {}).status)
    local trace = moongate:wait_for_log "[^\n]*moongate/reply.lua[^\n]*"
    assert.is_nil(trace:find("/../", 1, true))
  end)
end)
