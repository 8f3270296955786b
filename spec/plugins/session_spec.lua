local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local refusal = require "spec.support.refusal"
local wait = require "spec.support.wait"

local NAME = "__Host-session"

describe("session", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { files = probe.files, config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      store { path = "state" }
      upstream "origin" { "%s" }
      consumer "ada" { passwords = { "open sesame" }, groups = { "staff" } }
      consumer "bob" { passwords = { "sesame too" } }
      consumer "guest" {}
      local OLD, NEW = ("old secret "):rep(4), ("new secret "):rep(4)

      -- Routes of one kind of session: options, below a prefix.
      local function routes(prefix, options)
        local function with(more)
          local all = { "session" }
          for name, value in pairs(options) do all[name] = value end
          for name, value in pairs(more or {}) do all[name] = value end
          all.secrets = all.secrets or { OLD }
          return all
        end
        local function at(path, ...)
          route(prefix .. path) { upstream = "origin", plugins = { ... } }
        end
        at("/login", with { action = "login" }, { "basic-auth" })
        at("/", with())
        at("/maybe", with { required = false }, { "probe", on_request = function(req)
          if req.query.set then req.session:set("kept", req.query.set) end
          if req.query.bad then pcall(req.session.set, req.session, "kept", pcall) end
          if req.query.large then req.session:set("kept", ("x"):rep(tonumber(req.query.large))) end
          if req.query.destroy then req.session:destroy() end
          req.headers["x-kept"] = req.session:get "kept"
        end })
        at("/any", { "authenticate", any = { with(), { "basic-auth" } } })
        at("/guests", with { anonymous = "guest" })
        at("/logout", with { action = "logout" })
        if options.revocation ~= "none" then
          at("/everywhere", with { action = "logout_everywhere" })
          at("/end/{name}", with { action = "logout_everywhere", of = "param:name" })
        end
        at("/late", with(), { "observer", on_log = function(req) req.session:set("a", 1) end })
      end
      routes("", {})
      routes("/rotated", { secrets = { NEW, OLD } })
      routes("/new", { secrets = { NEW } })
      routes("/other", { scope = "other" })
      routes("/named", { name = "sid", secure = false, http_only = false, same_site = "Strict",
        path = "/named", domain = "example.com", persistent = true })
      routes("/idle", { idle_timeout = 0.3, renew_after = 0.2 })
      routes("/short", { absolute_timeout = 0.3, renew_after = 0 })
      routes("/busy", { renew_after = 0 })
      routes("/kept", { revocation = "store" })
      routes("/copied", { revocation = "none" })
      routes("/shown", { hide = false })
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(path, cookie, headers)
    headers = headers or {}
    headers.cookie = cookie
    return http.request(moongate.port, { path = path, headers = headers })
  end

  -- "name=value" of the answer's Set-Cookie, and the whole field.
  local function cookie_of(answer)
    local field = answer.headers["set-cookie"]
    return field and field:match "^[^;]+", field
  end

  local LOGIN = { ada = "Basic YWRhOm9wZW4gc2VzYW1l", bob = "Basic Ym9iOnNlc2FtZSB0b28=" }

  local function log_in(prefix, name, cookie)
    local answer = ask((prefix or "") .. "/login", cookie,
      { authorization = LOGIN[name or "ada"] })
    assert.equal(200, answer.status, answer.body)
    return (cookie_of(answer))
  end

  local function who(answer)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body).headers["x-consumer-name"]
  end

  local function refused(answer)
    assert.equal(401, answer.status, answer.body)
    assert.matches("no%-session", answer.body)
    assert.equal("Session", answer.headers["www-authenticate"])
  end

  local function cleared(answer, name)
    assert.matches("^" .. (name or NAME):gsub("%-", "%%-") .. "=; Max%-Age=0; Path=/",
      answer.headers["set-cookie"])
  end

  it("signs in whom another plugin admits, and nobody else", function()
    local answer = ask("/login", nil, { authorization = LOGIN.ada })
    local cookie, field = cookie_of(answer)
    assert.matches("^__Host%-session=[%w_-]+; Path=/; Secure; HttpOnly; SameSite=Lax$", field)
    assert.equal("no-store", answer.headers["cache-control"])
    assert.equal("ada", who(ask("/", cookie)))
    assert.equal("ada", who(ask("/", "a=b; " .. cookie .. "; c=d",
      { ["x-consumer-name"] = "bob" })))
    assert.is_nil(ask("/", cookie).headers["set-cookie"])
    assert.is_nil((cookie_of(ask("/login", nil, { authorization = "Basic YWRhOndyb25n" }))))
    assert.is_nil((cookie_of(ask "/login")))
    refused(ask "/")
    refused(ask("/", "session=x"))
    assert.is_nil(cookie:find "ada")
  end)

  it("has its attributes from its options", function()
    local cookie, field = cookie_of(ask("/named/login", nil, { authorization = LOGIN.ada }))
    assert.matches("^sid=[%w_-]+; Max%-Age=900; Path=/named; Domain=example.com; SameSite=Strict$",
      field)
    assert.equal("ada", who(ask("/named/", cookie)))
  end)

  it("takes nothing that was changed, and has it cleared", function()
    local cookie = log_in()
    local name, value = cookie:match "^([^=]+)=(.*)$"
    for at = 1, #value, 9 do
      local other = value:sub(at, at) == "A" and "B" or "A"
      refused(ask("/", name .. "=" .. value:sub(1, at - 1) .. other .. value:sub(at + 1)))
    end
    for _, bad in ipairs { "", "x", value:sub(1, -2), value .. "AAAA", value:sub(1, 40),
      ("A"):rep(5000) } do
      local answer = ask("/", name .. "=" .. bad)
      refused(answer)
      cleared(answer)
    end
  end)

  it("takes no cookie of another name, scope or secret", function()
    local value = log_in():match "=(.*)$"
    refused(ask("/other/", NAME .. "=" .. value))
    refused(ask("/named/", "sid=" .. value))
    refused(ask("/new/", NAME .. "=" .. value))
    refused(ask("/", log_in "/other"))
    -- One that somebody has put beside ours.
    refused(ask("/", log_in() .. "; " .. log_in(nil, "bob")))
  end)

  it("goes from one secret to the next", function()
    local old = log_in()
    local answer = ask("/rotated/", old)
    assert.equal("ada", who(answer))
    local new = cookie_of(answer) -- written anew at once
    assert.equal("ada", who(ask("/new/", new)))
    refused(ask("/", new))
  end)

  it("is written anew after some time, never as before", function()
    local seen, cookie = {}, log_in "/busy"
    for _ = 1, 5 do
      seen[cookie] = true
      cookie = wait.that(function()
        local answer = ask("/busy/", cookie)
        assert.equal("ada", who(answer))
        return cookie_of(answer)
      end)
      assert.is_nil(seen[cookie])
    end
  end)

  it("expires when nobody uses it", function()
    local cookie = log_in "/idle"
    wait.that(function() return ask("/idle/", cookie).status == 401 end)
    cleared(ask("/idle/", cookie))
  end)

  it("expires some time after somebody has signed in, however it is used", function()
    local cookie = log_in "/short"
    wait.that(function()
      local answer = ask("/short/", cookie)
      cookie = answer.status == 200 and cookie_of(answer) or cookie
      return answer.status == 401
    end)
    cleared(ask("/short/", cookie))
  end)

  it("keeps what plugins put into it, for clients without a consumer, too", function()
    local answer = ask "/maybe"
    assert.equal(200, answer.status)
    assert.is_nil(answer.headers["set-cookie"])
    local cookie = cookie_of(ask "/maybe?set=a+b")
    assert.equal("a b", json.decode(ask("/maybe", cookie).body).headers["x-kept"])
    assert.equal("a b", json.decode(ask("/maybe?bad=1", cookie).body).headers["x-kept"])
    refused(ask("/", cookie))
    local signed_in = log_in(nil, nil, cookie)
    assert.equal("a b", json.decode(ask("/maybe", signed_in).body).headers["x-kept"])
    assert.equal("ada", who(ask("/", signed_in)))
    -- What was somebody else's is gone.
    signed_in = log_in(nil, "bob", signed_in)
    assert.is_nil(json.decode(ask("/maybe", signed_in).body).headers["x-kept"])
    cleared(ask("/maybe?destroy=1", signed_in))
  end)

  it("says so when there is too much for a cookie", function()
    local cookie, field = cookie_of(ask "/maybe?large=2600")
    assert.is_true(#field <= 4096 and #field > 3600)
    assert.equal(2600, #json.decode(ask("/maybe", cookie).body).headers["x-kept"])
    assert.equal(500, ask("/maybe?large=4000", cookie).status)
    moongate:wait_for_log "the session would have 4011 bytes of JSON; its cookie holds 2%d%d%d"
  end)

  it("raises when it is too late to change it", function()
    assert.equal(200, ask("/late", log_in()).status)
    moongate:wait_for_log "the session's cookie has been written already"
  end)

  it("is one of those that may admit", function()
    assert.equal("ada", who(ask("/any", log_in())))
    assert.equal("bob", who(ask("/any", nil, { authorization = LOGIN.bob })))
    local answer = ask("/any", NAME .. "=x")
    assert.equal(401, answer.status)
    local challenges = table.concat(answer.headers["www-authenticate"], ", ")
    assert.matches("Session", challenges)
    assert.matches("Basic", challenges)
    cleared(answer)
    assert.equal("guest", who(ask "/guests"))
  end)

  it("ends when the client logs out, for copies of the cookie, too", function()
    for _, prefix in ipairs { "", "/kept" } do
      local one, other = log_in(prefix), log_in(prefix)
      local answer = ask(prefix .. "/logout", one)
      assert.equal(200, answer.status)
      cleared(answer)
      refused(ask(prefix .. "/", one))
      assert.equal("ada", who(ask(prefix .. "/", other)))
      assert.equal(200, ask(prefix .. "/logout").status) -- nobody is signed in
    end
    local copied = log_in "/copied"
    cleared(ask("/copied/logout", copied))
    assert.equal("ada", who(ask("/copied/", copied)))
  end)

  it("ends when somebody signs in over it, for copies of the cookie, too", function()
    for _, prefix in ipairs { "", "/kept" } do
      local before = log_in(prefix)
      local bobs = log_in(prefix, "bob", before)
      refused(ask(prefix .. "/", before))
      assert.equal("bob", who(ask(prefix .. "/", bobs)))
      assert.equal("bob", who(ask(prefix .. "/", log_in(prefix, "bob", bobs))))
      refused(ask(prefix .. "/", bobs))
    end
    local copied = log_in "/copied"
    log_in("/copied", "ada", copied)
    assert.equal("ada", who(ask("/copied/", copied)))
  end)

  it("ends everywhere, by whom it is of", function()
    for _, prefix in ipairs { "", "/kept" } do
      local one, other, bobs = log_in(prefix), log_in(prefix), log_in(prefix, "bob")
      cleared(ask(prefix .. "/everywhere", one))
      refused(ask(prefix .. "/", one))
      refused(ask(prefix .. "/", other))
      assert.equal("bob", who(ask(prefix .. "/", bobs)))
      assert.equal("ada", who(ask(prefix .. "/", log_in(prefix))))
      assert.equal(200, ask(prefix .. "/end/bob").status)
      refused(ask(prefix .. "/", bobs))
    end
  end)

  it("ends with its consumer", function()
    local function admin(method, path, body)
      return http.request(moongate.admin_port, { method = method, path = path, body = body,
        headers = { ["content-type"] = "application/json" } })
    end
    assert.equal(201, admin("POST", "/consumers", '{"name":"eve"}').status)
    assert.equal(201, admin("POST", "/consumers/eve/credentials",
      '{"type":"password","password":"a password"}').status)
    LOGIN.eve = "Basic ZXZlOmEgcGFzc3dvcmQ="
    local cookie = log_in(nil, "eve")
    assert.equal("eve", who(ask("/", cookie)))
    assert.equal(204, admin("DELETE", "/consumers/eve").status)
    wait.that(function() return ask("/", cookie).status == 401 end, 20)
  end)

  it("keeps the cookie to itself, unless it is told not to", function()
    local cookie = log_in()
    assert.equal("a=b", json.decode(ask("/", "a=b; " .. cookie).body).headers.cookie)
    cookie = log_in "/shown"
    assert.equal(cookie, json.decode(ask("/shown/", cookie).body).headers.cookie)
  end)

  it("is refused with options that cannot be", function()
    local secret = ('"session", secrets = { %q }'):format(("s"):rep(32))
    refusal.of_each {
      ['"session"'] = "secrets is missing",
      ['"session", secrets = {}'] = "secrets has 0; expected 1 to 8",
      ['"session", secrets = { "short" }'] = "secrets[1] has fewer than 32 bytes",
      [secret .. ', name = "a b"'] = "is no name of a cookie",
      [secret .. ', secure = false'] = "has to be secure",
      [secret .. ', path = "/a"'] = 'has the path "/" and no domain',
      [secret .. ', name = "a", path = "/;a"'] = "that is none of a cookie",
      [secret .. ', name = "a", secure = false, same_site = "None"'] = "needs secure = true",
      [secret .. ', renew_after = "1h"'] = "renew_after is not below idle_timeout",
      [secret .. ', of = "param:a"'] = "of needs action",
      [secret .. ', action = "logout_everywhere", revocation = "none"'] = "needs revocation",
      [('"authenticate", any = { { %s, required = false } }'):format(secret)] = "refuses nobody",
      [('"authenticate", any = { { %s, action = "login" } }'):format(secret)] = "refuses nobody",
    }
  end)

  it("is refused without the store that it is to use", function()
    assert.matches("needs store", refusal.of_plugin(('"session", secrets = { %q }, '
      .. 'revocation = "store"'):format(("s"):rep(32))))
  end)
end)
