local explain = require "moongate.explain"

describe("explain", function()
  -- `miss` of a route is what the matcher says about it.
  local function given(routes, change)
    local input = {
      request = { method = "GET", scheme = "http", host = "a.test", path = "/users/7" },
      outcome = "not found", rejected = {}, captures = {}, routes = routes, misses = {},
    }
    for i, route in ipairs(routes) do
      route.at, route.hosts = ("gateway.lua:%d"):format(i), route.hosts or {}
      route.methods, input.misses[i] = route.methods or {}, route.miss or "none"
    end
    for name, value in pairs(change or {}) do input[name] = value end
    return input
  end

  local function whys(routes, change)
    local list = {}
    for i, one in ipairs(explain.table(given(routes, change)).near) do list[i] = one.why end
    return list
  end

  -- Why the second route lost against the first.
  local function lost(winner, loser, change)
    winner.path, loser.path = winner.path or "/users/7", loser.path or "/users/7"
    change = change or {}
    change.outcome, change.winner = "found", 1
    return whys({ winner, loser }, change)[1]
  end

  describe("a route that matches too", function()
    local CASES = {
      { "priority", { priority = 5 }, {}, "its priority is lower: 0 against 5" },
      { "a host", { hosts = { "a.test" } }, {}, "its host is less specific" },
      { "an exact host", { hosts = { "a.test" } }, { hosts = { "*.test" } },
        "its host is less specific" },
      { "a literal", {}, { path = "/users/{id}" }, "its path is less specific: {id} against 7" },
      { "a placeholder", { path = "/{x}/7" }, { path = "/{x*}" },
        "its path is less specific: {x*} against {x}" },
      { "conditions", { headers = { a = "1" }, sni = "x" }, { query = { q = "1" } },
        "it has fewer conditions: 1 against 2" },
      { "a method", { methods = { "GET" } }, {}, "it names no method" },
      { "a predicate", { when = print }, {}, "it has no `when`" },
      { "HEAD", { methods = { "HEAD" } }, { methods = { "GET" } }, "it does not name HEAD" },
      { "text", { headers = { a = "1" } }, { headers = { b = "1" } },
        "it comes second: as many conditions, in order of their text" },
    }
    for _, case in ipairs(CASES) do
      local name, winner, loser, expected = unpack(case)
      it("lost by " .. name, function()
        assert.equal("it matches too, but " .. expected, lost(winner, loser))
      end)
    end

    it("lost by a longer wildcard", function()
      local request = { method = "GET", scheme = "http", host = "x.b.test", path = "/users/7" }
      local winner, loser = { hosts = { "*.b.test" } }, { hosts = { "*.test" } }
      assert.equal("it matches too, but its host is less specific",
        lost(winner, loser, { request = request }))
    end)

    it("lost because its predicate said no", function()
      assert.equal("it matches, but its `when` said no",
        lost({}, { when = print }, { rejected = { [2] = true } }))
    end)
  end)

  describe("a route that does not match", function()
    local CASES = {
      { { miss = "method", methods = { "PUT", "POST" } }, "it takes PUT, POST" },
      { { miss = "header", headers = { ["X-A"] = "1" } },
        'it wants the header X-A = "1"; the request has none' },
      { { miss = "header", headers = { ["X-V"] = "2", a = true } },
        'it wants the header X-V = "2"; the request has "3"' },
      { { miss = "header", headers = { b = true } },
        "it wants the header b; the request has none" },
      { { miss = "query", query = { q = "1" } },
        'it wants the query parameter q = "1"; the request has "2"' },
      { { miss = "sni", sni = "s.test" }, 'it wants the server name s.test; the client sent none' },
      { { miss = "host", hosts = { "b.test", "*.c.test" } },
        'it is for b.test, *.c.test; the request is for "a.test"' },
      { { miss = "path", path = "/users/7/" }, "its path has a slash at the end" },
      { { miss = "path", path = "/users" }, 'its path ends before "/7"' },
      { { miss = "path", path = "/users/7/x" }, 'its path goes on with "/x"' },
      { { miss = "path", path = "/users/me" }, 'it wants "/me" where the path has "/7"' },
    }
    for _, case in ipairs(CASES) do
      local route, expected = unpack(case)
      it("lost: " .. expected, function()
        route.path = route.path or "/users/{id}"
        local request = {
          method = "GET", scheme = "http", host = "a.test", path = "/users/7",
          headers = { ["x-v"] = "3", a = "1" }, query = { q = "2" },
        }
        assert.same({ expected }, whys({ route }, { request = request }))
      end)
    end

    it("lost by the slash that the request ends with", function()
      local request = { method = "GET", scheme = "http", host = "a.test", path = "/users/" }
      local function why(path)
        return whys({ { path = path, miss = "path" } }, { request = request })[1]
      end
      assert.equal("its path has no slash at the end", why "/users")
      assert.equal('it wants "/{id}" where the path has nothing', why "/users/{id}")
    end)

    it("is not near when nothing of its path fits, or its host and path differ", function()
      assert.same({}, whys {
        { path = "/other", miss = "path" },
        { path = "/users", hosts = { "b.test" }, miss = "host" },
      })
    end)
  end)

  it("tells of the nearest, nearest first", function()
    local routes = { { path = "/users/{id}", methods = { "PUT" }, miss = "method" } }
    for i = 1, 20 do routes[#routes + 1] = { path = "/users/x" .. i, miss = "path" } end
    routes[#routes + 1] = { path = "/users/{id}", headers = { a = "1" }, miss = "header" }
    routes[#routes + 1] = { path = "/users/{id}", hosts = { "b.test" }, miss = "host" }
    local near = explain.table(given(routes)).near
    assert.equal(explain.NEAR_MAX, #near)
    local lines = {}
    for i, one in ipairs(near) do lines[i] = one.at:match "%d+" end
    assert.same({ "22", "1", "23", "2", "3" }, lines)
  end)

  describe("the chain", function()
    local function step(name, phases, choose)
      local plugin = { phases = choose }
      for _, phase in ipairs(phases) do plugin[phase] = function() end end
      return { name = name, plugin = plugin, instance = { mode = "short" } }
    end

    it("runs as written on the way in, and backwards on the way out", function()
      local chain = explain.chain {
        step("first", { "request", "response", "log" }), step("second", { "request", "response" }),
        step("third", { "respond", "log" }), step("idle", {}),
      }
      assert.same({
        request = { "first", "second" }, respond = { "third" }, response = { "second", "first" },
        log = { "first", "third" },
      }, chain)
    end)

    it("leaves out the phases that an instance does not need", function()
      local function choose(instance) return { request = instance.mode == "short" } end
      local chain = explain.chain { step("one", { "request", "response" }, choose) }
      assert.same({ request = { "one" } }, chain)
    end)
  end)

  it("is a text", function()
    local routes = {
      { name = "GET /users/{id}", path = "/users/{id}", methods = { "GET" }, upstream = "users" },
      { path = "/{all*}" },
    }
    local result = explain.table(given(routes, {
      outcome = "found", winner = 1, captures = { { "id", "7" } }, forward_path = "/v2/users/7",
      chain = { request = { "key-auth", "transform" }, response = { "transform" } },
    }))
    assert.equal([[
GET http://a.test/users/7
route      GET /users/{id}  (gateway.lua:1)
why        it comes first of the routes that match
param      id = 7
upstream   users
path sent  /v2/users/7
chain
  request         key-auth, transform
  response        transform
came near
  /{all*}  (gateway.lua:2)
    it matches too, but its path is less specific: {all*} against users
]], explain.text(result))
  end)

  it("tells what is answered where no route is found", function()
    local text = explain.text(explain.table(given {}))
    assert.equal("GET http://a.test/users/7\nanswer     404 Not Found\n", text)
    local routes = { { path = "/users/7", methods = { "PUT" }, miss = "method" } }
    text = explain.text(explain.table(given(routes,
      { outcome = "method not allowed", allowed = "PUT" })))
    assert.equal([[
GET http://a.test/users/7
answer     405 Method Not Allowed, Allow: PUT
came near
  PUT /users/7  (gateway.lua:1)
    it takes PUT
]], text)
  end)

  it("says so when nothing else matches", function()
    local routes = { { path = "/users/7" } }
    local result = explain.table(given(routes, { outcome = "found", winner = 1 }))
    assert.equal("no other route matches", result.route.why)
    assert.same({}, result.near)
  end)
end)
