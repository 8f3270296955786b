jit.off(true, true) -- compiled code must not be called back

local certificates = require "spec.support.certificates"
local socket = require "spec.support.socket"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local tls = require "spec.support.tls"

describe("stream's TLS handshake", function()
  local directory, authority, server_context, client_context, loop

  setup(function()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "ca")
    local certificate = authority:issue { name = "x", alternatives = "DNS:x.example.com" }
    server_context = assert(tls.server { certificates = { certificate } })
    client_context = assert(tls.client { authority = authority.certificate })
  end)
  teardown(function()
    tls.release(server_context)
    tls.release(client_context)
    os.execute("rm -r " .. directory)
  end)

  before_each(function() loop = streams.loop() end)
  after_each(function() loop:close() end)

  -- A server's stream in its handshake, and what hostile bytes can be sent with.
  local function accepting()
    local listening = socket.listen "127.0.0.1"
    local peer = socket.connect("127.0.0.1", listening:port())
    local server = streams.over(loop, listening:accept().fd)
    listening:close()
    server:accept_tls(server_context)
    return server, peer
  end

  -- Runs the openssl command against a listening socket; its words, and the server's stream.
  local function visited_by(arguments, context)
    local listening = socket.listen "127.0.0.1"
    local pipe = io.popen(("{ echo Q | openssl s_client -connect 127.0.0.1:%d %s; } 2>&1")
      :format(listening:port(), arguments))
    local server = streams.over(loop, listening:accept().fd)
    listening:close()
    server:accept_tls(context or server_context)
    loop:run(function() return server.fault end)
    server:attach()
    if server.fault == "none" then
      loop:run(function() return server.ending end)
    end
    server:destroy()
    local words = pipe:read "*a"
    pipe:close()
    return server, words
  end

  for _, version in ipairs { "tls1_2", "tls1_3" } do
    it("is understood by another implementation's " .. version, function()
      local server, words = visited_by(("-%s -servername x.example.com -CAfile %s"):format(version,
        authority.certificate))
      assert.equal("none", server.fault)
      assert.matches("Verify return code: 0 %(ok%)", words)
      assert.matches("Compression: NONE", words)
    end)
  end

  it("names the authorities whose client certificates it accepts", function()
    local asking = assert(tls.server {
      certificates = { authority:issue { name = "y" }, authority:issue { name = "x.example.com" } },
      client = "optional", authority = authority.certificate,
    })
    for _, name in ipairs { "y", "x.example.com" } do
      local _, words = visited_by("-servername " .. name, asking)
      assert.matches("Acceptable client certificate CA names\nCN = ca\n", words)
    end
    tls.release(asking)
  end)

  for _, arguments in ipairs {
    "-tls1_1 -cipher DEFAULT@SECLEVEL=0", "-tls1 -cipher DEFAULT@SECLEVEL=0",
    "-tls1_2 -cipher AES128-GCM-SHA256", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA",
    "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256",
  } do
    it("refuses a client with " .. arguments, function()
      local server = visited_by(arguments)
      assert.equal("malformed-request", server.fault)
    end)
  end

  it("does not begin again in the middle of a connection", function()
    local listening = socket.listen "127.0.0.1"
    local gate = directory .. "/gate"
    os.execute("mkfifo " .. gate)
    local pipe = io.popen(("{ { echo R; cat %s; } | openssl s_client -tls1_2 -connect "
      .. "127.0.0.1:%d; } 2>&1"):format(gate, listening:port()))
    local server = streams.over(loop, listening:accept().fd)
    listening:close()
    server:accept_tls(server_context)
    server:attach()
    loop:run(function() return server.ending end)
    server:destroy()
    io.open(gate, "w"):close()
    local words = pipe:read "*a"
    pipe:close()
    assert.matches("no renegotiation", words)
    assert.equal("", server:text())
  end)

  it("refuses plain HTTP, and says so", function()
    local server, peer = accepting()
    peer:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    loop:run(function() return server.fault end)
    assert.same({ "malformed-request", "the TLS handshake failed: http request" },
      { server.fault, server.detail })
    server:attach()
    assert.equal(streams.BROKEN, server:read())
    assert.equal(streams.BROKEN, server:write "x")
    server:destroy()
    peer:close()
  end)

  it("refuses noise", function()
    for seed = 1, 20 do
      math.randomseed(seed)
      local server, peer = accepting()
      local noise = {}
      for i = 1, 200 do noise[i] = string.char(math.random(0, 255)) end
      peer:send("\22\3\1\0\199" .. table.concat(noise))
      peer:finish()
      loop:run(function() return server.fault end)
      assert.equal("malformed-request", server.fault)
      server:destroy()
      peer:close()
    end
  end)

  it("says that the other side went away", function()
    local server, peer = accepting()
    peer:close()
    loop:run(function() return server.fault end)
    assert.equal("malformed-request", server.fault)
    local client, other = streams.pair(loop)
    client:connect_tls(client_context, "x.example.com")
    other:destroy()
    loop:run(function() return client.fault end)
    assert.equal("upstream-tls-error", client.fault)
    assert.is_string(client.detail)
  end)

  it("says that the other side does not speak TLS", function()
    local client, other = streams.pair(loop)
    client:connect_tls(client_context, "x.example.com")
    other:write "HTTP/1.1 400 Bad Request\r\n\r\n"
    loop:run(function() return client.fault end)
    assert.same({ "upstream-tls-error", "the TLS handshake failed: wrong version number" },
      { client.fault, client.detail })
  end)

  it("is cancelled with the stream", function()
    local server, peer = accepting()
    loop:pass(0.005)
    server:destroy()
    loop:pass(0.005)
    assert.is_nil(server.fault)
    local _, why = peer:receive_all()
    assert.equal("closed", why)
    peer:close()
  end)

  it("waits for bytes as long as they trickle", function()
    local listening = socket.listen "127.0.0.1"
    local client = streams.connect(loop, "127.0.0.1:" .. listening:port())
    loop:run(function() return client.stream end)
    local peer = listening:accept()
    client.stream:connect_tls(client_context, "x.example.com")
    local hello = assert(peer:receive_some())
    local server, other = accepting()
    for i = 1, #hello do
      other:send(hello:sub(i, i))
      if i % 20 == 0 then loop:pass(0.0001) end
    end
    loop:pass(0.02)
    assert.is_string(other:receive(5)) -- a record of the server's answer
    assert.is_nil(server.fault)
    other:close()
    peer:close()
    listening:close()
  end)

  describe("of a connector", function()
    it("hands over a stream that is ready", function()
      local listening = socket.listen "127.0.0.1"
      local connector = streams.connect(loop, "127.0.0.1:" .. listening:port(),
        { tls = client_context, server_name = "x.example.com" })
      local server = streams.over(loop, assert(listening:accept()).fd)
      server:accept_tls(server_context)
      server:attach()
      loop:run(function() return connector.fault end)
      assert.equal("none", connector.fault)
      connector.stream:write "hello"
      loop:run(function() return server:text() == "hello" end)
      listening:close()
    end)

    it("says what is wrong with the certificate", function()
      local listening = socket.listen "127.0.0.1"
      local connector = streams.connect(loop, "127.0.0.1:" .. listening:port(),
        { tls = client_context, server_name = "y.example.com" })
      local server = streams.over(loop, assert(listening:accept()).fd)
      server:accept_tls(server_context)
      loop:run(function() return connector.fault end)
      assert.equal("upstream-certificate-error", connector.fault)
      assert.matches("hostname mismatch", connector.detail)
      assert.is_nil(connector.stream)
      listening:close()
    end)

    it("ends at the timeout, and when it is cancelled", function()
      local listening = socket.listen "127.0.0.1"
      local options = { tls = client_context, server_name = "x.example.com", timeout = 0.03 }
      local address = "127.0.0.1:" .. listening:port()
      local connector, cancelled = streams.connect(loop, address, options),
        streams.connect(loop, address, options)
      local peer, other = listening:accept(), listening:accept()
      loop:pass(0.005)
      cancelled:cancel()
      loop:run(function() return connector.fault end)
      assert.same({ "upstream-connect-timeout", "the TLS handshake took too long" },
        { connector.fault, connector.detail })
      for _, each in ipairs { peer, other } do
        local _, why = each:receive_all()
        assert.equal("closed", why)
        each:close()
      end
      assert.is_nil(cancelled.fault)
      listening:close()
    end)
  end)
end)
