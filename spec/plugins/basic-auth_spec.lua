local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local mime = require "mime"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

describe("basic-auth", function()
  local origin, moongate

  -- scrypt of "s3cret" with the salt of RFC 7914's second vector, computed by Python's hashlib.
  local HASH = "scrypt:1024:TmFDbA==:%s"

  setup(function()
    local python = io.popen [[python3 -c 'import hashlib, base64
hash = hashlib.scrypt(b"s3cret", salt=b"NaCl", n=1024, r=8, p=1, dklen=32)
print(base64.b64encode(hash).decode())']]
    local hash = HASH:format(python:read "*l")
    python:close()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      consumer "anna" { passwords = { "open sesame", { "old", expires = "2001-01-01T00:00:00Z" } } }
      consumer "bert" { passwords = { "%s" }, username = "bert@example.com" }
      route "/{rest*}" { upstream = "%s", plugins = { { "basic-auth", realm = "shop" } } }
      route "/shown" { upstream = "%s", plugins = { { "basic-auth", hide = false } } }
      route "/either" { upstream = "%s", plugins = {
        { "authenticate", any = { "key-auth", "basic-auth" } },
      } }
    ]]):format(hash, origin.url, origin.url, origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(text, path, scheme)
    return http.request(moongate.port, { path = path or "/", headers = {
      authorization = text and (scheme or "Basic ") .. (mime.b64(text)),
    } })
  end

  local function who(answer)
    assert.equal(200, answer.status)
    return json.decode(answer.body).headers["x-consumer-name"]
  end

  it("admits with user name and password", function()
    assert.equal("anna", who(ask "anna:open sesame"))
    assert.equal("bert", who(ask "bert@example.com:s3cret"))
    assert.equal("anna", who(ask("anna:open sesame", "/", "bAsIc ")))
  end)

  it("knows a pair the second time, too", function()
    for _ = 1, 3 do
      assert.equal("bert", who(ask "bert@example.com:s3cret"))
      assert.equal(401, ask "bert@example.com:s3cre".status)
    end
  end)

  it("takes as long to refuse those it knows as others, again and again", function()
    local function cost_of(text)
      local before = moongate:cpu_seconds()
      for _ = 1, 6 do assert.equal(401, ask(text).status) end
      return moongate:cpu_seconds() - before
    end
    local nobody = cost_of "nobody:guess"
    assert.is_true(nobody > 0.1, tostring(nobody))
    for _, name in ipairs { "anna", "bert@example.com", "nobody-else" } do
      local cost = cost_of(name .. ":guess")
      assert.is_true(cost > nobody / 2 and cost < nobody * 2, ("%s: %g"):format(name, cost))
    end
  end)

  it("refuses others, and says how to do it", function()
    local answer = ask()
    assert.equal(401, answer.status)
    assert.equal('Basic realm="shop", charset="UTF-8"', answer.headers["www-authenticate"])
    assert.matches("missing%-credentials", answer.body)
    for _, text in ipairs { "anna:open", "anna:", ":open sesame", "carl:open sesame", "anna",
      "bert:s3cret", "anna:old", "anna:open sesame\0", "\255:x", ":", "anna:"
      .. ("x"):rep(2000) } do
      answer = ask(text)
      assert.equal(401, answer.status)
      assert.matches("wrong%-credentials", answer.body)
      assert.truthy(answer.headers["www-authenticate"])
    end
  end)

  it("takes what is no base64 for wrong, and another scheme for none", function()
    for value, kind in pairs { ["Basic !!!"] = "wrong", ["Basic"] = "missing",
      ["Bearer abc"] = "missing", ["Basic YW5uYTpvcGVu c2VzYW1l"] = "wrong" } do
      local answer = http.request(moongate.port, { headers = { authorization = value } })
      assert.equal(401, answer.status)
      assert.matches(kind .. "%-credentials", answer.body)
    end
  end)

  it("hides the credentials from the upstream, unless it is not to", function()
    assert.is_nil(json.decode(ask "anna:open sesame".body).headers.authorization)
    assert.truthy(json.decode(ask("anna:open sesame", "/shown").body).headers.authorization)
  end)

  it("stands beside others, and a refusal has the challenges of all", function()
    assert.equal("anna", who(ask("anna:open sesame", "/either")))
    local answer = ask(nil, "/either")
    assert.same({ "ApiKey", 'Basic realm="api", charset="UTF-8"' },
      answer.headers["www-authenticate"])
    assert.matches("wrong%-credentials", ask("anna:x", "/either").body)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each { ['"basic-auth", realm = "a\\"b"'] = "realm has quotes" }
    assert.matches("passwords%[1%] begins as a hash and is none", refusal.of [[
      listen "127.0.0.1:0"
      consumer "a" { passwords = { "scrypt:nonsense" } }
    ]])
  end)
end)
