local matcher = require "spec.support.matcher"
local router = require "moongate.router"
local runtime = require "spec.support.runtime"

local C = runtime.C
local ffi = require "ffi"

runtime.include "http/uri.h"

describe("router", function()
  local arena, opened

  before_each(function()
    arena, opened = runtime.new_arena(), {}
  end)

  after_each(function()
    for _, made in ipairs(opened) do made:close() end
    C.arena_clear(arena)
  end)

  local function normalise(path)
    local normal = ffi.new "struct slice[1]"
    if not C.uri_normalise_path(runtime.slice(path), arena, normal) then return nil end
    return runtime.text(normal[0])
  end

  -- Adds to a real matcher; what was added is left in `patterns`.
  local function compile(routes)
    local made, patterns = matcher.new(), {}
    opened[#opened + 1] = made
    for i, route in ipairs(routes) do route.at = route.at or ("gateway.lua:%d"):format(i) end
    local errors = router.compile(routes, {
      normalise = normalise,
      add = function(pattern)
        patterns[#patterns + 1] = pattern
        pattern.when = pattern.route.when
        local added, conflict = made:add(pattern.index, pattern)
        return added or nil, conflict
      end,
    })
    made:seal()
    return errors, patterns, made
  end

  local function messages(...)
    local list = {}
    for i, one in ipairs((compile { ... })) do list[i] = one.message end
    return list
  end

  describe("paths", function()
    local NORMAL = {
      ["/a%2Db"] = "/a-b",
      ["/a%2fb"] = "/a%2Fb",
      ["/%7Eme/{id}"] = "/~me/{id}",
      ["/{a}/%61/{b*}"] = "/{a}/a/{b*}",
      ["/x/"] = "/x/",
      ["/"] = "/",
      ["/%7bid%7d"] = "/%7Bid%7D",
      ["/x/{_a1}"] = "/x/{_a1}",
    }
    for path, expected in pairs(NORMAL) do
      it(("%s becomes %s"):format(path, expected), function()
        local errors, patterns = compile { { path = path } }
        assert.same({}, errors)
        assert.equal(expected, patterns[1].path)
      end)
    end

    local WHOLE = "expected a placeholder to be all of it, as in \"/{name}\""
    local NAME = "expected a name of a-z, 0-9 and _, as in {name} or {name*}"
    local SEGMENTS = "has empty, \".\" or \"..\" segments, which paths of requests never have"
    local ESCAPE = "has a malformed escape, or one of a control character"
    local BAD = {
      ["/users/{id"] = "has an unclosed placeholder; expected {name} or {name*}",
      ["/users/id}"] = "has a \"}\" without a \"{\" before it; expected {name} or {name*}",
      ["/{rest*}/x"] = "has {rest*} before its end; expected it as the last segment",
      ["/{rest*}/"] = "has {rest*} before its end; expected it as the last segment",
      ["/{a}/{a}"] = "has {a} twice; expected each name once",
      ["/{a}/{a*}"] = "has {a} twice; expected each name once",
      ["users"] = "does not begin with \"/\"",
      [""] = "does not begin with \"/\"",
      ["/x{id}"] = "has the segment \"x{id}\"; " .. WHOLE,
      ["/{a}{b}"] = "has the segment \"{a}{b}\"; " .. WHOLE,
      ["/}{"] = "has the segment \"}{\"; " .. WHOLE,
      ["/{Id}"] = "has the placeholder {Id}; " .. NAME,
      ["/{}"] = "has the placeholder {}; " .. NAME,
      ["/{*}"] = "has the placeholder {*}; " .. NAME,
      ["/{1a}"] = "has the placeholder {1a}; " .. NAME,
      ["/{a-b}"] = "has the placeholder {a-b}; " .. NAME,
      ["/{a**}"] = "has the placeholder {a**}; " .. NAME,
      ["/a b"] = "has the byte 0x20; expected %20",
      ["/a#b"] = "has the byte 0x23; expected %23",
      ["/é"] = "has the byte 0xc3; expected %C3",
      ["/a?b=1"] = "has a query; expected it under query = { name = \"value\" }",
      ["/a//b"] = SEGMENTS,
      ["//"] = SEGMENTS,
      ["/./b"] = SEGMENTS,
      ["/a/.."] = SEGMENTS,
      ["/{a}/%2e%2E/b"] = SEGMENTS,
      ["/a%zz"] = ESCAPE,
      ["/a%00"] = ESCAPE,
      ["/../a"] = ESCAPE,
      [("/a"):rep(65)] = "has 65 segments; at most 64",
    }
    for path, expected in pairs(BAD) do
      it(("refuses %s"):format(path:sub(1, 40)), function()
        assert.same({ ("path \"%s\" %s"):format(path, expected) }, messages { path = path })
      end)
    end

    it("have at most 16 placeholders and 4096 bytes", function()
      local path = ""
      for i = 1, 16 do path = ("%s/{p%d}"):format(path, i) end
      assert.same({}, messages { path = path })
      assert.truthy(messages({ path = path .. "/{q}" })[1]:find "has 17 placeholders; at most 16")
      assert.same({}, messages { path = "/" .. ("a"):rep(4095) })
      assert.truthy(messages({ path = "/" .. ("a"):rep(4096) })[1]:find "is longer than 4096 bytes")
    end)

    it("match requests in every spelling of the same path", function()
      local _, _, made = compile { { path = "/a%2Db/%7e{x}" }, { path = "/a%2db/{x}" } }
      assert.equal(2, (made:match { path = normalise "/a-b/1" }))
      assert.equal(2, (made:match { path = normalise "/./%61%2d%62//1" }))
    end)
  end)

  describe("hosts", function()
    local GOOD = {
      ["api.example.com"] = "api.example.com",
      ["API.Example.COM"] = "api.example.com",
      ["api.example.com."] = "api.example.com",
      ["*.example.com"] = "*.example.com",
      ["localhost"] = "localhost",
      ["a_b.test"] = "a_b.test",
      ["127.0.0.1"] = "127.0.0.1",
      ["[2001:DB8::1]"] = "2001:db8::1",
      ["xn--bcher-kva.example"] = "xn--bcher-kva.example",
    }
    for host, expected in pairs(GOOD) do
      it("takes " .. host, function()
        local errors, patterns = compile { { path = "/", hosts = { host }, sni = host } }
        assert.same({}, errors)
        assert.same({ expected }, patterns[1].hosts)
        assert.equal(expected, patterns[1].sni)
      end)
    end

    local STAR = 'has a "*"; expected it only in front, as in "*.example.com"'
    local BAD = {
      ["a.*.test"] = STAR,
      ["*.*.test"] = STAR,
      ["*a.test"] = STAR,
      ["**.test"] = STAR,
      ["*"] = "stands for any host; leave it out instead",
      [""] = "is empty; leave it out for any host",
      ["a..test"] = "has an empty label",
      [".test"] = "has an empty label",
      ["."] = "has an empty label",
      ["*."] = STAR,
      ["a.test:80"] = "has a port; expected a host name alone",
      ["https://a.test"] = "is a URL; expected a host name alone",
      ["a b"] = 'has a " "; expected a host name like "api.example.com"',
      ["a/b"] = 'has a "/"; expected a host name like "api.example.com"',
      ["bücher.test"] = "is not in ASCII; expected its xn-- form",
      [("a"):rep(64)] = "has a label of more than 63 bytes",
      [("a."):rep(127) .. "test"] = "is longer than 253 bytes",
    }
    for host, expected in pairs(BAD) do
      it("refuses " .. host:sub(1, 40), function()
        local found = messages { path = "/", hosts = { host } }
        assert.same({ ("host \"%s\" %s"):format(host, expected) }, found)
      end)
    end

    it("are given once", function()
      local found = messages { path = "/", hosts = { "a.test", "A.test" } }
      assert.same({ 'host "A.test" is given twice' }, found)
    end)
  end)

  describe("conditions", function()
    local CASES = {
      { "a header's value of another type", { headers = { ["x-a"] = 2 } },
        'header "x-a" is a number; expected a string, or true for any value' },
      { "a parameter's value of another type", { query = { a = false } },
        'query parameter "a" is a boolean; expected a string, or true for any value' },
      { "a list of headers", { headers = { "x-a" } }, 'header "1" is not a name' },
      { "a header that is no token", { headers = { ["x a"] = "" } }, 'header "x a" is not a name' },
      { "an empty parameter", { query = { [""] = "1" } }, 'query parameter "" is not a name' },
      { "a value no field can have", { headers = { a = "x\n" } },
        'header "a" has a value that no field can have' },
      { "a value with a blank in front", { headers = { a = " x" } },
        'header "a" has a value that no field can have' },
      { "half a priority", { priority = 1.5 }, "priority is 1.5; expected a whole number" },
      { "a text for a priority", { priority = "x" }, "priority is x; expected a whole number" },
      { "a huge priority", { priority = 2 ^ 31 },
        "priority is 2147483648; expected a whole number" },
      { "an unknown method", { methods = { "get" } }, 'unknown method "get"; expected "GET"' },
      { "a method twice", { methods = { "GET", "GET" } }, "method GET is given twice" },
      { "a server name with a port", { sni = "a:1" },
        'sni: host "a:1" has a port; expected a host name alone' },
    }
    for _, case in ipairs(CASES) do
      local name, route, expected = unpack(case)
      it("refuse " .. name, function()
        route.path = "/"
        assert.same({ expected }, messages(route))
      end)
    end

    it("refuse a header twice", function()
      local found = messages { path = "/", headers = { ["X-A"] = "1", ["x-a"] = "1" } }
      assert.equal(1, #found)
      assert.truthy(found[1]:lower():find('header "x-a" is given twice', 1, true))
    end)

    it("are at most 63", function()
      local headers = {}
      for i = 1, 63 do headers["x" .. i] = "1" end
      assert.same({}, messages { path = "/", headers = headers })
      assert.same({ "has 64 conditions; at most 63" },
        messages { path = "/", headers = headers, query = { a = "1" } })
    end)

    it("take what HTTP can carry", function()
      local headers = { ["x-!#$%&'*+.^_`|~"] = "", a = "b\tc d", b = true }
      local query = { ["ä b"] = "" }
      local errors, patterns = compile { { path = "/", headers = headers, query = query } }
      assert.same({}, errors)
      assert.equal(headers, patterns[1].headers)
    end)
  end)

  it("reports everything at once, each where it was written", function()
    local errors, patterns = compile {
      { path = "/ok", at = "a.lua:1" },
      { path = "/{id", hosts = { "*" }, at = "a.lua:2" },
      { path = "/fine", at = "a.lua:3" },
      { path = "x", methods = { "foo" }, at = "b.lua:1" },
    }
    local unclosed = "has an unclosed placeholder; expected {name} or {name*}"
    assert.same({
      { at = "a.lua:2", message = 'path "/{id" ' .. unclosed },
      { at = "a.lua:2", message = 'host "*" stands for any host; leave it out instead' },
      { at = "b.lua:1", message = 'unknown method "foo"; expected one like GET, POST or DELETE' },
      { at = "b.lua:1", message = 'path "x" does not begin with "/"' },
    }, errors, nil)
    assert.equal(2, #patterns)
    assert.equal(3, patterns[2].index)
  end)

  describe("conflicts", function()
    it("name both routes", function()
      local errors = compile {
        { methods = { "GET" }, path = "/users/{name}", at = "routes/a.lua:3" },
        { methods = { "GET" }, path = "/users/{id}", at = "routes/b.lua:7" },
        { name = "mine", path = "/x%2Dy", at = "routes/b.lua:8" },
        { path = "/x-y", at = "routes/b.lua:9" },
      }
      assert.same({
        { at = "routes/b.lua:7", message = 'route "GET /users/{id}" cannot be told apart from '
          .. '"GET /users/{name}" at routes/a.lua:3; give one a priority, a host or a condition' },
        { at = "routes/b.lua:9", message = 'route "/x-y" cannot be told apart from '
          .. '"mine" at routes/b.lua:8; give one a priority, a host or a condition' },
      }, errors)
    end)

    it("may be a text of the builder's, or nothing", function()
      local function message_for(conflict)
        local builder = { normalise = normalise, add = function() return nil, conflict end }
        return router.compile({ { path = "/x", at = "a:1" } }, builder)[1].message
      end
      assert.equal('route "/x": the matcher is full', message_for "the matcher is full")
      assert.truthy(message_for(nil):find("too many routes have the same host and path", 1, true))
    end)
  end)

  it("gives the builder everything that decides", function()
    local route = {
      name = "mine", methods = { "GET" }, path = "/{a}/{b*}", hosts = { "A.test" }, at = "a:1",
      headers = { h = "1" }, query = { q = true }, sni = "S.test", priority = -3,
      when = function() end,
    }
    local pattern, found = router.check_conditions(route)
    assert.same({}, found)
    assert.same({}, router.complete(pattern, route, { normalise = normalise }))
    assert.same({
      route = route, priority = -3, hosts = { "a.test" }, methods = { "GET" }, path = "/{a}/{b*}",
      headers = { h = "1" }, query = { q = true }, sni = "s.test",
      has_when = true,
    }, pattern)
  end)
end)
