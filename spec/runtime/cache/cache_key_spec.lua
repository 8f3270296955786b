local caching = require "spec.support.caching"
local runtime = require "spec.support.runtime"

local C = caching.C
local text = runtime.text

describe("cache_key", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function key(request, policy, context)
    local asked = caching.ask(request, policy)
    for name, value in pairs(context or {}) do asked.context[name] = caching.slice(value) end
    local made = C.cache_key_make(asked, caching.arena)
    return text(made.text), tonumber(made.uri_at)
  end

  it("is the URI where the policy adds nothing", function()
    for _, row in ipairs {
      { {}, "http://example.com/" },
      { { scheme = "https", path = "/a/b", query = "c=d&a" }, "https://example.com/a/b?c=d&a" },
      { { port = 80 }, "http://example.com/" },
      { { port = 443 }, "http://example.com:443/" },
      { { scheme = "https", port = 443 }, "https://example.com/" },
      { { scheme = "https", port = 8443 }, "https://example.com:8443/" },
      { { host = "::1", port = 81 }, "http://[::1]:81/" },
      { { query = "" }, "http://example.com/?" },
    } do
      local found, at = key(row[1])
      assert.equal(row[2], found)
      assert.equal(0, at)
    end
  end)

  it("is the same for GET, HEAD and POST", function()
    assert.equal(key {}, (key { method = "HEAD" }))
    assert.equal(key {}, (key { method = "POST" }))
  end)

  it("has the query that the policy wants", function()
    local query = "b=2&a=1&c&b=1&&utm=x&a%62=3"
    local function with(mode, names, asked)
      local policy = { query = C["CACHE_QUERY_" .. mode], query_names = names }
      return (key({ query = asked or query }, policy):gsub("^http://example.com/", ""))
    end
    assert.equal("?" .. query, with "ALL")
    assert.equal("", with "NONE")
    assert.equal("?a=1&a%62=3&b=2&b=1&c&utm=x", with "SORTED")
    assert.equal("?a=1&b=2&b=1", with("LISTED", { "a", "b" }))
    assert.equal("?a%62=3", with("LISTED", { "ab" }))
    assert.equal("", with("LISTED", { "z" }))
    assert.equal("", with("SORTED", nil, "&&"))
  end)

  it("has what the policy adds before the URI, each part for itself", function()
    local policy = {
      key_headers = { "X-Tenant", "accept" }, key_cookies = { "lang" }, is_key_by_consumer = true,
      scope = "beta",
    }
    local function with(lines, consumer) return (key(lines, policy, { consumer = consumer })) end
    local full = with({ "X-Tenant: a", "Accept: b", "Cookie: lang=c" }, "me")
    assert.equal("=beta\n=me\n=a\n=b\n=c\nhttp://example.com/", full)
    assert.equal(#"=beta\n=me\n=a\n=b\n=c\n", select(2, key({ "X-Tenant: a", "Accept: b",
      "Cookie: lang=c" }, policy, { consumer = "me" })))
    local seen = { [full] = true }
    for _, row in ipairs {
      { {}, "me" }, { { "X-Tenant: " }, "me" }, { { "Accept: " }, "me" },
      { { "X-Tenant: a=b" }, "me" }, { { "X-Tenant: a", "X-Tenant: b" }, "me" },
      { { "X-Tenant: a" }, "you" }, { { "Accept: a" }, "me" }, { { "Cookie: lang=a" }, "me" },
    } do
      local found = with(row[1], row[2])
      assert.is_nil(seen[found], found)
      seen[found] = true
    end
  end)

  it("has where a plugin sends it", function()
    local plain = key {}
    local seen = { [plain] = true }
    for _, context in ipairs {
      { upstream = "green" }, { path = "/other" }, { path = "/other", query = "" },
      { query = "/other" },
    } do
      local found = key({}, nil, context)
      assert.is_nil(seen[found], found)
      assert.equal(plain, found:sub(-#plain))
      seen[found] = true
    end
  end)

  it("is none when it is too long, or a query has too many parts to sort", function()
    local sorted = { query = C.CACHE_QUERY_SORTED }
    assert.is_nil((key { query = ("x"):rep(1600) }))
    assert.is_nil((key({ query = ("a&"):rep(256) }, sorted)))
    assert.is_not_nil((key({ query = ("a&"):rep(255) }, sorted)))
    local long = caching.ask { path = "/" .. ("x"):rep(1600) }
    assert.is_nil(text(C.cache_key_uri(long, caching.arena)))
  end)

  it("is made of what an operator writes", function()
    for uri, expected in pairs {
      ["http://Example.COM"] = "http://example.com/",
      ["HTTPS://example.com.:443/a/../b?c=D"] = "https://example.com/b?c=D",
      ["http://[::1]:81/%7ea"] = "http://[::1]:81/~a",
    } do
      assert.equal(expected, text(C.cache_key_of_uri(caching.slice(uri), caching.arena)))
    end
    for _, uri in ipairs {
      "", "/a", "example.com/", "ftp://example.com/", "http://", "http://a b/", "http://a/..",
      "http://a/%", "http://u@a/", "http://a/#b", "*", "http://a:99999/",
    } do
      assert.is_nil(text(C.cache_key_of_uri(caching.slice(uri), caching.arena)), uri)
    end
  end)

  it("follows references (RFC 3986, 5.2)", function()
    local asked = caching.ask { scheme = "https", port = 8443, path = "/a/b", query = "q=1" }
    local base = "https://example.com:8443"
    for reference, expected in pairs {
      ["/c"] = base .. "/c", ["c"] = base .. "/a/c", ["../c?d"] = base .. "/c?d",
      ["./"] = base .. "/a/", ["?x"] = base .. "/a/b?x", [""] = base .. "/a/b?q=1",
      ["#top"] = base .. "/a/b?q=1", ["c#top"] = base .. "/a/c", ["//other/c"] = "https://other/c",
      ["http://other:81/c"] = "http://other:81/c", [" /c "] = base .. "/c",
      ["/c:d"] = base .. "/c:d",
    } do
      local found = C.cache_key_of_reference(asked, caching.slice(reference), caching.arena)
      assert.equal(expected, text(found), reference)
    end
    for _, reference in ipairs { "mailto:a@b", "/../..", "//", "a:b", "/%", "http:" } do
      local found = C.cache_key_of_reference(asked, caching.slice(reference), caching.arena)
      assert.is_nil(text(found), reference)
    end
  end)

  it("has an origin", function()
    local function origin(uri) return text(C.cache_key_origin(caching.slice(uri))) end
    assert.equal("https://a:8443", origin "https://a:8443/b/c")
    assert.equal("http://[::1]:81", origin "http://[::1]:81/")
    assert.equal("http:", origin "http:")
  end)

  it("has a tag that no upstream can give", function()
    local tag = text(C.cache_key_uri_tag(caching.slice "http://a/", caching.arena))
    assert.equal("\nhttp://a/", tag)
  end)
end)
