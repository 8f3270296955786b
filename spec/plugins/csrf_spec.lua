local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local refusal = require "spec.support.refusal"

describe("csrf", function()
  local self

  setup(function()
    self = gateway.start { config = [[
      listen "127.0.0.1:0"
      local function plain(path, options)
        options[1] = "csrf"
        route(path) { plugins = { options, { "mock", body = "in" } } }
      end
      plain("/origin", { origins = { "https://App.example.com" } })
      plain("/strict", { missing = "deny" })
      route "/token" { plugins = {
        { "csrf", proof = "token", secret = "0123456789abcdef", by = "cookie:session" },
        { "mock", body = "in", headers = { ["cache-control"] = "public, max-age=60" } } } }
      plain("/other", { proof = "token", secret = "another secret of it" })
      plain("/both", { proof = "both", secret = "0123456789abcdef", secure = false })
    ]] }
  end)
  teardown(gateway.stop_all)

  local function ask(method, path, headers)
    headers = headers or {}
    headers.host = "shop.example.com"
    return http.request(self.port, { method = method, path = path, headers = headers })
  end

  local function post(path, headers) return ask("POST", path, headers).status end

  it("lets what changes nothing pass", function()
    for _, method in ipairs { "GET", "HEAD", "OPTIONS" } do
      assert.equal(200, ask(method, "/origin", { ["sec-fetch-site"] = "cross-site" }).status)
    end
  end)

  it("goes by what the browser says of the site", function()
    assert.equal(200, post("/origin", { ["sec-fetch-site"] = "same-origin" }))
    assert.equal(200, post("/origin", { ["sec-fetch-site"] = "none" }))
    for _, site in ipairs { "cross-site", "same-site", "anything" } do
      assert.equal(403, post("/origin", { ["sec-fetch-site"] = site }))
    end
    assert.equal(403, post("/origin",
      { ["sec-fetch-site"] = "cross-site", origin = "https://shop.example.com" }))
    assert.equal(200, post("/origin",
      { ["sec-fetch-site"] = "same-site", origin = "https://app.example.com" }))
  end)

  it("takes a WebSocket of another site for more than a GET", function()
    local function upgrade(path, headers)
      headers.connection, headers.upgrade = "upgrade", "websocket"
      return ask("GET", path, headers).status
    end
    for _, path in ipairs { "/origin", "/token", "/both" } do
      assert.equal(403, upgrade(path, { ["sec-fetch-site"] = "cross-site" }))
      assert.equal(403, upgrade(path, { origin = "https://evil.example.com" }))
      assert.equal(200, upgrade(path, { origin = "https://shop.example.com" }))
    end
  end)

  it("takes no origin for its own where the request names no host", function()
    local answer = http.exchange(self.port,
      "POST /origin HTTP/1.0\r\nOrigin: https://shop.example.com\r\nContent-Length: 0\r\n\r\n")
    assert.matches("^HTTP/1.1 403 ", answer)
  end)

  it("goes by the origin where the browser does not say", function()
    assert.equal(200, post("/origin", { origin = "https://shop.example.com" }))
    assert.equal(200, post("/origin", { origin = "http://shop.example.com:80" }))
    assert.equal(200, post("/origin", { origin = "https://app.example.com" }))
    for _, origin in ipairs { "null", "https://evil.example.com", "https://shop.example.com:8443",
      "https://shop.example.com.evil.com", "https://evil.com/shop.example.com", "" } do
      assert.equal(403, post("/origin", { origin = origin }), origin)
    end
  end)

  it("lets pass what comes from no browser, or does not", function()
    assert.equal(200, post "/origin")
    assert.equal(403, post "/strict")
  end)

  local function token_of(path, headers)
    local field = ask("GET", path, headers).headers["set-cookie"]
    return field and field:match "^csrf%-token=([^;]+);", field
  end

  it("wants the token that it gave, twice", function()
    local token, field = token_of("/token", { cookie = "session=a" })
    assert.matches("; Path=/; Max%-Age=7200; SameSite=Lax; Secure$", field)
    local cookie = "session=a; csrf-token=" .. token
    assert.equal(200, post("/token", { cookie = cookie, ["x-csrf-token"] = token }))
    assert.equal(403, post("/token", { cookie = cookie }))
    assert.equal(403, post("/token", { cookie = "session=a", ["x-csrf-token"] = token }))
    assert.equal(403, post("/token", { cookie = cookie, ["x-csrf-token"] = token .. "0" }))
    assert.is_nil((token_of("/token", { cookie = cookie }))) -- it has one
  end)

  it("lets no cache keep an answer that has a token", function()
    local function control_of(headers)
      return ask("GET", "/token", headers).headers["cache-control"]
    end
    assert.equal("no-store", control_of { cookie = "session=a" })
    local token = token_of("/token", { cookie = "session=a" })
    assert.equal("public, max-age=60",
      control_of { cookie = "session=a; csrf-token=" .. token })
  end)

  it("takes no token of another session, another secret, a past time, or made up", function()
    local function tried(path, session, token)
      return post(path,
        { cookie = session .. "csrf-token=" .. token, ["x-csrf-token"] = token })
    end
    local token = token_of("/token", { cookie = "session=a" })
    assert.equal(200, tried("/token", "session=a; ", token))
    assert.equal(403, tried("/token", "session=b; ", token))
    assert.equal(403, tried("/token", "", token))
    assert.equal(403, tried("/other", "", token_of "/both"))
    assert.equal(403, tried("/token", "session=a; ", (token:gsub("^%d+", "9999999999"))))
    assert.equal(403, tried("/token", "session=a; ", (token:gsub("^%d+", "1000000000"))))
    for _, made_up in ipairs { "x", "9999999999.00.00", ("1"):rep(300) } do
      assert.equal(403, tried("/token", "session=a; ", made_up))
    end
  end)

  it("wants both where it is to", function()
    local token, field = token_of "/both"
    assert.is_nil(field:find "Secure")
    local headers = { cookie = "csrf-token=" .. token, ["x-csrf-token"] = token }
    assert.equal(200, post("/both", headers))
    headers["sec-fetch-site"] = "cross-site"
    assert.equal(403, post("/both", headers))
    assert.equal(403, post("/both", { ["sec-fetch-site"] = "same-origin" }))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"csrf", proof = "token"'] = "needs a secret",
      ['"csrf", proof = "both", secret = "short"'] = "fewer than 16 bytes",
      ['"csrf", origins = { "app.example.com" }'] = 'expected "https://app.example.com"',
      ['"csrf", cookie = "a b"'] = "is no name of a cookie",
      ['"csrf", proof = "token", secret = "0123456789abcdef", header = "a b"'] = "a b",
    }
  end)
end)
