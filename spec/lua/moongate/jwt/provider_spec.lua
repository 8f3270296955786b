--- provider_spec: keys at a URL: fetched once, renewed, and kept while their provider is away.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local jws = require "spec.support.jws"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local FAR = 4102444800

describe("a provider of keys", function()
  local origin, provider, directory, moongate
  local one, two = jws.signer "ES256", jws.signer "RS256"

  -- What the provider answers from now on.
  local function script(answer)
    answer.status = answer.status or 200
    if answer.keys then answer.body = json.encode { keys = answer.keys } end
    system.write_file(directory .. "/next", json.encode(answer))
    os.rename(directory .. "/next", directory .. "/script")
  end

  before_each(function()
    directory = system.temporary_directory()
    origin = peer.start()
    provider = peer.start(function(connection)
      while connection:read_request() do
        local answer = json.decode(system.read_file(directory .. "/script"))
        if answer.seconds then connection:sleep(answer.seconds) end
        if answer.breaks then return end
        connection:answer(answer.status, answer.headers, answer.body)
      end
    end)
    script { keys = { one:jwk { kid = "one" } } }
  end)

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
    process.remove(directory)
  end)

  local function start(options, url)
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "users" { "%s" }
      use { { "metrics" } }
      route "/{rest*}" { upstream = "users", plugins = {
        { "jwt", jwks = "%s/jwks", cache = 0, %s } } }
    ]]):format(origin.url, url or provider.url, options or "") }
  end

  local function token(signer, kid)
    return signer:token({ sub = "me", exp = FAR }, { kid = kid })
  end

  local function get(signer, kid)
    return http.request(moongate.port, { path = "/a",
      headers = { authorization = "Bearer " .. token(signer, kid) } })
  end

  local function status(signer, kid) return get(signer, kid).status end

  -- Asks until `condition` holds; nobody may be kept out meanwhile.
  local function admitted_until(condition, what)
    local refused
    wait.that(function()
      local answered = status(one, "one")
      if answered ~= 200 then refused = answered end
      return condition()
    end, 20, what)
    assert.is_nil(refused, what)
  end

  -- What is counted, by the name and a part of the labels.
  local function counted(name, label)
    local page = http.request(moongate.admin_port, { path = "/metrics" }).body
    local sum = 0
    for labels, value in page:gmatch("\n" .. name .. "(%S*) (%d+)") do
      if not label or labels:find(label, 1, true) then sum = sum + tonumber(value) end
    end
    return sum
  end

  it("is asked once, by whichever worker, and says who may come in", function()
    start()
    local connections = {}
    local head = ("GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n"):format(
      token(one, "one"))
    for i = 1, 16 do
      connections[i] = http.connect(moongate.port)
      connections[i]:send(head)
    end
    for _, connection in ipairs(connections) do
      assert.equal(200, connection:read_response().status)
      connection:close()
    end
    assert.equal(1, #provider:requests())
    assert.equal("/jwks", provider:requests()[1].target)
    assert.equal(401, status(two, "one"))
    assert.equal(1, #provider:requests())
  end)

  it("is asked again when its answer is too old, as HTTP says", function()
    script { keys = { one:jwk { kid = "one" } },
      headers = { ["Cache-Control"] = "public, max-age=100", Age = "99" } }
    start 'interval = "100ms"'
    assert.equal(200, status(one, "one"))
    assert.equal(1, #provider:requests())
    admitted_until(function() return #provider:requests() > 1 end)
  end)

  it("is not asked again while its answer is fresh, nor after a reload", function()
    script { keys = { one:jwk { kid = "one" } },
      headers = { Expires = "Thu, 01 Jan 2099 00:00:00 GMT" } }
    start 'interval = "10ms", lifetime = "10ms"'
    for _ = 1, 20 do assert.equal(200, status(one, "one")) end
    local path = moongate.directory .. "/gateway.lua"
    system.write_file(path, (system.read_file(path):gsub("/{rest%*}", "/{path*}")))
    assert.equal(0, (moongate:ask { "reload" }))
    for _ = 1, 20 do assert.equal(200, status(one, "one")) end
    assert.equal(1, #provider:requests())
  end)

  it("is asked at once for a key that is new, whose predecessor then is none", function()
    start 'interval = "50ms"'
    assert.equal(200, status(one, "one"))
    script { keys = { two:jwk { kid = "two", alg = "RS256" } } }
    wait.that(function() return status(two, "two") == 200 end)
    assert.equal(2, #provider:requests())
    wait.that(function() return status(one, "one") == 401 end)
  end)

  it("is not troubled by keys that nobody has", function()
    start 'interval = "1h"'
    assert.equal(200, status(one, "one"))
    for i = 1, 30 do assert.equal(401, status(one, "nobody-" .. i)) end
    assert.equal(1, #provider:requests())
    assert.equal(200, status(one, "one"))
  end)

  it("that is down lets nobody in, says when to come again, and shows in metrics", function()
    local port, keeper = peer.refusing()
    start('interval = "1h"', "http://127.0.0.1:" .. port)
    for _ = 1, 5 do
      local answer = get(one, "one")
      assert.equal(503, answer.status)
      assert.equal("3600", answer.headers["retry-after"])
      assert.matches("identity%-provider%-unavailable", answer.body)
    end
    assert.equal(1, counted("moongate_jwks_fetches_total", 'outcome="upstream-refused"'))
    keeper:close()
  end)

  it("that is down lets requests on without claims where it is to", function()
    local port, keeper = peer.refusing()
    start('unavailable = "allow", claim_headers = { ["x-user"] = "sub" }',
      "http://127.0.0.1:" .. port)
    local answer = http.request(moongate.port, { path = "/a", headers = { ["x-user"] = "root",
      ["x-consumer-name"] = "root", authorization = "Bearer " .. token(one, "one") } })
    assert.equal(200, answer.status)
    local headers = json.decode(answer.body).headers
    assert.is_nil(headers["x-user"])
    assert.is_nil(headers["x-consumer-name"])
    assert.equal(1, counted "moongate_jwt_unverified_total")
    assert.equal(401, http.request(moongate.port, { path = "/a" }).status)
    keeper:close()
  end)

  it("that is slow is given up in its time", function()
    script { keys = { one:jwk { kid = "one" } }, seconds = 30 }
    start 'timeout = "300ms", interval = "1h"'
    local since = system.now()
    assert.equal(503, status(one, "one"))
    assert.is_true(system.now() - since < 10)
    since = system.now()
    for _ = 1, 5 do assert.equal(503, status(one, "one")) end
    assert.is_true(system.now() - since < 10)
    assert.equal(1, counted("moongate_jwks_fetches_total", 'timeout"'))
  end)

  it("whose answers are none keeps the keys that it had", function()
    start 'interval = "10ms", lifetime = "10ms"'
    assert.equal(200, status(one, "one"))
    for name, answer in pairs {
      ["status-500"] = { status = 500, body = json.encode { keys = { two:jwk() } } },
      ["status-302"] = { status = 302, headers = { Location = provider.url .. "/other" } },
      ["upstream-closed"] = { breaks = true },
      unusable = { body = "<html>" }, ["upstream-body-too-large"] = { body = ("x"):rep(70000) },
    } do
      script(answer)
      admitted_until(function()
        return counted("moongate_jwks_fetches_total", ('outcome="%s"'):format(name)) > 0
      end, name)
    end
    for _, body in ipairs { "", "{}", '{"keys":[]}', '{"keys":[{"kty":"RSA"}]}',
      json.encode { keys = { jws.signer "HS256":jwk() } } } do
      script { body = body }
      local before = counted("moongate_jwks_fetches_total", 'outcome="unusable"')
      admitted_until(function()
        return counted("moongate_jwks_fetches_total", 'outcome="unusable"') > before + 1
      end, body)
    end
    assert.is_true(counted "moongate_jwks_stale_total" > 0)
    script { keys = { two:jwk { kid = "two" } } }
    wait.that(function() return status(two, "two") == 200 end)
  end)

  it("that stays away is trusted no longer than it is to be", function()
    start 'interval = "50ms", lifetime = "50ms", keep = "1s"'
    assert.equal(200, status(one, "one"))
    script { status = 500 }
    wait.that(function() return status(one, "one") == 503 end)
  end)
end)
