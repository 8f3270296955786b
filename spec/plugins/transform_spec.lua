local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("transform", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" { keys = { "k" } }
      route "/headers/{rest*}" { upstream = "users", plugins = { { "transform",
        response = {
          remove_headers = { "x-gone" },
          rename_headers = { ["x-old"] = "x-new" },
          set_headers = { ["x-set"] = "{status} {response:x-source} {header:x-asked}",
                          ["x-none"] = "{response:x-nothing}" },
          add_headers = { ["x-add"] = "second" },
        } } } }
      route "/status/{code}" { upstream = "users", plugins = {
        { "transform", response = { status = 202 } } } }
      route "/locked" { upstream = "users", plugins = {
        { "transform", response = { status = 202, set_headers = { ["x-set"] = "1" } } },
        "key-auth" } }
      route "/plain/{id}/{rest*}" { upstream = "users", plugins = { { "transform",
        remove_headers = { "x-gone" },
        rename_headers = { ["x-old"] = "x-new", ["x-gone"] = "x-back" },
        set_headers = { ["x-set"] = "{param:id} of {method}", ["x-who"] = "{consumer}",
                        ["x-kind"] = "{query:kind}",
                        ["x-fixed"] = "a {{id} b" },
        add_headers = { ["x-add"] = "second", ["x-none"] = "{header:x-nothing}" },
      } } }
      route "/query/{id}" { upstream = "users", plugins = { { "transform",
        set_query = { id = "{param:id}", page = "1", who = "{consumer}" },
        remove_query = { "secret", "id" },
      } } }
      route "/path/{id}/{rest*}" { upstream = "users", plugins = { { "transform",
        path = "/v2/{rest*}/of/{id}-{query:kind}" } } }
      route "/up/{rest*}" { upstream = "users", plugins = { { "transform",
        path = "/a/{query:to*}/b" } } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, headers)
    return http.request(moongate.port, { path = path, headers = headers })
  end

  -- What went upstream.
  local function forwarded(path, headers)
    local answer = get(path, headers)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  it("removes, renames, sets and adds headers of the request, in this order", function()
    local request = forwarded("/plain/7/", {
      { "X-Gone", "1" }, { "X-Old", "2" }, { "x-old", "3" }, { "x-new", "4" }, { "X-Set", "5" },
      { "x-set", "6" }, { "x-add", "first" },
    })
    assert.is_nil(request.headers["x-gone"])
    assert.is_nil(request.headers["x-back"])
    assert.is_nil(request.headers["x-old"])
    assert.same({ "2", "3" }, request.headers["x-new"])
    assert.equal("7 of GET", request.headers["x-set"])
    assert.equal("a {id} b", request.headers["x-fixed"])
    assert.same({ "first", "second" }, request.headers["x-add"])
  end)

  it("removes what has no value, instead of letting the client's through", function()
    local request = forwarded("/plain/7/", { ["x-who"] = "admin", ["x-none"] = "1" })
    assert.is_nil(request.headers["x-who"])
    assert.equal("1", request.headers["x-none"])
  end)

  it("lets no value break out of its header", function()
    local request = forwarded "/plain/7/?kind=%20a%0d%0ax-evil:%201%00"
    assert.equal("a%0D%0Ax-evil: 1%00", request.headers["x-kind"])
    assert.is_nil(request.headers["x-evil"])
  end)

  it("leaves no blank where a value is missing, or ends with nothing", function()
    local answer = get("/headers/x-source=s")
    assert.same({ 200, "200 s" }, { answer.status, answer.headers["x-set"] })
    answer = get("/headers/x-other=s", { { "x-asked", "q" }, { "X-Asked", "" } })
    assert.same({ 200, "200  q," }, { answer.status, answer.headers["x-set"] })
  end)

  it("changes the query", function()
    assert.equal("/query/a%20b?x=1&id=a%20b&page=1",
      forwarded("/query/a%20b?secret=1&id=9&x=1&secret=2&who=admin").target)
  end)

  it("makes a path of values, each of which stays what it was", function()
    assert.equal("/v2/a/b/of/7-x", forwarded("/path/7/a/b?kind=x").target:match "^[^?]*")
    assert.equal("/v2/a%23/of/c%3Fd-%2Fx%25",
      forwarded("/path/c%3fd/a%23?kind=/x%25").target:match "^[^?]*")
  end)

  it("lets no value climb out of its place in the path", function()
    for _, to in ipairs { "..", "x/../..", "%2e%2e", "%2e%2e%2fx", "." } do
      local answer = get("/up/?to=" .. to)
      assert.equal(400, answer.status, to)
      assert.matches("bad%-path", answer.body)
    end
    assert.equal("/a/x/y..z/b", forwarded("/up/?to=x/y..z").target:match "^[^?]*")
  end)

  it("changes the headers of the answer", function()
    local answer = get("/headers/x-gone=1&X-Old=2&x-set=3&x-add=first&x-source=s&x-none=4",
      { ["x-asked"] = "q" })
    assert.equal(200, answer.status)
    assert.is_nil(answer.headers["x-gone"])
    assert.is_nil(answer.headers["x-old"])
    assert.equal("2", answer.headers["x-new"])
    assert.equal("200 s q", answer.headers["x-set"])
    assert.same({ "first", "second" }, answer.headers["x-add"])
    assert.is_nil(answer.headers["x-none"])
  end)

  it("changes the status of the upstream's answers, not of the gateway's errors", function()
    assert.equal(202, get("/status/404").status)
    local answer = get "/locked"
    assert.equal(401, answer.status)
    assert.equal("1", answer.headers["x-set"])
    assert.equal(202, get("/locked", { ["x-api-key"] = "k" }).status)
  end)

  it("leaves the status of an answer without a body, for which a client may ask", function()
    for _, status in ipairs { 304, 204, 304 } do
      assert.equal(status, get("/status/" .. status).status)
    end
    assert.equal(202, get("/status/404").status)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"transform", set_headers = { ["x y"] = "1" }'] = 'header "x y" is not a field name',
      ['"transform", set_headers = { x = "a\\nb" }'] = 'header "x" would get a value that no',
      ['"transform", set_headers = { x = "{consmer}" }'] =
        'there is no {consmer}; did you mean "consumer"?',
      ['"transform", set_headers = { x = "{haeder:a}" }'] = "there is no {haeder:a}",
      ['"transform", remove_headers = { "content-length" }'] = "written by the gateway itself",
      ['"transform", rename_headers = { x = "y z" }'] = 'header "y z" is not a field name',
      ['"transform", path = "v2"'] = 'path is "v2"; expected a path that begins with a slash',
      ['"transform", path = "/v2?a=b"'] = "expected a path that begins",
      ['"transform", response = { status = 99 }'] = "response.status is 99; expected between",
      ['"transform", response = { set_haeders = {} }'] = "response.set_haeders is not known here",
      ['"transform", response = { add_headers = { ["x:"] = "1" } }'] = 'header "x:" is not',
      ['"transform", set_query = { a = "{nobody}" }'] = "there is no {nobody}",
    }
  end)
end)
