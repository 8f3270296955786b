local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/uri.h"
local slice, text = runtime.slice, runtime.text

describe("uri", function()
  local arena

  before_each(function() arena = runtime.new_arena() end)
  after_each(function() C.arena_clear(arena) end)

  local function parse(target)
    local uri = ffi.new "struct uri"
    return C.uri_parse(slice(target), uri) and uri or nil
  end

  local function authority(written)
    local parts = ffi.new "struct uri_authority"
    return C.uri_parse_authority(slice(written), parts) and parts or nil
  end

  local function decode(written, plus_is_space)
    local decoded = ffi.new "struct slice[1]"
    local is_good = C.uri_decode(slice(written), plus_is_space or false, arena, decoded)
    return is_good and text(decoded[0]) or nil
  end

  it("takes an origin-form apart", function()
    local uri = parse "/a/b?c=d?e"
    assert.equal(C.URI_ORIGIN, tonumber(uri.form))
    assert.equal("/a/b", text(uri.path))
    assert.equal("c=d?e", text(uri.query))
    assert.is_nil(text(uri.authority))
  end)

  it("tells an empty query from none", function()
    assert.equal("", text(parse("/?").query))
    assert.is_nil(text(parse("/").query))
  end)

  it("takes an absolute-form apart", function()
    local uri = parse "http://a.example:81/b?c"
    assert.equal(C.URI_ABSOLUTE, tonumber(uri.form))
    assert.equal("http", text(uri.scheme))
    assert.equal("a.example:81", text(uri.authority))
    assert.equal("/b", text(uri.path))
    assert.equal("c", text(uri.query))
  end)

  it("gives an absolute-form without a path the root", function()
    assert.equal("/", text(parse("http://a").path))
    local uri = parse "http://a?b"
    assert.equal("/", text(uri.path))
    assert.equal("b", text(uri.query))
  end)

  it("knows asterisk and authority", function()
    assert.equal(C.URI_ASTERISK, tonumber(parse("*").form))
    local uri = parse "[::1]:443"
    assert.equal(C.URI_AUTHORITY, tonumber(uri.form))
    assert.equal("[::1]:443", text(uri.authority))
  end)

  for _, target in ipairs {
    "", "a", "a.example", "**", "*/", "/a#", "/a b", "/\233", "/\1", '/"', "http://", "http:///a",
    "http:/a", "1http://a/", "h ttp://a/", "://a/", "http://u@a/", "http://a:x/", "http://[::1/",
    "a:0", "a:65536", "?a", "a/b", "/a\0",
  } do
    it(("refuses %q"):format(target), function()
      assert.is_nil(parse(target))
    end)
  end

  for written, expected in pairs {
    ["a"] = { "a", 0 }, ["A.b-c_d~e"] = { "A.b-c_d~e", 0 }, ["a:80"] = { "a", 80 },
    ["a:65535"] = { "a", 65535 }, ["a:00080"] = { "a", 80 }, ["a:"] = { "a", 0 },
    ["a."] = { "a.", 0 }, ["1.2.3.4:5"] = { "1.2.3.4", 5 }, ["[::1]"] = { "::1", 0, true },
    ["[2001:DB8::a]:8"] = { "2001:DB8::a", 8, true }, ["[::1]:"] = { "::1", 0, true },
    ["[::ffff:1.2.3.4]"] = { "::ffff:1.2.3.4", 0, true }, [("a"):rep(255)] = { ("a"):rep(255), 0 },
  } do
    it("reads the authority " .. written:sub(1, 30), function()
      local parts = authority(written)
      assert.equal(expected[1], text(parts.host))
      assert.equal(expected[2], parts.port)
      assert.equal(expected[3] or false, parts.is_v6)
    end)
  end

  for _, written in ipairs {
    "", ":", ":80", "a:b", "a:-1", "a:0", "a:+1", "a:65536", "a:000080", "a:80:80", "a b", "a/b",
    "a@b", "a,b", "a%41", "a!b", "[", "[]", "[::1", "::1", "[::1]80", "[::1]:x", "[1.2.3.4]",
    "[::1%eth0]", "[v1.a]", ".a", "a..b", ".", "..", ("a"):rep(256), "a\0", "[::1\0]",
  } do
    it(("refuses the authority %q"):format(written:sub(1, 30)), function()
      assert.is_nil(authority(written))
    end)
  end

  it("decodes escapes once", function()
    assert.equal("a b%2541\0", decode "a%20b%252541%00")
    assert.equal("a+b", decode "a+b")
    assert.equal("a b", decode("a+b", true))
    assert.equal("a+b", decode("a%2Bb", true))
  end)

  it("refuses bad escapes", function()
    for _, written in ipairs { "%", "a%4", "%zz", "%4g", "%%41" } do
      assert.is_nil(decode(written), written)
    end
  end)

  it("copies nothing where nothing changes", function()
    local written, decoded = slice "abc", ffi.new "struct slice[1]"
    C.uri_decode(written, true, arena, decoded)
    assert.equal(written.start, decoded[0].start)
    assert.equal(written.start, C.uri_encode(written, "", arena).start)
  end)

  it("encodes all but unreserved characters and those to keep", function()
    local written = slice "aZ09-._~ /\0\255%"
    assert.equal("aZ09-._~%20%2F%00%FF%25", text(C.uri_encode(written, "", arena)))
    assert.equal("/a%20b", text(C.uri_encode(slice "/a b", "/", arena)))
  end)

  describe("in a query", function()
    local function value(query, name)
      return text(C.uri_query_value(slice(query), slice(name), arena))
    end

    it("finds the first value, raw", function()
      assert.equal("1%20", value("b=0&a=1%20&a=2", "a"))
    end)

    it("compares names after decoding", function()
      assert.equal("1", value("x&%61+b=1", "a b"))
    end)

    it("tells an empty value from none", function()
      assert.equal("", value("a", "a"))
      assert.equal("", value("a=&b", "a"))
      assert.is_nil(value("ab=1&b", "a"))
      assert.is_nil(value("", "a"))
    end)

    it("goes on after a name with a bad escape", function()
      assert.equal("2", value("%zz=1&a=2", "a"))
      assert.equal("1", value("%zz=1&a=2", "%zz"))
    end)
  end)
end)
