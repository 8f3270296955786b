jit.off(true, true) -- compiled code must not be called back

local certificates = require "spec.support.certificates"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local tls = require "spec.support.tls"

describe("TLS context of a server", function()
  local directory, authority, stranger, first, second, wildcard, loop, contexts

  setup(function()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "ca")
    stranger = certificates.authority(directory, "stranger")
    first = authority:issue { name = "first", alternatives = "DNS:one.example.com" }
    second = authority:issue { name = "two.example.com" }
    wildcard = authority:issue {
      name = "wild", alternatives = "DNS:*.example.com,DNS:one.example.com",
    }
  end)
  teardown(function() os.execute("rm -r " .. directory) end)

  before_each(function() loop, contexts = streams.loop(), {} end)
  after_each(function()
    loop:close()
    for _, context in ipairs(contexts) do tls.release(context) end
  end)

  local function server(options)
    options.certificates = options.certificates or { first }
    local context = assert(tls.server(options))
    contexts[#contexts + 1] = context
    return context
  end

  local function client(options)
    local context = assert(tls.client(options or { verify = false }))
    contexts[#contexts + 1] = context
    return context
  end

  describe("chooses the certificate", function()
    for name, expected in pairs {
      ["one.example.com"] = "/CN=first",
      ["two.example.com"] = "/CN=two.example.com",
      ["TWO.Example.com"] = "/CN=two.example.com",
      ["three.example.com"] = "/CN=wild",
      ["a.b.example.com"] = "/CN=first",
      ["example.com"] = "/CN=first",
      ["elsewhere.org"] = "/CN=first",
      ["127.0.0.1"] = "/CN=first",
    } do
      it("for " .. name, function()
        local context = server { certificates = { first, second, wildcard } }
        local _, peer = tls.shake_hands(loop, context, client(), name)
        assert.equal(expected, tls.peer_subject(peer))
      end)
    end

    it("of the default when no name is asked for", function()
      local one, peer = tls.shake_hands(loop, server { certificates = { second, first } }, client())
      assert.equal("/CN=two.example.com", tls.peer_subject(peer))
      assert.equal("", one:server_name())
    end)
  end)

  it("knows the name asked for, in lower case", function()
    local one = tls.shake_hands(loop, server {}, client(), "One.EXAMPLE.com")
    assert.equal("one.example.com", one:server_name())
    local other = tls.shake_hands(loop, server {}, client(), "127.0.0.1")
    assert.equal("", other:server_name())
  end)

  describe("agrees on a protocol", function()
    it("by its own preference", function()
      local context = server { alpn = { "h2", "http/1.1" } }
      local one, peer = tls.shake_hands(loop, context, client { verify = false,
        alpn = { "http/1.1", "h2" } })
      assert.same({ "h2", "h2" }, { one:application_protocol(), peer:application_protocol() })
    end)

    it("not at all when the client offers none", function()
      local one = tls.shake_hands(loop, server { alpn = { "http/1.1" } }, client())
      assert.equal("none", one.fault)
      assert.equal("", one:application_protocol())
    end)

    it("or refuses the connection", function()
      local one, peer = tls.shake_hands(loop, server { alpn = { "http/1.1" } },
        client { verify = false, alpn = { "smtp" } })
      assert.equal("malformed-request", one.fault)
      assert.equal("upstream-tls-error", peer.fault)
    end)
  end)

  it("speaks 1.3, and can insist on it", function()
    local one = tls.shake_hands(loop, server { version_min = tls.TLS1_3 }, client())
    assert.equal("TLSv1.3", tls.version(one))
  end)

  it("takes the cipher that costs least of those that a client has", function()
    local one = tls.shake_hands(loop, server {}, client())
    assert.equal("TLS_AES_128_GCM_SHA256", tls.cipher(one))
  end)

  describe("asks for client certificates", function()
    local good, strange, expired

    setup(function()
      good = authority:issue { name = "mobile", usage = "clientAuth" }
      strange = stranger:issue { name = "mobile" }
      expired = authority:issue { name = "mobile", is_expired = true }
    end)

    local function ask(asked, certificate)
      local context = server { client = asked, authority = authority.certificate }
      return tls.shake_hands(loop, context, client { verify = false, certificate = certificate })
    end

    it("and lets in who has one", function()
      for _, asked in ipairs { "optional", "required" } do
        local one = ask(asked, good)
        assert.equal("none", one.fault)
        assert.equal("/CN=mobile", tls.peer_subject(one))
        assert.equal(0, tls.verify_result(one))
      end
    end)

    it("and requires them", function()
      local one, peer = ask "required"
      assert.equal("malformed-request", one.fault)
      assert.matches("peer did not return a certificate", one.detail)
      peer:attach()
      loop:run(function() return peer.ending end)
      assert.equal(streams.BROKEN, peer.ending)
      for bad, why in pairs { [strange] = "issuer", [expired] = "expired" } do
        local refused = ask("required", bad)
        assert.equal("malformed-request", refused.fault)
        assert.matches("the certificate of the client is not accepted: .*" .. why, refused.detail)
      end
    end)

    it("and marks what it could not verify where they are optional", function()
      assert.is_nil(tls.peer_subject((ask "optional")))
      for _, bad in ipairs { strange, expired } do
        local one = ask("optional", bad)
        assert.equal("none", one.fault)
        assert.equal("/CN=mobile", tls.peer_subject(one))
        assert.is_true(tls.verify_result(one) ~= 0)
      end
    end)

    it("and does not ask unless told to", function()
      local one = ask("none", good)
      assert.is_nil(tls.peer_subject(one))
    end)
  end)

  describe("resumes sessions", function()
    setup(function() tls.set_ticket_secret "s" end)

    -- Shakes hands, lets the client read its tickets, and hangs up.
    local function visit(context, visitor, name)
      local one, peer = tls.shake_hands(loop, context, visitor, name or "one.example.com")
      assert.same({ "none", "none" }, { one.fault, peer.fault })
      peer:attach()
      one:write "x"
      loop:run(function() return peer:text() == "x" end)
      local is_resumed = tls.is_resumed(one)
      assert.equal(is_resumed, tls.is_resumed(peer))
      one:destroy()
      peer:destroy()
      return is_resumed
    end

    it("that another worker began", function()
      local visitor = client()
      assert.is_false(visit(server {}, visitor))
      assert.is_true(visit(server {}, visitor))
      assert.is_true(visit(server {}, visitor))
    end)

    it("of certificates chosen by name", function()
      local visitor = client()
      local options = { certificates = { first, second } }
      assert.is_false(visit(server(options), visitor, "two.example.com"))
      assert.is_true(visit(server(options), visitor, "two.example.com"))
    end)

    it("not of another certificate", function()
      local visitor = client()
      visit(server {}, visitor)
      assert.is_false(visit(server { certificates = { second } }, visitor))
    end)

    it("not past a rule on client certificates that they were not begun under", function()
      local visitor = client()
      visit(server { client = "optional", authority = authority.certificate }, visitor)
      local asking = server { client = "required", authority = authority.certificate }
      local one = tls.shake_hands(loop, asking, visitor, "one.example.com")
      assert.equal("malformed-request", one.fault)
    end)

    it("with what was found out about the client", function()
      local good = authority:issue { name = "mobile" }
      local rules = { client = "required", authority = authority.certificate }
      local visitor = client { verify = false, certificate = good }
      assert.is_false(visit(server(rules), visitor))
      local one = tls.shake_hands(loop, server(rules), visitor, "one.example.com")
      assert.is_true(tls.is_resumed(one))
      assert.equal("/CN=mobile", tls.peer_subject(one))
      assert.equal(0, tls.verify_result(one))
    end)

    it("not of another gateway", function()
      local visitor = client()
      visit(server {}, visitor)
      tls.set_ticket_secret "t"
      local is_resumed = visit(server {}, visitor)
      tls.set_ticket_secret "s"
      assert.is_false(is_resumed)
    end)
  end)

  describe("refuses", function()
    local function refusal(options)
      options.certificates = options.certificates or { first }
      local context, message = tls.server(options)
      assert.is_nil(context)
      return message
    end

    it("a key that belongs to another certificate", function()
      local message = refusal { certificates = {
        { certificate = first.certificate, key = second.key },
      } }
      assert.matches("^" .. first.certificate:gsub("%p", "%%%0") .. ": ", message)
      assert.matches("private key mismatch", message)
    end)

    it("texts that are something else", function()
      assert.matches("not a certificate in PEM",
        refusal { certificates = { { certificate = first.key, key = first.key } } })
      assert.matches("not a private key",
        refusal { certificates = { { certificate = first.certificate, key = first.certificate } } })
      system.write_file(directory .. "/junk.pem", "-----BEGIN CERTIFICATE-----\njunk\n")
      assert.matches("not a certificate in PEM",
        refusal { client = "optional", authority = directory .. "/junk.pem" })
    end)

    it("a key with a passphrase, without asking at the terminal", function()
      local locked = directory .. "/locked.key"
      os.execute(("openssl ec -in %s -aes128 -passout pass:x -out %s 2>/dev/null")
        :format(first.key, locked))
      assert.matches("without a passphrase",
        refusal { certificates = { { certificate = first.certificate, key = locked } } })
    end)

    it("to ask for certificates that it could not verify", function()
      assert.matches("need an authority", refusal { client = "required" })
    end)
  end)
end)
