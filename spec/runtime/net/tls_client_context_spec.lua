jit.off(true, true) -- compiled code must not be called back

local certificates = require "spec.support.certificates"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local tls = require "spec.support.tls"

local OWN = "DNS:users.example.com,DNS:*.wild.example.com,DNS:part*.example.com"
  .. ",IP:127.0.0.1,IP:::1"

describe("TLS context of a client", function()
  local directory, authority, stranger, good, expired, loop, contexts, trusting

  setup(function()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "ca")
    stranger = certificates.authority(directory, "stranger")
    good = authority:issue { name = "common.example.com", alternatives = OWN }
    expired = authority:issue { name = "x", alternatives = OWN, is_expired = true }
  end)
  teardown(function() os.execute("rm -r " .. directory) end)

  local function server(certificate, options)
    options = options or {}
    options.certificates = { certificate or good }
    local context = assert(tls.server(options))
    contexts[#contexts + 1] = context
    return context
  end

  local function client(options)
    local context = assert(tls.client(options))
    contexts[#contexts + 1] = context
    return context
  end

  before_each(function()
    loop, contexts = streams.loop(), {}
    trusting = client { authority = authority.certificate }
  end)
  after_each(function()
    loop:close()
    for _, context in ipairs(contexts) do tls.release(context) end
  end)

  for _, name in ipairs {
    "users.example.com", "USERS.example.com", "users.example.com.", "any.wild.example.com",
    "127.0.0.1", "::1",
  } do
    it("accepts a certificate for " .. name, function()
      local one, peer = tls.shake_hands(loop, server(), trusting, name)
      assert.same({ "none", "none" }, { one.fault, peer.fault })
    end)
  end

  for _, name in ipairs {
    "other.example.com", "example.com", "a.b.wild.example.com", "wild.example.com",
    "party.example.com", "common.example.com", "127.0.0.2", "::2",
  } do
    it("refuses one that is not for " .. name, function()
      local one, peer = tls.shake_hands(loop, server(), trusting, name)
      assert.equal("upstream-certificate-error", peer.fault)
      assert.matches("the certificate of the server is not accepted: .*mismatch", peer.detail)
      assert.equal("malformed-request", one.fault)
    end)
  end

  for _, name in ipairs { "", ".", ("a"):rep(254), "192.0.2.1/24\1" } do
    it(("never takes %q for any name at all"):format(name), function()
      local one, peer = streams.pair(loop)
      one:accept_tls(server())
      peer:connect_tls(trusting, name)
      loop:run(function() return peer.fault end)
      assert.is_true(peer.fault ~= "none")
    end)
  end

  it("refuses certificates that expired", function()
    local _, peer = tls.shake_hands(loop, server(expired), trusting, "users.example.com")
    assert.equal("upstream-certificate-error", peer.fault)
    assert.matches("has expired", peer.detail)
  end)

  it("refuses certificates of authorities that it does not know", function()
    for _, options in ipairs { { authority = stranger.certificate }, {} } do
      local _, peer = tls.shake_hands(loop, server(), client(options), "users.example.com")
      assert.equal("upstream-certificate-error", peer.fault)
      assert.matches("unable to get local issuer certificate", peer.detail)
    end
  end)

  it("refuses the system's authorities where it has its own", function()
    -- The bundle of the system is read, and is not what this context goes by.
    client {}
    local _, peer = tls.shake_hands(loop, server(), trusting, "users.example.com")
    assert.equal("none", peer.fault)
  end)

  it("accepts anything only when verification is off", function()
    local _, peer = tls.shake_hands(loop, server(expired), client { verify = false }, "any.name")
    assert.equal("none", peer.fault)
  end)

  it("verifies the chain where it is given no name", function()
    local _, peer = tls.shake_hands(loop, server(), trusting)
    assert.equal("none", peer.fault)
    local _, other = tls.shake_hands(loop, server(expired), trusting)
    assert.equal("upstream-certificate-error", other.fault)
  end)

  it("asks for the name, but never for an address", function()
    assert.equal("users.example.com",
      tls.shake_hands(loop, server(), trusting, "users.example.com."):server_name())
    assert.equal("", tls.shake_hands(loop, server(), trusting, "127.0.0.1"):server_name())
  end)

  it("shows its own certificate when it is asked", function()
    local own = authority:issue { name = "gateway" }
    local asking = server(good, { client = "required", authority = authority.certificate })
    local showing = client { authority = authority.certificate, certificate = own }
    local one = tls.shake_hands(loop, asking, showing, "users.example.com")
    assert.equal("none", one.fault)
    assert.equal("/CN=gateway", tls.peer_subject(one))
  end)

  describe("keeps sessions", function()
    local function visit(context, visitor, name, peer_address, way)
      local one, peer = tls.shake_hands(loop, context, visitor, name, { peer = peer_address })
      assert.same({ "none", "none" }, { one.fault, peer.fault })
      peer:attach()
      one:write "x"
      loop:run(function() return peer:text() == "x" end)
      local is_resumed = tls.is_resumed(peer)
      peer[way or "destroy"](peer)
      one:destroy()
      return is_resumed
    end

    it("for the same name at the same address", function()
      local context = server()
      assert.is_false(visit(context, trusting, "users.example.com"))
      assert.is_true(visit(context, trusting, "users.example.com"))
      assert.is_false(visit(context, trusting, "any.wild.example.com"))
      assert.is_false(visit(context, trusting, "users.example.com", "127.0.0.1:2"))
      assert.is_true(visit(context, trusting, "users.example.com"))
    end)

    it("of connections that were aborted too", function()
      local context = server()
      visit(context, trusting, "users.example.com", nil, "abort")
      assert.is_true(visit(context, trusting, "users.example.com"))
    end)

    it("for one context alone", function()
      local context = server()
      visit(context, client { verify = false }, "users.example.com")
      assert.is_false(visit(context, trusting, "users.example.com"))
    end)

    it("not beyond a handshake that failed", function()
      local context = server()
      visit(context, trusting, "users.example.com")
      local one, peer = streams.pair(loop)
      peer:connect_tls(trusting, "users.example.com")
      one:destroy()
      loop:run(function() return peer.fault end)
      assert.equal("upstream-tls-error", peer.fault)
      assert.is_false(visit(context, trusting, "users.example.com"))
    end)
  end)
end)
