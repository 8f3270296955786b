local ffi = require "ffi"
local matcher = require "spec.support.matcher"
local runtime = require "spec.support.runtime"
local C = runtime.C

describe("route_matcher", function()
  local opened

  before_each(function()
    opened = {}
  end)

  after_each(function()
    for _, made in ipairs(opened) do made:close() end
  end)

  local function empty()
    local made = matcher.new()
    opened[#opened + 1] = made
    return made
  end

  -- Routes are numbered from 1 in the order given.
  local function sealed(routes)
    local made = empty()
    for index, route in ipairs(routes) do
      local added, conflict = made:add(index, route)
      assert(added, ("%d conflicts with %s"):format(index, tostring(conflict)))
    end
    made:seal()
    return made
  end

  -- In both orders: what was written first must not decide. Names are the routes' paths.
  local function winners(routes, request)
    local backwards, names = {}, {}
    for index, route in ipairs(routes) do backwards[#routes + 1 - index] = route end
    for _, list in ipairs { routes, backwards } do
      local found = sealed(list):match(request)
      names[#names + 1] = list[found] and (list[found].name or list[found].path) or found
    end
    return names[1] == names[2] and names[1] or names
  end

  local function paths(...)
    local routes = {}
    for index, path in ipairs { ... } do routes[index] = { path = path } end
    return routes
  end

  it("finds nothing where there is nothing", function()
    assert.equal("not found", (sealed {}:match { path = "/" }))
  end)

  describe("paths", function()
    local CASES = {
      -- pattern, path, captures or false
      { "/", "/", {} },
      { "/", "/a", false },
      { "/a", "/a", {} },
      { "/a", "/a/", false },
      { "/a/", "/a/", {} },
      { "/a/", "/a", false },
      { "/a", "/A", false },
      { "/a", "/ab", false },
      { "/ab", "/a", false },
      { "/a/b", "/a/b", {} },
      { "/a/b", "/a", false },
      { "/a/b", "/a/b/c", false },
      { "/{id}", "/7", { "7" } },
      { "/{id}", "/", false },
      { "/{id}", "/7/", false },
      { "/{id}/", "/7/", { "7" } },
      { "/a/{id}/c", "/a/b/c", { "b" } },
      { "/a/{id}/c", "/a//c", false },
      { "/a/{id}/c", "/a/b/d", false },
      { "/{a}/{b}", "/x%2Fy/z", { "x%2Fy", "z" } },
      { "/files/{rest*}", "/files/", { "" } },
      { "/files/{rest*}", "/files", false },
      { "/files/{rest*}", "/files/a", { "a" } },
      { "/files/{rest*}", "/files/a/b/", { "a/b/" } },
      { "/{rest*}", "/", { "" } },
      { "/{rest*}", "/a/b", { "a/b" } },
      { "/{a}/{rest*}", "/x/y/z", { "x", "y/z" } },
      { "/{a}/{rest*}", "/x", false },
      { "/{a}", "*", false },
      { "/{rest*}", "*", false },
      { "/a", "", false },
      { "/%7Bid%7D", "/%7Bid%7D", {} },
      { "/%7Bid%7D", "/7", false },
      { "/eightbyte", "/eightbytf", false },
      { "/sixteen-bytes-ab", "/sixteen-bytes-ab", {} },
      { "/sixteen-bytes-ab", "/sixteen-bytes-ac", false },
    }
    for _, case in ipairs(CASES) do
      local pattern, path, expected = unpack(case)
      it(("%s %s %s"):format(pattern, expected and "takes" or "does not take", path), function()
        local found, captures = sealed(paths(pattern)):match { path = path }
        assert.equal(expected and 1 or "not found", found)
        assert.same(expected or {}, captures)
      end)
    end

    it("takes the most specific one, segment by segment, from the left", function()
      local all = paths("/a/b", "/a/{x}", "/{x}/b", "/{x}/{y}", "/a/{x*}", "/{x*}")
      local function winner(path) return winners(all, { path = path }) end
      assert.equal("/a/b", winner "/a/b")
      assert.equal("/a/{x}", winner "/a/c")
      assert.equal("/{x}/b", winner "/c/b")
      assert.equal("/{x}/{y}", winner "/c/d")
      assert.equal("/a/{x*}", winner "/a/b/c")
      assert.equal("/a/{x*}", winner "/a/")
      assert.equal("/{x*}", winner "/b/c/d")
      assert.equal("/{x*}", winner "/")
    end)

    it("turns back from a way that leads nowhere, with the right captures", function()
      local made = sealed(paths("/a/b/c/d", "/a/{x}/c/e", "/{w}/{x}/{y}/f", "/{w}/{rest*}"))
      local function captures(path) return select(2, made:match { path = path }) end
      assert.same({}, captures "/a/b/c/d")
      assert.same({ "b" }, captures "/a/b/c/e")
      assert.same({ "a", "b", "c" }, captures "/a/b/c/f")
      assert.same({ "a", "b/c/g" }, captures "/a/b/c/g")
    end)

    it("holds as many captures as it says", function()
      local pattern, path, expected = "", "", {}
      for i = 1, 16 do
        pattern, path = ("%s/{p%d}"):format(pattern, i), ("%s/v%d"):format(path, i)
        expected[i] = "v" .. i
      end
      local _, captures = sealed(paths(pattern)):match { path = path }
      assert.same(expected, captures)
    end)

    it("holds patterns as deep as it says, and shrugs at deeper requests", function()
      local deepest = ("/s"):rep(64)
      local made = sealed(paths(deepest, ("/s"):rep(63) .. "/{rest*}"))
      assert.equal(1, (made:match { path = deepest }))
      assert.equal(2, (made:match { path = deepest .. "/s" }))
      assert.equal(2, (made:match { path = ("/s"):rep(5000) }))
      assert.equal("not found", (made:match { path = ("/s"):rep(63) }))
      assert.equal("not found", (made:match { path = ("/"):rep(5000) }))
    end)

    it("visits each node once, even where every segment forks", function()
      local routes, depth = {}, 10
      for bits = 0, 2 ^ depth - 1 do
        local path = ""
        for i = 0, depth - 1 do
          path = path .. (math.floor(bits / 2 ^ i) % 2 == 0 and "/a" or ("/{p%d}"):format(i))
        end
        routes[#routes + 1] = { path = path .. "/end" }
      end
      local made = sealed(routes)
      assert.equal("not found", (made:match { path = ("/a"):rep(depth) .. "/other" }))
      assert.equal(1, (made:match { path = ("/a"):rep(depth) .. "/end" }))
      assert.equal(2 ^ depth, (made:match { path = ("/b"):rep(depth) .. "/end" }))
    end)
  end)

  describe("hosts", function()
    local ROUTES = {
      { name = "exact", path = "/x", hosts = { "a.example.com" } },
      { name = "long wildcard", path = "/x", hosts = { "*.b.example.com" } },
      { name = "wildcard", path = "/x", hosts = { "*.example.com" } },
      { name = "any", path = "/x" },
      { name = "any, deeper", path = "/x/y" },
      { name = "two", path = "/x", hosts = { "one.test", "*.two.test" } },
    }
    local CASES = {
      ["a.example.com"] = "exact",
      ["a.example.com."] = "exact",
      ["b.example.com"] = "wildcard",
      ["c.example.com"] = "wildcard",
      ["a.a.example.com"] = "wildcard",
      ["a.b.example.com"] = "long wildcard",
      ["z.a.b.example.com"] = "long wildcard",
      ["example.com"] = "any",
      [".example.com"] = "any",
      ["xexample.com"] = "any",
      ["a.example.com.evil"] = "any",
      ["*.example.com"] = "wildcard",
      ["one.test"] = "two",
      ["a.two.test"] = "two",
      ["two.test"] = "any",
      ["."] = "any",
      [""] = "any",
      [("a."):rep(120) .. "example.com"] = "wildcard",
      [("a."):rep(2000) .. "example.com"] = "any",
    }
    for host, expected in pairs(CASES) do
      it(("%s goes to %s"):format(host:sub(1, 40), expected), function()
        assert.equal(expected, winners(ROUTES, { host = host, path = "/x" }))
      end)
    end

    it("leave no captures of another host's paths behind", function()
      local made = sealed {
        { path = "/{x}/b", hosts = { "a.test" } }, { path = "/{x}/c", hosts = { "*.test" } },
        { path = "/{y}/d" }, { path = "/e/f" },
      }
      local function match(path) return { made:match { host = "a.test", path = path } } end
      assert.same({ 3, { "1" } }, { unpack(match "/1/d", 1, 2) })
      assert.same({ 4, {} }, { unpack(match "/e/f", 1, 2) })
    end)

    it("go before paths, and fall back to less specific hosts", function()
      assert.equal("any, deeper", winners(ROUTES, { host = "a.example.com", path = "/x/y" }))
      local routes = { { path = "/{all*}", hosts = { "a.test" } }, { path = "/exact" } }
      assert.equal("/{all*}", winners(routes, { host = "a.test", path = "/exact" }))
    end)
  end)

  describe("methods", function()
    local function methods(...)
      local routes = {}
      for index, list in ipairs { ... } do
        routes[index] = { path = "/x", methods = list, name = table.concat(list, " ") }
      end
      return routes
    end

    it("go before no method", function()
      local routes = methods({ "GET" }, {}, { "PURGE", "POST" })
      assert.equal("GET", winners(routes, { path = "/x" }))
      assert.equal("PURGE POST", winners(routes, { method = "PURGE", path = "/x" }))
      assert.equal("PURGE POST", winners(routes, { method = "POST", path = "/x" }))
      assert.equal("", winners(routes, { method = "DELETE", path = "/x" }))
      assert.equal("", winners(routes, { method = "MKCOL", path = "/x" }))
    end)

    it("are compared as they are written", function()
      local found = winners(methods { "GET" }, { method = "get", path = "/x" })
      assert.equal("method not allowed", found)
    end)

    it("GET takes HEAD, unless a route names it at the same place", function()
      local head = { method = "HEAD", path = "/x" }
      assert.equal("GET", winners(methods { "GET" }, head))
      assert.equal("GET", winners(methods({ "GET" }, {}), head))
      assert.equal("HEAD", winners(methods({ "GET" }, { "HEAD" }), head))
      assert.equal("GET", winners(methods({ "GET" }, { "HEAD" }), { method = "GET", path = "/x" }))
    end)

    it("GET keeps HEAD from a less specific route", function()
      local routes = { { path = "/x", methods = { "GET" } }, { path = "/{all*}" } }
      assert.equal("/x", winners(routes, { method = "HEAD", path = "/x" }))
    end)

    it("a missing one is 405 with what is allowed", function()
      local made = sealed {
        { path = "/x", methods = { "GET" } },
        { path = "/x", methods = { "PUT", "PURGE" } },
        { path = "/{any}", methods = { "OPTIONS" } },
        { path = "/y", methods = { "DELETE" } },
        { path = "/x", methods = { "PATCH" }, headers = { ["x-a"] = "1" } },
      }
      local request = { method = "POST", path = "/x" }
      assert.equal("method not allowed", (made:match(request)))
      assert.equal("GET, HEAD, PUT, OPTIONS, PURGE", made:allowed(request))
      request.headers = { { "X-A", "1" } }
      assert.equal("GET, HEAD, PUT, PATCH, OPTIONS, PURGE", made:allowed(request))
      assert.equal("not found", (made:match { method = "POST", path = "/x/y" }))
    end)

    it("no HEAD comes without GET", function()
      local made = sealed { { path = "/x", methods = { "POST" } } }
      assert.equal("method not allowed", (made:match { method = "HEAD", path = "/x" }))
      assert.equal("POST", made:allowed { method = "HEAD", path = "/x" })
    end)

    it("a less specific route with the method goes before 405", function()
      local routes = {
        { path = "/x", methods = { "PUT" } }, { path = "/{all*}", methods = { "GET" } },
      }
      assert.equal("/{all*}", winners(routes, { path = "/x" }))
    end)

    it("other conditions that fail are 404, not 405", function()
      local made = sealed { { path = "/x", methods = { "PUT" }, headers = { ["x-a"] = true } } }
      assert.equal("not found", (made:match { path = "/x" }))
    end)
  end)

  describe("conditions", function()
    local ROUTES = {
      { name = "plain", path = "/x" },
      { name = "version 2", path = "/x", headers = { ["X-Version"] = "2" } },
      { name = "2 and beta", path = "/x", headers = { ["X-Version"] = "2", ["x-beta"] = true } },
      { name = "query", path = "/x", query = { mode = "a b" } },
      { name = "debug", path = "/x", query = { debug = true } },
      { name = "sni", path = "/x", sni = "a.test" },
      { name = "wildcard sni", path = "/x", sni = "*.b.test" },
    }
    local CASES = {
      { "no field", "plain", {} },
      { "another value", "plain", { headers = { { "x-version", "3" } } } },
      { "the first of two fields", "plain",
        { headers = { { "x-version", "3" }, { "x-version", "2" } } } },
      { "a name in another case", "version 2", { headers = { { "x-VERSION", "2" } } } },
      { "more conditions", "2 and beta", { headers = { { "x-version", "2" }, { "x-beta", "" } } } },
      { "a query value, decoded", "query", { query = "a=1&mode=a+b" } },
      { "an escaped query value", "query", { query = "mode=a%20b" } },
      { "another query value", "plain", { query = "mode=a" } },
      { "the first of two parameters", "plain", { query = "mode=a&mode=a+b" } },
      { "a bad escape", "plain", { query = "mode=%zz" } },
      { "a name without a value", "debug", { query = "debug" } },
      { "an empty value", "debug", { query = "debug=" } },
      { "an empty query", "plain", { query = "" } },
      { "a server name", "sni", { sni = "A.test" } },
      { "another server name", "plain", { sni = "b.test" } },
      { "a wildcard server name", "wildcard sni", { sni = "x.b.test" } },
    }
    for _, case in ipairs(CASES) do
      local name, expected, request = unpack(case)
      it(name .. " goes to " .. expected, function()
        request.path = "/x"
        assert.equal(expected, winners(ROUTES, request))
      end)
    end

    it("as many on both sides go by their text, not by the order written", function()
      local routes = {
        { name = "b", path = "/x", headers = { b = "1" } },
        { name = "a", path = "/x", headers = { a = "1" } },
      }
      local request = { path = "/x", headers = { { "b", "1" }, { "a", "1" } } }
      assert.equal("a", winners(routes, request))
    end)

    it("a value goes before presence", function()
      local routes = {
        { name = "presence", path = "/x", headers = { a = true } },
        { name = "value", path = "/x", headers = { a = "1" } },
      }
      assert.equal("value", winners(routes, { path = "/x", headers = { { "a", "1" } } }))
      assert.equal("presence", winners(routes, { path = "/x", headers = { { "a", "2" } } }))
    end)

    it("a longer path goes before them", function()
      local routes = { { path = "/x/{id}" }, { path = "/{all*}", headers = { a = true } } }
      assert.equal("/x/{id}", winners(routes, { path = "/x/1", headers = { { "a", "1" } } }))
    end)
  end)

  describe("what comes next", function()
    it("is every candidate once, in order", function()
      local made = sealed {
        { path = "/{all*}" },
        { path = "/x", when = true },
        { path = "/{x}", methods = { "GET" } },
        { path = "/x" },
        { path = "/x", hosts = { "a.test" }, when = true },
        { path = "/x", methods = { "POST" } },
        { path = "/x", when = true },
      }
      local found = made:matches { host = "a.test", path = "/x" }
      assert.same({ 5, 2, 7, 4, 3, 1, "method not allowed" }, found)
      assert.same({ 1, "not found" }, made:matches { path = "/other/path" })
    end)

    it("goes by priority first", function()
      local made = sealed {
        { path = "/x" },
        { path = "/x", priority = 5, when = true },
        { path = "/{all*}", priority = 10 },
        { path = "/{x}", priority = 5 },
        { path = "/{x}", priority = -1 },
        { path = "/x", hosts = { "a.test" } },
      }
      local found = made:matches { host = "a.test", path = "/x" }
      assert.same({ 3, 2, 4, 6, 1, 5, "not found" }, found)
      assert.same({ 3, 4, 5, "not found" }, made:matches { path = "/y" })
    end)

    it("says whether a predicate decides", function()
      local _, _, match = sealed({ { path = "/x", when = true } }):match { path = "/x" }
      assert.is_true(match.has_when)
      _, _, match = sealed({ { path = "/x" } }):match { path = "/x" }
      assert.is_false(match.has_when)
    end)

    it("is 405 without the method that a predicate turned down", function()
      local made = sealed {
        { path = "/x", methods = { "GET" }, when = true }, { path = "/x", methods = { "PUT" } },
      }
      assert.same({ 1, "method not allowed" }, made:matches { path = "/x" })
      assert.equal("PUT", made:allowed { path = "/x" })
    end)
  end)

  describe("conflicts", function()
    local function conflict(one, other)
      local made = empty()
      one.path, other.path = one.path or "/x", other.path or "/x"
      assert.is_true((made:add(7, one)))
      local added, with = made:add(8, other)
      assert.equal(added, with == nil)
      return with
    end

    local SAME = {
      { "the same path", {}, {} },
      { "other names", { path = "/a/{x}/{y*}" }, { path = "/a/{z}/{w*}" } },
      { "a method in common", { methods = { "GET", "PUT" } }, { methods = { "PUT", "POST" } } },
      { "an unknown method in common", { methods = { "PURGE" } }, { methods = { "PURGE" } } },
      { "a host in common", { hosts = { "a.test", "b.test" } }, { hosts = { "b.test" } } },
      { "a wildcard host", { hosts = { "*.test" } }, { hosts = { "*.test" } } },
      { "the same conditions", { headers = { a = "1", b = true }, query = { q = "2" }, sni = "s" },
        { query = { q = "2" }, headers = { B = true, A = "1" }, sni = "s" } },
      { "the same priority", { priority = 3 }, { priority = 3 } },
    }
    for _, case in ipairs(SAME) do
      it(case[1] .. " cannot be told apart", function()
        assert.equal(7, conflict(case[2], case[3]))
      end)
    end

    local APART = {
      { "a trailing slash", {}, { path = "/x/" } },
      { "a placeholder", { path = "/{x}" }, { path = "/{x*}" } },
      { "methods", { methods = { "GET" } }, { methods = { "PUT" } } },
      { "HEAD and GET", { methods = { "GET" } }, { methods = { "HEAD" } } },
      { "a method and none", { methods = { "GET" } }, {} },
      { "hosts", { hosts = { "a.test" } }, { hosts = { "b.test" } } },
      { "a host and any", { hosts = { "a.test" } }, {} },
      { "a host and a wildcard", { hosts = { "a.test" } }, { hosts = { "*.a.test" } } },
      { "a header's value", { headers = { a = "1" } }, { headers = { a = "2" } } },
      { "a header's value and presence", { headers = { a = "1" } }, { headers = { a = true } } },
      { "an empty value and presence", { headers = { a = "" } }, { headers = { a = true } } },
      { "a header and a parameter", { headers = { a = "1" } }, { query = { a = "1" } } },
      { "a parameter's case", { query = { a = "1" } }, { query = { A = "1" } } },
      { "a server name", { sni = "a.test" }, {} },
      { "a predicate", { when = true }, {} },
      { "two predicates", { when = true }, { when = true } },
      { "priority", { priority = 1 }, {} },
    }
    for _, case in ipairs(APART) do
      it(case[1] .. " tells routes apart", function()
        assert.is_nil(conflict(case[2], case[3]))
      end)
    end

    it("leave nothing behind", function()
      local made = empty()
      made:add(1, { path = "/x", hosts = { "b.test" }, headers = { a = "1" } })
      local route = { path = "/x", hosts = { "a.test", "b.test" }, headers = { a = "1" } }
      assert.is_false((made:add(2, route)))
      made:add(3, { path = "/x", headers = { z = "9" } })
      made:seal()
      local request = { path = "/x", host = "a.test", headers = { { "a", "1" }, { "z", "9" } } }
      assert.same({ 3, "not found" }, made:matches(request))
      request.host = "b.test"
      assert.same({ 1, 3, "not found" }, made:matches(request))
    end)

    it("a host given twice is not one", function()
      assert.is_true((empty():add(1, { path = "/x", hosts = { "a.test", "a.test" } })))
    end)

    it("too many routes for one host and path are refused", function()
      local made = empty()
      for i = 1, 1024 do
        assert(made:add(i, { path = "/x", headers = { tenant = tostring(i) } }))
      end
      local added, conflict_index = made:add(1025, { path = "/x", headers = { tenant = "last" } })
      assert.is_false(added)
      assert.equal(0xffffffff, conflict_index)
      made:seal()
      assert.equal(777, (made:match { path = "/x", headers = { { "tenant", "777" } } }))
    end)
  end)

  describe("why not", function()
    local made
    before_each(function()
      made = sealed {
        { path = "/x/{id}", methods = { "GET" }, hosts = { "a.test", "*.b.test" },
          headers = { a = "1" }, query = { q = true }, sni = "s.test" },
        { path = "/y" },
      }
    end)

    local function why(change, index)
      local request = {
        host = "a.test", path = "/x/1", headers = { { "a", "1" } }, query = "q=1", sni = "s.test",
      }
      for name, value in pairs(change) do request[name] = value end
      return made:why_not(request, index or 1)
    end

    it("names the first thing that does not fit", function()
      assert.equal("none", why {})
      assert.equal("none", why { host = "c.b.test" })
      assert.equal("none", why { method = "HEAD" })
      assert.equal("host", why { host = "b.test" })
      assert.equal("host", why { host = "b.test", path = "/z", method = "PUT" })
      assert.equal("path", why { path = "/x" })
      assert.equal("path", why { path = "/x", host = "c.b.test" })
      assert.equal("method", why { method = "PUT" })
      assert.equal("header", why { headers = {} })
      assert.equal("query", why { query = "p=1" })
      assert.equal("server name", why { sni = "t.test" })
      assert.equal("path", why({}, 2))
      assert.equal("none", why({ path = "/y" }, 2))
    end)
  end)

  describe("with very many routes", function()
    -- So many parents of the same texts that some of them share a hash of 32 bits.
    local PARENTS, CHILDREN = 100000, { "a", "b" }

    local function add_children(made, parent)
      local pattern, conflict = ffi.new "struct route_pattern", ffi.new "uint32_t[1]"
      for i, child in ipairs(CHILDREN) do
        local path = ("/%d/%s"):format(parent, child)
        pattern.route = parent * 2 + i
        pattern.path.start, pattern.path.length = path, #path
        assert(C.route_matcher_add(made.handle, pattern, conflict))
      end
    end

    it("finds each, and takes the memory that it says", function()
      local made = empty()
      for parent = 1, PARENTS do add_children(made, parent) end
      made:seal()
      local one, match = made:subject { path = "/" }, ffi.new "struct route_match"
      local wrong = 0
      for parent = 1, PARENTS do
        local path = ("/%d/a"):format(parent)
        one.head.path.start, one.head.path.length = path, #path
        local outcome = C.route_matcher_match(made.handle, one.subject, match)
        if outcome ~= 0 or match.route ~= parent * 2 + 1 then wrong = wrong + 1 end
      end
      assert.equal(0, wrong)
      assert.equal("not found", (made:match { path = "/100001/a" }))
      local bytes = tonumber(C.route_matcher_bytes(made.handle)) / (2 * PARENTS)
      assert.is_true(bytes < 120, ("%.0f bytes a route"):format(bytes))
    end)
  end)
end)
