local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local refusal = require "spec.support.refusal"
local system = require "spec.support.system"

describe("mock", function()
  local moongate

  setup(function()
    moongate = gateway.start { config = [[
      listen "127.0.0.1:0"
      local function mock(path, options)
        options[1] = "mock"
        route(path) { plugins = { options } }
      end
      mock("/nothing", {})
      mock("/text", { body = "hello {{there}", status = 418 })
      mock("/html", { body = "<p>", headers = { ["Content-Type"] = "text/html", ["x-a"] = "1" } })
      mock("/echo/{name}", { body = "{param:name} by {method} of {query:q}.",
        headers = { ["x-name"] = "<{param:name}>", ["x-none"] = "{header:x-none}" } })
      mock("/json", { json = { id = 7, tags = { "a", "b" }, nested = { {} } }, status = 201 })
      mock("/json/{id}", { json = { id = "{param:id}", q = "{query:q}", n = 1.5, ok = true } })
      mock("/none/{id}", { json = { q = "{query:q}" } })
      mock("/string", { json = "{query:q}" })
      mock("/fixed", { body = "fixed", headers = { ["x-q"] = "{query:q}" } })
      mock("/empty", { status = 204, headers = { ["x-a"] = "1" } })
      mock("/slow", { delay = "150ms", body = "late" })
    ]] }
  end)

  teardown(function() gateway.stop_all() end)

  local function get(path, method)
    return http.request(moongate.port, { path = path, method = method })
  end

  it("answers 200 with nothing", function()
    local answer = get "/nothing"
    assert.equal(200, answer.status)
    assert.equal("", answer.body)
    assert.equal("0", answer.headers["content-length"])
    assert.is_nil(answer.headers["content-type"])
  end)

  it("answers with a status and a text", function()
    local answer = get "/text"
    assert.equal(418, answer.status)
    assert.equal("hello {there}", answer.body)
    assert.equal("text/plain; charset=utf-8", answer.headers["content-type"])
  end)

  it("answers with headers, its type among them", function()
    local answer = get "/html"
    assert.equal("text/html", answer.headers["content-type"])
    assert.equal("1", answer.headers["x-a"])
    assert.equal("<p>", answer.body)
  end)

  it("fills in what the request has", function()
    local answer = get "/echo/b%20c?q=1"
    assert.equal("b c by GET of 1.", answer.body)
    assert.equal("<b c>", answer.headers["x-name"])
    assert.is_nil(answer.headers["x-none"])
    assert.equal("d by POST of .", get("/echo/d", "POST").body)
  end)

  it("fills in a header of a body that is always the same", function()
    assert.equal("1", get "/fixed?q=1".headers["x-q"])
    assert.equal("2", get "/fixed?q=2".headers["x-q"])
  end)

  it("answers with JSON", function()
    local answer = get "/json"
    assert.equal(201, answer.status)
    assert.equal("application/json", answer.headers["content-type"])
    assert.same({ id = 7, tags = { "a", "b" }, nested = { {} } }, json.decode(answer.body))
  end)

  it("fills in strings of JSON, out of which nothing breaks", function()
    assert.same({ id = "7", q = 'x","ok":false,"y":"\\', n = 1.5, ok = true },
      json.decode(get("/json/7?q=x%22,%22ok%22:false,%22y%22:%22%5c").body))
    assert.equal('{"q":""}', get("/none/7").body)
    assert.equal('"a\\nb"', get("/string?q=a%0ab").body)
  end)

  it("has no body where there can be none", function()
    local answer = get "/empty"
    assert.equal(204, answer.status)
    assert.equal("1", answer.headers["x-a"])
    assert.equal("", get("/text", "HEAD").body or "")
  end)

  it("waits as long as it is to", function()
    local since = system.now()
    assert.equal("late", get "/slow".body)
    assert.is_true(system.now() - since >= 0.15)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each({
      ['"mock", body = "a", json = {}'] = "body and json are both given",
      ['"mock", body = "a", status = 204'] = "an answer with status 204 has no body",
      ['"mock", json = 1, status = 304'] = "an answer with status 304 has no body",
      ['"mock", status = 100'] = "status is 100; expected between 200 and 599",
      ['"mock", headers = { ["a b"] = "c" }'] = 'header "a b" is not a field name',
      ['"mock", headers = { ["content-length"] = "1" }'] = "written by the gateway itself",
      ['"mock", headers = { a = "b\\nc" }'] = 'header "a" would get a value that no field may have',
      ['"mock", headers = { a = "{nobody}" }'] = "headers.a: there is no {nobody}",
      ['"mock", body = "{nobody}"'] = "there is no {nobody}",
      ['"mock", json = { f = function() end }'] = "json: ",
      ['"mock", delay = "1 s"'] = "expected a duration",
      ['"mock", delay = "2h"'] = "delay is",
    }, false)
  end)

  it("is refused beside an upstream", function()
    assert.matches("has an upstream and a plugin that answers", refusal.of_plugin '"mock"')
  end)
end)
