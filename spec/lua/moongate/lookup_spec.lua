local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("lookup", function()
  local moongate

  local function ask(path, headers)
    return http.request(moongate.port, { path = path, headers = headers }).body
  end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      local function listed(lookup)
        local texts = {}
        for _, name, value in lookup:each() do texts[#texts + 1] = name .. ">" .. value end
        return table.concat(texts, "|")
      end
      says("/query", function(req) return listed(req.query) end)
      says("/first", function(req) return req.query.a, req.query.none, req.query:get "list" end)
      says("/all", function(req)
        return table.concat(req.query:all "a", ","), #req.query:all "none", #req.query:list()
      end)
      says("/changed", function(req)
        req.query.a, req.query["b c"], req.query.gone = 2, "x&y=", nil
        return listed(req.query), req.query_string
      end)
      says("/cookies", function(req) return listed(req.cookies), req.cookies.a end)
      says("/set-cookie", function(req) req.cookies.a = "1" end)
      says("/params/{one}/{rest*}", function(req)
        return listed(req.params), req.params.one, req.params.none
      end)
      says("/set-params/{one}", function(req) req.params.one = "1" end)
      says("/nothing", function(req)
        return #req.query:list() + #req.cookies:list() + #req.params:list()
      end)
      local kept
      says("/keep", function(req) kept = req.query return "kept" end)
      says("/kept/{how}", function(req)
        if req.params.how == "get" then return kept.a end
        if req.params.how == "list" then return #kept:list() end
        kept.a = 1
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("reads names and values in their order, decoded", function()
    assert.equal("a>1|b c>d&e|f>|a>2", ask "/query?a=1&b+c=d%26e&f&a=2")
    assert.equal("0", ask "/nothing")
  end)

  it("finds the first value of a name, or all", function()
    assert.equal("1 nil x", ask "/first?a=1&a=2&list=x")
    assert.equal("1,2 0 3", ask "/all?a=1&b=3&a=2")
  end)

  it("changes the query that goes upstream", function()
    local answer = ask "/changed?a=1&gone=1&a=3"
    assert.matches("a>2", answer)
    assert.truthy(answer:find("b c>x&y=", 1, true))
    assert.is_nil(answer:find "gone")
    assert.is_nil(answer:find "a[>=]3")
  end)

  it("reads cookies", function()
    assert.equal("a>1|b>x=y|a>2 1", ask("/cookies", { Cookie = "a=1; b=x=y; a=2" }))
  end)

  it("reads what the path captured", function()
    assert.equal("one>a b|rest>c/d a b nil", ask "/params/a%20b/c/d")
  end)

  it("cannot set what the client sent", function()
    assert.matches("cannot be set: it is what the client sent", ask "/set-cookie")
    assert.matches("cannot be set: it is what the client sent", ask "/set-params/x")
  end)

  it("is gone with its request", function()
    ask "/keep?a=1"
    for _, how in ipairs { "get", "list", "set" } do
      assert.matches("has already been answered", ask("/kept/" .. how))
    end
  end)
end)
