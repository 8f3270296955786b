--- oidc_spec: tokens of a real OpenID provider, its keys, and its absence.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local oidc_provider = require "spec.support.oidc_provider"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

describe("with a real provider", function()
  local origin, provider, moongate

  if not oidc_provider.is_there() then
    it("tokens are verified", function() pending "oidc-provider is not installed" end)
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
      local function jwt(more)
        local options = { "jwt", jwks = "%s/jwks", issuer = "%s", audience = "%s",
          type = "at+jwt", interval = "50ms", timeout = "3s", lifetime = "1h",
          consumer_claim = "client_id" }
        for name, value in pairs(more) do options[name] = value end
        return { options }
      end
      route "/read" { upstream = "users", plugins = jwt { scopes = { "read" } } }
      route "/write" { upstream = "users", plugins = jwt { scopes = { "write" } } }
      route "/other" { upstream = "users", plugins = jwt { audience = "https://other.example" } }
    ]]):format(origin.url, provider.url, provider.url, oidc_provider.AUDIENCE) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    if provider then provider:stop() end
  end)

  local function get(path, token)
    return http.request(moongate.port, { path = path,
      headers = { authorization = "Bearer " .. token } })
  end

  it("its tokens are verified, with their scopes and for whom they are", function()
    local token = provider:token("read", oidc_provider.AUDIENCE)
    wait.that(function() return get("/read", token).status ~= 503 end)
    for _ = 1, 3 do
      local answer = get("/read", token)
      assert.equal(200, answer.status, answer.body)
      assert.equal("mobile", json.decode(answer.body).headers["x-consumer-name"])
      assert.equal(403, get("/write", token).status)
      assert.equal(401, get("/other", token).status)
    end
    assert.equal(200, get("/write", provider:token("write", oidc_provider.AUDIENCE)).status)
  end)

  it("opaque tokens are no JWTs", function()
    local answer = get("/read", provider:token "read")
    assert.equal(401, answer.status)
    assert.matches("malformed", answer.body)
  end)

  it("new keys are found, and the old ones gone", function()
    for _, algorithm in ipairs { "ES256", "RS256" } do
      local before = provider:token("read", oidc_provider.AUDIENCE)
      assert.equal(200, get("/read", before).status)
      provider:rotate(algorithm)
      local token = provider:token("read", oidc_provider.AUDIENCE)
      wait.that(function() return get("/read", token).status == 200 end)
      wait.that(function() return get("/read", before).status == 401 end)
      assert.equal(200, get("/read", token).status)
    end
  end)

  it("keys that are known serve on while it hangs, and when it is gone", function()
    local token = provider:token("read", oidc_provider.AUDIENCE)
    assert.equal(200, get("/read", token).status)
    provider:freeze()
    assert.equal(200, get("/read", token).status)
    assert.equal(401, get("/read", (token:gsub("%.[^.]*$", ".AAAA"))).status)
    provider:thaw()
    provider:stop()
    for _ = 1, 10 do assert.equal(200, get("/read", token).status) end
  end)
end)
