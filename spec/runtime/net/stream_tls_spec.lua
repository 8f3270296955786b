jit.off(true, true) -- compiled code must not be called back

local certificates = require "spec.support.certificates"
local socket = require "spec.support.socket"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local tls = require "spec.support.tls"

local BIG = ("moongate"):rep(1048576)

describe("stream with TLS", function()
  local directory, server_context, client_context, loop

  setup(function()
    directory = system.temporary_directory()
    local authority = certificates.authority(directory, "ca")
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

  -- Server and client after their handshake, both attached.
  local function pair()
    local server, client = tls.shake_hands(loop, server_context, client_context, "x.example.com")
    assert.same({ "none", "none" }, { server.fault, client.fault })
    return server:attach(), client:attach()
  end

  -- The same over TCP, with a plain socket's hand on the wire of the client.
  local function pair_over_tcp()
    local listening = socket.listen "127.0.0.1"
    local wire = socket.connect("127.0.0.1", listening:port())
    local accepted = listening:accept()
    listening:close()
    local server, client = streams.over(loop, accepted.fd), streams.over(loop, wire.fd)
    server:accept_tls(server_context)
    client:connect_tls(client_context, "x.example.com")
    loop:run(function() return server.fault and client.fault end)
    return server:attach(), client:attach(), wire
  end

  it("carries bytes both ways", function()
    local server, client = pair()
    assert.equal(11, client:write("hello", " ", "there"))
    loop:run(function() return server:text() == "hello there" end)
    assert.equal(3, server:write "you")
    loop:run(function() return client:text() == "you" end)
  end)

  it("sends tickets with its first bytes, and its last bytes with its end", function()
    local server, client, wire = pair_over_tcp()
    local _, handshake = wire:segments()
    assert.equal(1, handshake)
    server:end_soon()
    server:write "you"
    server:destroy()
    loop:run(function() return client.ending end)
    assert.same({ "you", streams.END }, { client:text(), client.ending })
    local _, all = wire:segments()
    assert.equal(2, all)
  end)

  it("says the end behind its last bytes though something is unread", function()
    local server, client
    server, client = pair_over_tcp()
    client:write "unread"
    server:write "last"
    server:destroy()
    loop:run(function() return client.ending end)
    assert.same({ "last", streams.END }, { client:text(), client.ending })
  end)

  it("puts small vectors into one record", function()
    local server, client = pair()
    server:write("head", "", "body", "tail")
    loop:run(function() return client:text() == "headbodytail" end)
    assert.same({ "headbodytail" }, client.received)
    assert.equal(1, client.readables)
  end)

  it("writes nothing at all", function()
    local server = pair()
    assert.equal(0, server:write(""))
    assert.equal(0, server:write("", ""))
  end)

  for _, case in ipairs {
    { "16384" , ("a"):rep(16384) }, { "16385", ("a"):rep(16385) },
    { "5 and 16384", "12345", ("b"):rep(16384) }, { "16383 and 2", ("c"):rep(16383), "de" },
    { "40000 in three", ("f"):rep(20000), ("g"):rep(19999), "h" },
  } do
    it("carries vectors of " .. case[1] .. " bytes", function()
      local server, client = pair()
      local expected = table.concat(case, "", 2)
      assert.equal(#expected, server:write(unpack(case, 2)))
      loop:run(function() return client:length() == #expected end)
      assert.is_true(client:text() == expected)
    end)
  end

  it("carries much both ways at once, each side as fast as the other reads", function()
    local server, client = pair()
    server:send(BIG)
    client:send(BIG)
    assert.is_true(server.sent < #BIG and client.sent < #BIG)
    loop:run(function() return server:length() == #BIG and client:length() == #BIG end)
    assert.is_true(server:text() == BIG and client:text() == BIG)
  end)

  it("waits while the other side is paused, and loses nothing", function()
    local server, client = pair()
    client:pause()
    server:send(BIG)
    loop:pass(0.02)
    local sent = server.sent
    assert.is_true(sent < #BIG)
    loop:pass(0.02)
    assert.equal(sent, server.sent)
    client:resume()
    loop:run(function() return client:length() == #BIG end)
    assert.is_true(client:text() == BIG)
  end)

  it("goes on with the same bytes after a write did not fit", function()
    local server, client = pair()
    client:pause()
    local text, sent = BIG, 0
    repeat
      local count = server:write(text:sub(sent + 1, sent + 100), text:sub(sent + 101, sent + 70000))
      if count > 0 then sent = sent + count end
    until count < 0
    assert.equal(streams.AGAIN, server:write(text:sub(sent + 1, sent + 70000)))
    client:resume()
    server.unsent, server.sent = text, sent
    server:await_writable()
    loop:run(function() return client:length() == #BIG end)
    assert.is_true(client:text() == BIG)
  end)

  describe("calls a reader again that left bytes inside", function()
    -- One record in full, of which little is read at a time.
    local function trickle(client)
      local got = {}
      function client:on_readable()
        local bytes = self:read(5000)
        if type(bytes) == "string" then got[#got + 1] = #bytes end
      end
      return got
    end

    it("without the socket saying anything", function()
      local server, client = pair()
      local got = trickle(client)
      server:write(("x"):rep(16384))
      loop:run(function() return #got == 4 end)
      assert.same({ 5000, 5000, 5000, 1384 }, got)
      assert.is_false(client:has_pending())
    end)

    it("but not while it is paused", function()
      local server, client = pair()
      local got = trickle(client)
      local read = client.on_readable
      function client:on_readable()
        read(self)
        self:pause()
      end
      server:write(("x"):rep(16384))
      loop:run(function() return #got == 1 end)
      loop:pass(0.01)
      assert.equal(1, #got)
      assert.is_true(client:has_pending())
      client:resume()
      assert.equal(1, #got)
      loop:run(function() return #got == 2 end)
    end)

    it("also when it is a new owner", function()
      local server, client = pair()
      server:write(("x"):rep(16384))
      function client:on_readable()
        self:read(1)
        self:detach()
      end
      loop:run(function() return client:has_pending() end)
      loop:pass(0.01)
      client.on_readable = nil
      client:attach()
      loop:run(function() return client:length() == 16383 end)
    end)

    it("and tells the end that came with the last bytes", function()
      local server, client = pair()
      server:write "last"
      streams.C.net_ssl_shutdown(server:tls()) -- close_notify, and no FIN that would wake anybody
      loop:run(function() return client.ending end)
      assert.same({ "last", streams.END }, { client:text(), client.ending })
    end)
  end)

  it("delivers what came with the handshake", function()
    local server, client = streams.pair(loop)
    function client:on_handshaken(fault)
      self.fault = fault
      self:write "early"
    end
    client:connect_tls(client_context, "x.example.com")
    server:accept_tls(server_context)
    server:attach()
    loop:run(function() return server:text() == "early" end)
    assert.equal("none", server.fault)
  end)

  describe("ends", function()
    it("with close_notify", function()
      local server, client = pair()
      server:shut_down()
      loop:run(function() return client.ending end)
      assert.equal(streams.END, client.ending)
      client:write "still here"
      loop:run(function() return server:text() == "still here" end)
      client:destroy()
      loop:run(function() return server.ending end)
      assert.equal(streams.END, server.ending)
    end)

    it("in order behind much that was written before", function()
      local server, client = pair()
      client:pause()
      server.then_shut_down = true
      server:send(BIG)
      client:resume()
      loop:run(function() return client.ending end)
      assert.equal(streams.END, client.ending)
      assert.equal(#BIG, client:length())
    end)

    it("broken when the connection just ends", function()
      local server, client, wire = pair_over_tcp()
      wire:finish()
      loop:run(function() return server.ending end)
      assert.equal(streams.BROKEN, server.ending)
      assert.equal(streams.BROKEN, server:read())
      assert.equal(streams.BROKEN, server:write "x")
      assert.is_not_nil(client)
    end)

    it("broken when it was aborted", function()
      local server, client = pair_over_tcp()
      client:abort()
      loop:run(function() return server.ending end)
      assert.equal(streams.BROKEN, server.ending)
    end)

    it("broken when it stops in the middle of a record", function()
      local server, client = pair()
      client:pause()
      local sent, count = 0
      repeat
        count = server:write(BIG:sub(1, 70000))
        if count > 0 then sent = sent + count end
      until count < 0
      server:shut_down()
      client:resume()
      loop:run(function() return client.ending end)
      assert.same({ streams.BROKEN, sent }, { client.ending, client:length() })
    end)

    it("broken on bytes that are no record", function()
      local server, _, wire = pair_over_tcp()
      wire:send "GET / HTTP/1.1\r\n\r\n"
      loop:run(function() return server.ending end)
      assert.equal(streams.BROKEN, server.ending)
      assert.equal("", server:text())
    end)
  end)

  it("reads what was said before the other side took no more", function()
    local server, client, wire = pair_over_tcp()
    client:pause()
    server:write "413"
    server:destroy()
    -- The first write meets a closed socket, the answer to it is a reset.
    client:write "x"
    loop:run(function() return client:write "y" == streams.BROKEN end)
    assert.is_not_nil(wire)
    client:resume()
    loop:run(function() return client.ending end)
    assert.equal("413", client:text())
  end)

  describe("between messages", function()
    it("is quiet, whatever tickets arrived", function()
      local _, client = pair()
      assert.is_true(client:is_quiet())
      client:detach()
      loop:pass(0.01)
      assert.is_true(client:is_quiet())
    end)

    it("is not quiet with bytes, and keeps them", function()
      local server, client = pair()
      client:detach()
      server:write "stray"
      assert.is_false(client:is_quiet())
      assert.equal("stray", client:read())
      assert.is_true(client:is_quiet())
    end)

    it("is not quiet at the end, however it came", function()
      local server, client = pair()
      client:detach()
      server:shut_down()
      assert.is_false(client:is_quiet())
      local _, other, wire = pair_over_tcp()
      local its_server = loop.streams[#loop.streams - 1]
      its_server:abort()
      loop:pass(0.005)
      assert.is_false(other:is_quiet())
      assert.is_not_nil(wire)
    end)
  end)

  for _, way in ipairs { "destroy", "abort" } do
    it("may be gone by " .. way .. " after its own callbacks", function()
      local server, client = pair()
      function client:on_readable() self[way](self) end
      server:write(("x"):rep(20000))
      loop:run(function() return client.c == nil end)
      local writer = pair()
      function writer:on_writable() self[way](self) end
      writer:await_writable()
      loop:run(function() return writer.c == nil end)
      local one, other = streams.pair(loop)
      function other:on_handshaken() self[way](self) end
      one:accept_tls(server_context)
      other:connect_tls(client_context, "x.example.com")
      loop:run(function() return other.c == nil end)
    end)
  end

  it("does not let a flood of new keys keep the loop from its turns", function()
    local server, client, wire = pair_over_tcp()
    for _ = 1, 3000 do
      streams.C.net_ssl_key_update(client:tls(), 0)
      assert.equal(1, streams.C.net_ssl_do_handshake(client:tls()))
    end
    client:write "after all"
    loop:run(function() return server:text() == "after all" end)
    assert.is_not_nil(wire)
    assert.is_true(server.readables > 3, server.readables)
  end)

  it("survives new keys in the middle", function()
    local server, client = pair()
    for round = 1, 3 do
      assert.equal(1, streams.C.net_ssl_key_update(client:tls(), 1))
      client:write "ping"
      loop:run(function() return server:length() == 4 * round end)
      server:write "pong"
      loop:run(function() return client:length() == 4 * round end)
    end
  end)
end)
