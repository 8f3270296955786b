local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("uri", function()
  local moongate

  -- The answer to a text that is sent as a body.
  local function ask(path, body)
    return http.request(moongate.port, { method = "POST", path = path, body = body or "" }).body
  end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/encode", function(req, m) return m.uri.encode(req:body()) end)
      says("/encode-path", function(req, m) return m.uri.encode(req:body(), "/") end)
      says("/decode", function(req, m) return m.uri.decode(req:body()) end)
      says("/decode-form", function(req, m) return m.uri.decode(req:body(), true) end)
      says("/normalise", function(req, m) return m.uri.normalise_path(req:body()) end)
      says("/parse", function(req, m)
        local found, why = m.uri.parse(req:body())
        if not found then return why end
        local texts = {}
        for _, part in ipairs { "scheme", "authority", "host", "port", "path", "query",
          "fragment" } do
          texts[#texts + 1] = tostring(found[part])
        end
        return table.concat(texts, " ")
      end)
      says("/query", function(req, m)
        local found, why = m.uri.parse_query(req:body())
        if not found then return why end
        local texts = {}
        for i, one in ipairs(found) do texts[i] = one[1] .. ">" .. one[2] end
        return table.concat(texts, "|")
      end)
      says("/build", function(req, m)
        local build = m.uri.build_query
        return table.concat({ build { b = "1 &=", a = { 2, "x/y" }, ["c d"] = true },
          build { { "z", 1 }, { "a", "" }, { "z", 2 } }, build {} }, " ")
      end)
      says("/long", function(req, m)
        local text = ("\255"):rep(10000)
        return m.uri.decode(m.uri.encode(text)) == text
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("escapes all but unreserved characters", function()
    assert.equal("aZ09-._~", ask("/encode", "aZ09-._~"))
    assert.equal("%20%2F%3F%26%25%2B%C3%A9%00", ask("/encode", " /?&%+\195\169\0"))
    assert.equal("/a%20b/c%3F", ask("/encode-path", "/a b/c?"))
    assert.equal("", ask "/encode")
    assert.equal("true", ask "/long")
  end)

  it("decodes escapes, and refuses bad ones", function()
    assert.equal("a b/+\195\169", ask("/decode", "a%20b%2F+%c3%A9"))
    assert.equal("a b +", ask("/decode-form", "a+b%20%2B"))
    for _, bad in ipairs { "%", "%2", "%zz", "a%2", "%%20", "%-1" } do
      assert.matches("^nil a %% is not followed", ask("/decode", bad), bad)
    end
  end)

  it("normalises paths as routes see them", function()
    assert.equal("/a/c%2Fd~", ask("/normalise", "/a//b/../c%2fd%7E"))
    for _, bad in ipairs { "", "a", "/../a", "/%2e%2e/", "/%", "/%00" } do
      assert.matches("^nil this is not a path", ask("/normalise", bad), bad)
    end
  end)

  it("takes URIs apart", function()
    assert.equal("https Users.Example:8443 users.example 8443 /a/b x=1&y c",
      ask("/parse", "HTTPS://Users.Example:8443/a/b?x=1&y#c"))
    assert.equal("http [::1] ::1 80 / nil nil", ask("/parse", "http://[::1]"))
    assert.equal("https a a 443 /  ", ask("/parse", "https://a/?#"))
    assert.equal("nil nil nil nil /a%20b q nil", ask("/parse", "/a%20b?q"))
    for _, bad in ipairs { "", "a", "*", "a:1", "http://", "http://u@h/", "http://h:0/",
      "http://h:65536/", "http://a b/", "http://h/a b", "//h/", "mailto:a@b", "http://h/\r\n" } do
      local answer = ask("/parse", bad)
      assert.matches(bad == "//h/" and "^nil nil nil nil //h/" or "^this is not a URI", answer, bad)
    end
    assert.matches("fragment", ask("/parse", "/a#b c"))
    assert.matches("fragment", ask("/parse", "/a#b#c"))
  end)

  it("reads queries as forms write them", function()
    assert.equal("a>1|b c>d&e|f>|>g|a>2", ask("/query", "a=1&&b+c=d%26e&f&=g&a=2&"))
    assert.equal("", ask "/query")
    assert.equal("a>b=c", ask("/query", "a=b=c"))
    assert.matches("is not followed", ask("/query", "a=%"))
    assert.matches("is not followed", ask("/query", "%z=1"))
  end)

  it("builds queries", function()
    assert.equal("a=2&a=x%2Fy&b=1%20%26%3D&c%20d=true z=1&a=&z=2 ", ask "/build")
  end)
end)
