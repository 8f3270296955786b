local certificates = require "spec.support.certificates"
local dns_server = require "spec.support.dns_server"
local peer = require "spec.support.peer"
local ports = require "spec.support.ports"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local tls = require "spec.support.tls"
local upstream = require "spec.support.upstream"

local C = upstream.C

describe("dial", function()
  local driver

  after_each(function() driver:close() end)

  describe("of a name", function()
    local dns, sockets, calls

    before_each(function()
      driver = upstream.driver()
      dns = dns_server.new()
      driver:ask(dns)
      sockets, calls = {}, {}
    end)

    after_each(function()
      for _, call in ipairs(calls) do call:free() end
      driver:run(0.001)
      for _, listener in ipairs(sockets) do listener:close() end
      dns:close()
    end)

    -- `api.test` has the addresses 127.0.0.X; some of them take connections, on one port.
    local function name(addresses, listening, backlog)
      local bytes, port = {}, ports.free()
      for i, last in ipairs(addresses) do bytes[i] = "\127\0\0" .. string.char(last) end
      dns.zone["api.test"] = { A = bytes, ttl = 60 }
      for _, last in ipairs(listening) do
        sockets[#sockets + 1] = socket.listen("127.0.0." .. last, port, backlog)
      end
      return port
    end

    local function cluster_at(port, options)
      return driver:cluster({ { port, host = "api.test" } }, options or { retries = 0 })
    end

    local function call(cluster)
      calls[#calls + 1] = driver:call(cluster)
      return calls[#calls]
    end

    it("tries its addresses until one takes the connection", function()
      local cluster = cluster_at(name({ 2, 3, 4 }, { 3 }))
      for i = 1, 3 do
        call(cluster)
        driver:run_until(function() return C.fake_streams_opened() == i end)
      end
      assert.same({ "api.test A", "api.test AAAA" }, dns.asked)
    end)

    it("tries at most three", upstream.in_time(function()
      local cluster = cluster_at(name({ 2, 3, 4, 5 }, { 5 }))
      for _ = 1, 4 do call(cluster) end
      driver:run_until(function() return C.fake_streams_opened() == 3 end)
      driver:run(0.02)
      local failed = 0
      for _, each in ipairs(calls) do
        if each:text() == "failed upstream-refused, " then failed = failed + 1 end
      end
      assert.equal(1, failed)
    end))

    it("takes turns among its addresses", function()
      local cluster = cluster_at(name({ 2, 3 }, { 2, 3 }))
      for _ = 1, 4 do call(cluster) end
      driver:run_until(function() return C.fake_streams_opened() == 4 end)
      for _, listener in ipairs(sockets) do
        for _ = 1, 2 do assert(listener:accept(1)):close() end
      end
    end)

    it("leaves time for the next address when one does not answer", function()
      local port = name({ 2, 3 }, { 2 }, 0)
      driver:crowd("127.0.0.2", port)
      sockets[#sockets + 1] = socket.listen("127.0.0.3", port)
      local cluster = cluster_at(port, { retries = 0, ["call.connect"] = 0.4 })
      for i = 1, 2 do
        call(cluster)
        driver:run_until(function() return C.fake_streams_opened() == i end)
      end
    end)

    it("does not wait for a name longer than for a connection", function()
      local port = name({ 2 }, { 2 })
      dns.is_silent = true
      local only = call(cluster_at(port, { retries = 0, ["call.connect"] = 0.05 }))
      only:wait_for "failed upstream%-dns%-timeout"
      dns.is_silent = false
    end)

    it("can be given up while the name is asked for", upstream.in_time(function()
      local cluster = cluster_at(name({ 2 }, { 2 }), { retries = 0, ["call.connect"] = 0.03 })
      driver:call(cluster):free()
      driver:run()
      driver:run(0.04)
      assert.same({ "api.test A", "api.test AAAA" }, dns.asked)
      assert.equal(0, C.fake_streams_opened())
      assert.is_truthy(driver:status(cluster):find "busy 0 idle 0")
    end))
  end)

  it("refuses a path that no socket can have", function()
    driver = upstream.driver()
    local cluster = driver:cluster({ { 0, host = "/" .. ("x"):rep(110) } }, { retries = 0 })
    local call = driver:call(cluster)
    call:wait_for "failed upstream%-unroutable"
    call:free()
  end)

  describe("with TLS", function()
    local directory, own, foreign, server

    setup(function()
      directory = system.temporary_directory()
      own = certificates.authority(directory, "own")
      foreign = certificates.authority(directory, "foreign")
      server = own:issue { name = "api.test", alternatives = "DNS:api.test,IP:127.0.0.1" }
    end)

    teardown(function() os.execute(("rm -r '%s'"):format(directory)) end)

    before_each(function() driver = upstream.driver { http1 = true } end)
    after_each(function() peer.stop_all() end)

    local function answer(connection)
      while connection:read_request() do
        connection:note {
          name = connection.stream:server_name(), subject = connection.stream:peer_subject(),
        }
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      end
    end

    -- What a call is told of a server with our certificate, and what the server saw.
    local function ask(options)
      local served = peer.start(answer, {
        tls = { cert = server.certificate, key = server.key, ca = options.client_authority },
      })
      local context = assert(tls.client(options))
      driver:encrypt(context, options.name)
      local cluster = driver:cluster({ { served.port, host = options.host } }, { retries = 0 })
      tls.release(context)
      local call = driver:call(cluster)
      driver:run_until(function()
        return call:text():find "end, $" or call:text():find "failed"
      end)
      call:free()
      return call:text(), served:notes()[1], call:record()
    end

    it("takes a server whose certificate is right for the address", function()
      local text, seen = ask { authority = own.certificate }
      assert.is_truthy(text:find "response 200")
      assert.is_nil(seen.name)
    end)

    it("asks for the name that was configured, and verifies it", function()
      local text, seen = ask { authority = own.certificate, name = "api.test" }
      assert.is_truthy(text:find "response 200")
      assert.equal("api.test", seen.name)
      assert.equal("failed upstream-certificate-error, ",
                   (ask { authority = own.certificate, name = "other.test" }))
    end)

    it("refuses a certificate of another authority", function()
      local text, _, record = ask { authority = foreign.certificate }
      assert.equal("failed upstream-certificate-error, ", text)
      assert.is_truthy(record:find "fault upstream%-certificate%-error")
    end)

    it("refuses it with the system's authorities too", function()
      assert.equal("failed upstream-certificate-error, ", (ask {}))
    end)

    it("takes any certificate on an operator's explicit word", function()
      assert.is_truthy(ask { verify = false }:find "response 200")
    end)

    it("shows its own certificate to who asks for it", function()
      local client = own:issue { name = "gateway" }
      local text, seen = ask {
        authority = own.certificate, certificate = client, client_authority = own.certificate,
      }
      assert.is_truthy(text:find "response 200")
      assert.equal("/CN=gateway", seen.subject)
    end)

    it("fails where a certificate is asked for and it has none", function()
      local text = ask { authority = own.certificate, client_authority = own.certificate }
      assert.is_truthy(text:find "^failed upstream%-%a+" or text:find "failed upstream")
    end)

    it("fails where the other side does not speak TLS", upstream.in_time(function()
      local port = peer.start(function(connection) connection:send "what?" end).port
      local context = assert(tls.client { authority = own.certificate })
      driver:encrypt(context)
      local cluster = driver:cluster({ port }, { retries = 0 })
      tls.release(context)
      local call = driver:call(cluster)
      call:wait_for("failed upstream%-tls%-error", 5)
      call:free()
    end))

    it("is not what it was when a target becomes encrypted", upstream.in_time(function()
      local served = peer.start(answer, { tls = { cert = server.certificate, key = server.key } })
      local context = assert(tls.client { authority = own.certificate })
      driver:cluster { served.port }
      driver:encrypt(context)
      local cluster = driver:cluster { served.port }
      tls.release(context)
      local call = driver:call(cluster)
      call:wait_for("end", 5)
      call:free()
    end))

    it("connects anew after a reload with other settings", upstream.in_time(function()
      local served = peer.start(answer, { tls = { cert = server.certificate, key = server.key } })
      for i = 1, 2 do
        local context = assert(tls.client { authority = own.certificate })
        driver:encrypt(context)
        local cluster = driver:cluster { served.port }
        tls.release(context)
        for _ = 1, 2 do
          local call = driver:call(cluster)
          call:wait_for("end", 5)
          call:free()
        end
        assert.equal(i, served:connections())
      end
    end))
  end)
end)
