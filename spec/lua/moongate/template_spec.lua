-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local template = require "moongate.template"

-- What templates read of a request.
-- As headers, queries, cookies and captures are read.
local function fields(values)
  return { get = function(_, name) return values and values[name:lower()] end }
end

local function request(given)
  return {
    id = "r1", method = "GET", path = "/a%20b/c", query_string = "x=1&y=%20", host = "h",
    timing = { total = 0.25 }, consumer_name = given.consumer and given.consumer.name,
    headers = fields(given.headers),
    query = fields(given.query), params = fields(given.params), cookies = fields(given.cookies),
    claims = given.claims,
  }
end

describe("a template", function()
  local function render(text, use, given, res)
    local compiled, why = template.compile(text, use)
    assert.is_truthy(compiled, why)
    return compiled:render(request(given or {}), res)
  end

  it("of nothing but text is that text, known when it is compiled", function()
    for _, text in ipairs { "", "plain", "a } b", "{", '{"a":{"b":[]}}', "{}", "{ id }", "{1}" } do
      local compiled = template.compile(text, "text")
      assert.same({}, compiled.places)
      assert.equal(text, compiled.text)
      assert.equal(text, compiled:render(request {}))
    end
  end)

  it("has two braces for one", function()
    assert.equal("{id} r1", render("{{id} {id}", "text"))
  end)

  it("has places at its ends and side by side", function()
    assert.equal("r1GET-h.", render("{id}{method}-{host}.", "text"))
  end)

  it("knows what a request has", function()
    local given = {
      consumer = { name = "mobile" }, headers = { ["user-agent"] = "u" }, query = { q = "1" },
      cookies = { c = "2" }, params = { p = "3" }, claims = { sub = 4 },
    }
    assert.equal("mobile u 1 2 3 4 /a%20b/c x=1&y=%20 0.25",
      render("{consumer} {header:User-Agent} {query:q} {cookie:c} {param:p} {claim:sub} {path} "
        .. "{query} {duration}", "text", given))
  end)

  it("knows what a response has, where there is one", function()
    local values = { etag = "e", list = "l" }
    local res = { status = 200, headers = { get = function(_, name) return values[name] end } }
    assert.equal("200 e", render("{status} {response:etag}", "text", nil, res))
    assert.equal("l", render("{response:list}", "text", nil, res)) -- of Lua's object a function
    assert.equal("r1  ", render("{id} {status} {response:etag}", "text"))
  end)

  it("of a field or the query is nil when none of its values is there", function()
    assert.is_nil(render("{consumer}", "query"))
    assert.is_nil(render("a {consumer} b {header:x} c", "field"))
    assert.equal("a  b r1", render("a {consumer} b {id}", "field"))
    assert.equal("a  b  c", render("a {consumer} b {header:x} c", "text"))
    assert.equal('{"a":""}', render('{"a":"{consumer}"}', "json"))
  end)

  it("says which name it does not know", function()
    assert.same({ nil, 'there is no {consmer}; did you mean "consumer"?; {{ stands for a brace' },
      { template.compile("a {consmer}", "text") })
    local compiled, why = template.compile("{color:red}", "text")
    assert.is_nil(compiled)
    assert.matches("^there is no {color:red}; .*{{ stands for a brace$", why)
  end)

  it("of a field has no control characters and no blanks around it", function()
    assert.equal("a%0D%0Ab%00%7F\tc", render("{query:q}", "field", {
      query = { q = " a\r\nb\0\127\tc " } }))
    assert.equal("r1", render(" {consumer} {id}\t{header:x}", "field"))
    assert.equal("a,", render("{header:x}", "field", { headers = { x = "a, " } }))
    assert.equal("", render("{header:x}", "field", { headers = { x = " " } }))
    assert.equal("", render("{header:x}", "field", { headers = { x = "" } }))
    assert.equal("r1 ", render("{id} {header:x}", "text"))
  end)

  it("of JSON has values that stay in their strings", function()
    assert.equal([[{"a":"x\"y\\z\nw"}]], render('{"a":"{query:q}"}', "json", {
      query = { q = 'x"y\\z\nw' } }))
  end)

  describe("of an address", function()
    it("has parameters of the path by their names alone", function()
      local given = { params = { id = "7", method = "m" } }
      assert.equal("/v/7/m", render("/v/{id}/{method}", "address", given))
    end)

    it("keeps each value in its segment", function()
      local given = { params = { a = "x/y?z#%\228 ", rest = "x/y?z" } }
      assert.equal("/x%2Fy%3Fz%23%25%E4%20/x/y%3Fz", render("/{a}/{rest*}", "address", given))
    end)

    it("keeps each value of the query to itself", function()
      assert.equal("/p?a=x%26y%3D%2B%2F&b=1", render("/p?a={a}&b=1", "address", {
        params = { a = "x&y=+/" } }))
    end)

    it("has the request's own address as it is", function()
      assert.equal("https://h/a%20b/c?x=1&y=%20", render("https://{host}{path}?{query}", "address"))
    end)

    it("refuses values that would climb", function()
      for _, value in ipairs { ".", "..", "..." } do
        assert.is_nil(render("/a/{p}", "address", { params = { p = value } }))
        assert.is_nil(render("/a/{p*}", "address", { params = { p = "b/" .. value } }))
      end
      assert.equal("/a/..b", render("/a/{p}", "address", { params = { p = "..b" } }))
      assert.equal("/?p=..", render("/?p={p}", "address", { params = { p = ".." } }))
    end)

    it("is there even without values", function()
      assert.equal("/a/", render("/a/{p}", "address"))
    end)
  end)
end)
