local cjson = require "cjson"
local gateway = require "spec.support.gateway"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local GOOD = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
consumer "a" { keys = { "k" } }
route "GET /users/{id}" { upstream = "users" }
]]

describe("moongate check", function()
  it("counts what is there", function()
    local code, out, err = gateway.run({ "check" }, { config = GOOD })
    assert.same({ 0, "" }, { code, err })
    assert.matches("gateway%.lua: good; 1 route, 1 upstream, 1 consumer, 1 listener\n$", out)
  end)

  it("counts for programs", function()
    local code, out = gateway.run({ "check", "--json" }, { config = GOOD })
    local said = cjson.decode(out)
    assert.equal(0, code)
    assert.matches("/gateway%.lua$", said.files[1])
    said.files = nil
    assert.same({ ok = true, routes = 1, upstreams = 1, consumers = 1, listeners = 1 }, said)
  end)

  it("holds what is sent upstream against the path, each route's own", function()
    local code, out, err = gateway.run({ "check" }, { config = [[
      listen "127.0.0.1:0"
      upstream "users" { "http://127.0.0.1:9" }
      for i, rewrite in ipairs { "/b/{id}", "/b/{ix}", "/{id}.json", "/b/{id" } do
        route("GET /a" .. i .. "/{id}") { upstream = "users", rewrite = rewrite }
      end
    ]] })
    assert.same({ 1, "" }, { code, out })
    assert.matches('rewrite "/b/{ix}" has the unknown placeholder {ix}; the route\'s path has {id}',
      err, 1, true)
    assert.matches('rewrite "/b/{id" has an unclosed placeholder', err, 1, true)
    local _, count = err:gsub("rewrite ", "")
    assert.equal(2, count)
  end)

  it("tells programs file, line and message of each error", function()
    local code, out, err = gateway.run({ "check", "--json" },
      { config = 'listn ":1"\nroute "GET /" { upstream = "x" }\n' })
    assert.same({ 1, "" }, { code, err })
    local said = cjson.decode(out)
    assert.is_false(said.ok)
    assert.equal(3, #said.errors)
    assert.equal('nothing listens; expected listen ":8080"', said.errors[1].message
      :gsub("^.*gateway%.lua: ", ""))
    assert.equal(1, said.errors[2].line)
    assert.matches("^/.*/gateway%.lua$", said.errors[2].file)
    assert.equal('listn is not known in a configuration; did you mean "listen"?',
      said.errors[2].message)
    assert.equal(2, said.errors[3].line)
  end)

  it("has no side effects: no socket, no file, no start()", function()
    local server = assert(socket.listen "127.0.0.1")
    local directory = gateway.directory {
      config = ('listen "127.0.0.1:%d"\nroute "GET /" { plugins = { { "touch" } } }\n')
        :format(server:port()),
      files = { ["plugins/touch.lua"] = [[
        return { summary = "Writes.", options = {},
          start = function() io.open("started", "w"):close() end,
          respond = function() end }
      ]] },
    }
    local code, _, err = process.run({ gateway.binary(), "check", "-c", "gateway.lua" },
      { directory = directory })
    local _, listing = process.run({ "find", ".", "-type", "f" }, { directory = directory })
    process.remove(directory)
    server:close()
    assert.same({ 0, "" }, { code, err })
    local names = {}
    for name in listing:gmatch "[^\n]+" do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "./gateway.lua", "./plugins/touch.lua" }, names)
  end)

  it("reads certificates, and says which one cannot be read", function()
    local code, _, err = gateway.run({ "check" }, { config = [[
      listen { "127.0.0.1:0", tls = { cert = "none.pem", key = "none.key" } }
    ]] })
    assert.equal(1, code)
    assert.matches("gateway%.lua:1: .*none%.%a+: No such file", err)
  end)

  it("reads conf/gateway.lua unless told otherwise", function()
    local directory = system.temporary_directory()
    local code, _, err = process.run({ gateway.binary(), "check" }, { directory = directory })
    process.remove(directory)
    assert.equal(1, code)
    assert.equal("conf/gateway.lua: No such file or directory\n", err)
  end)
end)
