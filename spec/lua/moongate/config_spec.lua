-- The real binary reads the configurations of this file; what it says is the contract.

local gateway = require "spec.support.gateway"

-- Errors of `moongate check`, without the folder; the exit code.
local function errors_of(config, options)
  options = options or {}
  local code, out, err = gateway.run({ "check" },
    { config = config, files = options.files, env = options.env, seconds = 120 })
  local list = {}
  for line in err:gmatch "[^\n]+" do
    list[#list + 1] = line:gsub("/%S-/moongate%-spec%-%w+/", "")
  end
  return list, code, out
end

local GOOD = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
route "GET /users/{id}" { upstream = "users" }
]]

describe("a configuration", function()
  it("that is good is said to be", function()
    local list, code, out = errors_of(GOOD)
    assert.same({}, list)
    assert.equal(0, code)
    assert.truthy(out:find("good; 1 route, 1 upstream, 0 consumers, 1 listener", 1, true))
  end)

  it("gets all its errors at once, in the order of its lines", function()
    local list, code = errors_of [[
listen "127.0.0.1:0"
memroy { counters = "1m" }
memory { counters = "1k" }
limits { heads = 5 }
upstream "users" { "http://127.0.0.1:9", balanc = "least_conn" }
route "GET /a" { upstream = "user" }
route "GET /b" { upstream = "users", plugins = { { "metricz" } } }
route "GET /c" { upstream = "users" }
route "GET /c" { upstream = "users" }
route "GET /d" {}
route "GET d" { upstream = "users" }
use { { "metrics", bucket = 1 } }
]]
    local expected = {
      '^gateway.lua:2: memroy is not known in a configuration; did you mean "memory"%?$',
      '^gateway.lua:3: memory: counters is "1k"; expected between 131072 and 4294967296$',
      '^gateway.lua:4: limits: heads is not known here; did you mean "head"%?$',
      '^gateway.lua:5: upstream "users": balanc is not known here; did you mean "balance"%?$',
      '^gateway.lua:6: route "GET /a": there is no upstream "user"; did you mean "users"%?$',
      '^gateway.lua:7: there is no plugin "metricz"; did you mean "metrics"%?$',
      '^gateway.lua:9: route "GET /c": cannot be told apart from route "GET /c" at '
        .. 'gateway.lua:8; expected another',
      '^gateway.lua:10: route "GET /d": has neither an upstream nor a plugin that answers$',
      '^gateway.lua:11: route "GET d": .*',
      '^gateway.lua:12: metrics: bucket is not known here',
    }
    for i, pattern in ipairs(expected) do assert.matches(pattern, list[i]) end
    assert.equal(#expected, #list)
    assert.equal(1, code)
  end)

  it("has its files sorted as they are read, and lines within them", function()
    local list = errors_of([[
include "routes/*.lua"
upstream "x" {}
listen "127.0.0.1:0"
]], { files = {
      ["routes/b.lua"] = 'route "GET /b" { upstream = "nob" }\nupstream "y" {}\n',
      ["routes/a.lua"] = 'upstream "z" {}\nroute "GET /a" { upstream = "noa" }\n',
    } })
    local places = {}
    for i, line in ipairs(list) do places[i] = line:match "^%S+:%d+" end
    assert.same({ "gateway.lua:2", "routes/a.lua:1", "routes/a.lua:2", "routes/b.lua:1",
      "routes/b.lua:2" }, places)
  end)

  it("that is missing gets one error, with its path once", function()
    local code, _, err = gateway.run { "check", "-c", "/nonexistent/gateway.lua" }
    assert.equal(1, code)
    assert.equal("/nonexistent/gateway.lua: No such file or directory\n", err)
    code, _, err = gateway.run { "run", "-c", "/nonexistent/gateway.lua" }
    assert.equal(1, code)
    assert.equal("/nonexistent/gateway.lua: No such file or directory\n", err)
  end)

  it("may not be a folder", function()
    local code, _, err = gateway.run { "check", "-c", "/" }
    assert.equal(1, code)
    assert.equal("/: it cannot be read; expected a file\n", err)
  end)

  it("has its places named whole, however long its path is", function()
    local folder = ("long-folder-name/"):rep(6)
    local list = errors_of('include "' .. folder .. '*.lua"\n', { files = {
      [folder .. "a.lua"] = "x = = 1",
      [folder .. "b.lua"] = 'listen "127.0.0.1:0"\nerror "raised"',
      [folder .. "c.lua"] = 'plugins "' .. folder .. 'plugins"\n'
        .. 'route "/" { plugins = { "own", "other", "third" } }',
      [folder .. "plugins/own.lua"] = "local x = nil + 1",
      [folder .. "plugins/other.lua"] = "return x x",
      [folder .. "plugins/third/init.lua"] = 'return require "third.part"',
      [folder .. "plugins/third/part.lua"] = 'error "in the part"',
    } })
    for i, expected in ipairs { "a.lua:1: unexpected symbol", "b.lua:2: raised", "", "", "" } do
      assert.equal(folder .. expected, list[i]:sub(1, #folder + #expected))
    end
    local text = table.concat(list, "\n")
    for _, expected in ipairs { "own.lua:1: attempt to perform", "other.lua:1:",
      "third/part.lua:1: in the part" } do
      assert.truthy(text:find(": " .. folder .. "plugins/" .. expected, 1, true), text)
    end
    assert.is_nil(text:find "%.%.%.")
  end)

  it("that is no Lua gets the place, and nothing about what may follow", function()
    assert.same({ "gateway.lua:2: unexpected symbol near '='" },
      (errors_of 'route "GET /a" { upstream = "later" }\nx = = 2\nlisten ":0"\n'))
  end)

  it("that raises gets the place, and nothing is missed that may stand behind it", function()
    assert.same({ "gateway.lua:2: no region" },
      (errors_of 'route "GET /a" { upstream = "later" }\nerror "no region"\n'))
  end)

  it("wants something to listen on", function()
    assert.same({ 'gateway.lua: nothing listens; expected listen ":8080"' }, (errors_of ""))
  end)
end)

describe("a configuration's language", function()
  it("has no io, no ffi, no load, no way out", function()
    for _, name in ipairs { "io", "require", "load", "loadstring", "loadfile", "dofile", "debug",
      "package", "jit", "getfenv", "setfenv", "rawset", "getmetatable", "collectgarbage", "_G",
      "coroutine", "newproxy" } do
      local list, code = errors_of(('listen "127.0.0.1:0"\nlocal x = %s\n'):format(name))
      assert.equal(1, code, name)
      assert.matches("^gateway.lua:2: " .. name .. " is not known in a configuration", list[1])
    end
    assert.matches("attempt to call", (errors_of 'listen ":0"\nos.execute "true"\n')[1])
  end)

  it("has the rest of Lua", function()
    local list = errors_of(GOOD .. [[
      local names = { "a", "b" }
      for i, name in ipairs(names) do
        route(("GET /%s/%d"):format(name, i)) { upstream = "users" }
      end
      assert(math.max(1, 2) == 2 and os.time() > 0 and not pcall(error, "x"))
    ]])
    assert.same({}, list)
  end)

  it("has no globals to write", function()
    assert.same({ "gateway.lua:1: x would be a global; write local x" }, (errors_of "x = 1\n"))
  end)

  it("says where what is raised is no text", function()
    assert.same({ "gateway.lua:1: error() is called with a table; expected a text" },
      (errors_of "error({})\n"))
    assert.same({ "gateway.lua:2: error() is called with nil; expected a text" },
      (errors_of "local function f()\nerror() end\nf()\n"))
  end)

  it("ends an endless loop, caught or not", function()
    for _, loop in ipairs { "while true do end", "while true do pcall(function()\nwhile true do "
      .. "end end) end" } do
      local list, code = errors_of('listen "127.0.0.1:0"\n' .. loop)
      assert.equal(1, code)
      assert.equal(1, #list)
      assert.matches("the configuration ran for too long; an endless loop%?$", list[1])
    end
  end)

  it("explains LuaJIT's limit of constants", function()
    local lines = {}
    for i = 1, 66000 do lines[i] = ('route "GET /r%d" { upstream = "users" }'):format(i) end
    local list, code = errors_of(GOOD .. table.concat(lines, "\n"))
    assert.equal(1, code)
    assert.matches("^gateway.lua:?%d*: the file has more than 65,536 constants %(about 16,000 "
      .. "routes%); split it with include, or declare routes in a loop$", list[1])
  end)

  it("sees a declaration without its table", function()
    assert.same({ 'gateway.lua:4: upstream "orders" has no table after it' },
      (errors_of(GOOD .. 'upstream "orders"\n')))
  end)

  it("lets a setting be set once", function()
    assert.same({ "gateway.lua:5: via is set already at gateway.lua:4; it can be set once" },
      (errors_of(GOOD .. 'via "a"\nvia "b"\n')))
  end)
end)

describe("include", function()
  local ROUTE = 'route "GET /more" { upstream = "users" }'

  it("reads the files that match, seen from the main one", function()
    local _, code, out = errors_of(GOOD .. 'include "routes/*.lua"\ninclude "one.lua"',
      { files = { ["routes/a.lua"] = ROUTE, ["routes/.b.lua"] = "error()",
        ["routes/c.txt"] = "error()", ["one.lua"] = 'route "GET /1" { upstream = "users" }' } })
    assert.equal(0, code)
    assert.truthy(out:find("3 routes", 1, true))
  end)

  it("says when a file is missing, or matches nothing, or comes twice", function()
    assert.same({ "gateway.lua:4: none.lua: No such file or directory" },
      (errors_of(GOOD .. 'include "none.lua"')))
    assert.same({ 'gateway.lua:4: no file matches "none/*.lua"' },
      (errors_of(GOOD .. 'include "none/*.lua"')))
    assert.same({ "gateway.lua:5: a.lua is included already" },
      (errors_of(GOOD .. 'include "a.lua"\ninclude "*a.lua"', { files = { ["a.lua"] = ROUTE } })))
  end)
end)

describe("env and file", function()
  local CONSUMER = 'consumer "a" { keys = { %s } }'

  it("take secrets from the environment and from files", function()
    local list = errors_of(GOOD .. CONSUMER:format 'env "A_KEY", file "b.key"',
      { env = { A_KEY = "one" }, files = { ["b.key"] = "two\n" } })
    assert.same({}, list)
  end)

  it("trim what ends a file, as editors write it", function()
    assert.same({ 'gateway.lua:4: consumer "a" has the same key as consumer "a"' },
      (errors_of(GOOD .. CONSUMER:format '"two", file "b.key"',
        { files = { ["b.key"] = "two\n" } })))
  end)

  it("say what is missing", function()
    local list = errors_of(GOOD .. CONSUMER:format 'env "MOONGATE_NO_SUCH"')
    assert.equal("gateway.lua:4: the environment has no variable MOONGATE_NO_SUCH; set it", list[1])
    list = errors_of(GOOD .. CONSUMER:format 'file "none.key"')
    assert.equal('gateway.lua:4: file "none.key": No such file or directory', list[1])
  end)

  it("are never shown in errors", function()
    local list = errors_of(GOOD .. 'admin { "127.0.0.1:0", token = { env "A_KEY" } }',
      { env = { A_KEY = "hunter2" } })
    assert.equal(1, #list)
    assert.is_nil(table.concat(list):find("hunter2", 1, true))
  end)
end)

describe("group", function()
  local function routes_of(config)
    local code, out, err = gateway.run({ "routes", "--json" }, { config = config })
    assert.same({ 0, "" }, { code, err })
    local list = {}
    for i, route in ipairs(require("cjson").decode(out)) do
      list[i] = ("%s %s %s %s"):format(route.path, route.hosts[1] or "*", route.upstream,
        table.concat(route.plugins, ","))
    end
    return list
  end

  it("gives its routes prefix, host, upstream and plugins, also from within another", function()
    assert.same({
      "/a/b/c in.example.com other metrics,request-id,key-auth",
      "/a/d out.example.com users metrics",
      "/e * users ",
    }, routes_of [[
      listen "127.0.0.1:0"
      upstream "users" { "http://127.0.0.1:9" }
      upstream "other" { "http://127.0.0.1:9" }
      group {
        prefix = "/a", host = "out.example.com", upstream = "users", plugins = { { "metrics" } },
        routes = function()
          group "inner" {
            prefix = "/b", host = "in.example.com", plugins = { { "request-id" } },
            routes = function()
              route "GET /c" { upstream = "other", plugins = { { "key-auth" } } }
            end,
          }
          route "GET /d" {}
        end,
      }
      route "GET /e" { upstream = "users" }
    ]])
  end)

  it("without routes, or without a table, is an error", function()
    assert.same({ "gateway.lua:4: a group has no routes; expected routes = function() ... end" },
      (errors_of(GOOD .. 'group { prefix = "/a" }')))
    assert.same({ 'gateway.lua:4: group "a" has no table after it' },
      (errors_of(GOOD .. 'group "a"')))
  end)

  it("has its options checked once", function()
    assert.same({ 'gateway.lua:4: group: prefx is not known here; did you mean "prefix"?' },
      (errors_of(GOOD .. [[group { prefx = "/a", upstream = "users", routes = function()
        route "GET /1" {}
        route "GET /2" {}
      end }]])))
  end)
end)
