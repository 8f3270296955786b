local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

-- Keeps the cache out of requests that want it so.
local SKIPPER = [[
local http_cache = require("moongate").http_cache
local skipper = { summary = "Skips the cache.", options = {} }
function skipper:request(req)
  if req.headers["x-skip"] then http_cache.skip(req) end
end
return skipper
]]

-- Routes by their first segment, and the options of each.
local ROUTES = {
  ttl = [[ttl = "1m", statuses = { ["404"] = "1m", ["500-599"] = "1m" }]],
  forced = [[ttl = "1m", force_ttl = true]],
  longest = [[max_ttl = "5s"]],
  guess = [[heuristic = 0]],
  grace = [[grace = "1m"]],
  failing = [[stale_if_error = "1m"]],
  reads = [[ttl = "1m", methods = { "GET" }]],
  posts = [[methods = { "GET", "HEAD", "POST" }]],
  key = [[ttl = "1m", key = { headers = { "x-region" }, cookies = { "lang" }, query = "sorted" }]],
  listed = [[ttl = "1m", key = { query = { "page" } }]],
  path = [[ttl = "1m", key = { query = "none" }]],
  bypass = [[ttl = "1m", bypass = { headers = { ["x-preview"] = true }, cookies = { admin = "1" },
    query = { nocache = true } }]],
  closed = [[ttl = "1m", no_store = { headers = { ["x-preview"] = "yes" } }]],
  strip = [[ttl = "1m", set_cookie = "strip"]],
  store = [[ttl = "1m", set_cookie = "store"]],
  deaf = [[ttl = "1m", obey_clients = false]],
  small = [[ttl = "1m", max_object = 100]],
  aimed = [[targeted = { "x-aimed" }]],
  shown = [[ttl = "1m", hide_tags = false, name = "edge-1", show_key = true]],
  quiet = [[ttl = "1m", cache_status = false, tags = "cache-tag"]],
  chosen = [[ttl = "1m", when = function(req) return req.headers["x-cache"] ~= nil end]],
}

describe("cache", function()
  local origin, self

  setup(function()
    origin = cache_origin.start()
    local config = { ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "origin" { "%s" }
      consumer "ann" { keys = { "ann" } }
      consumer "bob" { keys = { "bob" } }
      route "/own/{rest*}" { upstream = "origin", plugins = { { "key-auth" },
        { "cache", ttl = "1m", key = { consumer = true } } } }
      route "/skipped/{rest*}" { upstream = "origin", plugins = {
        { "cache", ttl = "1m", key = { consumer = true } }, { "skipper" } } }
      route "/twice/{rest*}" { upstream = "origin", headers = { ["x-b"] = true },
        plugins = { { "cache", ttl = "1m" } } }
      route "/twice/{rest*}" { upstream = "origin", plugins = { { "cache", ttl = "1m" } } }
    ]]):format(origin.url) }
    for name, options in pairs(ROUTES) do
      config[#config + 1] = ([[
        route "/%s/{rest*}" { name = "%s", upstream = "origin", plugins = { { "cache", %s } } }
      ]]):format(name, name, options)
    end
    self = gateway.start { config = table.concat(config),
      files = { ["plugins/skipper.lua"] = SKIPPER } }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, headers, method)
    return http.request(self.port, { path = path, headers = headers, method = method })
  end

  -- Whether the second of two requests is answered with what the first one got.
  local function is_kept(path, headers, other_path, other_headers)
    local first = get(path, headers)
    return first.body == get(other_path or path, other_headers or headers).body
  end

  it("is refused when its options make no sense", function()
    refusal.of_each {
      ['"cache", tll = "1m"'] = "tll is not known here",
      ['"cache", ttl = "soon"'] = "cache: ttl is",
      ['"cache", statuses = { ["40"] = 1 }'] = 'statuses has "40"; expected a status like "404"',
      ['"cache", statuses = { ["599-500"] = 1 }'] = 'statuses has "599-500"',
      ['"cache", statuses = { ["100"] = 1 }'] = 'statuses has "100"',
      ['"cache", methods = { "PUT" }'] = 'methods[1] is "PUT"; expected one of "GET"',
      ['"cache", key = { query = "some" }'] = 'key.query is some; expected "all", "sorted", "none"',
      ['"cache", key = { query = { 1 } }'] = "key.query is a list of names",
      ['"cache", key = { header = {} }'] = 'key.header is not known here; did you mean "headers"?',
      ['"cache", key = { headers = { "a b" } }'] = 'key.headers has "a b", which no header is',
      ['"cache", bypass = { headers = { a = 1 } }'] = "bypass.headers.a is 1; expected a text",
      ['"cache", no_store = { header = {} }'] = "no_store.header is not known here",
      ['"cache", set_cookie = "keep"'] = 'set_cookie is "keep"; expected one of "pass"',
      ['"cache", targeted = { "" }'] = 'targeted has "", which no header is called',
      ['"cache", name = "a b"'] = 'name has "a b"',
      ['"cache", heuristic = 2'] = "heuristic is 2; expected between 0 and 1",
    }
  end)

  it("has a ttl for answers that say none, by status", function()
    assert.is_true(is_kept "/ttl/a")
    assert.is_true(is_kept "/ttl/a?status=404")
    assert.is_true(is_kept "/ttl/a?status=503")
    assert.is_false(is_kept "/ttl/a?status=403")
    assert.is_false(is_kept "/ttl/a?Cache-Control=max-age=0")
    assert.is_false(is_kept "/ttl/a?Cache-Control=no-store")
  end)

  it("forces its ttl, but for what must not be stored", function()
    assert.is_true(is_kept "/forced/a?Cache-Control=max-age=0")
    assert.is_false(is_kept "/forced/a?Cache-Control=no-store")
    assert.is_false(is_kept "/forced/a?Cache-Control=private")
  end)

  it("limits lifetimes, and leaves guessing be", function()
    get "/longest/a?Cache-Control=max-age=60"
    assert.matches("hit;ttl=[0-5]$",
      get("/longest/a?Cache-Control=max-age=60").headers["cache-status"])
    local old = "Last-Modified=Mon,+01+Jan+2024+00:00:00+GMT"
    assert.is_true(is_kept("/grace/a?" .. old))
    assert.is_false(is_kept("/guess/a?" .. old))
  end)

  it("gives what is stale while it is fetched anew, or when the upstream fails", function()
    assert.is_true(is_kept "/grace/b?Cache-Control=max-age=0")
    assert.is_true(is_kept "/failing/b?Cache-Control=max-age=0&again=503")
    assert.is_true(is_kept "/failing/b?Cache-Control=max-age=0&again=close")
    assert.is_false(is_kept "/ttl/b?Cache-Control=max-age=0&again=503")
  end)

  it("looks at the methods that it is told", function()
    assert.matches("uri%-miss", get("/reads/a").headers["cache-status"])
    assert.matches("fwd=method", get("/reads/a", nil, "HEAD").headers["cache-status"])
    local path = "/posts/a?Content-Location=/posts/a&Cache-Control=max-age=60"
    assert.matches(";stored", get(path, nil, "GET").headers["cache-status"])
  end)

  it("has keys of headers and cookies, and of sorted queries", function()
    assert.is_true(is_kept("/key/a?x=1&y=2", nil, "/key/a?y=2&x=1"))
    assert.is_false(is_kept("/key/b", { ["x-region"] = "a" }, nil, { ["x-region"] = "b" }))
    assert.is_true(is_kept("/key/c", { ["x-other"] = "a" }, nil, { ["x-other"] = "b" }))
    assert.is_false(is_kept("/key/d", { cookie = "lang=a" }, nil, { cookie = "lang=b" }))
    assert.is_true(is_kept("/key/e", { cookie = "x=a; lang=a" }, nil, { cookie = "lang=a" }))
    assert.is_true(is_kept("/listed/a?page=1&utm=a", nil, "/listed/a?utm=b&page=1"))
    assert.is_false(is_kept("/listed/b?page=1", nil, "/listed/b?page=2"))
    assert.is_true(is_kept("/path/a?x", nil, "/path/a?y"))
  end)

  it("has answers of each consumer", function()
    local ann, bob = { ["x-api-key"] = "ann" }, { ["x-api-key"] = "bob" }
    assert.is_true(is_kept("/own/a", ann))
    assert.is_true(is_kept("/own/a", bob))
    assert.is_false(is_kept("/own/b", ann, nil, bob))
    assert.equal(401, get("/own/a").status)
  end)

  it("tells routes apart that have the same URIs", function()
    assert.is_false(is_kept("/twice/a", { ["x-b"] = "1" }, nil, {}))
    assert.is_true(is_kept("/twice/a", {}))
  end)

  it("leaves requests alone that it is told to", function()
    assert.is_true(is_kept "/bypass/a")
    assert.is_false(is_kept("/bypass/a", nil, nil, { ["x-preview"] = "" }))
    assert.is_false(is_kept("/bypass/a", nil, nil, { cookie = "admin=1" }))
    assert.is_true(is_kept("/bypass/a", nil, nil, { cookie = "admin=2" }))
    assert.is_false(is_kept "/bypass/a?nocache")
    assert.matches("^moongate;fwd=bypass", get("/bypass/a?nocache").headers["cache-status"])
    assert.is_false(is_kept("/closed/a", { ["x-preview"] = "yes" }))
    assert.is_true(is_kept("/closed/a", { ["x-preview"] = "no" }))
  end)

  it("takes part where `when` says so alone", function()
    assert.is_false(is_kept "/chosen/a")
    assert.is_nil(get("/chosen/a").headers["cache-status"])
    assert.is_true(is_kept("/chosen/a", { ["x-cache"] = "1" }))
  end)

  it("has no part in requests that a plugin keeps it out of", function()
    assert.is_true(is_kept "/skipped/a")
    assert.is_false(is_kept("/skipped/a", nil, nil, { ["x-skip"] = "1" }))
    assert.is_true(is_kept "/skipped/a")
  end)

  it("is counted by route and outcome", function()
    local function count(name, labels)
      local text = http.request(self.admin_port, { path = "/metrics" }).body
      local at = text:find(("\n%s{%s} "):format(name, labels), 1, true)
      return at and tonumber(text:match("} (%d+)\n", at)) or 0
    end
    local function outcome(name)
      return count("moongate_cache_requests_total", ('outcome="%s",route="small"'):format(name))
    end
    local before = { hit = outcome "hit", miss = outcome "miss" }
    local bytes = count("moongate_cache_answered_bytes_total", 'route="small"')
    for _ = 1, 3 do get "/small/counted?bytes=64" end
    assert.equal(before.miss + 1, outcome "miss")
    assert.equal(before.hit + 2, outcome "hit")
    assert.equal(bytes + 128, count("moongate_cache_answered_bytes_total", 'route="small"'))
    get("/small/counted?bytes=64", { ["cache-control"] = "no-cache" })
    assert.equal(1, outcome "expired")
  end)

  it("tells how much of the memory the answers of a route take", function()
    local function held(route)
      local text = http.request(self.admin_port, { path = "/metrics" }).body
      local at = text:find(('\nmoongate_cache_held_bytes{route="%s"} '):format(route), 1, true)
      return at and tonumber(text:match("} (%d+)\n", at)) or 0
    end
    local before = held "ttl"
    get "/ttl/held?bytes=64"
    assert.equal(before + 2048, held "ttl")
    get "/ttl/held?bytes=9600"
    assert.equal(before + 6 * 2048, held "ttl")
    http.request(self.admin_port, { method = "POST", path = "/cache/purge",
      body = json.encode { prefix = "http://localhost/ttl/" } })
    assert.equal(0, held "ttl")
  end)

  it("strips cookies, or stores them", function()
    local cookie = "a?Set-Cookie=a=b"
    assert.is_false(is_kept("/ttl/" .. cookie))
    assert.equal("a=b", get("/strip/" .. cookie).headers["set-cookie"])
    assert.is_nil(get("/strip/" .. cookie).headers["set-cookie"])
    assert.is_true(is_kept("/store/" .. cookie))
    assert.equal("a=b", get("/store/" .. cookie).headers["set-cookie"])
  end)

  it("does not listen to clients where it is told so", function()
    local reload = { ["cache-control"] = "no-cache" }
    assert.is_false(is_kept("/ttl/d", nil, nil, reload))
    assert.is_true(is_kept("/deaf/d", nil, nil, reload))
  end)

  it("stores no larger bodies than it is told", function()
    assert.is_true(is_kept "/small/a?bytes=96")
    assert.is_false(is_kept "/small/a?bytes=112")
    assert.is_false(is_kept "/small/a?bytes=112&chunked")
  end)

  it("reads fields that are aimed at it", function()
    assert.is_true(is_kept "/aimed/a?X-Aimed=max-age=60&Cache-Control=no-store")
    assert.is_false(is_kept "/aimed/a?CDN-Cache-Control=max-age=60")
  end)

  it("shows what it is told to show", function()
    local tagged = "a?Surrogate-Key=one+two"
    assert.is_nil(get("/ttl/" .. tagged).headers["surrogate-key"])
    local shown = get("/shown/" .. tagged).headers
    assert.equal("one two", shown["surrogate-key"])
    assert.matches('^edge%-1;fwd=uri%-miss;.*key="http://', shown["cache-status"])
    assert.is_nil(get("/quiet/a").headers["cache-status"])
  end)

  describe("is purged", function()
    local function purge(body)
      return http.request(self.admin_port, { method = "POST", path = "/cache/purge",
        body = type(body) == "table" and json.encode(body) or body })
    end

    local function url(path) return "http://localhost" .. path end

    -- Whether an answer that was stored is gone after a purge.
    local function is_gone(path, what, headers)
      local first = get(path, headers)
      assert.equal(first.body, get(path, headers).body)
      local answer = type(what) == "table" and purge(what) or what()
      assert.is_truthy(answer == nil or answer.status == 200, answer and answer.body)
      return get(path, headers).body ~= first.body
    end

    it("by URL, with all that is keyed by more", function()
      assert.is_true(is_gone("/ttl/p?x", { url = url "/ttl/p?x" }))
      assert.is_false(is_gone("/ttl/p?x", { url = url "/ttl/p" }))
      assert.is_true(is_gone("/ttl/v?Vary=Foo", { url = url "/ttl/v?Vary=Foo" }, { foo = "1" }))
      assert.is_true(is_gone("/key/p", { url = url "/key/p" }, { ["x-region"] = "eu" }))
      assert.is_true(is_gone("/own/p", { url = url "/own/p" }, { ["x-api-key"] = "ann" }))
      assert.is_true(is_gone("/ttl/q", { url = { url "/ttl/x", url "/ttl/q" } }))
    end)

    it("by prefix, and says how many answers", function()
      assert.is_true(is_gone("/ttl/pre/a", { prefix = url "/ttl/pre" }))
      assert.is_false(is_gone("/ttl/pre/a", { prefix = url "/ttl/prf" }))
      get "/ttl/many/a"
      get "/ttl/many/b"
      assert.equal(2, json.decode(purge({ prefix = url "/ttl/many/" }).body).purged)
    end)

    it("by tag, route, and all of it", function()
      local path = "/ttl/t?Surrogate-Key=shoe+hat"
      assert.is_true(is_gone(path, { tag = "hat" }))
      assert.is_false(is_gone(path, { tag = "coat" }))
      assert.is_true(is_gone("/quiet/t?Cache-Tag=a,+b", { tag = { "x", "b" } }))
      assert.is_true(is_gone("/ttl/r", { route = "ttl" }))
      assert.is_false(is_gone("/ttl/r", { route = "key" }))
      assert.is_true(is_gone("/ttl/r", { all = true }))
    end)

    it("softly: it is validated, or given while that is done", function()
      local path = "/ttl/s?ETag=%221%22"
      local first = get(path)
      purge { url = url(path), soft = true }
      local second = get(path)
      assert.equal(first.body, second.body)
      assert.matches("fwd=stale;fwd%-status=304", second.headers["cache-status"])
      assert.matches("hit", get(path).headers["cache-status"])
      assert.is_false(is_gone("/grace/s?Cache-Control=max-age=60",
        { url = url "/grace/s?Cache-Control=max-age=60", soft = true }))
    end)

    it("only when it is said what", function()
      for body, text in pairs {
        ["x"] = "no JSON object", ["[1]"] = "without a name", ["{}"] = "Expected one of url",
        ['{"url":"a","tag":"b"}'] = "Expected one of url", ['{"urls":"a"}'] = "did you mean",
        ['{"url":"/a"}'] = "that is no URL", ['{"tag":1}'] = "tag is no text",
        ['{"prefix":"ftp://a/"}'] = "that is no URL", ['{"all":false}'] = "Expected one of url",
      } do
        local answer = purge(body)
        assert.is_true(answer.status == 400 or answer.status == 422, body)
        assert.matches(text, answer.body, 1, true)
      end
      assert.equal(405, http.request(self.admin_port, { path = "/cache/purge" }).status)
    end)

    it("by moongate purge", function()
      local function run(...)
        local words = { "purge", ... }
        return function()
          local code, out, err = self:ask(words)
          assert.equal(0, code, err)
          assert.matches("^purged", out)
        end
      end
      assert.is_true(is_gone("/ttl/c", run("--url", url "/ttl/c")))
      assert.is_true(is_gone("/ttl/c", run("--prefix", url "/ttl/")))
      assert.is_true(is_gone("/ttl/c?Surrogate-Key=c", run("--tag", "c")))
      assert.is_true(is_gone("/ttl/c", run("--route", "ttl")))
      assert.is_true(is_gone("/ttl/c", run "--all"))
      local code, out = self:ask { "purge", "--prefix", url "/nothing/", "--soft", "--json" }
      assert.equal(0, code)
      local answer = json.decode(out)
      assert.is_true(answer.ok)
      assert.is_true(answer.purged >= 0)
    end)

    it("by moongate purge only when it is said what", function()
      local function wrong(text, ...)
        local code, _, err = self:ask { "purge", ... }
        assert.is_true(code ~= 0)
        assert.matches(text, err, 1, true)
      end
      wrong "nothing is said to be purged"
      wrong("--url needs a value", "--url")
      wrong("--uri is not an option", "--uri", "x")
      wrong("one thing at a time", "--all", "--tag", "x")
      wrong("that is no URL", "--url", "/a")
      wrong("is too long", "--tag", ("x"):rep(2000))
    end)
  end)
end)
