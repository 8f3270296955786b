require "spec.support.disk"
local config = require "moongate.config"
local process = require "spec.support.process"
local system = require "spec.support.system"

local HEAD = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
]]

-- The model, or nil and the messages.
local function load(text)
  local directory = system.temporary_directory()
  system.write_file(directory .. "/gateway.lua", HEAD .. text)
  system.write_file(directory .. "/plugins/answer.lua", [[
    return { summary = "S.", options = { n = { type = "integer", help = "" } },
      respond = function() end }
  ]])
  system.write_file(directory .. "/plugins/own.lua", [[
    return { summary = "S.", options = { n = { type = "integer", default = 1, help = "" } },
      request = function() end }
  ]])
  local model, errors = config.load(directory .. "/gateway.lua", { plugin_root = "none" })
  process.remove(directory)
  local messages = {}
  for i, one in ipairs(errors or {}) do
    messages[i] = one.at:match ":(%d+)$" .. ": " .. one.message
  end
  return model, messages
end

local function route(text)
  local model, messages = load(text)
  assert.same({}, messages)
  return model.routes[1]
end

local function wrong(text)
  local _, messages = load(text)
  return table.concat(messages, "\n")
end

describe("a route of a configuration", function()
  it("has a criticality: its own, its group's, the normal one", function()
    local function of(text) return route(text).criticality end
    assert.equal(50, of 'route "/a" { upstream = "users" }')
    assert.equal(75, of 'route "/a" { upstream = "users", criticality = "high" }')
    assert.equal(7, of 'route "/a" { upstream = "users", criticality = 7 }')
    assert.equal("function", type(of [[
      route "/a" { upstream = "users", criticality = function() return "low" end }]]))
    assert.equal(25, of [[group { criticality = "low", upstream = "users", routes = function()
      route "/a" {} end }]])
    assert.equal(100, of [[group { criticality = "low", upstream = "users", routes = function()
      route "/a" { criticality = "critical" } end }]])
    for given, shown in pairs { ['"critcal"'] = '"critcal"', ["0"] = "0", ["101"] = "101",
      ["1.5"] = "1.5", ["true"] = "true" } do
      assert.matches("criticality is " .. shown .. '; expected "critical", "high", "normal", "low"',
        wrong('route "/a" { upstream = "users", criticality = ' .. given .. " }"), 1, true)
    end
    assert.matches('did you mean "critical"',
      wrong 'route "/a" { upstream = "users", criticality = "critcal" }', 1, true)
  end)

  it("has methods, path, and the defaults", function()
    local one = route 'route "GET,POST /a/{id}" { upstream = "users" }'
    assert.same({ "GET", "POST" }, one.methods)
    assert.equal("/a/{id}", one.path)
    assert.equal("GET,POST /a/{id}", one.name)
    assert.same({ connect = 5, response = 60, idle = 60, total = 0 }, one.timeout)
    assert.equal(2, one.retries)
    assert.equal(10485760, one.body_limit)
    assert.is_true(one.upgrade)
    assert.same({}, one.hosts)
    assert.matches(":3$", one.at)
  end)

  it("takes a duration for the whole, or a table of them", function()
    assert.equal(3, route('route "/a" { upstream = "users", timeout = "3s" }').timeout.total)
    local one = route 'route "/a" { upstream = "users", timeout = { connect = "1ms" } }'
    assert.same({ connect = 0.001, response = 60, idle = 60, total = 0 }, one.timeout)
    assert.matches('timeout is "soon"; expected a duration or a table',
      wrong 'route "/a" { upstream = "users", timeout = "soon" }')
    assert.matches("timeout.conect is not known here",
      wrong 'route "/a" { upstream = "users", timeout = { conect = 1 } }')
  end)

  it("takes the limit of bodies from limits, unless it has its own", function()
    assert.equal(5, route('limits { body = 5 }\nroute "/a" { upstream = "users" }').body_limit)
    assert.equal(1024, route('route "/a" { upstream = "users", body_limit = "1k" }').body_limit)
  end)

  it("may name a URL in place of an upstream, which then is one", function()
    local model = load [[
      route "/a" { upstream = "http://a:1" }
      route "/b" { upstream = "http://a:1" }
    ]]
    assert.equal(2, #model.upstreams)
    assert.equal("http://a:1", model.upstreams[2].name)
    assert.matches("upstream: the target is .*; expected",
      wrong 'route "/a" { upstream = "http://a:1/path" }')
  end)

  it("has an upstream or exactly one plugin that answers", function()
    assert.equal("", wrong 'route "/a" { plugins = { { "answer" } } }')
    assert.matches("has neither an upstream nor a plugin that answers", wrong 'route "/a" {}')
    assert.matches("has an upstream and a plugin that answers; expected one of them",
      wrong 'route "/a" { upstream = "users", plugins = { { "answer" } } }')
    assert.matches("has more than one plugin that answers; expected one",
      wrong 'route "/a" { plugins = { { "answer" }, { "answer", n = 2 } } }')
  end)

  it("checks what it rewrites to against its own parameters", function()
    assert.equal("", wrong 'route "/a/{id}" { upstream = "users", rewrite = "/b/{id}" }')
    assert.matches('rewrite "/b/{ix}"',
      wrong 'route "/a/{id}" { upstream = "users", rewrite = "/b/{ix}" }')
  end)

  it("runs use, then groups from outside, then its own", function()
    local one = route [[
      use { { "own", n = 2 } }
      group { plugins = { { "own", n = 3 } }, routes = function()
        group { plugins = { { "own", n = 4 } }, routes = function()
          route "/a" { upstream = "users", plugins = { { "own", n = 5 } } }
        end }
      end }
    ]]
    local order = {}
    for i, step in ipairs(one.plugins) do order[i] = step.instance.n end
    assert.same({ 2, 3, 4, 5 }, order)
  end)

  it("shares instances with equal options, and no others", function()
    local model = load [[
      route "/a" { upstream = "users", plugins = { { "own" } } }
      route "/b" { upstream = "users", plugins = { { "own", n = 1 } } }
      route "/c" { upstream = "users", plugins = { { "own", n = 2 } } }
    ]]
    local function instance(i) return model.routes[i].plugins[1].instance end
    assert.equal(instance(1), instance(2))
    assert.are_not.equal(instance(1), instance(3))
  end)

  it("says of each of two plugins that are written alike what is wrong with them", function()
    local messages = wrong [[
      route "/a" { upstream = "users", plugins = { { "own", on_error = "continue" } } }
      route "/b" { upstream = "users", plugins = { { "own", on_error = "continue" } } }
    ]]
    assert.equal(2, select(2, messages:gsub("is for observers", "")))
  end)

  it("says where its shape is wrong", function()
    assert.matches('3: route "/a": upstrem is not known here; did you mean "upstream"%?',
      wrong 'route "/a" { upstrem = "users" }')
    assert.matches("host is 7; expected a name or a list of names",
      wrong 'route "/a" { upstream = "users", host = 7 }')
    assert.matches("plugins is 7; expected a list",
      wrong 'route "/a" { upstream = "users", plugins = 7 }')
    assert.matches("is 7; expected a table", wrong 'route "/a" (7)')
    assert.matches("retries is 10; expected between 0 and 9",
      wrong 'route "/a" { upstream = "users", retries = 10 }')
  end)
end)
