local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local refusal = require "spec.support.refusal"
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
    for name, alternatives in pairs {
      service = "IP:192.0.2.7,DNS:other.example.com,DNS:Service.Example.com",
      workload = "URI:spiffe://example.com/workload", person = "email:ada@example.com",
      stored = "DNS:stored.example.com", hidden = "DNS:ada@example.com",
    } do
      clients[name] = authority:issue { name = "of a name", alternatives = alternatives }
    end
    clients.foreign = certificates.authority(directory, "foreign"):issue { name = "mobile" }
    local pipe = io.popen(("openssl x509 -in '%s' -noout -fingerprint -sha256"):format(
      clients.printed.certificate))
    local digits = pipe:read("*a"):match("=([%x:]+)"):gsub(":", "")
    pipe:close()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen { "127.0.0.1:0", tls = { cert = %q, key = %q, client_ca = %q, client = "optional" } }
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      store { path = "state" }
      consumer "mobile" { certificates = { "CN=mobile" } }
      consumer "printed" { certificates = { "sha256:%s" } }
      consumer "service" { certificates = { "dns:service.example.COM" } }
      consumer "workload" { certificates = { "uri:spiffe://example.com/workload" } }
      consumer "person" { certificates = { "email:ada@example.com" } }
      consumer "guest" {}
      route "/" { upstream = "%s", plugins = { "mtls-auth" } }
      route "/printed" { upstream = "%s", plugins = { { "mtls-auth", subject = false } } }
      route "/uris" { upstream = "%s", plugins = { { "mtls-auth", names = { "uri" } } } }
      route "/guests" { upstream = "%s", plugins = { { "mtls-auth", anonymous = "guest" } } }
    ]]):format(server.certificate, server.key, authority.certificate, digits, origin.url,
      origin.url, origin.url, origin.url) }
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

  it("knows consumers by the names in subjectAltName", function()
    assert.equal("service", who(ask "service"))
    assert.equal("workload", who(ask "workload"))
    assert.equal("person", who(ask "person"))
    assert.equal(403, ask("hidden").status) -- the same text, of another kind
    assert.equal("workload", who(ask("workload", "/uris")))
    assert.equal(403, ask("person", "/uris").status)
  end)

  it("knows consumers of the admin API", function()
    local function admin(path, body)
      return http.request(moongate.admin_port, { method = "POST", path = path, body = body,
        headers = { ["content-type"] = "application/json" } }).status
    end
    assert.equal(403, ask("stored").status)
    assert.equal(201, admin("/consumers", '{"name":"stored"}'))
    assert.equal(201, admin("/consumers/stored/credentials",
      '{"type":"certificate","certificate":"dns:Stored.example.com"}'))
    assert.equal("stored", who(ask "stored"))
  end)

  it("refuses certificates of strangers, whatever they say", function()
    for _, path in ipairs { "/", "/guests" } do
      local answer = ask("foreign", path)
      assert.equal(403, answer.status)
      assert.matches("invalid%-certificate", answer.body)
    end
    moongate:wait_for_log "certificate is refused: unable to verify the first certificate"
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

  describe("with revocation lists", function()
    local root, middle, server, shown = nil, nil, nil, {}

    setup(function()
      root = certificates.authority(directory, "root")
      middle = root:authority "middle"
      server = root:issue { name = "api.test", alternatives = "DNS:api.test" }
      for _, name in ipairs { "kept", "lost" } do shown[name] = middle:issue { name = name } end
      shown.direct = root:issue { name = "direct" }
      shown.foreign = certificates.authority(directory, "stranger"):issue { name = "kept" }
    end)

    local function start(lists, more)
      return gateway.start { files = { ["revoked.pem"] = lists }, config = ([[
        watch(true)
        listen { "127.0.0.1:0", tls = { cert = %q, key = %q, client_ca = %q,
          client_crl = "revoked.pem", %s } }
        log { level = "info" }
        for _, name in ipairs { "kept", "lost", "direct" } do
          consumer(name) { certificates = { "CN=" .. name } }
        end
        route "/" { plugins = { "mtls-auth", { "mock", body = "in" } } }
      ]]):format(server.certificate, server.key, root.certificate,
        more or 'client = "optional"') }
    end

    local function tls_of(name, session)
      return { name = "api.test", ca = root.certificate, cert = shown[name].certificate,
        key = shown[name].key, session = session }
    end

    local function status(self, name)
      return http.request(self.port, { tls = tls_of(name) }).status
    end

    it("refuses what has been taken back, and its issuer's", function()
      local self = start(root:revocations {} .. middle:revocations { shown.lost })
      assert.equal(200, status(self, "kept"))
      assert.equal(200, status(self, "direct"))
      assert.equal(403, status(self, "lost"))
      self:wait_for_log "certificate is refused: certificate revoked"
      system.write_file(self.directory .. "/revoked.pem",
        root:revocations { middle } .. middle:revocations {})
      self:wait_for_log "generation 2 serves"
      assert.equal(403, status(self, "kept"))
      assert.equal(200, status(self, "direct"))
    end)

    it("refuses those whose issuer has no list", function()
      local self = start(root:revocations {})
      assert.equal(403, status(self, "kept"))
      assert.equal(200, status(self, "direct"))
    end)

    it("takes a list for expired, or for what it says all the same", function()
      local lists = root:revocations({}, true) .. middle:revocations({ shown.lost }, true)
      local self = start(lists)
      assert.equal(403, status(self, "kept"))
      self = start(lists, 'client = "optional", client_crl_expired = "allow"')
      assert.equal(200, status(self, "kept"))
      assert.equal(403, status(self, "lost"))
      assert.equal(403, status(self, "foreign"))
      self = start(lists, 'client = "required", client_crl_expired = "allow"')
      assert.equal(200, status(self, "kept"))
      assert.is_false((pcall(status, self, "lost")))
      assert.is_false((pcall(status, self, "foreign")))
    end)

    it("reads the file anew when it changes, and resumes nothing from before", function()
      local self = start(root:revocations {} .. middle:revocations {})
      local connection = http.connect(self.port, { tls = tls_of "lost" })
      assert.equal(200, connection:request({}).status)
      local session = connection.stream:session()
      connection:finish()
      connection:close()
      system.write_file(self.directory .. "/revoked.pem",
        root:revocations {} .. middle:revocations { shown.lost })
      self:wait_for_log "generation 2 serves"
      assert.equal(403, http.request(self.port, { tls = tls_of("lost", session) }).status)
    end)

    it("takes nothing else for a list", function()
      local function said(crl, client)
        return refusal.of(([[
          listen { "127.0.0.1:0", tls = { cert = %q, key = %q, client_ca = %q, client = %q,
            client_crl = %q } }
          route "/" { plugins = { { "mock" } } }
        ]]):format(server.certificate, server.key, root.certificate, client or "optional", crl))
      end
      assert.matches("%.pem: not a certificate revocation list in PEM", said(server.certificate))
      assert.matches("no such file", said("nowhere.pem"):lower())
      assert.matches("client_crl needs client = ", said(server.certificate, "none"))
    end)
  end)
end)
