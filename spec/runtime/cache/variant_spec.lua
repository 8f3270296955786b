local caching = require "spec.support.caching"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = caching.C
local text = runtime.text

describe("variant", function()
  before_each(caching.begin)
  after_each(caching.finish)

  local function headers(lines)
    local made = caching.keep(ffi.new "struct headers")
    caching.add(made, lines)
    return made
  end

  local function names(lines, without)
    local slice = ffi.new "struct slice[1]"
    for i, line in ipairs(lines) do lines[i] = "Vary: " .. line end
    local result = C.variant_names(headers(lines), without or 0, caching.arena, slice)
    if result == C.VARIANT_ALWAYS then return "always" end
    return text(slice[0])
  end

  local function key(of, lines)
    return text(C.variant_key(caching.slice(of), headers(lines), caching.arena))
  end

  it("is by names, in lower case and sorted (RFC 9111, 4.1)", function()
    for _, row in ipairs {
      { {}, "" }, { { "" }, "" }, { { " , ," }, "" }, { { "Foo" }, "foo" },
      { { "Foo, bar ,BAZ" }, "bar,baz,foo" }, { { "a", "B, a" }, "a,b" }, { { "foo,foo" }, "foo" },
    } do
      assert.equal(row[2], names(row[1]))
    end
  end)

  it("is none with *, with what is no name, and with too many", function()
    for _, value in ipairs { "*", "a, *", "* , a", "a b", "a:b", ("x,"):rep(600) } do
      assert.equal("always", names { value }, value)
    end
    local many = {}
    for i = 1, 17 do many[i] = "n" .. i end
    assert.equal("always", names { table.concat(many, ",") })
    assert.not_equal("always", names { table.concat(many, ",", 1, 16) })
  end)

  it("leaves out what the gateway has made constant", function()
    local without = 2 ^ tonumber(C.HEADER_ACCEPT_ENCODING)
    assert.equal("foo", names({ "Accept-Encoding, Foo" }, without))
    assert.equal("", names({ "Accept-Encoding" }, without))
  end)

  it("tells apart what differs, a missing field and an empty one too", function()
    local seen = {}
    for _, lines in ipairs {
      {}, { "Foo: " }, { "Foo: 1" }, { "Foo: 2" }, { "Foo: 12" }, { "Bar: 1" },
      { "Foo: 1", "Bar: 2" }, { "Foo: 1, 2" }, { "Foo: A" }, { "Foo: a" }, { 'Foo: "a,b"' },
      { 'Foo: "a, b"' }, { "Bar: =1" }, { "Foo: " .. ("x"):rep(2000) },
      { "Foo: " .. ("x"):rep(2001) },
    } do
      local found = key("bar,foo", lines)
      assert.is_nil(seen[found], table.concat(lines, " "))
      seen[found] = true
      assert.is_true(#found <= 1024)
    end
    assert.not_equal(key("foo", { "Foo: 1" }), key("bar,foo", { "Foo: 1" }))
  end)

  local function is_same(of, one, other)
    assert.equal(key(of, one), key(of, other), one[1] .. " and " .. other[1])
  end

  it("does not look at other fields", function()
    is_same("foo", { "Foo: 1", "Other: 2" }, { "Foo: 1", "Other: 3" })
  end)

  it("joins lines, and takes blanks off lists", function()
    is_same("foo", { "Foo: 1, 2" }, { "Foo: 1", "Foo: 2" })
    is_same("foo", { "Foo: 1,2" }, { "Foo:  1 ,  2 " })
    assert.not_equal(key("user-agent", { "User-Agent: a (b, c)" }),
      key("user-agent", { "User-Agent: a (b,c)" }))
  end)

  it("knows that preferences have no order, no case, and many spellings", function()
    is_same("accept-language", { "Accept-Language: en, de" }, { "Accept-Language: de, en" })
    is_same("accept-language", { "Accept-Language: en, de" }, { "Accept-Language: eN , De;q=1.0" })
    is_same("accept-encoding", { "Accept-Encoding: gzip;q=0.50, br" },
      { "Accept-Encoding: BR, GZIP ; Q=0.5" })
    is_same("accept", { "Accept: text/html;level=1, */*;q=0.1" },
      { "Accept: */*; q=0.100, Text/HTML; Level=1" })
    for _, lines in ipairs {
      { "Accept-Language: en;q=0.5, de" }, { "Accept-Language: en, de;q=0" },
      { "Accept-Language: en" }, { "Accept-Language: en, de, *" },
      { "Accept-Language: en;q=2, de" }, { "Accept-Language: en, de;q=x" },
    } do
      assert.not_equal(key("accept-language", { "Accept-Language: en, de" }),
        key("accept-language", lines), lines[1])
    end
    local spaced = key("accept", { 'Accept: a;p="x, y"' })
    assert.not_equal(spaced, key("accept", { 'Accept: a;p="x,y"' }))
  end)

  it("may be one language", function()
    local function language(value)
      return text(C.variant_language(headers { "Accept-Language: " .. value }, caching.arena))
    end
    assert.equal("de", language "fr;q=0.5, DE;q=1.0")
    assert.equal("en-gb", language "en-GB")
    for _, value in ipairs { "", "en, de", "*", "*, en;q=0.5", "en;q=0", 'x;q="' } do
      assert.is_nil(language(value), value)
    end
    assert.is_nil(text(C.variant_language(headers {}, caching.arena)))

    local one = headers { "Accept-Language: fr;q=0.5, de", "Foo: 1" }
    local other = headers { "Accept-Language: en, de", "Foo: 1" }
    local by = caching.slice "accept-language,foo"
    local german = caching.slice "de"
    local found = text(C.variant_key_of_language(by, german, one, caching.arena))
    assert.equal(found, text(C.variant_key_of_language(by, german, other, caching.arena)))
    assert.equal(found, key("accept-language,foo", { "Accept-Language: de", "Foo: 1" }))
    local without = C.variant_key_of_language(caching.slice "foo", german, one, caching.arena)
    assert.is_nil(text(without))
  end)
end)
