--- consumer_keys_spec: tokens that consumers sign with keys of their own: of the configuration, and
--- of the admin API, where they come and go while the gateway runs.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local jws = require "spec.support.jws"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local SECRET, OTHER = ("secret--"):rep(4), ("other---"):rep(4)
local FAR = 4102444800

describe("jwt with keys of consumers", function()
  local moongate, origin, rsa, ec, hmac, other

  setup(function()
    rsa, ec = jws.signer "RS256", jws.signer "ES256"
    hmac = jws.signer("HS256", { secret = SECRET })
    other = jws.signer("HS256", { secret = OTHER })
    origin = peer.start()
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      store { path = "state" }
      upstream "origin" { "%s" }
      consumer "anna" { groups = { "staff" }, jwt_keys = {
        { secret = %q, kid = "old" }, { secret = %q, kid = "new" },
        { id = "anna-rsa", pem = %q },
        { id = "gone", secret = %q, expires = "2001-01-01T00:00:00Z" } } }
      consumer "bert" { jwt_keys = { { jwk = %q } } }
      route "/in" { upstream = "origin", plugins = { { "jwt", consumer_keys = true } } }
      route "/staff" { upstream = "origin", plugins = { { "jwt", consumer_keys = true },
        { "acl", groups = { "staff" } } } }
      route "/client" { upstream = "origin", plugins = {
        { "jwt", consumer_keys = true, key_claim = "client_id" } } }
    ]]):format(origin.url, SECRET, OTHER, rsa:pem(), SECRET,
      json.encode(ec:jwk { kid = "bert-1" })) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(token, path)
    return http.request(moongate.port, { path = path or "/in",
      headers = { authorization = "Bearer " .. token } })
  end

  local function status(token, path) return ask(token, path).status end

  local function said(issuer, more)
    local claims = { iss = issuer, exp = FAR }
    for name, value in pairs(more or {}) do claims[name] = value end
    return claims
  end

  -- Whose token it is, as the upstream is told.
  local function owner(token, path)
    local answer = ask(token, path)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body).headers["x-consumer-name"]
  end

  -- On all workers: connections are spread over them.
  local function everywhere(token, wanted)
    for _ = 1, 12 do
      if status(token) ~= wanted then return false end
    end
    return true
  end

  local function admin(method, path, body, wanted)
    local answer = http.request(moongate.admin_port, { method = method, path = path,
      headers = { ["content-type"] = "application/json" }, body = body and json.encode(body) })
    assert.equal(wanted, answer.status, answer.body)
    return answer.body ~= "" and json.decode(answer.body) or nil, answer.body
  end

  it("finds them by iss, and tells whose token it is", function()
    for _ = 1, 2 do
      assert.equal("anna", owner(hmac:token(said "anna", { kid = "old" })))
      assert.equal("anna", owner(rsa:token(said "anna-rsa")))
      assert.equal("bert", owner(ec:token(said "bert", { kid = "bert-1" })))
    end
    assert.equal(200, status(hmac:token(said "anna"), "/staff"))
    assert.equal(403, status(ec:token(said "bert"), "/staff"))
  end)

  it("finds them by another claim, or by kid where the token has none", function()
    assert.equal("bert", owner(ec:token({ client_id = "bert", exp = FAR }), "/client"))
    assert.equal("anna", owner(rsa:token({ exp = FAR }, { kid = "anna-rsa" })))
  end)

  it("lets keys of one id take turns", function()
    assert.equal("anna", owner(hmac:token(said "anna", { kid = "old" })))
    assert.equal("anna", owner(other:token(said "anna", { kid = "new" })))
    assert.equal("anna", owner(other:token(said "anna")))
    assert.equal(401, status(other:token(said "anna", { kid = "old" })))
  end)

  it("takes nobody's token for another's, and no key for another kind of key", function()
    local answer = ask(ec:token(said "anna"))
    assert.equal(401, answer.status)
    local unknown = ask(hmac:token(said "nobody"))
    assert.equal(answer.headers["www-authenticate"], unknown.headers["www-authenticate"])
    assert.equal(json.decode(answer.body).detail, json.decode(unknown.body).detail)
    -- The public key as the secret of an HMAC.
    local confused = jws.signer("HS256", { secret = rsa:pem() })
    assert.equal(401, status(confused:token(said "anna-rsa")))
    assert.equal(401, status(hmac:token(said "bert")))
    assert.equal(401, status(hmac:token(said "gone")))
    for _, issuer in ipairs { "", 7, { "anna" }, ("x"):rep(5000), "anna\0000" } do
      assert.equal(401, status(hmac:token(said(issuer))))
    end
    assert.equal(401, status(hmac:token(said("anna", { exp = 1 }))))
  end)

  it("takes keys by the admin API, and shows no secret of them, ever", function()
    admin("POST", "/consumers", { name = "carl", groups = { "staff" } }, 201)
    local path = "/consumers/carl/credentials"
    local carl = jws.signer("HS512", { secret = ("carl----"):rep(8) })
    local made, text = admin("POST", path, { type = "jwt", secret = ("carl----"):rep(8),
      algorithm = "HS512", kid = "c1" }, 201)
    assert.same({ "HS512", "carl", "c1" }, { made.algorithm, made.jwt_id, made.kid })
    local _, shown = admin("GET", "/consumers/carl", nil, 200)
    local _, listed = admin("GET", "/consumers?limit=1000", nil, 200)
    local _, config = admin("GET", "/config", nil, 200)
    for _, answer in ipairs { text, shown, listed, config } do
      for _, secret in ipairs { "carl----", SECRET, OTHER } do
        assert.is_nil(answer:find(secret, 1, true), answer)
      end
    end
    assert.equal("carl", owner(carl:token(said "carl"), "/staff"))
    local key = jws.signer "ES256"
    admin("POST", path, { type = "jwt", jwt_id = "https://carl.example", pem = key:pem() }, 201)
    assert.equal("carl", owner(key:token(said "https://carl.example")))
    admin("POST", path, { type = "jwt", jwt_id = "carl-jwk", jwk = rsa:jwk { alg = "RS256" } }, 201)
    assert.equal("carl", owner(rsa:token(said "carl-jwk")))
  end)

  it("revokes them on all workers within a second, though they know the token", function()
    admin("POST", "/consumers", { name = "dora" }, 201)
    local path = "/consumers/dora/credentials"
    local made = admin("POST", path, { type = "jwt", pem = rsa:pem() }, 201)
    local kept = admin("POST", path, { type = "jwt", jwt_id = "kept", pem = ec:pem() }, 201)
    local token, second = rsa:token(said "dora"), ec:token(said "kept")
    assert.is_true(everywhere(token, 200))
    assert.is_true(everywhere(second, 200))
    admin("DELETE", path .. "/" .. made.id, nil, 204)
    local from = system.now()
    wait.that(function() return everywhere(token, 401) end)
    assert.is_true(system.now() - from < 5, system.now() - from)
    assert.is_true(everywhere(second, 200))
    admin("DELETE", "/consumers/dora", nil, 204)
    wait.that(function() return everywhere(second, 401) end)
    assert.truthy(kept.id)
  end)

  it("rotates them with an overlap, and ends with it", function()
    admin("POST", "/consumers", { name = "emil" }, 201)
    local path = "/consumers/emil/credentials"
    local old = admin("POST", path, { type = "jwt", pem = rsa:pem(), kid = "1" }, 201)
    local first = rsa:token(said "emil", { kid = "1" })
    local second = ec:token(said "emil", { kid = "2" })
    assert.is_true(everywhere(first, 200))
    local new = admin("POST", path .. "/" .. old.id .. "/rotate",
      { overlap = "1.5s", pem = ec:pem(), kid = "2" }, 201)
    assert.equal("emil", new.jwt_id)
    wait.that(function() return everywhere(second, 200) end)
    wait.that(function() return everywhere(first, 401) end)
    assert.is_true(everywhere(second, 200))
  end)

  it("refuses keys that cannot be used", function()
    admin("POST", "/consumers", { name = "frida" }, 201)
    local function why(body)
      body.type = "jwt"
      return admin("POST", "/consumers/frida/credentials", body, 422).detail
    end
    assert.matches("expected one of secret, pem and jwk", why {})
    assert.matches("expected one of secret, pem and jwk", why { secret = SECRET, pem = rsa:pem() })
    assert.matches("neither a public key nor a certificate", why { pem = "x" })
    assert.matches("The key cannot be used", why { secret = "short" })
    assert.matches("The key cannot be used", why { pem = rsa:pem(), algorithm = "HS256" })
    assert.matches("The key cannot be used", why { jwk = { kty = "RSA" } })
    assert.matches("more than 248 bytes", why { secret = SECRET, jwt_id = ("x"):rep(300) })
    -- Of the configuration, and of another consumer.
    for _, id in ipairs { "anna-rsa", "carl-jwk" } do
      admin("POST", "/consumers/frida/credentials",
        { type = "jwt", secret = SECRET, jwt_id = id }, 409)
    end
  end)

  it("is refused with what cannot be", function()
    refusal.of_each {
      ['"jwt"'] = "expected one of keys, jwks and consumer_keys",
      ['"jwt", consumer_keys = true, jwks = "{}"'] = "expected one of keys",
      ['"jwt", consumer_keys = true, consumer_claim = "sub"'] = "consumer_claim has no use",
    }
    local function wrong(keys)
      return refusal.of(([[
        listen "127.0.0.1:0"
        consumer "a" { jwt_keys = { %s } }
        consumer "b" { jwt_keys = { { id = "taken", secret = %q } } }
        route "/" { plugins = { "mock" } }
      ]]):format(keys, SECRET))
    end
    assert.matches("jwt_keys%[1%]: expected one of secret", wrong "{ }")
    assert.matches("jwt_keys%[1%]: it is neither a public key", wrong '{ pem = "x" }')
    assert.matches("jwt_keys%[1%].algorithm is \"none\"; expected one of",
      wrong '{ secret = "x", algorithm = "none" }')
    assert.matches('has the same id of JWT keys as consumer "a"',
      wrong(('{ id = "taken", secret = %q }'):format(SECRET)))
    assert.matches("jwt_keys%[1%]: expires is \"soon\"; expected a time",
      wrong(('{ secret = %q, expires = "soon" }'):format(SECRET)))
    local one = ('{ secret = %q }, '):format(SECRET)
    assert.matches("has more than 4 keys", wrong(one:rep(5)))
  end)
end)
