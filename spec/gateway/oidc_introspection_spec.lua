--- oidc_introspection_spec: opaque tokens of a real OpenID provider, revoked, and its absence.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local oidc_provider = require "spec.support.oidc_provider"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

describe("with a real provider", function()
  local origin, provider, moongate

  if not oidc_provider.is_there() then
    it("tokens are introspected", function() pending "oidc-provider is not installed" end)
    return
  end

  setup(function()
    origin = peer.start()
    provider = oidc_provider.start()
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" {}
      local function to(path, more)
        local options = { "oauth2-introspection", endpoint = "%s/token/introspection",
          client_id = "gateway", client_secret = env "GATEWAY_SECRET", issuer = "%s",
          required = { "token_type" }, cache = "1s", timeout = "3s",
          consumer_claim = "client_id", claim_headers = { ["x-tenant"] = "tenant" } }
        for name, value in pairs(more or {}) do options[name] = value end
        route(path) { upstream = "users", plugins = { options } }
      end
      to("/read", { scopes = { "read" } })
      to("/write", { scopes = { "write" } })
      to("/posted", { client_id = "gateway-post", client_auth = "client_secret_post" })
      to("/uncached", { cache = 0 })
      to("/stranger", { client_secret = "another" })
      to("/open", { unavailable = "allow", cache = 0 })
    ]]):format(origin.url, provider.url, provider.url),
      env = { GATEWAY_SECRET = oidc_provider.GATEWAY_SECRET } }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    if provider then provider:stop() end
  end)

  local function get(path, token)
    return http.request(moongate.port, { path = path,
      headers = { authorization = "Bearer " .. token, ["x-tenant"] = "root" } })
  end

  it("its opaque tokens are admitted, with their scopes and whose they are", function()
    local token = provider:token "read"
    for _ = 1, 3 do
      local answer = get("/read", token)
      assert.equal(200, answer.status, answer.body)
      local request = json.decode(answer.body)
      assert.equal("mobile", request.headers["x-consumer-name"])
      assert.equal("core", request.headers["x-tenant"])
      assert.equal(403, get("/write", token).status)
    end
    assert.equal(200, get("/posted", token).status)
    assert.equal(401, get("/read", token .. "x").status)
  end)

  it("a token that is revoked is out, at once or once the answer is no longer kept", function()
    local token = provider:token "read"
    assert.equal(200, get("/uncached", token).status)
    assert.equal(200, get("/read", token).status)
    provider:revoke(token)
    assert.equal(401, get("/uncached", token).status)
    wait.that(function() return get("/read", token).status == 401 end)
  end)

  it("with another's secret nobody is admitted", function()
    local answer = get("/stranger", provider:token "read")
    assert.equal(503, answer.status)
    moongate:wait_for_log "It answered 401"
  end)

  it("while it hangs nobody new is admitted, and all are when it is back", function()
    local token = provider:token "read"
    provider:freeze()
    for _ = 1, 2 do
      local answer = get("/uncached", token)
      assert.equal(503, answer.status)
      assert.equal("3", answer.headers["retry-after"])
      assert.matches("identity%-provider%-unavailable", answer.body)
    end
    assert.equal(503, get("/read", token).status)
    local open = get("/open", token)
    assert.equal(200, open.status)
    assert.is_nil(json.decode(open.body).headers["x-tenant"])
    assert.is_nil(json.decode(open.body).headers["x-consumer-name"])
    provider:thaw()
    wait.that(function() return get("/uncached", token).status == 200 end)
    wait.that(function() return get("/read", token).status == 200 end)
  end)

  it("while it is gone nobody is admitted, and all are when it is back", function()
    local token = provider:token "read"
    provider:stop()
    assert.equal(503, get("/read", token).status)
    assert.equal(503, get("/uncached", token).status)
    provider = oidc_provider.start(provider.port)
    wait.that(function() return get("/uncached", token).status == 401 end)
    token = provider:token "read"
    wait.that(function() return get("/uncached", token).status == 200 end)
    wait.that(function() return get("/read", token).status == 200 end)
  end)
end)
