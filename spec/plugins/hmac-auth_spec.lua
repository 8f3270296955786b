--- hmac-auth_spec: signed requests, signed here by OpenSSL's command.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local refusal = require "spec.support.refusal"

local SECRET = "a secret of the two of us, long enough"
local COMPONENTS = { "@method", "@authority", "@path", "@query" }

local function base64(arguments, input)
  local code, out = process.run({ "sh", "-c", "openssl " .. arguments .. " | openssl base64 -A" },
    { input = input })
  assert.equal(0, code)
  return out
end

describe("hmac-auth", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      consumer "anna" { hmac_secrets = { "%s", "the one before, which still counts" } }
      consumer "guest" {}
      route "/{rest*}" { upstream = "%s", plugins = { "hmac-auth" } }
      route "/dated" { upstream = "%s", plugins = { { "hmac-auth", signed = { "date" } } } }
      route "/again" { upstream = "%s", plugins = { { "hmac-auth", replay = true } } }
      route "/guests" { upstream = "%s", plugins = { { "hmac-auth", anonymous = "guest" } } }
    ]]):format(SECRET, origin.url, origin.url, origin.url, origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function target_of(options) return (options.path or "/a") .. (options.query or "") end

  -- What each component has, by its name.
  local function values_of(options, headers)
    local values = { ["@method"] = options.method or "GET", ["@authority"] = "api.test",
      ["@path"] = options.path or "/a", ["@query"] = options.query or "?",
      ["@target-uri"] = "http://api.test" .. target_of(options),
      ["@request-target"] = target_of(options) }
    return setmetatable(values, { __index = headers })
  end

  local count = 0
  local function params_of(options, names)
    count = count + 1
    return ('(%s);created=%d;keyid="%s";nonce="%d"%s'):format(table.concat(names, " "),
      options.created or os.time(), options.keyid or "anna", count, options.params or "")
  end

  local function sign(options, headers)
    local names, lines, values = {}, {}, values_of(options, headers)
    for i, name in ipairs(options.components or COMPONENTS) do
      names[i] = ('"%s"'):format(name)
      lines[i] = ('"%s": %s'):format(name, values[name])
    end
    local params = params_of(options, names)
    lines[#lines + 1] = '"@signature-params": ' .. params
    headers["signature-input"] = "sig1=" .. params
    headers.signature = ("sig1=:%s:"):format(base64(
      ("dgst -sha256 -hmac '%s' -binary"):format(options.secret or SECRET),
      table.concat(lines, "\n")))
  end

  local function put_all(into, from)
    for name, value in pairs(from or {}) do into[name] = value end
  end

  -- The request with its signature: { method, path, query, headers, body, components, secret,
  -- params, created, keyid }; what is in `sent` replaces a part after it was signed.
  local function signed(options)
    local headers, sent = { host = "api.test" }, options.sent or {}
    put_all(headers, options.headers)
    sign(options, headers)
    put_all(headers, sent.headers)
    return { method = sent.method or options.method, path = sent.path or target_of(options),
      headers = headers, body = sent.body or options.body }
  end

  local function ask(options) return http.request(moongate.port, signed(options)) end

  local function refused(kind, answer)
    assert.equal(401, answer.status, answer.body)
    assert.equal('Signature algs="hmac-sha256"', answer.headers["www-authenticate"])
    assert.matches(kind:gsub("%-", "%%-"), answer.body)
  end

  it("admits what is signed, and says by whom", function()
    local answer = ask { query = "?x=1&y=%20" }
    assert.equal(200, answer.status, answer.body)
    assert.equal("anna", json.decode(answer.body).headers["x-consumer-name"])
    assert.equal(200, ask { components = { "@method", "@target-uri" }, query = "?q" }.status)
    assert.equal(200, ask { components = { "@request-target", "@authority", "@method" } }.status)
    assert.equal(200, ask { params = ';alg="hmac-sha256"' }.status)
    assert.equal(200, ask { keyid = "anna-2",
      secret = "the one before, which still counts" }.status)
  end)

  it("refuses what has been changed since", function()
    refused("wrong-signature", ask { sent = { method = "DELETE" } })
    refused("wrong-signature", ask { sent = { path = "/b" } })
    refused("wrong-signature", ask { query = "?a=1", sent = { path = "/a?a=2" } })
    refused("wrong-signature", ask { sent = { headers = { host = "other.test" } } })
    refused("wrong-signature", ask { secret = "another secret" })
    refused("wrong-signature", ask { keyid = "nobody" })
    refused("wrong-signature", ask { keyid = "anna-3" })
  end)

  it("wants it to cover what matters", function()
    refused("incomplete-signature", ask { components = { "@method", "@authority", "@path" } })
    refused("incomplete-signature", ask { components = { "@authority", "@path", "@query" } })
    refused("incomplete-signature", ask { path = "/dated" })
    local with_date = { "@method", "@target-uri", "date" }
    local date = { date = "Thu, 26 Nov 2026 12:00:00 GMT" }
    assert.equal(200, ask { path = "/dated", components = with_date, headers = date }.status)
    refused("wrong-signature", ask { path = "/dated", components = with_date, headers = date,
      sent = { headers = { date = "Thu, 26 Nov 2026 13:00:00 GMT" } } })
  end)

  it("takes signatures of its time alone", function()
    refused("outdated-signature", ask { created = os.time() - 400 })
    refused("outdated-signature", ask { created = os.time() + 60 })
    refused("outdated-signature", ask { params = (";expires=%d"):format(os.time() - 60) })
    assert.equal(200, ask { created = os.time() - 290 }.status)
    assert.equal(200, ask { created = os.time() + 20 }.status)
  end)

  it("takes each once", function()
    local request = signed {}
    assert.equal(200, http.request(moongate.port, request).status)
    refused("replayed-signature", http.request(moongate.port, request))
    request = signed { path = "/again" }
    assert.equal(200, http.request(moongate.port, request).status)
    assert.equal(200, http.request(moongate.port, request).status)
  end)

  it("wants a body's digest signed, and right", function()
    local body = '{"amount":1}'
    local digest = { ["content-digest"] = ("sha-256=:%s:"):format(
      base64("dgst -sha256 -binary", body)) }
    local components = { "@method", "@target-uri", "content-digest" }
    local function post(options)
      options.method, options.body = "POST", options.body or body
      return ask(options)
    end
    assert.equal(200, post { components = components, headers = digest }.status)
    refused("wrong-digest", post {})
    refused("wrong-digest", post { headers = digest })
    refused("wrong-digest", post { components = components, headers = digest,
      sent = { body = '{"amount":9}' } })
    refused("wrong-digest", post { components = components,
      headers = { ["content-digest"] = "md5=:AAAA:" } })
  end)

  it("refuses what is no signature, or none", function()
    refused("missing-signature", http.request(moongate.port, {}))
    for _, sent in ipairs {
      { ["signature-input"] = "sig1=" }, { signature = "sig1=:!!!!:" },
      { signature = "sig2=:AAAA:" },
      { ["signature-input"] = 'sig1=("@method");created=x;keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method" "@method");created=1;keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method";req);created=1;keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method"  "@path");created=1;keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method");created=1' },
      { ["signature-input"] = 'sig1=("@method");keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method");created=1;created=2;keyid="anna"' },
      { ["signature-input"] = 'sig1=("@method");created=1;keyid="anna";alg="none"' },
      { ["signature-input"] = 'sig1=("@method");created=1;keyid="anna", sig2=()' },
    } do
      refused("malformed-signature", ask { sent = { headers = sent } })
    end
    refused("malformed-signature", http.request(moongate.port, { headers = { signature = "a" } }))
  end)

  it("refuses what is signed for a host and names none", function()
    for _, covered in ipairs {
      '"@method" "@authority" "@path" "@query"', '"@method" "@target-uri"',
    } do
      local answer = http.exchange(moongate.port, ("GET /a HTTP/1.0\r\n"
        .. 'Signature-Input: s=(%s);created=%d;keyid="k"\r\nSignature: s=:AAAA:\r\n\r\n'):format(
        covered, os.time()))
      assert.matches("^HTTP/1.1 401 ", answer)
      assert.matches("malformed%-signature", answer)
    end
  end)

  it("lets requests without one go on as somebody where it is to", function()
    assert.equal(200, http.request(moongate.port, { path = "/guests" }).status)
    refused("malformed-signature",
      http.request(moongate.port, { path = "/guests", headers = { signature = "a" } }))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"hmac-auth", signed = { "Date" }'] = 'signed has "Date"',
      ['"hmac-auth", max_age = 0'] = "max_age is 0; expected at least 1",
    }
  end)
end)
