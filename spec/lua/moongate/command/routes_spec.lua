local cjson = require "cjson"
local gateway = require "spec.support.gateway"

local CONFIG = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
use { { "metrics" } }
route "GET /users/{id}" { upstream = "users", host = "api.example.com", rewrite = "/v2/{id}" }
route "/any" { upstream = "http://127.0.0.1:8", when = function() return true end, priority = 3 }
route "POST,PUT /here" { plugins = { { "answer" } } }
]]

local FILES = { ["plugins/answer.lua"] = [[
return { summary = "Answers.", options = {}, respond = function() end }
]] }

describe("moongate routes", function()
  it("lists routes with where they go", function()
    local code, out, err = gateway.run({ "routes" }, { config = CONFIG, files = FILES })
    assert.same({ 0, "" }, { code, err })
    local rows = {}
    for line in out:gmatch "[^\n]+" do
      rows[#rows + 1] = line:gsub("%s+", " "):gsub("/%S+/gateway.lua", "gateway.lua")
    end
    assert.same({
      "METHOD HOST PATH UPSTREAM PLUGINS AT",
      "GET api.example.com /users/{id} users metrics gateway.lua:4",
      "* * /any http://127.0.0.1:8 metrics gateway.lua:5",
      "POST,PUT * /here (answer) metrics answer gateway.lua:6",
    }, rows)
  end)

  it("lists them for programs", function()
    local code, out = gateway.run({ "routes", "--json" }, { config = CONFIG, files = FILES })
    assert.equal(0, code)
    local list = cjson.decode(out)
    assert.equal(3, #list)
    assert.equal("GET /users/{id}", list[1].name)
    assert.same({ "GET" }, list[1].methods)
    assert.same({ "api.example.com" }, list[1].hosts)
    assert.same({ "metrics" }, list[1].plugins)
    assert.equal("/v2/{id}", list[1].rewrite)
    assert.is_false(list[1].conditional)
    assert.is_true(list[2].conditional)
    assert.equal(3, list[2].priority)
    assert.truthy(out:find('"methods":[]', 1, true))
    assert.same({ "POST", "PUT" }, list[3].methods)
  end)

  it("fails with all errors when the configuration is wrong", function()
    local code, out, err = gateway.run({ "routes" }, { config = 'route "GET /" {}\n' })
    assert.same({ 1, "" }, { code, out })
    assert.matches('gateway%.lua:1: route "GET /": has neither', err)
  end)
end)
