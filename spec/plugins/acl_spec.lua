local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("acl", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start {
      config = ([[
        listen "127.0.0.1:0"
        plan "small" { routes = { "in-plan" } }
        consumer "reader" { keys = { "k-reader" }, groups = { "staff" }, scopes = { "read" } }
        consumer "writer" { keys = { "k-writer" }, groups = { "staff", "banned" },
          roles = { "editor" }, scopes = { "read", "write" } }
        consumer "nobody" { keys = { "k-nobody" } }
        consumer "planned" { keys = { "k-planned" }, plan = "small" }
        group {
          upstream = "%s",
          plugins = { "key-auth" },
          routes = function()
            route "/consumers" { plugins = { { "acl", consumers = { "reader" } } } }
            route "/groups" { plugins = { { "acl", groups = { "staff", "other" } } } }
            route "/deny" { plugins = { { "acl", deny_groups = { "banned" } } } }
            route "/roles" { plugins = { { "acl", roles = { "editor", "owner" } } } }
            route "/scopes" { plugins = { { "acl", scopes = { "read", "write" } } } }
            route "/methods" { plugins = { { "acl", groups = { "staff" }, methods = {
              GET = { scopes = { "read" } }, POST = { scopes = { "write" } },
            } } } }
            route "/others" { plugins = { { "acl", methods = {
              GET = {}, ["*"] = { roles = { "editor" } },
            } } } }
            route "/in" { name = "in-plan", plugins = { "acl" } }
            route "/out" { plugins = { "acl" } }
          end,
        }
        route "/unidentified" { upstream = "%s", plugins = { "acl" } }
        route "/whoever" { upstream = "%s", plugins = { { "acl", anonymous = true } } }
        route "/claims" { upstream = "%s", plugins = { "claims",
          { "acl", groups = { "g" }, roles = { "r" }, scopes = { "a", "b" } } } }
      ]]):format(origin.url, origin.url, origin.url, origin.url),
      files = { ["plugins/claims.lua"] = [[
        local moongate = require "moongate"
        return { summary = "Has claims.", options = {},
          request = function(_, req)
            req.context.claims = moongate.json.decode(req.headers["x-claims"] or "{}")
          end }
      ]] },
    }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(path, who, method)
    return http.request(moongate.port, { path = path, method = method,
      headers = { ["x-api-key"] = who and "k-" .. who } })
  end

  local function statuses(path, method)
    local list = {}
    for i, who in ipairs { "reader", "writer", "nobody" } do
      list[i] = ask(path, who, method).status
    end
    return list
  end

  it("goes by consumer, groups, roles and scopes", function()
    assert.same({ 200, 403, 403 }, statuses "/consumers")
    assert.same({ 200, 200, 403 }, statuses "/groups")
    assert.same({ 200, 403, 200 }, statuses "/deny")
    assert.same({ 403, 200, 403 }, statuses "/roles")
    assert.same({ 403, 200, 403 }, statuses "/scopes")
  end)

  it("goes by the method, and refuses those that are not there", function()
    assert.same({ 200, 200, 403 }, statuses "/methods")
    assert.same({ 200, 200, 403 }, statuses("/methods", "HEAD"))
    assert.same({ 403, 200, 403 }, statuses("/methods", "POST"))
    assert.same({ 403, 403, 403 }, statuses("/methods", "DELETE"))
    assert.same({ 200, 200, 200 }, statuses "/others")
    assert.same({ 403, 200, 403 }, statuses("/others", "DELETE"))
  end)

  it("lets a plan have its routes alone", function()
    assert.equal(200, ask("/in", "planned").status)
    local answer = ask("/out", "planned")
    assert.equal(403, answer.status)
    assert.matches("not%-in%-plan", answer.body)
    assert.equal(200, ask("/out", "nobody").status)
  end)

  it("refuses those of whom nobody knows who they are, unless it is to let them through", function()
    local answer = ask "/unidentified"
    assert.equal(403, answer.status)
    assert.matches("not%-identified", answer.body)
    assert.equal(200, ask "/whoever".status)
  end)

  it("goes by claims, too", function()
    local function claims(text)
      return http.request(moongate.port, { path = "/claims", headers = { ["x-claims"] = text } })
    end
    assert.equal(200, claims('{"groups":["x","g"],"roles":["r"],"scope":"b c a"}').status)
    assert.equal(200, claims('{"groups":["g"],"roles":"r","scp":["a","b"]}').status)
    assert.equal(403, claims('{"groups":["gg"],"roles":["r"],"scope":"a b"}').status)
    assert.equal(403, claims('{"groups":"g","scope":"a b"}').status)
    assert.equal(403, claims('{"groups":1,"roles":true,"scope":{}}').status)
    local answer = claims '{"groups":["g"],"roles":["r"],"scope":"ab a"}'
    assert.equal(403, answer.status)
    assert.matches("insufficient%-scope", answer.body)
    assert.equal('Bearer error="insufficient_scope", scope="a b"',
      answer.headers["www-authenticate"])
  end)

  it("is refused with rules that cannot be", function()
    refusal.of_each {
      ['"acl", scopes = { "a b" }'] = '"a b" is no scope',
      ['"acl", methods = { get = {} }'] = 'methods has "get"; expected "GET" and the like, or "*"',
      ['"acl", methods = { GET = { group = {} } }'] = "methods.GET.group is not known here",
      ['"acl", groups = "x"'] = 'groups is "x"; expected a list',
    }
  end)
end)
