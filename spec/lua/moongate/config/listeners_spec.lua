local listeners = require "moongate.config.listeners"

describe("config.listeners", function()
  local function of(...)
    local declared = { folder = "conf", listeners = {} }
    for i, fields in ipairs { ... } do
      declared.listeners[i] = {
        at = "g:" .. i, fields = fields, is_admin = type(fields) == "table" and fields.is_admin,
      }
      if type(fields) == "table" then fields.is_admin = nil end
    end
    local messages = {}
    local list = listeners.of(declared, function(at, message)
      messages[#messages + 1] = at .. ": " .. message
    end)
    return list, messages
  end

  local function wrong(...)
    local _, messages = of(...)
    return table.concat(messages, "\n")
  end

  it("takes ports, IPv4, IPv6 and unix sockets", function()
    for _, address in ipairs { ":8080", "127.0.0.1:0", "[::1]:80", "[::]:65535", "unix:/run/a" } do
      local list, messages = of(address)
      assert.same({}, messages)
      assert.equal(address, list[1].address)
    end
  end)

  it("refuses what is no address", function()
    for _, address in ipairs { "8080", ":", ":65536", "256.0.0.1:80", "1.2.3:80", "localhost:80",
      "::1:80", "[::1]", "unix:", 8080, "unix:/" .. ("x"):rep(120) } do
      assert.truthy(wrong(address):find('^g:1: listen: the address is .*; expected ":8080"'))
    end
  end)

  it("refuses the same address twice, but not port 0", function()
    assert.equal("g:2: :80 is listened on already at g:1", wrong(":80", ":80"))
    assert.equal("", wrong("127.0.0.1:0", "127.0.0.1:0"))
  end)

  it("wants a token where an admin listener can be reached from elsewhere", function()
    for _, address in ipairs { "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/run/x" } do
      assert.equal("", wrong { address, is_admin = true })
    end
    for _, address in ipairs { ":1", "0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::11]:1" } do
      assert.equal(("g:1: admin: %s can be reached from other machines, so it needs a token")
        :format(address), wrong { address, is_admin = true })
      assert.equal("", wrong { address, is_admin = true, token = "t" })
    end
    assert.equal("g:1: admin: the token is empty",
      wrong { "127.0.0.1:1", is_admin = true, token = "" })
  end)

  it("seeks TLS files beside the configuration, and leaves texts alone", function()
    local list = of { ":1", tls = { cert = "a.pem", key = "-----BEGIN KEY-----", certificates = {
      { cert = "/b.pem", key = "b.key" } } } }
    assert.same({
      { cert = "conf/a.pem", key = "-----BEGIN KEY-----" },
      { cert = "/b.pem", key = "conf/b.key" },
    }, list[1].tls.certificates)
  end)

  it("says what TLS lacks", function()
    assert.equal("g:1: listen: tls.cert is missing; it is the certificate chain\n"
      .. "g:1: listen: tls.key is missing; it is the certificate's key", wrong { ":1", tls = {} })
    assert.equal("g:1: listen: tls.client_ca is missing; client certificates are checked "
      .. "against it", wrong { ":1", tls = { cert = "a", key = "b", client = "required" } })
  end)
end)
