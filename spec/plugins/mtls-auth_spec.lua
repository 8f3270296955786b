local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"

describe("mtls-auth", function()
  local directory, origin, moongate, authority
  local clients = {}

  setup(function()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "authority")
    local server = authority:issue { name = "api.test", alternatives = "DNS:api.test" }
    for _, name in ipairs { "mobile", "printed", "nobody" } do
      clients[name] = authority:issue { name = name }
    end
    local pipe = io.popen(("openssl x509 -in '%s' -noout -fingerprint -sha256"):format(
      clients.printed.certificate))
    local digits = pipe:read("*a"):match("=([%x:]+)"):gsub(":", "")
    pipe:close()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen { "127.0.0.1:0", tls = { cert = %q, key = %q, client_ca = %q, client = "optional" } }
      listen "127.0.0.1:0"
      consumer "mobile" { certificates = { "CN=mobile" } }
      consumer "printed" { certificates = { "sha256:%s" } }
      consumer "guest" {}
      route "/" { upstream = "%s", plugins = { "mtls-auth" } }
      route "/printed" { upstream = "%s", plugins = { { "mtls-auth", subject = false } } }
      route "/guests" { upstream = "%s", plugins = { { "mtls-auth", anonymous = "guest" } } }
    ]]):format(server.certificate, server.key, authority.certificate, digits, origin.url,
      origin.url, origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    process.remove(directory)
  end)

  local function ask(name, path, headers)
    local client = name and clients[name] or {}
    return http.request(moongate.port, { path = path or "/", headers = headers, tls = {
      name = "api.test", ca = authority.certificate, cert = client.certificate, key = client.key,
    } })
  end

  local function who(answer)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body).headers["x-consumer-name"]
  end

  it("knows consumers by subject or fingerprint", function()
    assert.equal("mobile", who(ask "mobile"))
    assert.equal("printed", who(ask "printed"))
    assert.equal("printed", who(ask("printed", "/printed")))
    assert.equal(403, ask("mobile", "/printed").status)
    assert.equal("mobile", who(ask("mobile", "/", { ["x-consumer-name"] = "admin" })))
  end)

  it("refuses whom it does not know, and who shows nothing", function()
    local answer = ask "nobody"
    assert.equal(403, answer.status)
    assert.matches("unknown%-certificate", answer.body)
    answer = ask()
    assert.equal(403, answer.status)
    assert.matches("missing%-certificate", answer.body)
    assert.equal(403, http.request(moongate.ports[2], {}).status) -- without TLS
  end)

  it("lets those without go on as somebody where it is to", function()
    assert.equal("guest", who(ask(nil, "/guests")))
    assert.equal(403, ask("nobody", "/guests").status)
  end)
end)
