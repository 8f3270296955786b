local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("cors", function()
  local open, strict

  setup(function()
    local origin = peer.start()
    open = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      use { "cors" }
      route "GET /users" { upstream = "users", plugins = { "key-auth" } }
      route "GET /headers/{fields}" { upstream = "users" }
      route "OPTIONS /own" { plugins = { { "mock", body = "own" } } }
    ]]):format(origin.url) }
    strict = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      use { { "cors", origins = { "https://app.example", "https://*.example.com:8443", "null" },
              methods = { "GET", "PURGE" }, headers = { "x-a", "X-B" },
              expose = { "x-total", "etag" }, credentials = true, max_age = "1h",
              private_network = true } }
      route "GET /headers/{fields}" { upstream = "users" }
      route "GET /plain" { upstream = "users" }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function preflight(self, path, origin, more)
    local headers = { origin = origin, ["access-control-request-method"] = "GET" }
    for name, value in pairs(more or {}) do headers[name] = value end
    return http.request(self.port, { method = "OPTIONS", path = path, headers = headers })
  end

  local function get(self, path, origin)
    return http.request(self.port, { path = path, headers = { origin = origin } })
  end

  local function fields(answer)
    local found = {}
    for name, value in pairs(answer.headers) do
      local short = name:match "^access%-control%-(.*)"
      if short then found[short] = value end
    end
    return found
  end

  local function vary(answer)
    local value = answer.headers.vary
    return type(value) == "table" and table.concat(value, ", ") or value
  end

  describe("as it is", function()
    it("answers preflights, whatever methods the route has, before who authenticates", function()
      local answer = preflight(open, "/users", "https://a.example",
        { ["access-control-request-headers"] = "x-api-key, x-b",
          ["access-control-request-private-network"] = "true" })
      assert.equal(204, answer.status)
      assert.same({
        ["allow-origin"] = "*", ["allow-methods"] = "GET, HEAD, POST, PUT, PATCH, DELETE",
        ["allow-headers"] = "x-api-key, x-b", ["max-age"] = "300",
      }, fields(answer))
      assert.equal("access-control-request-method, access-control-request-headers", vary(answer))
      assert.is_nil(fields(preflight(open, "/users", "https://a.example"))["allow-headers"])
    end)

    it("answers preflights that list headers in several lines, empty ones too", function()
      local answer = http.request(open.port, { method = "OPTIONS", path = "/users", headers = {
        { "Origin", "https://a.example" }, { "Access-Control-Request-Method", "GET" },
        { "Access-Control-Request-Headers", "" }, { "Access-Control-Request-Headers", "x-a" },
        { "access-control-request-headers", "" } } })
      assert.same({ 204, ", x-a," }, { answer.status, fields(answer)["allow-headers"] })
    end)

    it("lets any page read answers and errors", function()
      for path, status in pairs { ["/headers/x=1"] = 200, ["/users"] = 401, ["/nowhere"] = 404 } do
        local answer = get(open, path, "https://a.example")
        assert.equal(status, answer.status)
        assert.same({ ["allow-origin"] = "*" }, fields(answer))
        assert.is_nil(vary(answer))
      end
      local answer = http.request(open.port, { method = "PUT", path = "/users" })
      assert.equal(405, answer.status)
      assert.equal("GET, HEAD", answer.headers.allow)
      assert.same({ ["allow-origin"] = "*" }, fields(answer))
    end)

    it("leaves other OPTIONS requests alone", function()
      for _, headers in ipairs {
        { origin = "https://a.example" }, { ["access-control-request-method"] = "GET" }, {},
      } do
        local answer = http.request(open.port, {
          method = "OPTIONS", path = "/own", headers = headers })
        assert.equal(200, answer.status)
        assert.equal("own", answer.body)
      end
      assert.equal("own", http.request(open.port, { method = "OPTIONS", path = "/own" }).body)
    end)

    it("does not take another method for a preflight", function()
      local answer = http.request(open.port, { path = "/users", headers = {
        origin = "https://a.example", ["access-control-request-method"] = "GET" } })
      assert.equal(401, answer.status)
    end)

    it("replaces what the upstream says", function()
      local answer = get(open, "/headers/access-control-allow-origin=https%3a%2f%2fb"
        .. "&access-control-allow-credentials=true&access-control-expose-headers=x")
      assert.same({ ["allow-origin"] = "*" }, fields(answer))
    end)
  end)

  describe("with origins", function()
    it("answers preflights of those", function()
      local answer = preflight(strict, "/plain", "https://app.example", {
        ["access-control-request-headers"] = "x-c",
        ["access-control-request-private-network"] = "true",
      })
      assert.equal(204, answer.status)
      assert.same({
        ["allow-origin"] = "https://app.example", ["allow-methods"] = "GET, PURGE",
        ["allow-headers"] = "x-a, X-B", ["max-age"] = "3600", ["allow-credentials"] = "true",
        ["allow-private-network"] = "true", ["expose-headers"] = "x-total, etag",
      }, fields(answer))
      assert.matches("origin$", vary(answer))
      assert.is_nil(fields(preflight(strict, "/plain", "null"))["allow-private-network"])
    end)

    it("lets pages of those read answers, with credentials", function()
      for _, origin in ipairs {
        "https://app.example", "https://a.example.com:8443", "https://a.b-c.example.com:8443",
        "null",
      } do
        local answer = get(strict, "/headers/vary=accept", origin)
        assert.same({ ["allow-origin"] = origin, ["allow-credentials"] = "true",
          ["expose-headers"] = "x-total, etag" }, fields(answer))
        assert.equal("accept, origin", vary(answer))
      end
    end)

    it("says nothing to others, or to those who do not say where they come from", function()
      for _, origin in ipairs {
        "https://b.example", "http://app.example", "https://app.example:8443",
        "https://app.example.evil", "https://example.com:8443", "https://.example.com:8443",
        "https://a.example.com", "https://evil/.example.com:8443", "https://aexample.com:8443",
        "https://a@b.example.com:8443", "https://a.examp1e.com:8443",
        "*", "", "https://app.example, https://b.example",
      } do
        local answer = get(strict, "/plain", origin)
        assert.equal(200, answer.status)
        assert.same({}, fields(answer), origin)
        assert.equal("origin", vary(answer))
        answer = preflight(strict, "/plain", origin)
        assert.equal(204, answer.status)
        assert.same({}, fields(answer), origin)
        assert.equal("origin", vary(answer))
      end
      local answer = get(strict, "/headers/access-control-allow-origin=%2a")
      assert.same({}, fields(answer))
      assert.equal("origin", vary(answer))
    end)
  end)

  it("answers for a single route that takes OPTIONS", function()
    local self = gateway.start { config = [[
      listen "127.0.0.1:0"
      route "/one" { plugins = { { "cors", headers = {} }, "mock" } }
      route "GET /other" { plugins = { "mock" } }
    ]] }
    local answer = preflight(self, "/one", "https://a.example", {
      ["access-control-request-headers"] = "x-c" })
    assert.equal(204, answer.status)
    assert.equal("", fields(answer)["allow-headers"])
    assert.equal(405, preflight(self, "/other", "https://a.example").status)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"cors", credentials = true'] = 'credentials cannot come from the origin "*"',
      ['"cors", origins = { "https://a.example/" }'] = '"https://a.example/" is no origin',
      ['"cors", origins = { "a.example" }'] = '"a.example" is no origin',
      ['"cors", origins = { "https://a.*.example" }'] = "is no origin",
      ['"cors", origins = { "https://*example.com" }'] = "is no origin",
      ['"cors", origins = { "https://*" }'] = "is no origin",
      ['"cors", origins = { "" }'] = "is no origin",
      ['"cors", methods = { "GET, PUT" }'] = '"GET, PUT" is no method',
      ['"cors", headers = { "x y" }'] = 'header "x y" is not a field name',
      ['"cors", expose = { "x\\ny" }'] = "is not a field name",
      ['"cors", max_age = "soon"'] = "expected a duration",
      ['"cors", origin = "*"'] = "origin is not known here; did you mean",
    }
  end)
end)
