--- jwt_spec: verifying tokens by keys of any form, and minting them.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local jws = require "spec.support.jws"
local probe = require "spec.support.probe"

local SECRET = ("secret--"):rep(8)

describe("jwt", function()
  local moongate
  local rsa, ec, ed, hmac
  local FAR = 4102444800

  -- What the library says of a token: its subject, or why not.
  local function ask(path, body)
    local answer = http.request(moongate.port, { method = "POST", path = path, body = body or "" })
    assert.equal(200, answer.status)
    return answer.body
  end

  setup(function()
    rsa, ec, ed = jws.signer "RS256", jws.signer "ES256", jws.signer "EdDSA"
    hmac = jws.signer("HS256", { secret = SECRET })
    local jwks = json.encode { keys = {
      rsa:jwk { kid = "r", alg = "RS256", use = "sig", x5c = { "AAAA" } },
      ec:jwk { kid = "e" }, ed:jwk { kid = "d", key_ops = { "verify" } },
      jws.signer "ES256":jwk { kid = "enc", use = "enc" },
      hmac:jwk { kid = "h", alg = "HS256" }, { kty = "what" }, json.null,
    } }
    moongate = gateway.start { files = probe.files, config = probe.says .. ([==[
      local RSA, EC, ED, EC_PRIVATE, RSA_PRIVATE = %q, %q, %q, %q, %q
      local SECRET, JWKS = %q, %q
      local FAR = 4102444800
      local function said(claims, why) return claims and claims.sub or why end
      local function keys_of(m)
        local k = m.jwt.keys
        return {
          assert(k.of_pem(RSA, nil, "r")), assert(k.of_pem(EC)), assert(k.of_pem(ED)),
          assert(k.of_secret(SECRET)),
        }
      end
      says("POST /any", function(req, m)
        local list = keys_of(m)
        local who = said(m.jwt.verify(req:body(), list))
        m.jwt.keys.forget(list)
        return who, said(m.jwt.verify(req:body(), list))
      end)
      says("POST /rsa/{algorithm}", function(req, m)
        return said(m.jwt.verify(req:body(), { assert(m.jwt.keys.of_pem(RSA,
          req.params.algorithm)) }))
      end)
      says("POST /jwks", function(req, m)
        local set = assert(m.jwt.keys.of_jwks(JWKS))
        return #set.keys, said(m.jwt.verify(req:body(), set.keys)), #set.fingerprint
      end)
      says("POST /jwks/{algorithm}", function(req, m)
        local set, why = m.jwt.keys.of_jwks(JWKS, { req.params.algorithm })
        return set and #set.keys or why
      end)
      says("POST /set", function(req, m)
        local set, why = m.jwt.keys.of_jwks(req:body())
        return set and #set.keys or why
      end)
      says("POST /jwk", function(req, m)
        local key, why = m.jwt.keys.of_jwk(m.json.decode(req:body()), { "HS256", "ES256", "RS256" })
        return key and key.algorithm or why
      end)
      says("POST /key/{algorithm}", function(req, m)
        local key, why = m.jwt.keys.of_pem(req:body(), req.params.algorithm)
        return key and key.algorithm or why
      end)
      says("POST /rules", function(req, m)
        local given = req:json()
        local key = assert(m.jwt.keys.of_secret(SECRET))
        return said(m.jwt.verify(given.token, { key }, given.rules))
      end)
      says("POST /mint/{algorithm}", function(req, m)
        local algorithm = req.params.algorithm
        local private = { HS = SECRET, RS = RSA_PRIVATE, ES = EC_PRIVATE }
        local token, why = m.jwt.mint { algorithm = algorithm, kid = "k1", lifetime = 60,
          key = private[algorithm:sub(1, 2)] or SECRET, claims = { sub = "é\"", n = 1e15, l = {} } }
        return token or why
      end)
      says("POST /mint-bad", function(req, m)
        local _, short = m.jwt.mint { key = "short", claims = {} }
        local _, other = m.jwt.mint { algorithm = "RS256", key = EC_PRIVATE, claims = {} }
        local _, none = m.jwt.mint { algorithm = "none", key = SECRET, claims = {} }
        local long = m.jwt.mint { key = SECRET, claims = { sub = ("x"):rep(20000) } }
        return short, other, none, #long > 26000
      end)
    ]==]):format(rsa:pem(), ec:pem(), ed:pem(), ec:private_pem(), rsa:private_pem(), SECRET,
      jwks) }
  end)

  teardown(gateway.stop_all)

  local function claims(more)
    local all = { sub = "me", exp = FAR }
    for name, value in pairs(more or {}) do all[name] = value end
    return all
  end

  it("verifies what one of its keys signed, until they are forgotten", function()
    for _, signer in ipairs { rsa, ec, ed, hmac } do
      assert.equal("me The signature does not verify.", ask("/any", signer:token(claims())))
    end
    for _, signer in ipairs { jws.signer "ES256", jws.signer "EdDSA" } do
      assert.matches("^The signature does not verify", ask("/any", signer:token(claims())))
    end
  end)

  it("holds a token against keys of its kid alone, where both have one", function()
    assert.matches("^me", ask("/any", rsa:token(claims(), { kid = "r" })))
    assert.matches("^The signature", ask("/any", rsa:token(claims(), { kid = "R" })))
    assert.matches("^me", ask("/any", ec:token(claims(), { kid = "anything" })))
  end)

  it("takes the algorithm from the key", function()
    local input = jws.input({ alg = "PS256" }, claims())
    local token = input .. "." .. jws.base64url(rsa:sign(input, "PS256"))
    assert.matches("does not verify", ask("/rsa/RS256", token))
    assert.equal("me", ask("/rsa/PS256", token))
    -- Signed so, but called otherwise.
    input = jws.input({ alg = "RS256" }, claims())
    token = input .. "." .. jws.base64url(rsa:sign(input, "PS256"))
    assert.matches("does not verify", ask("/rsa/RS256", token))
    assert.matches("does not verify", ask("/rsa/PS256", token))
  end)

  it("makes keys of a set, and leaves out what is not for it", function()
    assert.equal("3 me 32", ask("/jwks", rsa:token(claims(), { kid = "r" })))
    assert.equal("3 me 32", ask("/jwks", ec:token(claims(), { kid = "e" })))
    assert.equal("3 me 32", ask("/jwks", ed:token(claims())))
    assert.matches("does not verify", ask("/jwks", hmac:token(claims(), { kid = "h" })))
    assert.equal("1", ask "/jwks/EdDSA")
    assert.matches("none of its keys can be used", ask "/jwks/HS256")
  end)

  it("says why a set or a key is none", function()
    local jwk = ec:jwk()
    for text, why in pairs {
      [""] = "it is no JSON Web Key Set", ["[]"] = "it is no JSON Web Key Set",
      ['{"keys":{}}'] = "it has no keys", ['{"keys":3}'] = "it is no JSON Web Key Set",
      ['{"keys":[3]}'] = "it is no JSON object",
      ['{"keys":[' .. ("{},"):rep(100) .. "{}]}"] = "more than 100 keys",
    } do
      assert.matches(why, ask("/set", text), 1, true)
    end
    for _, case in ipairs {
      { { kty = "oct", k = "AAAA" }, "shorter than the digest" },
      { { kty = "oct" }, "it has no k" }, { { kty = "oct", k = "a b" }, "it has no k" },
      { { kty = "RSA", n = "AAAA" }, "it has no n and e" },
      { { kty = "RSA", n = "AQ", e = "AQAB" }, "less than 2048 bits" },
      { { kty = "EC", crv = "P-384", x = jwk.x, y = jwk.y }, "none of the allowed algorithms" },
      { { kty = "EC", crv = "P-256", x = jwk.x, y = jwk.x }, "not a point on its curve" },
      { ec:jwk { alg = "none" }, "its alg none is not allowed" },
      { ec:jwk { alg = "HS256" }, "its alg HS256 is not allowed, or does not go" },
      { ec:jwk { use = "enc" }, "its use or key_ops is not to verify" },
      { ec:jwk { key_ops = { "sign" } }, "its use or key_ops is not to verify" },
      { ec:jwk { kid = 3 }, "its kid is no string" },
      { ec:jwk(), "ES256" }, { rsa:jwk(), "RS256" }, { hmac:jwk(), "HS256" },
    } do
      assert.matches(case[2], ask("/jwk", json.encode(case[1])), 1, true)
    end
    assert.matches("a public key is no secret", ask("/key/HS256", rsa:pem()), 1, true)
    assert.matches("the algorithm is not known", ask("/key/none", rsa:pem()), 1, true)
  end)

  it("refuses what is no token", function()
    local token = hmac:token(claims())
    local header, payload, signature = token:match "^(.-)%.(.-)%.(.*)$"
    local function signed(one, two)
      local input = one .. "." .. two
      return input .. "." .. jws.base64url(hmac:sign(input))
    end
    local b64 = jws.base64url
    for _, bad in ipairs { "", "a", "a.b", "a.b.c", "..", token .. ".", token .. ".x.y",
      signed(b64 "[]", payload), signed(b64 "{", payload), signed(b64 "{}", payload),
      signed(b64 '{"alg":1}', payload), signed(b64 '{"alg":"HS256","kid":1}', payload),
      signed(b64 '{"alg":"HS256","kid":null}', payload), signed(header .. "=", payload),
      signed(header, b64 "[]"), signed(header, b64 "x"), signed(header, ""),
      signed(header, payload .. "="), signed(header, b64 '{"exp":') } do
      assert.matches("^The token is malformed", ask("/any", bad))
    end
    assert.matches("^The token is too large", ask("/any", ("x"):rep(8193)))
    assert.matches("^The token has extensions",
      ask("/any", hmac:token(claims(), { crit = { "b64" }, b64 = false })))
    assert.matches("does not verify", ask("/any", ("%s.%s."):format(header, payload)))
    assert.matches("does not verify", ask("/any", header .. "." .. payload .. "."
      .. signature:sub(1, -2)))
  end)

  local function judged(said, rules, header)
    return ask("/rules", json.encode { token = hmac:token(said, header), rules = rules or {} })
  end

  it("holds times against the clock, with as much skew as it is told", function()
    local now = os.time()
    for _, case in ipairs {
      { { exp = now + 60 }, {}, "me" }, { { exp = now - 5 }, {}, "has expired" },
      { { exp = now - 5 }, { skew = 30 }, "me" },
      { { exp = now - 60 }, { skew = 30 }, "has expired" },
      { { exp = now + 60, nbf = now + 20 }, {}, "not valid yet" },
      { { exp = now + 60, nbf = now + 20 }, { skew = 30 }, "me" },
      { { exp = now + 60, iat = now + 20 }, {}, "issued in the future" },
      { { exp = now + 60, iat = now + 20 }, { skew = 30 }, "me" },
      { { exp = now + 60, iat = now - 100 }, { max_age = 50 }, "too old" },
      { { exp = now + 60, iat = now - 100 }, { max_age = 50, skew = 60 }, "me" },
      { { exp = now + 60 }, { max_age = 50 }, "does not say when it was issued" },
      { {}, {}, "does not expire" }, { {}, { may_last = true }, "me" },
      { { exp = "4102444800" }, {}, "exp is no time" },
      { { exp = json.null }, {}, "exp is no time" },
      { { exp = true }, {}, "exp is no time" }, { { exp = 1e300 }, {}, "exp is no time" },
      { { exp = now + 60, nbf = "0" }, {}, "nbf is no time" },
      { { exp = now + 60, iat = {} }, {}, "iat is no time" },
    } do
      case[1].sub = "me"
      assert.matches(case[3], judged(case[1], case[2]), 1, true)
    end
  end)

  it("holds claims against what is wanted", function()
    for _, case in ipairs {
      { { iss = "a" }, { issuer = { "b", "a" } }, "me" },
      { { iss = "c" }, { issuer = { "b", "a" } }, "another issuer" },
      { {}, { issuer = { "a" } }, "another issuer" },
      { { iss = { "a" } }, { issuer = { "a" } }, "another issuer" },
      { { aud = "a" }, { audience = { "a" } }, "me" },
      { { aud = { "x", "a" } }, { audience = { "a" } }, "me" },
      { { aud = { "x", "A" } }, { audience = { "a" } }, "another audience" },
      { {}, { audience = { "a" } }, "another audience" },
      { { aud = { a = "a" } }, { audience = { "a" } }, "another audience" },
      { {}, { required = { "sub" } }, "me" },
      { {}, { required = { "jti" } }, "The claim jti is missing" },
      { { tenant = "t" }, { claims = { tenant = "t" } }, "me" },
      { { tenant = { "s", "t" } }, { claims = { tenant = { "t", "u" } } }, "me" },
      { { verified = false }, { claims = { verified = true } }, "verified is not as required" },
      { {}, { claims = { tenant = "t" } }, "tenant is not as required" },
      { { scope = "a b" }, { scopes = { "b", "a" } }, "me" },
      { { scope = "ab b" }, { scopes = { "a" } }, "lacks a scope" },
      { { scp = { "a" } }, { scopes = { "a" } }, "me" },
      { { scope = "b", scp = { "a" } }, { scopes = { "a" } }, "lacks a scope" },
      { { rights = { "a" } }, { scopes = { "a" }, scope_claim = "rights" }, "me" },
      { {}, { scopes = { "a" } }, "lacks a scope" },
    } do
      assert.matches(case[3], judged(claims(case[1]), case[2]), 1, true)
    end
  end)

  it("holds the type against the one that is wanted", function()
    for typ, is_right in pairs { ["at+jwt"] = true, ["AT+JWT"] = true,
      ["application/at+jwt"] = true, JWT = false, ["xat+jwt"] = false } do
      local answer = judged(claims(), { type = "at+jwt" }, { typ = typ })
      assert.equal(is_right and "me" or "The token is of another type.", answer)
    end
    assert.equal("The token is of another type.",
      judged(claims(), { type = "at+jwt" }, { typ = json.null }))
  end)

  it("mints what it verifies, with kid and times", function()
    for _, algorithm in ipairs { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256" } do
      local token = ask("/mint/" .. algorithm)
      local header, payload = token:match "^(.-)%.(.-)%."
      header, payload = json.decode(jws.from_base64url(header)),
        json.decode(jws.from_base64url(payload))
      assert.same({ alg = algorithm, typ = "JWT", kid = "k1" }, header)
      assert.equal('é"', payload.sub)
      assert.equal(1e15, payload.n)
      assert.equal(60, payload.exp - payload.iat)
      if algorithm:find "256" and algorithm ~= "RS256" then
        assert.matches('^é"', ask("/any", token))
      elseif algorithm:find "^RS" then
        assert.equal('é"', ask("/rsa/" .. algorithm, token))
      end
    end
    for _, algorithm in ipairs { "PS256", "EdDSA", "none" } do
      assert.matches("tokens are minted with HS, RS and ES", ask("/mint/" .. algorithm))
    end
    assert.equal("the secret is shorter than 32 bytes the key cannot sign with RS256 tokens are "
      .. "minted with HS, RS and ES algorithms, not with none true", ask "/mint-bad")
  end)
end)
