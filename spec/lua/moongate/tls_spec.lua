local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local system = require "spec.support.system"

describe("tls", function()
  local directory, moongate, client, stranger

  -- What OpenSSL's own command says of a certificate.
  local function openssl(certificate, what)
    local pipe = io.popen(("openssl x509 -in '%s' -noout %s"):format(certificate, what))
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  local function ask(path, tls)
    return http.request(moongate.port, { path = path, tls = tls }).body
  end

  setup(function()
    directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    local server = authority:issue { name = "api.test", alternatives = "DNS:api.test" }
    client = authority:issue { name = "mobile" }
    stranger = certificates.authority(directory, "other"):issue { name = "stranger" }
    moongate = gateway.start { files = probe.files, config = probe.says:gsub('listen "[^"]*"', "")
      .. ([==[
        listen { "127.0.0.1:0", tls = { cert = %q, key = %q, client_ca = %q,
          client = "optional" } }
        listen "127.0.0.1:0"
        says("/facts", function(req)
          local tls = req.tls
          return tls.server_name, tls.version, tls.cipher, tls.verified, tls.subject, tls.issuer
        end)
        says("/print", function(req) return req.tls.fingerprint, req.tls.serial_number end)
        says("/none", function(req) return req.tls end)
        says("/unknown", function(req) return req.tls.secret end)
        says("/assign", function(req) req.tls.verified = true end)
        local kept
        says("/keep", function(req) kept = req.tls return "kept" end)
        says("/kept", function() return kept.subject end)
      ]==]):format(server.certificate, server.key, authority.certificate) }
  end)

  teardown(function()
    gateway.stop_all()
    process.remove(directory)
  end)

  it("knows name, version and cipher", function()
    assert.matches("^api.test TLSv1.3 TLS_[%w_]+ false nil nil$",
      ask("/facts", { name = "api.test", version = "1.3" }))
    assert.matches("^api.test TLSv1.2 [%w-]+ false nil nil$",
      ask("/facts", { name = "api.test", version = "1.2" }))
  end)

  it("knows who the client has proved to be", function()
    local identity = { name = "api.test", cert = client.certificate, key = client.key }
    assert.matches(" true CN=mobile CN=authority$", ask("/facts", identity))
    local fingerprint, serial = ask("/print", identity):match "^(%x+) (%x+)$"
    local expected = openssl(client.certificate, "-fingerprint -sha256"):match "=([%x:]+)"
    assert.equal(expected:gsub(":", ""):lower(), fingerprint)
    expected = openssl(client.certificate, "-serial"):match "=(%x+)"
    assert.equal(expected:lower(), serial)
  end)

  it("admits no certificate that nobody known vouches for", function()
    local ok, body = pcall(ask, "/facts",
      { name = "api.test", cert = stranger.certificate, key = stranger.key })
    assert.is_false(ok and body:find(" true CN=stranger", 1, true) ~= nil)
  end)

  it("is nil without TLS", function()
    assert.equal("nil", http.request(moongate.ports[2], { path = "/none" }).body)
  end)

  it("has no other facts, and none can be set", function()
    assert.matches("there is no tls.secret", ask("/unknown", { name = "api.test" }))
    assert.matches("cannot be set", ask("/assign", { name = "api.test" }))
  end)

  it("is gone with its request", function()
    ask("/keep", { name = "api.test" })
    assert.matches("has already been answered", ask("/kept", { name = "api.test" }))
  end)
end)
