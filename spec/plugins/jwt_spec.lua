--- jwt_spec: who is admitted by a token, and all that is not one.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local jws = require "spec.support.jws"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

local SECRET = ("secret--"):rep(8)
local FAR = 4102444800

describe("jwt", function()
  local origin, moongate
  local rsa, ec, hmac = jws.signer "RS256", jws.signer "ES256",
    jws.signer("HS256", { secret = SECRET })

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" { groups = { "read" }, keys = { "key-of-mobile" } }
      local RSA, EC, SECRET = %q, %q, %q
      local function to(path, options)
        options[1] = "jwt"
        route(path .. "/{rest*}") { upstream = "users", plugins = { options } }
      end
      to("/rsa", { keys = { { pem = RSA } } })
      to("/ec", { keys = { { pem = EC, kid = "e1" } } })
      to("/secret", { keys = { { secret = SECRET } } })
      to("/both", { keys = { { pem = RSA }, { secret = SECRET } } })
      to("/small", { keys = { { secret = SECRET } }, token_limit = "200" })
      to("/uncached", { keys = { { pem = EC } }, cache = 0 })
      to("/strict", { keys = { { pem = EC } }, issuer = "https://id", audience = { "a", "b" },
        required = { "jti" }, claims = { tenant = { "core", "edge" } }, type = "at+jwt",
        scopes = { "read", "write" }, realm = "shop", skew = 0 })
      to("/everywhere", { keys = { { secret = SECRET } }, cookie = "token", query = "access_token",
        hide = true })
      to("/named", { keys = { { secret = SECRET } }, header = "x-token", hide = true })
      to("/told", { keys = { { secret = SECRET } }, consumer_claim = "client",
        claim_headers = { ["X-User"] = "sub", ["x-groups"] = "groups", ["x-level"] = "level",
          ["x-odd"] = "odd", ["x-user-id"] = "uid" } })
      to("/anonymous", { keys = { { secret = SECRET } }, anonymous = "mobile",
        claim_headers = { ["x-user"] = "sub" } })
      route "/counted" { upstream = "users", plugins = {
        { "jwt", keys = { { secret = SECRET } } },
        { "rate-limit", limit = 1, window = "1h", by = "claim:tenant" },
      } }
      route "/any/{rest*}" { upstream = "users", plugins = { { "authenticate", any = {
        { "key-auth" }, { "jwt", keys = { { secret = SECRET } },
          claim_headers = { ["x-user"] = "sub" } } } } } }
      route "/all/{rest*}" { upstream = "users", plugins = {
        { "key-auth" }, { "jwt", keys = { { secret = SECRET } }, consumer_header = "x-whom" } } }
    ]]):format(origin.url, rsa:pem(), ec:pem(), SECRET) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function claims(more)
    local all = { sub = "me", exp = FAR }
    for name, value in pairs(more or {}) do all[name] = value end
    return all
  end

  local function get(path, token, more)
    local headers = more or {}
    if token then headers[#headers + 1] = { "Authorization", "Bearer " .. token } end
    return http.request(moongate.port, { path = path, headers = headers })
  end

  -- What went upstream.
  local function forwarded(path, token, more)
    local answer = get(path, token, more)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  local function refuses(path, token, detail)
    local answer = get(path, token)
    assert.equal(401, answer.status)
    assert.equal('Bearer realm="api", error="invalid_token", error_description="' .. detail .. '"',
      answer.headers["www-authenticate"])
    local problem = json.decode(answer.body)
    assert.matches("invalid%-token$", problem.type)
    assert.equal(detail, problem.detail)
  end

  local MALFORMED, UNSIGNED = "The token is malformed.", "The signature does not verify."

  it("admits who has a token, once and again", function()
    for path, signer in pairs { ["/rsa/"] = rsa, ["/ec/"] = ec, ["/secret/"] = hmac,
      ["/uncached/"] = ec } do
      local token = signer:token(claims())
      for _ = 1, 3 do
        assert.equal("Bearer " .. token, forwarded(path, token).headers.authorization)
      end
    end
  end)

  it("says what it wants to who has none", function()
    for _, headers in ipairs { {}, { { "Authorization", "Basic YTpi" } },
      { { "Authorization", "Bearer" } }, { { "Authorization", "" } } } do
      local answer = get("/rsa/", nil, headers)
      assert.equal(401, answer.status)
      assert.equal('Bearer realm="api"', answer.headers["www-authenticate"])
      assert.matches("missing%-token", answer.body)
    end
  end)

  it("takes the scheme in any case", function()
    local token = hmac:token(claims())
    for _, scheme in ipairs { "bearer", "BEARER", "Bearer " } do
      local answer = get("/secret/", nil, { { "Authorization", scheme .. " " .. token } })
      assert.equal(200, answer.status)
    end
  end)

  describe("keeps out", function()
    it("a public key as the secret of an HMAC", function()
      for _, secret in ipairs { rsa:pem(), (rsa:pem():gsub("\n$", "")) } do
        local forged = jws.signer("HS256", { secret = secret }):token(claims())
        refuses("/rsa/", forged, UNSIGNED)
        refuses("/both/", forged, UNSIGNED)
      end
    end)

    it("the algorithm none, however it is spelt", function()
      for _, name in ipairs { "none", "None", "NONE", "nOnE", "" } do
        local input = jws.input({ alg = name, typ = "JWT" }, claims())
        refuses("/rsa/", input .. ".", UNSIGNED)
        refuses("/secret/", input .. "." .. jws.base64url "x", UNSIGNED)
      end
    end)

    it("keys that a token brings along: jwk, jku, x5u, x5c", function()
      local other = jws.signer "RS256"
      local trap = peer.start(('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'))
      for _, header in ipairs {
        { jwk = other:jwk() }, { jku = trap.url .. "/jwks" }, { x5u = trap.url .. "/cert" },
        { x5c = { (other:pem():gsub("%-%-%-%-%-[^\n]*\n", ""):gsub("\n", "")) } },
        { jwk = other:jwk { kid = "k" }, kid = "k" },
      } do
        refuses("/rsa/", other:token(claims(), header), UNSIGNED)
      end
      assert.equal(0, trap:connections())
      -- And they do no harm to a token that is right.
      assert.equal(200, get("/rsa/", rsa:token(claims(), { jku = trap.url })).status)
      assert.equal(0, trap:connections())
    end)

    it("critical extensions", function()
      refuses("/secret/", hmac:token(claims(), { crit = { "exp" } }),
        "The token has extensions that must be understood.")
    end)

    it("tokens that have expired, or are not valid yet", function()
      local now = os.time()
      refuses("/secret/", hmac:token { exp = now - 60 }, "The token has expired.")
      refuses("/secret/", hmac:token { exp = FAR, nbf = now + 60 }, "The token is not valid yet.")
      refuses("/secret/", hmac:token { exp = FAR, iat = now + 60 },
        "The token was issued in the future.")
      refuses("/secret/", hmac:token {}, "The token does not expire.")
    end)

    it("a token that it has admitted, once that has expired", function()
      local token = ec:token { exp = os.time() + 6, sub = "me", iss = "https://id", aud = "a",
        jti = "1", tenant = "core", scope = "read write" }
      local typed = ec:token({ exp = os.time() + 6, sub = "me", iss = "https://id", aud = "a",
        jti = "1", tenant = "core", scope = "read write" }, { typ = "at+jwt" })
      assert.equal(401, get("/strict/", token).status)
      assert.equal(200, get("/strict/", typed).status)
      require("spec.support.wait").that(function()
        local answer = get("/strict/", typed)
        return answer.status == 401 and answer.body:find "has expired"
      end)
    end)

    it("tokens that are too large, unread", function()
      local token = hmac:token(claims { sub = ("x"):rep(200) })
      refuses("/small/", token, "The token is too large.")
      refuses("/small/", ("x"):rep(201), "The token is too large.")
      refuses("/small/", ("x"):rep(199), MALFORMED)
      assert.equal(200, get("/secret/", token).status)
    end)

    it("signatures that are cut off, or somebody else's", function()
      for path, signer in pairs { ["/rsa/"] = rsa, ["/ec/"] = ec, ["/secret/"] = hmac } do
        local token = signer:token(claims())
        refuses(path, token:sub(1, -5), UNSIGNED)
        refuses(path, token:match "^(.*%.)", UNSIGNED)
        refuses(path, token:match "^(.*)%.", MALFORMED)
        local header, payload, signature = token:match "^(.-)%.(.-)%.(.*)$"
        local other = jws.base64url(json.encode(claims { sub = "you" }))
        refuses(path, ("%s.%s.%s"):format(header, other, signature), UNSIGNED)
        refuses(path, ("%s.%s.%s"):format(header .. "A", payload, signature), MALFORMED)
        refuses(path, signer:token(claims()) .. "A", UNSIGNED)
      end
      refuses("/rsa/", jws.signer "RS256":token(claims()), UNSIGNED)
    end)

    it("ECDSA signatures of zero", function()
      local input = jws.input({ alg = "ES256" }, claims())
      for _, signature in ipairs { ("\0"):rep(64), ("\0"):rep(63) .. "\1",
        ("\0"):rep(32) .. ("\255"):rep(32), "\48\6\2\1\0\2\1\0" } do
        refuses("/ec/", input .. "." .. jws.base64url(signature), UNSIGNED)
      end
    end)

    it("keys of another name", function()
      refuses("/ec/", ec:token(claims(), { kid = "../../dev/null" }), UNSIGNED)
      assert.equal(200, get("/ec/", ec:token(claims(), { kid = "e1" })).status)
    end)

    it("several tokens at once", function()
      local token = hmac:token(claims())
      for _, case in ipairs {
        { "/secret/", { { "Authorization", "Bearer " .. token } } },
        { "/everywhere/?access_token=" .. token, {} },
        { "/everywhere/", { { "Cookie", "token=" .. token } } },
      } do
        local answer = get(case[1], token, case[2])
        assert.equal(400, answer.status)
        assert.matches('error="invalid_request"', answer.headers["www-authenticate"], 1, true)
      end
    end)

    it("names that clients give themselves", function()
      local claim = { { "X-User", "root" }, { "x-level", "9" }, { "X-Consumer-Name", "admin" },
        { "X-Consumer-Groups", "root" }, { "X_User", "root" }, { "x_level", "9" },
        { "X-User_Id", "0" }, { "x_user-id", "0" } }
      local request = forwarded("/told/", hmac:token(claims { client = "mobile" }), claim)
      assert.equal("me", request.headers["x-user"])
      assert.is_nil(request.headers["x-level"])
      assert.is_nil(request.headers["x_user"])
      assert.is_nil(request.headers["x-user_id"])
      assert.is_nil(request.headers["x_user-id"])
      assert.is_nil(request.headers["x_level"])
      assert.equal("mobile", request.headers["x-consumer-name"])
      assert.is_nil(request.headers["x-consumer-groups"])
      request = forwarded("/anonymous/", nil, { { "X-User", "root" } })
      assert.is_nil(request.headers["x-user"])
      assert.equal("mobile", request.headers["x-consumer-name"])
    end)
  end)

  it("holds claims against what is wanted", function()
    local function judged(more, typ)
      local said = claims { iss = "https://id", aud = "b", jti = "1", tenant = "edge",
        scope = "write read" }
      for name, value in pairs(more) do said[name] = value ~= json.null and value or nil end
      local answer = get("/strict/", ec:token(said, { typ = typ or "at+jwt" }))
      return answer.status, answer.headers["www-authenticate"] or ""
    end
    assert.equal(200, (judged {}))
    for detail, more in pairs {
      ["another issuer"] = { iss = "https://other" }, ["another audience"] = { aud = "c" },
      ["jti is missing"] = { jti = json.null }, ["tenant is not"] = { tenant = "x" },
      ["has expired"] = { exp = os.time() - 1 },
    } do
      local status, challenge = judged(more)
      assert.equal(401, status)
      assert.matches('^Bearer realm="shop", error="invalid_token"', challenge)
      assert.matches(detail, challenge, 1, true)
    end
    assert.equal(401, (judged({}, "JWT")))
  end)

  it("answers 403 with the scopes that are wanted", function()
    for _ = 1, 2 do
      local answer = get("/strict/", ec:token(claims { iss = "https://id", aud = "b", jti = "1",
        tenant = "edge", scope = "read" }, { typ = "at+jwt" }))
      assert.equal(403, answer.status)
      assert.equal('Bearer realm="shop", error="insufficient_scope", '
        .. 'error_description="The token lacks a scope.", scope="read write"',
        answer.headers["www-authenticate"])
      assert.matches("insufficient%-scope", answer.body)
    end
  end)

  it("holds a token against the rules of each route, though it knows it", function()
    local token = ec:token(claims())
    assert.equal(200, get("/ec/", token).status)
    assert.equal(401, get("/strict/", token).status)
    assert.equal(200, get("/ec/", token).status)
    assert.equal(401, get("/rsa/", token).status)
  end)

  it("looks into cookie and query where it is to, and hides tokens", function()
    local token = hmac:token(claims())
    local request = forwarded("/everywhere/?a=1&access_token=" .. token)
    assert.equal("/everywhere/?a=1", request.target)
    request = forwarded("/everywhere/", nil, { { "Cookie", "a=1; token=" .. token } })
    assert.equal("a=1", request.headers.cookie)
    assert.is_nil(forwarded("/everywhere/", token).headers.authorization)
    request = forwarded("/named/", nil, { { "X-Token", token } })
    assert.is_nil(request.headers["x-token"])
    assert.equal(401, get("/secret/?access_token=" .. token).status)
  end)

  it("tells the upstream what it is to", function()
    local token = hmac:token(claims { client = "mobile", groups = { "a", "b" }, level = 7,
      odd = "a\nb" })
    for _ = 1, 2 do
      local request = forwarded("/told/", token)
      assert.equal("me", request.headers["x-user"])
      assert.equal("a b", request.headers["x-groups"])
      assert.equal("7", request.headers["x-level"])
      assert.is_nil(request.headers["x-odd"])
      assert.equal("mobile", request.headers["x-consumer-name"])
    end
    token = hmac:token(claims { client = "mobile", groups = { a = 1 } })
    assert.is_nil(forwarded("/told/", token).headers["x-groups"])
  end)

  it("admits tokens of known consumers alone, where it is to", function()
    refuses("/told/", hmac:token(claims { client = "nobody" }), "The token is nobody's here.")
    refuses("/told/", hmac:token(claims()), "The token is nobody's here.")
    refuses("/told/", hmac:token(claims { client = { "mobile" } }), "The token is nobody's here.")
  end)

  it("shows claims to the plugins behind it", function()
    local function status(tenant)
      return get("/counted", hmac:token(claims { tenant = tenant })).status
    end
    assert.equal(200, status "one")
    assert.equal(429, status "one")
    assert.equal(200, status "two")
  end)

  it("lets nobody say what a token would, where another plugin admits", function()
    local request = forwarded("/any/", nil,
      { { "X-API-Key", "key-of-mobile" }, { "X-User", "root" } })
    assert.is_nil(request.headers["x-user"])
    assert.equal("mobile", request.headers["x-consumer-name"])
  end)

  it("leaves whom a plugin before has found", function()
    local request = forwarded("/all/", hmac:token(claims()),
      { { "X-API-Key", "key-of-mobile" }, { "X-Whom", "root" } })
    assert.equal("mobile", request.headers["x-whom"])
    assert.equal(401, get("/all/", nil, { { "X-API-Key", "key-of-mobile" } }).status)
  end)

  it("takes no time for a field full of blanks", function()
    local blanks, before = (" "):rep(15000), moongate:cpu_seconds()
    for _ = 1, 3 do
      refuses("/secret/", "a" .. blanks .. "b", "The token is too large.")
      local cookies = "token=" .. hmac:token(claims()) .. "; b=" .. blanks .. "c"
      assert.equal("b=" .. blanks .. "c",
        forwarded("/everywhere/", nil, { { "Cookie", cookies } }).headers.cookie)
    end
    assert.is_true(moongate:cpu_seconds() - before < 0.5)
  end)

  it("stands beside others under authenticate", function()
    assert.equal(200, get("/any/", hmac:token(claims())).status)
    local answer = get "/any/"
    assert.equal(401, answer.status)
    assert.same({ "ApiKey", 'Bearer realm="api"' }, answer.headers["www-authenticate"])
    answer = get("/any/", "x")
    assert.equal(401, answer.status)
    assert.matches("malformed", answer.body)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"jwt"'] = "expected one of keys, jwks and consumer_keys",
      ['"jwt", keys = { {} }'] = "keys[1]: expected one of secret, pem and jwk",
      ['"jwt", keys = { { secret = "short" } }'] =
        "keys[1]: the secret is shorter than the digest",
      ['"jwt", keys = { { pem = "x" } }'] = "keys[1]: it is neither a public key nor a certificate",
      ['"jwt", keys = { { secret = "x", algorithm = "none" } }'] =
        'algorithm is "none"; expected one of "HS256"',
      ['"jwt", keys = { { jwk = { kty = "RSA" } } }'] = "keys[1]: it has no n and e",
      ['"jwt", jwks = "ftp://x/"'] = "jwks is neither a URL nor a JSON Web Key Set",
      ['"jwt", jwks = "http://user:password@a/"'] = "jwks is neither a URL nor a JSON Web Key Set",
      ['"jwt", jwks = "http://a:b/"'] = "jwks is neither a URL nor a JSON Web Key Set",
      ['"jwt", jwks = "{}"'] = "jwks: it is no JSON Web Key Set",
      ['"jwt", jwks = "http://a/", issuer = 7'] = "issuer is 7; expected a text or a list",
      ['"jwt", jwks = "http://a/", scopes = { "a b" }'] = 'scopes: "a b" is not a scope',
      ['"jwt", jwks = "http://a/", claim_headers = { ["x y"] = "sub" }'] =
        'claim_headers: header "x y" is not a field name',
      ['"jwt", jwks = "http://a/", unavailable = "maybe"'] = "unavailable is",
    }
  end)
end)
