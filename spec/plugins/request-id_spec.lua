local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("request-id", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      use { "request-id" }
      route "/plain/{rest*}" { upstream = "users" }
      route "/trusting/{rest*}" { upstream = "users", plugins = {
        { "request-id", header = "x-correlation-id", trust = true },
      } }
      route "/odd/{rest*}" { upstream = "users", plugins = {
        { "request-id", header = "list", trust = true },
      } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, headers)
    local answer = http.request(moongate.port, { path = path, headers = headers })
    return answer, json.decode(answer.body)
  end

  it("gives each request an id, for the upstream and for the client", function()
    local seen = {}
    for _ = 1, 5 do
      local answer, request = get "/plain/"
      local id = answer.headers["x-request-id"]
      assert.matches("^[%w-]+$", id)
      assert.equal(id, request.headers["x-request-id"])
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("does not believe a client", function()
    local answer, request = get("/plain/", { ["X-Request-Id"] = "mine" })
    assert.is_true(answer.headers["x-request-id"] ~= "mine")
    assert.equal(answer.headers["x-request-id"], request.headers["x-request-id"])
  end)

  it("is the id that errors are reported with", function()
    local answer, problem = get "/nowhere"
    assert.equal(404, answer.status)
    assert.is_truthy(problem.instance:find(answer.headers["x-request-id"], 1, true))
  end)

  it("takes a client's id where it is to", function()
    for _, id in ipairs { "a", ("x"):rep(128), "0af7651916cd43dd:1/2" } do
      local answer, request = get("/trusting/", { ["x-correlation-id"] = id })
      assert.equal(id, answer.headers["x-correlation-id"])
      assert.equal(id, request.headers["x-correlation-id"])
      assert.equal(id, answer.headers["x-request-id"])
    end
  end)

  it("takes it from a field of any name", function()
    local answer, request = get("/odd/", { list = "mine" })
    assert.same({ "mine", "mine" }, { answer.headers.list, request.headers.list })
    answer, request = get "/odd/"
    assert.equal(answer.headers["x-request-id"], answer.headers.list)
    assert.equal(answer.headers.list, request.headers.list)
  end)

  it("takes no id that is none", function()
    for _, id in ipairs { "a b", "", ("x"):rep(129), "caf\195\169" } do
      local answer, request = get("/trusting/", { ["x-correlation-id"] = id })
      local own = answer.headers["x-correlation-id"]
      assert.matches("^[%w-]+$", own)
      assert.is_true(own ~= id)
      assert.equal(own, request.headers["x-correlation-id"])
    end
  end)

  it("is refused with a header that cannot be", function()
    refusal.of_each {
      ['"request-id", header = "x id"'] = 'header "x id" is not a field name',
      ['"request-id", trust = "yes"'] = 'trust is "yes"; expected true or false',
    }
  end)
end)
