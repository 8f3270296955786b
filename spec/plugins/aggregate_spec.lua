--- aggregate: parts side by side, parts that wait for others, and what failing ones cost.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local latches = require "spec.support.latch"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- What the upstream says, by path: status, body, fields, seconds to wait before.
local ANSWERS = {
  ["/profile"] = { 200,
    ' { "id" : 12345678901234567890.10, "name":"A/B ü?", "x":{"y":[7,"z"]} } ' },
  ["/orders"] = { 200, "[1.0,2e3]" },
  ["/null"] = { 200, "null" },
  ["/none"] = { 204, "" },
  ["/accepted"] = { 202, '{"later":true}' },
  ["/slow"] = { 200, '"late"', nil, 0.3 },
  ["/held"] = { 200, '"held"' }, -- until the latch is open
  ["/never"] = { 200, '"never"', nil, 60 },
  ["/broken"] = { 200, '{"a":01}' },
  ["/bytes"] = { 200, '"\255"' },
  ["/open"] = { 200, '{"a":[1,2}' },
  ["/comma"] = { 200, '{"a":1,}' },
  ["/two"] = { 200, "1 2" },
  ["/numbers"] = { 200, "[0,-0,0.50,-1.5E+10,10,1e400]" },
  ["/deep"] = { 200, ("["):rep(129) .. ("]"):rep(129) },
  ["/html"] = { 200, "<html>" },
  ["/big"] = { 200, '"' .. ("x"):rep(5000) .. '"' },
  ["/a"] = { 200, '{"k":"a","s":1.10,"only_a":[]}' },
  ["/b"] = { 200, '{"\\u006b":"b","only_b":{}}' },
  ["/long"] = { 200, "[" .. ('{"k":[1,"two",null]},'):rep(40000) .. "0]" },
  ["/blanks"] = { 200, "\r\n\t {\n}  \n" },
  ["/long-blanks"] = { 200, (" "):rep(70000) .. "[1 ]" .. ("\n"):rep(70000) },
  ["/long-text"] = { 200, "[" .. ('"\195\169",1,'):rep(30000) .. "0]" },
  ["/long-broken"] = { 200, "[" .. ("1,"):rep(40000) .. "]" },
  ["/long-bytes"] = { 200, '"' .. ("x"):rep(70000) .. '\255"' },
  ["/401"] = { 401, "{}", { ["WWW-Authenticate"] = "Basic" } },
  ["/429"] = { 429, "{}", { ["Retry-After"] = "7" } },
}

local latch = latches.new()

-- For /says, the path that a field of the request names.
local function path_of(request)
  local path = request.target:match "^[^?]*"
  return path == "/says" and request.headers["x-says"] or path
end

local function answer_of(request, path)
  return ANSWERS[path] or { tonumber(path:match "^/(%d%d%d)$") or 200,
    json.encode { target = request.target, body = request.body or "", headers = request.headers,
      method = request.method } }
end

local function handler(connection)
  while true do
    local request = connection:read_request()
    if not request then return end
    local path = path_of(request)
    local answer = answer_of(request, path)
    if answer[4] then connection:sleep(answer[4]) end
    if path == "/held" then connection:await(latch.is_open) end
    if not connection:answer(answer[1], answer[3], answer[2]) then return end
  end
end

describe("aggregate", function()
  local upstream, moongate

  setup(function() upstream = peer.start(handler) end)
  teardown(function() peer.stop_all() end)
  after_each(function() gateway.stop_all() end)

  -- A gateway whose /go/{user}, or that path, aggregates as `options` say; "u" is the upstream.
  local function start(options, path)
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "u" { "%s" }
      upstream "dead" { "http://127.0.0.1:1", failures = 1000 }
      consumer "ann" { keys = { "k1" } }
      route "%s" { plugins = { { "aggregate", %s } } }
    ]]):format(upstream.url, path or "/go/{user}", options) }
  end

  local function get(path, headers)
    return http.request(moongate.port, { path = path or "/go/7", headers = headers })
  end

  local function body_of(options, path, headers)
    start(options)
    local answer = get(path, headers)
    assert.equal(200, answer.status, answer.body)
    assert.equal("application/json", answer.headers["content-type"])
    return answer.body
  end

  local function check(options)
    local code, _, err = gateway.run({ "check" }, { config = ([[
      listen "127.0.0.1:0"
      route "/go/{user}" { plugins = { { "aggregate", %s } } }
    ]]):format(options) })
    return code, err
  end

  it("puts parts together byte for byte, sorted by name", function()
    assert.equal([[{"orders":[1.0,2e3],]]
      .. [["profile":{ "id" : 12345678901234567890.10, "name":"A/B ü?", "x":{"y":[7,"z"]} }}]],
      body_of [[parts = { profile = "http://u/profile", orders = { "http://u/orders" } }]])
  end)

  it("merges members where asked, the last name winning", function()
    assert.equal('{"k":"b","s":1.10,"only_a":[],"only_b":{},"o":[1.0,2e3]}',
      body_of [[merge = "merge", parts = { a = "http://u/a", b = "http://u/b",
        o = "http://u/orders", n = "http://u/null" }]])
  end)

  it("takes any 2xx, and nothing at all as null", function()
    assert.equal('{"a":{"later":true},"n":null,"z":[0,-0,0.50,-1.5E+10,10,1e400]}',
      body_of [[parts = { a = { "http://u/accepted", required = true },
        n = { "http://u/none", required = true }, z = "http://u/numbers" }]])
  end)

  it("leaves blanks around a value out", function()
    assert.equal('{"a":{\n},"b":[1 ]}',
      body_of [[parts = { a = "http://u/blanks", b = "http://u/long-blanks" }]])
  end)

  it("takes long texts that are not ASCII", function()
    assert.equal('{"a":' .. ANSWERS["/long-text"][2] .. "}",
      body_of [[parts = { a = "http://u/long-text" }]])
  end)

  it("ends with a required part while a long document may still be checked", function()
    start [[parts = { a = "http://u/long", b = { "http://u/{query:b}", required = true } }]]
    for _ = 1, 5 do
      assert.equal(404, get("/go/1?b=404").status)
      assert.equal(200, get("/go/1?b=e").status)
    end
  end)

  it("checks long documents, too", function()
    local answer = json.decode(body_of [[parts = { a = "http://u/long-broken",
      b = "http://u/long-bytes" }]])
    assert.same({ { part = "a", reason = "not-json", status = 200 },
      { part = "b", reason = "not-json", status = 200 } }, answer.errors)
  end)

  it("extracts", function()
    assert.equal('{"i":12345678901234567890.10,"z":"z"}', body_of [[parts = {
      i = { "http://u/profile", extract = "id" }, z = { "http://u/profile", extract = "x.y.1" } }]])
  end)

  it("extracts nothing from nothing", function()
    local answer = json.decode(body_of [[parts = { a = { "http://u/none", extract = "x" },
      b = { "http://u/null", extract = "x" } }]])
    assert.same({ a = json.null, b = json.null,
      errors = { { part = "b", reason = "nothing-extracted", status = 200 } } }, answer)
  end)

  it("never sends what frames messages, whatever is configured", function()
    for _, value in ipairs { "7", "{user}" } do
      start(([[parts = { a = { "http://u/e", headers = { ["Content-Length"] = "%s" } } }]]):format(
        value))
      assert.equal(500, get().status)
      assert.equal(500, get().status)
      moongate:stop()
    end
    local answer = json.decode(body_of([[forward_headers = { "content-length", "x-a" },
      parts = { a = "http://u/e" }]], nil, { ["x-a"] = "1", ["content-length"] = "0" }))
    assert.equal("1", answer.a.headers["x-a"])
    assert.is_nil(answer.a.headers["content-length"])
  end)

  it("hands values from part to part, escaped for where they stand", function()
    local answer = json.decode(body_of([[parts = {
      p = "http://u/profile",
      q = { "http://u/e/{p.name}/{user}?i={p.id}&n={p.name}&u={user}&page={query:page}",
        headers = { ["x-id"] = "<{p.x.y.0}>" } },
      r = { "http://u/e/{q.method}", method = "PUT",
        body = { id = "{p.id}", list = "{p.x.y}", text = "n: {p.name}\"", n = 5,
          none = "{query:no}", sub = { user = "{user}" } } },
      s = { "http://u/e", body = "a={p.name}",
        headers = { ["content-type"] = "application/x-www-form-urlencoded" } },
    }]], '/go/a%2F%22b?page=2%263'))
    assert.equal("/e/A%2FB%20%C3%BC%3F/a%2F%22b?i=12345678901234567890.10"
      .. "&n=A%2FB%20%C3%BC%3F&u=a%2F%22b&page=2%263", answer.q.target)
    assert.equal("<7>", answer.q.headers["x-id"])
    assert.equal("/e/GET", answer.r.target)
    assert.equal("PUT", answer.r.method)
    assert.equal("application/json", answer.r.headers["content-type"])
    assert.equal([[{"id":12345678901234567890.10,"list":[7,"z"],"n":5,"none":null,]]
      .. [["sub":{"user":"a/\"b"},"text":"n: A/B ü?\""}]], (answer.r.body:gsub("\\/", "/")))
    assert.equal("POST", answer.s.method)
    assert.equal("a=A%2FB%20%C3%BC%3F", answer.s.body)
  end)

  it("takes long documents without holding the others up", function()
    start [[parts = { a = { "http://u/long", required = true } }, timeout = "30s"]]
    assert.equal(#ANSWERS["/long"][2] + #'{"a":}', #get().body)
  end)

  it("runs parts side by side, each as soon as it can", function()
    upstream:forget()
    start [[timeout = "30s", parts = { a = "http://u/held", b = "http://u/held",
      c = "http://u/held", d = "http://u/held", quick = "http://u/profile",
      after = "http://u/held?{quick.id}" }]]
    local client = http.connect(moongate.port)
    client:send(http.format { path = "/go/1" })
    upstream:wait_for_requests(6)
    latch.open()
    local answer = client:read_response()
    assert.equal(200, answer.status)
    assert.is_nil(json.decode(answer.body).errors)
  end)

  it("waits for all that a part needs", function()
    local answer = json.decode(body_of [[parts = {
      one = "http://u/profile", two = { "http://u/slow" }, three = "http://u/e?{one.id}",
      four = { "http://u/e?{three.method}&{one.x.y.1}" },
      five = "http://u/e?{four.method}{three.method}",
    }]])
    assert.equal("/e?GET&z", answer.four.target)
    assert.equal("/e?GETGET", answer.five.target)
  end)

  it("sends no blanks around a field of which a value is missing", function()
    local answer = json.decode(body_of([[parts = { a = { "http://u/e", headers = {
      ["x-one"] = "{header:x-none} v {header:x-list}", ["x-two"] = "{header:x-none} " } } }]], nil,
      { { "x-list", "a" }, { "X-List", "" } })).a.headers
    assert.equal("v a,", answer["x-one"])
    assert.equal("", answer["x-two"])
  end)

  it("forwards the fields that are listed and no other", function()
    local answer = json.decode(body_of([[forward_headers = { "X-Tenant" },
      parts = { a = { "http://u/e", headers = { ["x-own"] = "v" } } }]], nil,
      { ["x-tenant"] = "t1", authorization = "Basic x", cookie = "c=1" })).a.headers
    assert.equal("t1", answer["x-tenant"])
    assert.equal("v", answer["x-own"])
    assert.is_nil(answer.authorization)
    assert.is_nil(answer.cookie)
    assert.equal("u", answer.host)
  end)

  it("sends a part's own fields in the place of those that all get", function()
    local answer = json.decode(body_of([[forward_headers = { "accept", "Host", "x-tenant" },
      parts = { a = "http://u?x={user}", b = { "http://u/e", headers = { ["X-Tenant"] = "{user}",
        host = "b.example", Accept = "application/x" } } }]], nil,
      { ["x-tenant"] = "t1", accept = "text/x", host = "a.example" }))
    local a, b = answer.a.headers, answer.b.headers
    assert.equal("/?x=7", answer.a.target)
    assert.same({ "t1", "text/x", "a.example" }, { a["x-tenant"], a.accept, a.host })
    assert.same({ "7", "application/x", "b.example" }, { b["x-tenant"], b.accept, b.host })
  end)

  -- Where nothing but its parts makes an answer, C gives it from the second request on.
  describe("without Lua", function()
    local function ask(says) return get("/go/7", { ["x-says"] = says }) end

    -- What each plugin of the route has been called, as metrics tell it.
    local function await_calls(count)
      wait.that(function()
        local text = http.request(moongate.admin_port, { path = "/metrics" }).body
        return text:match 'moongate_plugin_calls_total{plugin="aggregate",route="[^"]*"} (%d+)'
          == tostring(count)
      end, 20, count .. " calls")
    end

    it("answers as before, and counts each call once", function()
      start [[forward_headers = { "x-says" }, parts = {
        a = "http://u/says", b = { "http://u/says", required = true } }]]
      for round = 1, 3 do
        for _, path in ipairs { "/orders", "/blanks", "/null", "/none", "/long-text" } do
          local answer = ask(path)
          local value = ANSWERS[path][2]:match "^%s*(.-)%s*$"
          if value == "" then value = "null" end
          assert.same({ 200, "application/json", ('{"a":%s,"b":%s}'):format(value, value) },
            { answer.status, answer.headers["content-type"], answer.body }, path)
        end
        for path, status in pairs { ["/401"] = 401, ["/429"] = 429, ["/broken"] = 502,
          ["/bytes"] = 502, ["/long-bytes"] = 502 } do
          local answer = ask(path)
          assert.equal(status, answer.status, path)
          assert.equal("b", json.decode(answer.body).part)
          assert.equal(path == "/429" and "7" or nil, answer.headers["retry-after"])
        end
        await_calls(10 * round)
      end
    end)

    it("lists what failed, and has defaults", function()
      start [[forward_headers = { "x-says" }, parts = {
        a = { "http://u/says", default = { 1 } }, b = { "http://u/orders", required = true } }]]
      for _ = 1, 3 do
        assert.equal('{"a":[],"b":[1.0,2e3]}', (ask("/a").body:gsub("^{\"a\":{.-}", '{"a":[]')))
        assert.equal('{"a":[1],"b":[1.0,2e3],"errors":['
          .. '{"part":"a","reason":"status","status":401}]}', ask("/401").body)
      end
      await_calls(6)
    end)

    it("fails when its time is over, and goes on when a client leaves", function()
      start [[forward_headers = { "x-says" }, timeout = "300ms", parts = {
        a = { "http://u/says", required = true }, b = { "http://u/orders", required = true } }]]
      assert.equal(200, ask("/a").status)
      assert.equal(504, ask("/never").status)
      assert.equal(200, ask("/a").status)
      for _ = 1, 3 do
        local client = http.connect(moongate.port)
        client:send(http.format { path = "/go/7", headers = { ["x-says"] = "/never" } })
        client:close()
      end
      assert.equal(200, ask("/a").status)
      await_calls(7)
    end)

    it("does not answer for a plugin that only makes use of it", function()
      moongate = gateway.start { config = ([[
        listen "127.0.0.1:0"
        upstream "u" { "%s" }
        route "/go" { plugins = { { "picky", parts = { a = "http://u/orders" } } } }
      ]]):format(upstream.url), files = { ["plugins/picky.lua"] = [[
        local aggregate, reply = require "aggregate", require "moongate.reply"
        local picky = { summary = "S.", options = aggregate.options, new = aggregate.new }
        function picky:respond(req)
          if req.headers["x-no"] then return reply.text(403, "no") end
          return aggregate.respond(self, req)
        end
        return picky
      ]] } }
      for _ = 1, 3 do
        assert.equal('{"a":[1.0,2e3]}', get("/go").body)
        assert.equal(403, get("/go", { ["x-no"] = "1" }).status)
      end
    end)

    it("lets other plugins see the answer", function()
      moongate = gateway.start { config = ([[
        listen "127.0.0.1:0"
        upstream "u" { "%s" }
        route "/go" { plugins = {
          { "transform", response = { set_headers = { ["x-t"] = "1" } } },
          { "aggregate", parts = { a = "http://u/orders" } } } }
        route "/key" { plugins = { { "key-auth" },
          { "aggregate", parts = { a = "http://u/orders" } } } }
        consumer "ann" { keys = { "k1" } }
      ]]):format(upstream.url) }
      for _ = 1, 4 do
        local answer = get "/go"
        assert.same({ 200, "1", '{"a":[1.0,2e3]}' },
          { answer.status, answer.headers["x-t"], answer.body })
        assert.equal(401, get("/key").status)
        assert.equal(200, get("/key", { ["x-api-key"] = "k1" }).status)
      end
    end)
  end)

  it("goes on without an optional part, and says so", function()
    local answer = json.decode(body_of [[parts = {
      a = "http://u/500", b = { "http://dead/x", default = { 1 } }, c = "http://u/broken",
      d = { "http://u/never", timeout = "50ms", default = "late" }, e = "http://u/e?{a.id}",
      f = { "http://u/never", when = function(req) return req.headers["x-f"] ~= nil end },
      g = { "http://u/never", when = function() return false end, default = 5 },
      ok = "http://u/orders" }]])
    assert.same({ a = json.null, b = { 1 }, c = json.null, d = "late", e = json.null, g = 5,
      ok = { 1, 2000 }, errors = {
        { part = "a", reason = "status", status = 500 },
        { part = "b", reason = "upstream-refused" },
        { part = "c", reason = "not-json", status = 200 },
        { part = "d", reason = "timeout" },
        { part = "e", reason = "no-value" },
      } }, answer)
  end)

  it("has no list of errors where none is wanted", function()
    assert.equal('{"a":null}', body_of [[errors = "", parts = { a = "http://u/500" }]])
    moongate:stop()
    assert.equal('{"a":null,"oops":[{"part":"a","reason":"status","status":500}]}',
      body_of [[errors = "oops", parts = { a = "http://u/500" }]])
  end)

  it("fails with a required part, with the status that says why", function()
    for given, status in pairs {
      ['"http://u/401"'] = 401, ['"http://u/403"'] = 403, ['"http://u/404"'] = 404,
      ['"http://u/410"'] = 410, ['"http://u/429"'] = 429, ['"http://u/503"'] = 503,
      ['"http://u/500"'] = 502, ['"http://u/400"'] = 502, ['"http://u/302"'] = 502,
      ['"http://dead/"'] = 502, ['"http://u/html"'] = 502, ['"http://u/bytes"'] = 502,
      ['"http://u/open"'] = 502, ['"http://u/comma"'] = 502, ['"http://u/two"'] = 502,
      ['"http://u/deep"'] = 502, ['"http://u/profile", extract = "x.no"'] = 502,
      ['"http://u/big", limit = "1k"'] = 502, ['"http://u/never", timeout = "20ms"'] = 504,
      ['"http://u/e/{opt.id}"'] = 502,
    } do
      start(("parts = { opt = 'http://u/500', must = { %s, required = true } }"):format(given))
      local answer = get()
      assert.equal(status, answer.status, given)
      assert.equal("application/problem+json", answer.headers["content-type"])
      assert.equal("must", json.decode(answer.body).part)
      assert.equal(given:find "401" and "Basic" or nil, answer.headers["www-authenticate"])
      assert.equal(given:find "429" and "7" or nil, answer.headers["retry-after"])
      moongate:stop()
    end
  end)

  it("ends at once with a required part that fails, and in its whole time", function()
    start [[timeout = "2s", parts = { a = "http://u/never",
      b = { "http://u/{query:b}", required = true }, c = { "http://u/never?{b.target}" } }]]
    local began = system.now()
    assert.equal(404, get("/go/1?b=404").status)
    assert.is_true(system.now() - began < 1.9)
    began = system.now()
    assert.same({ { part = "a", reason = "timeout" },
      { part = "c", reason = "timeout" } }, json.decode(get("/go/1?b=e").body).errors)
    local seconds = system.now() - began
    assert.is_true(seconds > 1.95 and seconds < 20, "took " .. seconds)
  end)

  it("takes parameters of any name", function()
    start([[parts = { a = { "http://u/e/{list}/{get}" } }]], "/go/{list}/{get}")
    assert.equal("/e/b/c", json.decode(get("/go/b/c").body).a.target)
  end)

  it("does not let a value leave its segment", function()
    start [[parts = { a = { "http://u/e/{query:x}/end", required = true } }]]
    assert.equal(502, get "/go/1?x=..".status)
    assert.equal(502, get "/go/1?x=".status)
    assert.equal(502, get("/go/1").status)
    assert.equal("/e/..%2Fx%3F/end", json.decode(get("/go/1?x=..%2Fx%3F").body).a.target)
  end)

  it("fails when a predicate raises, whatever else there is", function()
    for _, parts in ipairs {
      [[a = "http://u/slow", b = { "http://u/e", when = function() error "no" end }]],
      [[a = { "http://u/e", when = function() error "no" end }]],
    } do
      start("parts = { " .. parts .. " }")
      assert.equal(500, get().status)
    end
  end)

  it("is checked when the configuration is read", function()
    local function refused(options, pattern)
      local code, err = check(options)
      assert.equal(1, code)
      assert.matches(pattern, err)
    end
    refused("parts = {}", "parts is empty")
    refused([[parts = { a = "http://u/{b.x}", b = "http://u/{c.x}", c = "http://u/{a.x}" }]],
      "wait for each other: a %-> b %-> c %-> a")
    refused([[parts = { a = "http://u/{a.x}" }]], "wait for each other: a %-> a")
    refused([[parts = { profile = "http://u/", b = "http://u/{profil.id}" }]],
      'parts%.b: {profil%.id} names the part "profil".*did you mean "profile"')
    refused([[parts = { a = "http://{user}/" }]], "brace in its host")
    refused([[parts = { a = "ftp://u/" }]], "is not an address")
    refused([[parts = { a = "http://x@u/" }]], "is not an address")
    refused([[parts = { a = {} }]], "parts%.a: its address is missing")
    refused([[parts = { a = { "http://u/", requird = true } }]], 'did you mean "required"')
    refused([[parts = { a = "http://u/{user" }]], "lone brace")
    refused([[parts = { errors = "http://u/" }]], 'part is called "errors"')
    refused([[parts = { a = { "http://u/", headers = { ["a b"] = "c" } } }]], "a b")
    local many = {}
    for i = 1, 33 do many[i] = ("p%d = 'http://u/'"):format(i) end
    refused("parts = { " .. table.concat(many, ",") .. " }", "33 entries; expected at most 32")
    assert.equal(0, (check [[parts = { a = "http://u/{user}" }]]))
  end)
end)
