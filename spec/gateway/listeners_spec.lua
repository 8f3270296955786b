--- listeners: every kind of address that a running gateway listens on, with what comes before HTTP.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

describe("a listener", function()
  local directory, origin

  setup(function()
    directory = system.temporary_directory()
    origin = peer.start()
  end)

  teardown(function()
    peer.stop_all()
    process.remove(directory)
  end)

  after_each(gateway.stop_all)

  local function start(listeners, more)
    return gateway.start { files = probe.files, config = ([[
      %s
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
      %s
    ]]):format(listeners, origin.url, more or "") }
  end

  local function see(port, options)
    local response = http.request(port, options)
    assert.equal(200, response.status, response.body)
    return json.decode(response.body)
  end

  it("may be one of several", function()
    local self = start 'listen "127.0.0.1:0" listen { "127.0.0.1:0" }'
    assert.equal(2, #self.ports)
    for _, port in ipairs(self.ports) do
      assert.equal("127.0.0.1", see(port).headers["x-forwarded-for"])
    end
  end)

  local has_ipv6 = pcall(function() socket.listen("::1"):close() end)

  if has_ipv6 then
    it("may be IPv6", function()
      local self = start 'forwarded(true) listen "[::1]:0"'
      local seen = see(self.port, { address = "::1" })
      assert.equal("::1", seen.headers["x-forwarded-for"])
      assert.is_truthy(seen.headers.forwarded:find('for="[::1]"', 1, true))
    end)
  end

  it("of all addresses takes IPv4", function()
    local self = start 'listen ":0"'
    assert.equal("127.0.0.1", see(self.port).headers["x-forwarded-for"])
    if has_ipv6 then
      assert.equal("::1", see(self.port, { address = "::1" }).headers["x-forwarded-for"])
    end
  end)

  it("of all addresses knows IPv4 clients by their own addresses", function()
    local self = start [[
      listen ":0"
      trusted_proxies { "127.0.0.2/32" }
      limits { connections_per_address = 1 }
    ]]
    local said = { ["X-Forwarded-For"] = "192.0.2.9" }
    local function real(from)
      return see(self.port, { from = from, headers = said }).headers["x-real-ip"]
    end
    assert.equal("192.0.2.9", real "127.0.0.2")
    assert.equal("127.0.0.3", real "127.0.0.3")
    local first = http.connect(self.port, { from = "127.0.0.5" })
    first:request {}
    assert.equal("127.0.0.4", real "127.0.0.4")
    first:close()
  end)

  it("may be a unix socket", function()
    local path = directory .. "/gateway.sock"
    start(('forwarded(true) workers(2) listen "unix:%s"'):format(path))
    for _ = 1, 3 do
      local seen = see(nil, { unix = path })
      assert.equal("unix", seen.headers["x-forwarded-for"])
      assert.is_truthy(seen.headers.forwarded:find "for=unknown")
    end
  end)

  it("of a unix socket that a dead gateway left is taken over", function()
    local path = directory .. "/left.sock"
    local self = start(('listen "unix:%s"'):format(path))
    local workers = self:worker_pids()
    self:signal(system.SIGKILL)
    for _, pid in ipairs(workers) do system.kill(pid, system.SIGKILL) end
    self.process:wait(10)
    pcall(self.stop, self)
    start(('listen "unix:%s"'):format(path))
    assert.equal(200, http.request(nil, { unix = path }).status)
  end)

  describe("with the PROXY protocol", function()
    -- The answer to a request behind `header`, or nil when there is none.
    local function ask(port, header, options)
      local client = http.connect(port, options)
      client:send(header .. http.format {})
      local ok, response = pcall(client.read_response, client)
      client:close()
      return ok and json.decode(response.body) or nil
    end

    local V1 = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"
    local V1_6 = "PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n"
    local V2 = SIGNATURE .. "\33\17\0\12" .. "\192\0\2\8" .. "\192\0\2\1" .. "\18\103\0\80"
    local V2_LOCAL = SIGNATURE .. "\32\0\0\0"

    it("takes the client's address from either version", function()
      local self = start 'listen { "127.0.0.1:0", proxy_protocol = "any" }'
      assert.equal("192.0.2.7", ask(self.port, V1).headers["x-forwarded-for"])
      assert.equal("2001:db8::7", ask(self.port, V1_6).headers["x-forwarded-for"])
      assert.equal("192.0.2.8", ask(self.port, V2).headers["x-forwarded-for"])
      assert.equal("192.0.2.8", ask(self.port, V2).headers["x-real-ip"])
      assert.equal("127.0.0.1", ask(self.port, V2_LOCAL).headers["x-forwarded-for"])
      assert.equal("127.0.0.1", ask(self.port, "PROXY UNKNOWN\r\n").headers["x-forwarded-for"])
    end)

    it("serves nobody without it, or with another version", function()
      local self = start [[
        listen { "127.0.0.1:0", proxy_protocol = "v1" }
        listen { "127.0.0.1:0", proxy_protocol = "v2" }
      ]]
      assert.is_table(ask(self.ports[1], V1))
      assert.is_nil(ask(self.ports[1], V2))
      assert.is_nil(ask(self.ports[1], ""))
      assert.is_table(ask(self.ports[2], V2))
      assert.is_nil(ask(self.ports[2], V1))
      assert.is_nil(ask(self.ports[2], ""))
      assert.is_nil(ask(self.ports[1], "PROXY TCP4 192.0.2.7 192.0.2.1 4711 99999\r\n"))
    end)

    it("believes it from whom it may come only", function()
      local self = start 'listen { "127.0.0.1:0", proxy_protocol = "any", from = { "127.0.0.2" } }'
      assert.equal("192.0.2.7", ask(self.port, V1, { from = "127.0.0.2" }).headers["x-real-ip"])
      assert.is_nil(ask(self.port, V1))
    end)

    it("does not wait for it for ever", function()
      local self = start [[
        listen { "127.0.0.1:0", proxy_protocol = "any" }
        limits { head_timeout = "300ms" }
      ]]
      local client = http.connect(self.port)
      client:send "PROXY TCP4 1"
      assert.is_true(client:is_closed(5))
      client:close()
    end)
  end)

  describe("with TLS", function()
    local authority, one, wild, client

    setup(function()
      authority = certificates.authority(directory, "authority")
      one = authority:issue { name = "one", alternatives = "DNS:one.test" }
      wild = authority:issue { name = "wild", alternatives = "DNS:*.wild.test,DNS:two.test" }
      client = authority:issue { name = "mobile" }
    end)

    local TELLING = [[
      route "/tls" { plugins = { { "answer", on_respond = function(req, moongate)
        local tls = req.tls or { version = "none" }
        return moongate.reply.json(200, { version = tls.version, name = tls.server_name,
          verified = tls.version ~= "none" and tls.verified, subject = tls.subject,
          issuer = tls.issuer, fingerprint = tls.fingerprint })
      end } } }
    ]]

    local function start_tls(more, settings)
      return start(([[
        %s
        listen { "127.0.0.1:0", tls = { cert = %q, key = %q,
          certificates = { { cert = %q, key = %q } }, %s } }
      ]]):format(settings or "", one.certificate, one.key, wild.certificate, wild.key,
                 more or ""), TELLING)
    end

    local function tell(self, tls)
      tls.ca = tls.ca or authority.certificate
      return see(self.port, { path = "/tls", tls = tls })
    end

    it("speaks 1.2 and 1.3", function()
      local self = start_tls()
      for _, version in ipairs { "1.2", "1.3" } do
        local seen = tell(self, { name = "one.test", version = version })
        assert.equal("TLSv" .. version, seen.version)
        assert.equal("one.test", seen.name)
        assert.is_false(seen.verified)
      end
      local seen = see(self.port, { tls = { ca = authority.certificate, name = "one.test" } })
      assert.equal("https", seen.headers["x-forwarded-proto"])
    end)

    it("speaks nothing older than it is told", function()
      local self = start_tls 'version = "1.3"'
      assert.is_false((pcall(tell, self, { name = "one.test", version = "1.2" })))
      assert.equal("TLSv1.3", tell(self, { name = "one.test" }).version)
    end)

    it("shows the certificate that a name asks for", function()
      local self = start_tls()
      local function shown(name)
        local connection = http.connect(self.port, { tls = { name = name } })
        local subject = connection.stream:peer_subject()
        connection:close()
        return subject
      end
      assert.equal("/CN=one", shown "one.test")
      assert.equal("/CN=wild", shown "two.test")
      assert.equal("/CN=wild", shown "a.wild.test")
      assert.equal("/CN=wild", shown "A.Wild.TEST")
      assert.equal("/CN=one", shown "a.b.wild.test")
      assert.equal("/CN=one", shown "wild.test")
      assert.equal("/CN=one", shown "unknown.test")
      assert.equal("/CN=one", shown(nil))
    end)

    it("refuses to speak without it, and lives on", function()
      local self = start_tls()
      local answer = http.exchange(self.port, http.format {})
      assert.is_nil(answer:find "HTTP/1.1 200")
      assert.equal("TLSv1.3", tell(self, { name = "one.test" }).version)
    end)

    it("takes a client's certificate when one is shown", function()
      local self = start_tls(('client = "optional", client_ca = %q'):format(authority.certificate))
      assert.is_false(tell(self, { name = "one.test" }).verified)
      local seen = tell(self, { name = "one.test", cert = client.certificate, key = client.key })
      assert.is_true(seen.verified)
      assert.equal("CN=mobile", seen.subject)
      assert.equal("CN=authority", seen.issuer)
      assert.equal(64, #seen.fingerprint)
      assert.is_truthy(seen.fingerprint:find "^%x+$")
    end)

    it("insists on a client's certificate", function()
      local self = start_tls(('client = "required", client_ca = %q'):format(authority.certificate))
      for _, version in ipairs { "1.2", "1.3" } do
        assert.is_false((pcall(tell, self, { name = "one.test", version = version })))
        local seen = tell(self, {
          name = "one.test", version = version, cert = client.certificate, key = client.key })
        assert.is_true(seen.verified)
      end
    end)

    it("verifies no certificate of strangers", function()
      local stranger = certificates.authority(directory, "stranger"):issue { name = "mobile" }
      local shown = { name = "one.test", cert = stranger.certificate, key = stranger.key }
      local self = start_tls(('client = "required", client_ca = %q'):format(authority.certificate))
      assert.is_false((pcall(tell, self, shown)))
      self = start_tls(('client = "optional", client_ca = %q'):format(authority.certificate))
      assert.is_false(tell(self, shown).verified)
    end)

    it("resumes sessions at whichever worker", function()
      local self = start_tls(nil, "workers(2)")
      for _, version in ipairs { "1.2", "1.3" } do
        local first = http.connect(self.port, { tls = { name = "one.test", version = version } })
        first:request { path = "/tls" }
        local session = first.stream:session()
        first:finish() -- OpenSSL does not resume what was cut off
        first:close()
        for _ = 1, 16 do
          local again = http.connect(self.port, {
            tls = { name = "one.test", version = version, session = session } })
          assert.equal(200, again:request({ path = "/tls" }).status)
          assert.is_true(again.stream:is_resumed())
          again:finish()
          again:close()
        end
      end
    end)

    it("does not wait for a handshake for ever", function()
      local self = start_tls(nil, 'limits { head_timeout = "300ms" }')
      local connection = http.connect(self.port)
      connection:send "\22\3\1"
      assert.is_true(connection:is_closed(5))
      connection:close()
    end)

    it("ends in good order, so that nothing looks cut off", function()
      local self = start_tls()
      local connection = http.connect(self.port, { tls = { name = "one.test" } })
      connection:send(http.format { path = "/bytes/10", headers = { Connection = "close" } })
      connection:read_response()
      local _, how = connection:read_until_close()
      assert.equal("closed", how)
      connection:close()
    end)

    it("may come behind the PROXY protocol", function()
      local self = start(([[
        listen { "127.0.0.1:0", proxy_protocol = "v1", tls = { cert = %q, key = %q } }
      ]]):format(one.certificate, one.key))
      local connection = http.connect(self.port)
      connection:send "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"
      connection.stream = require("spec.support.tls_socket").client(connection.stream,
        { name = "one.test", ca = authority.certificate })
      local seen = json.decode(connection:request({}).body)
      assert.equal("192.0.2.7", seen.headers["x-forwarded-for"])
      assert.equal("https", seen.headers["x-forwarded-proto"])
      connection:close()
    end)
  end)
end)
