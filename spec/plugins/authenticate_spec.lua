local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("authenticate", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start {
      config = ([[
        listen "127.0.0.1:0"
        upstream "users" { "%s" }
        consumer "mobile" { keys = { "k-mobile" } }
        consumer "guest" {}
        route "/any/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = {
            { "key-auth", consumer_header = "x-user" }, { "key-auth", header = "x-other" },
            { "ip-filter", allow = { "192.0.2.0/24" } },
          } },
        } }
        route "/office/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = {
            { "key-auth", consumer_header = "x-user" }, { "ip-filter", allow = { "127.0.0.1" } },
          } },
        } }
        route "/guests/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = { "key-auth" }, anonymous = "guest" },
        } }
        route "/nobody/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = { "key-auth" }, anonymous = "nobody" },
        } }
        route "/started/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = { "counts-starts" } },
        } }
        route "/started-too/{rest*}" { upstream = "users", plugins = {
          { "authenticate", any = { "counts-starts" } },
        } }
      ]]):format(origin.url),
      files = { ["plugins/counts-starts.lua"] = [[
        local reply = require("moongate").reply
        local starts = 0
        return { summary = "Counts how often it was started.", options = {},
          start = function() starts = starts + 1 end,
          request = function() return reply.text(403, "started " .. starts) end }
      ]] },
    }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, headers)
    return http.request(moongate.port, { path = path, headers = headers })
  end

  local function forwarded(path, headers)
    local answer = get(path, headers)
    assert.equal(200, answer.status)
    return json.decode(answer.body).headers
  end

  it("admits whom any of the plugins admits", function()
    assert.equal("mobile", forwarded("/any/", { ["x-api-key"] = "k-mobile" })["x-user"])
    assert.equal("mobile", forwarded("/any/", { ["x-other"] = "k-mobile" })["x-consumer-name"])
    assert.equal("mobile", forwarded("/any/",
      { ["x-api-key"] = "wrong", ["x-other"] = "k-mobile" })["x-consumer-name"])
  end)

  it("refuses whom none admits, with the challenges of all, each of them once", function()
    local answer = get "/any/"
    assert.equal(401, answer.status)
    assert.matches("missing%-key", answer.body)
    assert.equal("ApiKey", answer.headers["www-authenticate"])
  end)

  it("says of wrong credentials that they are, whatever else is missing", function()
    local answer = get("/any/", { ["x-other"] = "wrong" })
    assert.equal(401, answer.status)
    assert.matches("unknown%-key", answer.body)
  end)

  it("lets nobody claim to be somebody, whichever plugin admits", function()
    local headers = forwarded("/office/",
      { ["x-user"] = "admin", ["X-Consumer-Name"] = "admin", ["x-consumer-groups"] = "root" })
    assert.is_nil(headers["x-user"])
    assert.is_nil(headers["x-consumer-name"])
    assert.is_nil(headers["x-consumer-groups"])
  end)

  it("lets requests without credentials go on as somebody where it is to", function()
    assert.equal("guest", forwarded("/guests/")["x-consumer-name"])
    assert.equal("mobile", forwarded("/guests/", { ["x-api-key"] = "k-mobile" })["x-consumer-name"])
    assert.equal(401, get("/guests/", { ["x-api-key"] = "wrong" }).status)
  end)

  it("refuses them where there is no such consumer", function()
    assert.equal(401, get("/nobody/").status)
    moongate:wait_for_log 'there is no consumer "nobody"'
  end)

  it("starts its plugins, once where they are shared", function()
    assert.equal("started 1", get("/started/").body)
    assert.equal("started 1", get("/started-too/").body)
  end)

  it("is refused with plugins that cannot stand there", function()
    refusal.of_each {
      ['"authenticate"'] = "any is missing",
      ['"authenticate", any = {}'] = "any is empty; expected a list of plugins",
      ['"authenticate", any = { "cors" }'] =
        "authenticate: any[1], cors, cannot stand here: its response phase would not run",
      ['"authenticate", any = { { "key-auth", haeder = "x" } }'] = "key-auth: haeder is not known",
      ['"authenticate", any = { "key-outh" }'] = 'there is no plugin "key-outh"',
      ['"authenticate", any = { { "key-auth", when = function() return true end } }'] =
        "a `when` belongs to the whole",
    }
  end)
end)
