local cjson = require "cjson"
local gateway = require "spec.support.gateway"

local CONFIG = [[
listen "127.0.0.1:0"
upstream "users" { "http://127.0.0.1:9" }
use { { "metrics" } }
route "GET /users/{id}" { upstream = "users", rewrite = "/v2/users/{id}" }
route "GET /users/me" { upstream = "users" }
route "GET /beta" { upstream = "users", headers = { ["x-beta"] = "1" } }
route "GET /when" { upstream = "users", when = function(req) return req.query.on == "1" end }
route "GET /sni" { upstream = "users", sni = "a.example.com" }
route "POST /users/{id}" { upstream = "users", host = "*.example.com" }
]]

local function explain(...)
  local arguments = { "explain", ... }
  arguments[#arguments + 1] = "--json"
  local code, out, err = gateway.run(arguments, { config = CONFIG })
  assert.same({ 0, "" }, { code, err })
  return cjson.decode(out)
end

describe("moongate explain", function()
  it("names the winner, what it captured, and what goes upstream", function()
    local said = explain("GET", "http://api.example.com:8080/users/7")
    assert.equal("found", said.outcome)
    assert.equal("GET /users/{id}", said.route.name)
    assert.same({ { name = "id", value = "7" } }, said.captures)
    assert.equal("/v2/users/7", said.forward_path)
    assert.equal("users", said.upstream)
    assert.same({ "metrics" }, said.chain.log)
  end)

  it("says who came near, and why they lost", function()
    local said = explain("GET", "/users/me")
    assert.equal("GET /users/me", said.route.name)
    local near = {}
    for _, one in ipairs(said.near) do near[one.name] = one.why end
    assert.matches("its path is less specific: {id} against me", near["GET /users/{id}"])
  end)

  it("normalises the path as the gateway does", function()
    assert.equal("GET /users/me", explain("GET", "/a/..//users/./me").route.name)
  end)

  it("looks at headers, query, SNI, host and predicates", function()
    assert.equal("not found", explain("GET", "/beta").outcome)
    assert.equal("GET /beta", explain("GET", "/beta", "-H", "X-Beta: 1").route.name)
    assert.equal("not found", explain("GET", "/when?on=0").outcome)
    assert.equal("GET /when", explain("GET", "/when?on=1").route.name)
    assert.equal("not found", explain("GET", "/sni").outcome)
    assert.equal("GET /sni", explain("GET", "/sni", "--sni", "a.example.com").route.name)
    assert.equal("POST /users/{id}", explain("POST", "http://b.example.com/users/1").route.name)
  end)

  it("tells what is allowed where the method is not", function()
    local said = explain("DELETE", "/users/7")
    assert.equal("method not allowed", said.outcome)
    assert.matches("GET", said.allowed)
  end)

  it("tells people the same", function()
    local code, out = gateway.run({ "explain", "GET", "/users/7" }, { config = CONFIG })
    assert.equal(0, code)
    assert.truthy(out:find("GET /users/{id}", 1, true))
    assert.truthy(out:find("/v2/users/7", 1, true))
  end)

  it("refuses what is no request", function()
    local code, _, err = gateway.run({ "explain", "GET", "users" }, { config = CONFIG })
    assert.equal(2, code)
    assert.matches('"users" is no URL; expected', err)
    code, _, err = gateway.run({ "explain", "GET", "/", "-H", "nocolon" }, { config = CONFIG })
    assert.equal(2, code)
    assert.matches('"nocolon" is no header', err)
    code, _, err = gateway.run({ "explain", "GET", "/%00" }, { config = CONFIG })
    assert.equal(1, code)
    assert.matches("malformed: the gateway answers 400", err)
  end)
end)
