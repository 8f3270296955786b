local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

local function sha256(text)
  local pipe = io.popen(("printf %%s '%s' | sha256sum"):format(text))
  local digits = pipe:read "*l"
  pipe:close()
  return digits:match "^%x+"
end

describe("key-auth", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" { keys = { "k-mobile" } }
      consumer "hashed" { keys = {
        -- SHA-256 of "k-hashed"
        "sha256:%s", { "k-expired", expires = "2001-01-01T00:00:00Z" },
        { "k-lasting", expires = "9000-01-01T00:00:00Z" },
      } }
      consumer "desk" { keys = { "k-desk", "a b&c", "one, two" } }
      route "/plain/{rest*}" { upstream = "users", plugins = { "key-auth" } }
      route "/everywhere/{rest*}" { upstream = "users", plugins = {
        { "key-auth", query = "key", cookie = "token" },
      } }
      route "/shown/{rest*}" { upstream = "users", plugins = {
        { "key-auth", header = "authorization", query = "key", cookie = "token", hide = false,
          consumer_header = "x-user" },
      } }
      route "/odd/{rest*}" { upstream = "users", plugins = {
        { "key-auth", header = "list", query = "list" },
      } }
      route "/silent/{rest*}" { upstream = "users", plugins = {
        { "key-auth", consumer_header = false },
      } }
    ]]):format(origin.url, sha256 "k-hashed") }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function get(path, headers)
    return http.request(moongate.port, { path = path, headers = headers })
  end

  -- What went upstream.
  local function forwarded(path, headers)
    local answer = get(path, headers)
    assert.equal(200, answer.status)
    return json.decode(answer.body)
  end

  it("refuses a request without a key", function()
    local answer = get "/plain/"
    assert.equal(401, answer.status)
    assert.equal("ApiKey", answer.headers["www-authenticate"])
    assert.matches("missing%-key", answer.body)
  end)

  it("refuses a key that nobody has", function()
    for _, key in ipairs { "k-mobil", "k-mobile2", "K-MOBILE", "", "k-mobile, k-mobile" } do
      local answer = get("/plain/", { ["x-api-key"] = key })
      assert.equal(401, answer.status)
      assert.equal("ApiKey", answer.headers["www-authenticate"])
      assert.matches("unknown%-key", answer.body)
    end
  end)

  it("lets through whom it knows, and tells the upstream who it is", function()
    local request = forwarded("/plain/a", { ["X-Api-Key"] = "k-mobile" })
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.equal("desk", forwarded("/plain/a", { ["x-api-key"] = "k-desk" })
      .headers["x-consumer-name"])
  end)

  it("takes keys of which it knows the digest alone, for as long as they count", function()
    local function by(key) return forwarded("/plain/", { ["x-api-key"] = key }).headers end
    assert.equal("hashed", by("k-hashed")["x-consumer-name"])
    assert.equal("hashed", by("k-lasting")["x-consumer-name"])
    for _, key in ipairs { "k-expired", "sha256:" .. sha256 "k-hashed", sha256 "k-hashed" } do
      assert.equal(401, get("/plain/", { ["x-api-key"] = key }).status)
    end
  end)

  it("takes several fields for one key, as they would be joined", function()
    local twice = { { "x-api-key", "k-mobile" }, { "x-api-key", "k-mobile" } }
    assert.matches("unknown%-key", get("/plain/", twice).body)
    local request = forwarded("/plain/", { { "x-api-key", "one" }, { "X-Api-Key", "two" } })
    assert.equal("desk", request.headers["x-consumer-name"])
    assert.is_nil(request.headers["x-api-key"])
  end)

  it("takes a field of any name, and a parameter", function()
    local request = forwarded("/odd/", { list = "k-mobile" })
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.is_nil(request.headers.list)
    assert.equal("/odd/", forwarded("/odd/?list=k-mobile").target)
    assert.equal(401, get("/odd/").status)
  end)

  it("hides the key from the upstream", function()
    assert.is_nil(forwarded("/plain/", { ["x-api-key"] = "k-mobile" }).headers["x-api-key"])
  end)

  it("looks into the query and the cookies where it is to, and hides the key there", function()
    local request = forwarded "/everywhere/?a=1&key=a%20b%26c&b=2"
    assert.equal("desk", request.headers["x-consumer-name"])
    assert.equal("/everywhere/?a=1&b=2", request.target)

    request = forwarded("/everywhere/", { cookie = "a=1; token=k-mobile; tokens=2" })
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.equal("a=1; tokens=2", request.headers.cookie)

    assert.is_nil(forwarded("/everywhere/", { cookie = "token=k-mobile" }).headers.cookie)
  end)

  it("goes by the header where there are several keys, and hides them all", function()
    local request = forwarded("/everywhere/?key=k-desk",
      { ["x-api-key"] = "k-mobile", cookie = "token=k-desk" })
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.equal("/everywhere/", request.target)
    assert.is_nil(request.headers.cookie)
    assert.equal(401, get("/everywhere/?key=k-desk", { ["x-api-key"] = "wrong" }).status)
  end)

  it("looks nowhere but where it is to", function()
    assert.equal(401, get "/plain/?key=k-mobile&x-api-key=k-mobile".status)
    assert.equal(401, get("/plain/", { cookie = "token=k-mobile" }).status)
  end)

  it("leaves the key where it is to", function()
    local request = forwarded("/shown/", { authorization = "k-mobile" })
    assert.equal("k-mobile", request.headers.authorization)
    assert.equal("/shown/?key=k-mobile", forwarded("/shown/?key=k-mobile").target)
    assert.equal("token=k-mobile", forwarded("/shown/", { cookie = "token=k-mobile" })
      .headers.cookie)
  end)

  it("lets nobody claim to be somebody", function()
    local claims = {
      { "x-api-key", "k-mobile" }, { "X-Consumer-Name", "admin" }, { "x-consumer-groups", "root" },
      { "X_Consumer_Name", "admin" }, { "x-consumerism", "yes" },
    }
    local request = forwarded("/plain/", claims)
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.is_nil(request.headers["x-consumer-groups"])
    assert.is_nil(request.headers["x_consumer_name"])
    assert.equal("yes", request.headers["x-consumerism"])

    request = forwarded("/shown/", { { "authorization", "k-mobile" }, { "x-user", "admin" },
      { "X_User", "admin" } })
    assert.equal("mobile", request.headers["x-user"])
    assert.is_nil(request.headers["x_user"])
  end)

  it("says nothing to the upstream where it is not to", function()
    local request = forwarded("/silent/",
      { ["x-api-key"] = "k-mobile", ["x-consumer-name"] = "me" })
    assert.equal("me", request.headers["x-consumer-name"])
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"key-auth", consumer_header = true'] =
        "consumer_header is true; expected the name of a header, or false",
      ['"key-auth", consumer_header = "x y"'] = 'header "x y" is not a field name',
      ['"key-auth", header = "connection"'] =
        'header "connection" is written by the gateway itself',
      ['"key-auth", header = 7'] = "header is 7; expected a string",
      ['"key-auth", haeder = "x"'] = "haeder is not known here; did you mean",
    }
  end)
end)
