--- forward-auth_spec: requests that another service decides about.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

-- What the service does is what the credentials ask it for: "KIND rest".
local DOES = {}

local ALLOWED = {
  { "X-Auth-User", "ada" }, { "X-Auth-Groups", "a" }, { "X-Auth-Groups", "b" },
  { "X-Other", "not asked for" }, { "Set-Cookie", "s=1" }, { "Set-Cookie", "t=2" },
  { "Connection", "x-nominated" }, { "X-Nominated", "hop" },
}

local function with(more)
  local list = { unpack(ALLOWED) }
  for _, field in ipairs(more) do list[#list + 1] = field end
  return list
end

function DOES.allow(connection) connection:answer(200, ALLOWED, "ignored") end

function DOES.plain(connection) connection:answer(204, { { "X-Auth-User", "ada" } }) end

function DOES.fresh(connection, text)
  connection:answer(200, { { "X-Auth-User", "ada" }, { "Cache-Control", text } }, "")
end

function DOES.slow(connection, text)
  connection:sleep(0.3)
  connection:answer(tonumber(text), { { "X-Auth-User", "ada" } }, "x")
end

DOES["as"] = function(connection, text)
  connection:answer(200, with { { "X-Consumer", text } }, "")
end

function DOES.deny(connection, text)
  connection:answer(tonumber(text), { { "WWW-Authenticate", 'Basic realm="there"' },
    { "Location", "https://login.example/?a=b" }, { "Set-Cookie", "s=1" }, { "Set-Cookie", "t=2" },
    { "Content-Type", "text/x-said" }, { "X-Secret", "internal" } }, "said " .. text)
end

function DOES.bare(connection, text)
  connection:answer(tonumber(text), { { "Content-Type", "text/x-said" } }, "")
end

function DOES.bytes(connection, text) connection:answer(403, nil, ("x"):rep(tonumber(text))) end

function DOES.silence(connection) connection:sleep(3600) end

local function decide(connection)
  while true do
    local request = connection:read_request()
    if not request then return end
    local given = request.headers.authorization
    local kind, text = (type(given) == "string" and given or "bare 401"):match "^(%l+) ?(%S*)"
    DOES[kind](connection, text)
  end
end

describe("forward-auth", function()
  local origin, service, moongate

  setup(function()
    origin, service = peer.start(), peer.start(decide)
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "users" { "%s" }
      consumer "mobile" { keys = { "key-of-mobile" } }
      use { { "metrics" } }
      local function plugin(more)
        local options = { "forward-auth", url = "%s/decide?key=hidden", timeout = "1500ms",
          upstream_headers = { "X-Auth-User", "x-auth-groups" } }
        for name, value in pairs(more or {}) do options[name] = value end
        return options
      end
      local function to(path, more, rewrite)
        route(path .. "/{rest*}") { upstream = "users", rewrite = rewrite,
          plugins = { plugin(more) } }
      end
      local BY = { "header:authorization" }
      to "/plain"
      to("/rewritten", {}, "/elsewhere")
      to("/tunnel", {}, "/upgrade/echo")
      to("/chosen", { request_headers = { "Authorization", "x-tenant" },
        response_headers = { "set-cookie", "x-auth-groups" }, client_headers = {} })
      to("/body", { method = "POST", body = 16 })
      to("/consumer", { consumer_from = "X-Consumer" })
      to("/open", { unavailable = "allow", consumer_from = "X-Consumer", challenge = "" })
      to("/small", { answer_limit = "100", challenge = 'Custom realm="x"' })
      to("/cached", { cache = "1h", cache_by = BY,
        request_headers = { "authorization", "x-tenant" } })
      to("/again", { cache = "1h", cache_by = BY, request_headers = { "authorization" } })
      to("/patient", { cache = "1h", cache_by = BY, timeout = "20s" })
      to("/anonymous", { anonymous = "mobile" })
      route "/any/{rest*}" { upstream = "users", plugins = { { "authenticate", any = {
        { "key-auth" }, plugin { response_headers = { "set-cookie" } } } } } }
      route "/all/{rest*}" { upstream = "users", plugins = { { "key-auth" }, plugin() } }
    ]]):format(origin.url, service.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  before_each(function()
    service:forget()
    origin:forget()
  end)

  local function get(path, credentials, more, method)
    local headers = more or {}
    if credentials then headers[#headers + 1] = { "Authorization", credentials } end
    return http.request(moongate.port, { path = path, headers = headers, method = method })
  end

  local function forwarded(path, credentials, more)
    local answer = get(path, credentials, more)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  local function asked() return service:requests() end

  local function counted(outcome)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    local name = ('moongate_forward_auth_total{url="%s/decide",outcome="%s"}'):format(service.url,
      outcome)
    return tonumber(text:match(name:gsub("%p", "%%%0") .. " (%d+)")) or 0
  end

  it("tells the service what the request is", function()
    get("/plain/a/../%62?q=%20&q", "allow", { { "Cookie", "a=1" }, { "Cookie", "b=2" },
      { "Host", "API.example:8080" }, { "X-Tenant", "core" }, { "X-Forwarded-Uri", "/public" },
      { "X-Forwarded-Method", "HEAD" }, { "Connection", "x-hop" }, { "X-Hop", "1" } }, "DELETE")
    local request = asked()[1]
    assert.equal("GET", request.method)
    assert.equal("/decide?key=hidden", request.target)
    assert.equal(service.address, request.headers.host)
    assert.equal("DELETE", request.headers["x-forwarded-method"])
    assert.equal("/plain/b?q=%20&q", request.headers["x-forwarded-uri"])
    assert.equal("http", request.headers["x-forwarded-proto"])
    assert.matches("^[Aa][Pp][Ii]%.example:8080$", request.headers["x-forwarded-host"])
    assert.equal("127.0.0.1", request.headers["x-forwarded-for"])
    assert.equal("a=1; b=2", request.headers.cookie)
    for _, name in ipairs { "x-tenant", "x-hop", "transfer-encoding" } do
      assert.is_nil(request.headers[name])
    end
    forwarded("/rewritten/x", "allow")
    assert.equal("/rewritten/x", asked()[2].headers["x-forwarded-uri"])
  end)

  it("sends headers and body that are chosen, and no more", function()
    get("/chosen/", "allow", { { "X-Tenant", "core" }, { "Cookie", "a=1" } })
    local request = asked()[1]
    assert.equal("core", request.headers["x-tenant"])
    assert.is_nil(request.headers.cookie)
    local function post(body)
      return http.request(moongate.port, { method = "POST", path = "/body/", body = body,
        headers = { authorization = "allow" } })
    end
    local answer = post "sixteen bytes ok"
    assert.equal(200, answer.status)
    assert.equal("sixteen bytes ok", json.decode(answer.body).body)
    assert.equal("sixteen bytes ok", asked()[2].body)
    assert.equal("POST", asked()[2].method)
    assert.equal(413, post("seventeen bytes !").status)
    assert.equal(2, #asked())
  end)

  it("tells the service of headers in several lines, empty ones too", function()
    local answer = get("/plain/", "allow", { { "Cookie", "a=1" }, { "Cookie", "" } })
    assert.equal(200, answer.status, answer.body)
    assert.equal("a=1;", asked()[1].headers.cookie)
    get("/plain/", nil, { { "Authorization", "allow" }, { "Authorization", "" } })
    assert.equal("allow,", asked()[2].headers.authorization)
  end)

  it("tells the upstream what the service says, and lets no client say it", function()
    local claim = { { "X-Auth-User", "root" }, { "x_auth_user", "root" }, { "X-Auth_User", "root" },
      { "X_Auth_Groups", "root" }, { "X-Consumer-Name", "root" } }
    local request = forwarded("/plain/", "allow", { unpack(claim) })
    assert.equal("ada", request.headers["x-auth-user"])
    assert.same({ "a", "b" }, request.headers["x-auth-groups"])
    for _, name in ipairs { "x_auth_user", "x-auth_user", "x_auth_groups", "x-other",
      "x-nominated", "x-consumer-name" } do assert.is_nil(request.headers[name], name) end
    request = forwarded("/plain/", "plain", { unpack(claim) })
    assert.equal("ada", request.headers["x-auth-user"])
    assert.is_nil(request.headers["x-auth-groups"])
    assert.is_nil(request.headers["x_auth_groups"])
  end)

  it("hands on what the client is to get with the upstream's answer", function()
    local answer = get("/chosen/", "allow")
    assert.equal(200, answer.status)
    assert.same({ "s=1", "t=2" }, answer.headers["set-cookie"])
    assert.same({ "a", "b" }, answer.headers["x-auth-groups"])
    assert.is_nil(answer.headers["x-auth-user"])
    assert.is_nil(get("/plain/", "allow").headers["set-cookie"])
  end)

  it("has a challenge for a 401 of the service without one, unless there is to be none", function()
    assert.equal("ForwardAuth", get("/plain/", "bare 401").headers["www-authenticate"])
    assert.equal("ForwardAuth", get("/chosen/", "deny 401").headers["www-authenticate"])
    assert.is_nil(get("/plain/", "bare 403").headers["www-authenticate"])
    assert.equal('Custom realm="x"', get("/small/", "bare 401").headers["www-authenticate"])
    assert.is_nil(get("/open/", "bare 401").headers["www-authenticate"])
  end)

  it("hands a refusal to the client, with the headers that are chosen", function()
    for _, status in ipairs { 301, 302, 401, 402, 403, 404, 429 } do
      local answer = get("/plain/", "deny " .. status)
      assert.equal(status, answer.status)
      assert.equal("said " .. status, answer.body)
      assert.equal("text/x-said", answer.headers["content-type"])
      assert.equal('Basic realm="there"', answer.headers["www-authenticate"])
      assert.equal("https://login.example/?a=b", answer.headers.location)
      assert.same({ "s=1", "t=2" }, answer.headers["set-cookie"])
      assert.is_nil(answer.headers["x-secret"])
      answer = get("/chosen/", "deny " .. status)
      assert.equal(status, answer.status)
      assert.is_nil(answer.headers.location)
      assert.is_nil(answer.headers["set-cookie"])
    end
    assert.equal(0, #origin:requests())
  end)

  it("answers by a problem document where the service has no words", function()
    local answer = get "/plain/"
    assert.equal(401, answer.status)
    assert.equal("application/problem+json", answer.headers["content-type"])
    assert.matches("urn:moongate:problem:refused", answer.body)
  end)

  it("goes for HEAD as for GET", function()
    local answer = get("/plain/", "deny 403", {}, "HEAD")
    assert.equal(403, answer.status)
    assert.equal("", answer.body)
    assert.equal(200, get("/plain/", "allow", {}, "HEAD").status)
    assert.equal("GET", asked()[1].method)
    assert.equal("HEAD", asked()[1].headers["x-forwarded-method"])
  end)

  local function upgrade(credentials)
    local connection = http.connect(moongate.port)
    connection:send(http.format { path = "/tunnel/", headers = { { "Connection", "Upgrade" },
      { "Upgrade", "websocket" }, { "Sec-WebSocket-Version", "13" },
      { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==" }, { "Authorization", credentials } } })
    return connection, connection:read_response()
  end

  it("lets tunnels through, or not, and tells the service of none", function()
    local connection, answer = upgrade "allow"
    assert.equal(101, answer.status)
    connection:send "through"
    assert.equal("through", connection:receive(7))
    connection:close()
    assert.equal("ada", origin:requests()[1].headers["x-auth-user"])
    connection, answer = upgrade "deny 403"
    assert.equal(403, answer.status)
    connection:close()
    for _, request in ipairs(asked()) do
      for _, name in ipairs { "upgrade", "sec-websocket-key", "sec-websocket-version" } do
        assert.is_nil(request.headers[name])
      end
    end
    assert.equal(1, #origin:requests())
  end)

  describe("takes for no decision", function()
    local cases = {
      ["a fault of the service"] = { "/plain/", "deny 500", "status-500" },
      ["its own absence"] = { "/plain/", "deny 503", "status-503" },
      ["what a proxy before it wants"] = { "/plain/", "deny 407", "status-407" },
      ["an answer to conditions"] = { "/plain/", "bare 304", "status-304" },
      ["what is too large"] = { "/small/", "bytes 101", "upstream-body-too-large" },
      ["silence"] = { "/plain/", "silence", "timeout" },
      ["silence where decisions are kept"] = { "/cached/", "silence", "timeout" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local before = counted(case[3])
        for _ = 1, 2 do
          local answer = get(case[1], case[2])
          assert.equal(503, answer.status)
          assert.equal("2", answer.headers["retry-after"])
          assert.matches("authorization%-unavailable", answer.body)
        end
        assert.equal(2, #asked())
        assert.equal(before + 2, counted(case[3]))
        assert.equal(0, #origin:requests())
      end)
    end
  end)

  it("lets requests on without a decision where it is to, and without what clients say", function()
    local request = forwarded("/open/", "deny 500", { { "X-Auth_User", "root" },
      { "X-Auth-User", "root" }, { "X-Consumer-Name", "root" } })
    for _, name in ipairs { "x-auth-user", "x-auth_user", "x-consumer-name" } do
      assert.is_nil(request.headers[name])
    end
    assert.equal(403, get("/open/", "deny 403").status)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    assert.matches("\nmoongate_forward_auth_undecided_total 1\n", text)
  end)

  it("makes the caller a consumer, who must be known", function()
    assert.equal("mobile", forwarded("/consumer/", "as mobile").headers["x-consumer-name"])
    for _, credentials in ipairs { "as nobody", "allow", "plain" } do
      local answer = get("/consumer/", credentials)
      assert.equal(403, answer.status)
      assert.matches("unknown%-consumer", answer.body)
    end
  end)

  describe("keeps a decision", function()
    it("for the very same request of the same caller", function()
      for _ = 1, 4 do
        assert.equal("ada", forwarded("/cached/1", "plain one").headers["x-auth-user"])
      end
      assert.equal(1, #asked())
      local others = {
        { "/cached/2", "plain one" }, { "/cached/1?a", "plain one" }, { "/cached/1", "plain two" },
        { "/cached/1", "plain one", { { "X-Tenant", "core" } } },
        { "/cached/1", "plain one", { { "X-Tenant", "" } } },
        { "/cached/1", "plain one", { { "Host", "other" } } },
        { "/cached/1", "plain one", {}, "DELETE" },
        { "/again/1", "plain one" },
      }
      for i, other in ipairs(others) do
        assert.equal(200, get(unpack(other)).status)
        assert.equal(1 + i, #asked())
      end
    end)

    it("of no caller that does not say who it is", function()
      for i = 1, 2 do
        assert.equal(401, get("/cached/").status)
        assert.equal(i, #asked())
      end
    end)

    it("that is no refusal, and may be kept", function()
      for _, credentials in ipairs { "deny 403", "deny 302", "fresh no-store", "fresh max-age=0",
        "allow" } do
        service:forget()
        local first = get("/cached/", credentials).status
        assert.equal(first, get("/cached/", credentials).status)
        assert.equal(2, #asked(), credentials)
      end
    end)

    it("that many wait for, on all workers", function()
      for _, case in ipairs { { "slow 200 a", 200, 1 }, { "slow 403 a", 403, 12 } } do
        service:forget()
        local connections = {}
        for i = 1, 12 do
          connections[i] = http.connect(moongate.port)
          connections[i]:send(http.format { path = "/patient/",
            headers = { authorization = case[1] } })
        end
        for _, connection in ipairs(connections) do
          assert.equal(case[2], connection:read_response().status)
          connection:close()
        end
        assert.equal(case[3], #asked())
      end
    end)
  end)

  it("stands beside others, and after them", function()
    assert.equal("ada", forwarded("/any/", "allow").headers["x-auth-user"])
    assert.same({ "s=1", "t=2" }, get("/any/", "allow").headers["set-cookie"])
    local key = { "X-API-Key", "key-of-mobile" }
    local request = forwarded("/any/", nil, { key, { "X-Auth_User", "root" } })
    assert.is_nil(request.headers["x-auth_user"])
    assert.equal("mobile", request.headers["x-consumer-name"])
    assert.equal(403, get("/any/", "deny 403").status)
    assert.equal(503, get("/any/", "deny 500").status)
    assert.equal(401, get("/any/").status)
    assert.equal("mobile", forwarded("/all/", "allow", { key }).headers["x-consumer-name"])
    assert.equal(403, get("/all/", "deny 403", { key }).status)
    assert.equal("mobile", forwarded("/anonymous/").headers["x-consumer-name"])
    assert.equal(401, get("/anonymous/", "deny 401").status)
  end)

  it("is refused with options that cannot be", function()
    local function having(more) return '"forward-auth", url = "http://a/", ' .. more end
    refusal.of_each {
      ['"forward-auth"'] = "url is missing",
      ['"forward-auth", url = "a"'] = 'url is "a"; expected the URL of the service',
      ['"forward-auth", url = "http://a:b@c/"'] = "expected the URL",
      [having 'request_headers = { "Connection" }'] = 'header "Connection" is written by the ga',
      [having 'request_headers = { "host" }'] = 'header "host" is written by the gateway',
      [having 'request_headers = { "X-Forwarded-Uri" }'] = 'header "x-forwarded-uri" is written',
      [having 'upstream_headers = { "transfer-encoding" }'] = 'upstream_headers: header "tran',
      [having 'upstream_headers = { "Host" }'] = 'upstream_headers: header "host" is written',
      [having 'client_headers = { "content-length" }'] = 'client_headers: header "content-length"',
      [having 'response_headers = { "a b" }'] = 'response_headers: header "a b" is not a',
      [having 'body = 10'] = 'a body is sent with method = "POST"',
      [having 'method = "PUT"'] = "method is",
      [having 'cache = "1m"'] = "cache needs cache_by, which names the caller",
      [having 'cache = "1m", cache_by = { "address", "route", "param:id" }'] =
        "cache needs cache_by, which names the caller",
      [having 'cache = "1m", cache_by = { "cookies" }'] = "cache_by[1]: expected",
      [having 'cache = "1m", cache_by = { "consumer" }, method = "POST", body = 10'] =
        "what a body decides cannot be cached",
      [having 'consumer_from = "a b"'] = 'consumer_from: header "a b" is not a field name',
    }
  end)
end)
