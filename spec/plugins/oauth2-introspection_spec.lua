--- oauth2-introspection_spec: who is admitted as a provider says, and all answers that are none.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"
local wait = require "spec.support.wait"

local FAR = 4102444800

local function hex(text)
  return (text:gsub(".", function(octet) return ("%02x"):format(octet:byte()) end))
end

local function of_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function unescaped(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function form_of(body)
  local form = {}
  for name, value in body:gmatch "([^&=]+)=([^&]*)" do form[unescaped(name)] = unescaped(value) end
  return form
end

-- What the provider does is what the token asks it for: KIND-HEX-ANYTHING.
local DOES = {}

function DOES.says(connection, text)
  connection:answer(200, { ["Content-Type"] = "application/json" }, text)
end

function DOES.slowly(connection, text)
  connection:sleep(0.3)
  DOES.says(connection, text)
end

function DOES.status(connection, text)
  connection:answer(tonumber(text), nil, '{"active":true}')
end

function DOES.bytes(connection, text)
  DOES.says(connection, ('{"active":true,"sub":"%s"}'):format(("x"):rep(tonumber(text))))
end

function DOES.silence(connection) connection:sleep(3600) end

local function provider_of(connection)
  while true do
    local request = connection:read_request()
    if not request then return end
    local kind, text = form_of(request.body).token:match "^(%l+)%-(%x*)"
    DOES[kind](connection, of_hex(text))
  end
end

local number = 0

-- A token of which the provider says that, new each time.
local function token(kind, what)
  number = number + 1
  return ("%s-%s-%d"):format(kind, hex(type(what) == "table" and json.encode(what) or what or ""),
    number)
end

local function active(more)
  local said = { active = true, sub = "me", exp = FAR }
  for name, value in pairs(more or {}) do said[name] = value end
  return token("says", said)
end

describe("oauth2-introspection", function()
  local origin, provider, other, moongate

  setup(function()
    origin, provider, other = peer.start(), peer.start(provider_of), peer.start(provider_of)
    moongate = gateway.start {
      files = { secret = "s:1/ +&\n" },
      env = { CLIENT_TOKEN = "of-the-gateway" },
      config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" { keys = { "key-of-mobile" } }
      use { { "metrics" } }
      local function plugin(more)
        local options = { "oauth2-introspection", endpoint = "%s/introspect", timeout = "1500ms",
          client_id = "a b", client_secret = file "secret" }
        for name, value in pairs(more or {}) do options[name] = value end
        return options
      end
      local function to(path, more)
        route(path .. "/{rest*}") { upstream = "users", plugins = { plugin(more) } }
      end
      to "/plain"
      to("/same", { realm = "same" })
      to("/other", { endpoint = "%s/introspect" })
      to("/client", { client_id = "another" })
      to("/briefly", { cache = "1s", negative = "1s" })
      to("/each", { cache = 0 })
      to("/patient", { timeout = "20s" })
      to("/posted", { client_auth = "client_secret_post", token_type_hint = false, cache = 0 })
      to("/borne", { client_auth = "bearer", client_token = env "CLIENT_TOKEN", cache = 0 })
      to("/small", { token_limit = "64" })
      to("/strict", { issuer = "https://id", audience = { "a", "b" }, required = { "jti" },
        claims = { tenant = { "core", "edge" } }, scopes = { "read", "write" }, realm = "shop",
        skew = 0, max_age = "1h" })
      to("/typed", { required = { "token_type" } })
      to("/told", { consumer_claim = "client_id", hide = true,
        claim_headers = { ["X-User-Id"] = "sub", ["x-odd"] = "odd" } })
      to("/open", { unavailable = "allow", claim_headers = { ["x-user-id"] = "sub" } })
      to("/everywhere", { cookie = "token", query = "access_token", hide = true })
      to("/anonymous", { anonymous = "mobile", claim_headers = { ["x-user-id"] = "sub" } })
      route "/counted" { upstream = "users", plugins = { plugin(),
        { "rate-limit", limit = 1, window = "1h", by = "claim:tenant" } } }
      route "/any/{rest*}" { upstream = "users", plugins = { { "authenticate", any = {
        { "key-auth" }, plugin { claim_headers = { ["x-user-id"] = "sub" } } } } } }
      route "/all/{rest*}" { upstream = "users", plugins = { { "key-auth" }, plugin() } }
    ]]):format(origin.url, provider.url, other.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  before_each(function()
    provider:forget()
    other:forget()
  end)

  local function get(path, bearer, more)
    local headers = more or {}
    if bearer then headers[#headers + 1] = { "Authorization", "Bearer " .. bearer } end
    return http.request(moongate.port, { path = path, headers = headers })
  end

  local function forwarded(path, bearer, more)
    local answer = get(path, bearer, more)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  local function refuses(path, bearer, detail)
    local answer = get(path, bearer)
    assert.equal(401, answer.status, answer.body)
    assert.equal('Bearer realm="api", error="invalid_token", error_description="' .. detail .. '"',
      answer.headers["www-authenticate"])
    assert.equal(detail, json.decode(answer.body).detail)
  end

  local function counted(outcome, of)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    local name = ('moongate_introspections_total{endpoint="%s/introspect",outcome="%s"}'):format(
      (of or provider).url, outcome)
    return tonumber(text:match(name:gsub("%p", "%%%0") .. " (%d+)")) or 0
  end

  local INACTIVE = "The token is not active."

  it("asks by a form, and shows who asks", function()
    local bearer = active()
    get("/plain/", bearer)
    local request = provider:wait_for_requests(1)[1]
    assert.equal("POST", request.method)
    assert.equal("/introspect", request.target)
    assert.equal("application/x-www-form-urlencoded", request.headers["content-type"])
    assert.equal("application/json", request.headers.accept)
    -- "a%20b:s%3A1%2F%20%2B%26" (RFC 6749, 2.3.1)
    assert.equal("Basic YSUyMGI6cyUzQTElMkYlMjAlMkIlMjY=", request.headers.authorization)
    assert.same({ token = bearer, token_type_hint = "access_token" }, form_of(request.body))
    get("/posted/", bearer)
    request = provider:wait_for_requests(2)[2]
    assert.is_nil(request.headers.authorization)
    assert.same({ token = bearer, client_id = "a b", client_secret = "s:1/ +&" },
      form_of(request.body))
    get("/borne/", bearer)
    assert.equal("Bearer of-the-gateway", provider:wait_for_requests(3)[3].headers.authorization)
  end)

  it("lets no token add to the form", function()
    local bearer = active() .. "&token=says-00&client_id=root=%26+~"
    assert.equal(200, get("/plain/", bearer).status)
    local form = form_of(provider:requests()[1].body)
    assert.equal(bearer, form.token)
    assert.is_nil(form.client_id)
  end)

  it("needs nothing but `active` in the answer", function()
    assert.equal(200, get("/plain/", token("says", '{"active":true}')).status)
    assert.equal(200, get("/plain/", token("says", '{"active":true,"exp":null}')).status)
    refuses("/plain/", token("says", '{"active":false}'), INACTIVE)
    refuses("/plain/", token("says", '{"active":false,"exp":4102444800,"sub":"me"}'), INACTIVE)
  end)

  it("asks once about a token, be it active or not", function()
    local good, bad = active(), token("says", '{"active":false}')
    for _ = 1, 4 do
      assert.equal(200, get("/plain/", good).status)
      assert.equal(200, get("/same/", good).status)
      refuses("/plain/", bad, INACTIVE)
    end
    assert.equal(2, #provider:requests())
    for _ = 1, 2 do assert.equal(200, get("/each/", good).status) end
    assert.equal(4, #provider:requests())
  end)

  it("asks anew, in all workers, once what it was told is purged", function()
    local bearer = active()
    for asked = 1, 2 do
      for _ = 1, 8 do assert.equal(200, get("/plain/", bearer).status) end
      assert.equal(asked, #provider:requests())
      assert.equal(0, (moongate:ask { "purge", "--plugin-cache", "introspection" }))
    end
  end)

  it("asks another provider, or as another client, anew", function()
    local bearer = active()
    for _ = 1, 2 do
      for _, path in ipairs { "/plain/", "/client/", "/briefly/" } do
        assert.equal(200, get(path, bearer).status)
      end
      assert.equal(200, get("/other/", bearer).status)
    end
    assert.is_true(#provider:requests() >= 3) -- /briefly/ may be over by the second time
    assert.equal(1, #other:requests())
    assert.equal("Basic YW5vdGhlcjpzJTNBMSUyRiUyMCUyQiUyNg==",
      provider:requests()[2].headers.authorization)
  end)

  it("asks once for all who come with the same token at once, on all workers", function()
    for _, said in ipairs { '{"active":true}', '{"active":false}' } do
      provider:forget()
      local bearer, connections = token("slowly", said), {}
      for i = 1, 12 do
        connections[i] = http.connect(moongate.port)
        connections[i]:send(http.format { path = "/patient/",
          headers = { authorization = "Bearer " .. bearer } })
      end
      for _, connection in ipairs(connections) do
        assert.equal(said:find "true" and 200 or 401, connection:read_response().status)
        connection:close()
      end
      assert.equal(1, #provider:requests())
    end
  end)

  it("asks again once an answer is no longer kept, or the token has expired", function()
    for _, path in ipairs { "/briefly/", "/strict/" } do
      provider:forget()
      local bearer = active(path == "/briefly/" and {} or { exp = os.time() + 6,
        iss = "https://id", aud = "a", jti = "1", tenant = "core", scope = "read write",
        iat = os.time() })
      assert.equal(200, get(path, bearer).status)
      wait.that(function()
        local status = get(path, bearer).status
        if path == "/strict/" then return status == 401 end
        return #provider:requests() > 1
      end)
    end
  end)

  describe("takes for no answer, and does not keep,", function()
    local cases = {
      ["a status that is not 200"] = { "status", "500", "status-500" },
      ["a redirect"] = { "status", "302", "status-302" },
      ["that the gateway may not ask"] = { "status", "401", "status-401" },
      ["what is no JSON"] = { "says", "active", "unusable" },
      ["JSON that is no object"] = { "says", "[true]", "unusable" },
      ["an object without active"] = { "says", '{"sub":"me"}', "unusable" },
      ["active in quotes"] = { "says", '{"active":"true"}', "unusable" },
      ["active as a number"] = { "says", '{"active":1}', "unusable" },
      ["what is too large"] = { "bytes", "40000", "upstream-body-too-large" },
      ["silence"] = { "silence", "", "timeout" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local bearer = token(case[1], case[2])
        local before = counted(case[3])
        for _ = 1, 2 do
          local answer = get("/plain/", bearer)
          assert.equal(503, answer.status)
          assert.equal("2", answer.headers["retry-after"])
          assert.is_nil(answer.headers["www-authenticate"])
          assert.matches("identity%-provider%-unavailable", answer.body)
          assert.is_nil(answer.body:find(provider.address, 1, true))
        end
        assert.equal(2, #provider:requests())
        assert.equal(before + 2, counted(case[3]))
      end)
    end
  end)

  it("goes on without an answer where it is to, and without what clients say", function()
    local request = forwarded("/open/", token("status", "500"), { { "X-User-Id", "root" },
      { "x_user-id", "root" }, { "X-Consumer-Name", "root" } })
    for _, name in ipairs { "x-user-id", "x_user-id", "x-consumer-name" } do
      assert.is_nil(request.headers[name])
    end
    assert.equal(401, get("/open/", token("says", '{"active":false}')).status)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    assert.matches("\nmoongate_introspection_unverified_total 1\n", text)
  end)

  it("holds claims against what is wanted, for each route", function()
    local function judged(more)
      local said = { iss = "https://id", aud = { "x", "b" }, jti = "1", tenant = "edge",
        scope = "write read", iat = os.time() }
      for name, value in pairs(more) do said[name] = value ~= json.null and value or nil end
      local answer = get("/strict/", active(said))
      return answer.status, answer.headers["www-authenticate"] or ""
    end
    assert.equal(200, (judged {}))
    local now = os.time()
    for detail, more in pairs {
      ["another issuer"] = { iss = "https://other" }, ["another audience"] = { aud = "c" },
      ["jti is missing"] = { jti = json.null }, ["tenant is not"] = { tenant = "x" },
      ["has expired"] = { exp = now - 1 }, ["not valid yet"] = { nbf = now + 60 },
      ["in the future"] = { iat = now + 60 }, ["too old"] = { iat = now - 3700 },
      ["exp is no time"] = { exp = "4102444800" },
    } do
      local status, challenge = judged(more)
      assert.equal(401, status, detail)
      assert.matches('^Bearer realm="shop", error="invalid_token"', challenge)
      assert.matches(detail, challenge, 1, true)
    end
    local bearer = active { scope = "read", iss = "https://id", aud = "a", jti = "1",
      tenant = "core", iat = now }
    for _ = 1, 2 do
      local answer = get("/strict/", bearer)
      assert.equal(403, answer.status)
      assert.equal('Bearer realm="shop", error="insufficient_scope", '
        .. 'error_description="The token lacks a scope.", scope="read write"',
        answer.headers["www-authenticate"])
      assert.equal(200, get("/plain/", bearer).status)
    end
  end)

  it("takes tokens of the type that is wanted alone", function()
    local OTHER = "The token is of another type."
    assert.equal(200, get("/plain/", active { token_type = "bearer" }).status)
    assert.equal(200, get("/typed/", active { token_type = "Bearer" }).status)
    for _, kind in ipairs { "DPoP", "refresh_token", "N_A" } do
      refuses("/plain/", active { token_type = kind }, OTHER)
    end
    refuses("/plain/", token("says", '{"active":true,"token_type":["Bearer"]}'), OTHER)
    refuses("/typed/", active(), "The claim token_type is missing.")
  end)

  it("asks about nothing that is no token", function()
    refuses("/small/", ("x"):rep(65), "The token is too large.")
    refuses("/plain/", ("x"):rep(8193), "The token is too large.")
    refuses("/plain/", "a b", "The token is malformed.")
    refuses("/plain/", "a\195\164", "The token is malformed.")
    for _, headers in ipairs { {}, { { "Authorization", "Basic YTpi" } },
      { { "Authorization", "Bearer" } } } do
      local answer = get("/plain/", nil, headers)
      assert.equal(401, answer.status)
      assert.equal('Bearer realm="api"', answer.headers["www-authenticate"])
    end
    local bearer = active()
    assert.equal(400, get("/plain/", bearer, { { "Authorization", "Bearer x" } }).status)
    assert.equal(400, get("/everywhere/?access_token=x", bearer).status)
    assert.equal(0, #provider:requests())
  end)

  it("tells the upstream who it is, and lets no client say it", function()
    local claim = { { "X-User-Id", "root" }, { "x_user_id", "root" }, { "X-User_Id", "root" },
      { "X_ODD", "1" }, { "X-Consumer-Name", "root" }, { "x_consumer_groups", "root" } }
    local bearer = active { client_id = "mobile", odd = "a\nb" }
    for _ = 1, 2 do
      local request = forwarded("/told/", bearer, { unpack(claim) })
      assert.equal("me", request.headers["x-user-id"])
      assert.equal("mobile", request.headers["x-consumer-name"])
      for _, name in ipairs { "x_user_id", "x-user_id", "x-odd", "x_odd", "x_consumer_groups",
        "authorization" } do assert.is_nil(request.headers[name], name) end
    end
    refuses("/told/", active { client_id = "nobody" }, "The token is nobody's here.")
    refuses("/told/", active(), "The token is nobody's here.")
  end)

  it("finds tokens where they may be", function()
    local bearer = active()
    assert.equal("/everywhere/?a=1",
      forwarded("/everywhere/?a=1&access_token=" .. bearer).target)
    assert.equal("a=1",
      forwarded("/everywhere/", nil, { { "Cookie", "a=1; token=" .. bearer } }).headers.cookie)
    assert.equal(1, #provider:requests())
  end)

  it("shows claims to the plugins behind it", function()
    local function status(tenant) return get("/counted", active { tenant = tenant }).status end
    assert.equal(200, status "one")
    assert.equal(429, status "one")
    assert.equal(200, status "two")
  end)

  it("stands beside others, and after them", function()
    assert.equal("me", forwarded("/any/", active()).headers["x-user-id"])
    local key = { "X-API-Key", "key-of-mobile" }
    local request = forwarded("/any/", nil, { key, { "X-User_Id", "root" } })
    assert.is_nil(request.headers["x-user_id"])
    assert.equal("mobile", request.headers["x-consumer-name"])
    local answer = get "/any/"
    assert.same({ "ApiKey", 'Bearer realm="api"' }, answer.headers["www-authenticate"])
    answer = get("/any/", token("says", '{"active":false}'))
    assert.equal(401, answer.status)
    assert.matches("not active", answer.body)
    assert.equal(503, get("/any/", token("status", "500")).status)
    assert.equal(401, get("/all/", active()).status)
    assert.equal(401, get("/all/", nil, { key }).status)
    assert.equal("mobile", forwarded("/all/", active(), { key }).headers["x-consumer-name"])
    request = forwarded("/anonymous/", nil, { { "x-user-id", "root" } })
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.is_nil(request.headers["x-user-id"])
  end)

  it("is refused with options that cannot be", function()
    local function with(more)
      return '"oauth2-introspection", endpoint = "http://a/", client_id = "a", ' .. more
    end
    refusal.of_each {
      ['"oauth2-introspection"'] = "endpoint is missing",
      ['"oauth2-introspection", endpoint = "id.example"'] = 'endpoint is "id.example"; expected',
      ['"oauth2-introspection", endpoint = "https://a:b@c/"'] = "expected the URL",
      ['"oauth2-introspection", endpoint = "http://a/"'] =
        'client_auth = "client_secret_basic" needs client_id and client_secret',
      ['"oauth2-introspection", endpoint = "http://a/", client_auth = "bearer"'] =
        "needs a client_token",
      [with 'client_auth = "bearer", client_token = "a b"'] = "client_token is not what",
      [with 'client_secret = "b", client_auth = "none"'] = "client_auth is",
      [with 'client_secret = "b", token_type_hint = 7'] = "token_type_hint is 7",
      [with 'client_secret = "b", negative = 0'] = "negative is 0; expected at least 1",
      [with 'client_secret = "b", cache = "10ms"'] = "cache is",
      [with 'client_secret = "b", answer_limit = "1m"'] = "answer_limit is",
      [with 'client_secret = "b", audience = 7'] = "audience is 7; expected a text or a list",
      [with 'client_secret = "b", scopes = { "a b" }'] = 'scopes: "a b" is not a scope',
      [with 'client_secret = "b", claim_headers = { ["x y"] = "sub" }'] =
        'claim_headers: header "x y" is not a field name',
      [with 'client_secret = 7'] = "client_secret is what was given; expected a string",
    }
  end)
end)
