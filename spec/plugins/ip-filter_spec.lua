local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local refusal = require "spec.support.refusal"

describe("ip-filter", function()
  local moongate

  setup(function()
    moongate = gateway.start { files = {
      ["blocked.txt"] = "# what is blocked\n127.0.0.2 127.0.0.3\n127.0.0.4\n10.0.0.0/8 # all\n\n",
    }, config = [[
      listen "127.0.0.1:0"
      listen "[::1]:0"
      trusted_proxies { "127.0.0.1" }
      local function plain(path, options)
        options[1] = "ip-filter"
        route(path) { plugins = { options, { "mock", body = "in" } } }
      end
      plain("/allow", { allow = { "127.0.0.0/30", "2001:db8::/32", "::1" } })
      plain("/deny", { deny = { "127.0.0.2", "10.0.0.0/8" } })
      plain("/both", { allow = { "127.0.0.0/8" }, deny = { "127.0.0.2/31" } })
      plain("/peer", { deny = { "10.0.0.0/8" }, of = "peer" })
      plain("/file", { deny = { "127.0.0.7", file "blocked.txt" } })
      plain("/v4", { allow = { "0.0.0.0/0" } })
    ]] }
  end)

  teardown(function() gateway.stop_all() end)

  local function status(path, from, headers)
    return http.request(moongate.port, { path = path, from = from, headers = headers }).status
  end

  it("admits those allowed and nobody else", function()
    assert.equal(200, status("/allow", "127.0.0.3"))
    local answer = http.request(moongate.port, { path = "/allow", from = "127.0.0.4" })
    assert.equal(403, answer.status)
    assert.matches("address%-not%-allowed", answer.body)
  end)

  it("refuses those denied and nobody else", function()
    assert.equal(403, status("/deny", "127.0.0.2"))
    assert.equal(200, status("/deny", "127.0.0.3"))
  end)

  it("refuses what is both allowed and denied", function()
    assert.equal(200, status("/both", "127.0.0.4"))
    assert.equal(403, status("/both", "127.0.0.3"))
  end)

  it("takes blocks from a file", function()
    for i = 2, 4 do assert.equal(403, status("/file", "127.0.0." .. i)) end
    assert.equal(200, status("/file", "127.0.0.5"))
    assert.equal(403, status("/file", "127.0.0.7"))
  end)

  it("goes by who is connected, where it is to", function()
    local headers = { ["x-forwarded-for"] = "10.1.2.3" }
    assert.equal(200, status("/peer", "127.0.0.1", headers))
    assert.equal(403, status("/deny", "127.0.0.1", headers))
  end)

  it("knows IPv6", function()
    local function over_v6(path)
      return http.request(moongate.ports[2], { path = path, address = "::1" }).status
    end
    assert.equal(200, over_v6 "/allow")
    assert.equal(403, over_v6 "/v4")
    assert.equal(200, over_v6 "/deny")
  end)

  it("goes by the client that trusted proxies tell of, and believes no other", function()
    local function forwarded(path, from, client)
      return status(path, from, { ["x-forwarded-for"] = client })
    end
    assert.equal(403, forwarded("/deny", "127.0.0.1", "10.1.2.3"))
    assert.equal(403, forwarded("/deny", "127.0.0.1", "::ffff:10.1.2.3"))
    assert.equal(200, forwarded("/allow", "127.0.0.1", "2001:db8::7"))
    assert.equal(403, forwarded("/allow", "127.0.0.9", "127.0.0.1"))
    assert.equal(200, forwarded("/deny", "127.0.0.9", "10.1.2.3"))
  end)

  it("finds the client's address where a proxy writes its port, too", function()
    local function forwarded(path, client)
      return status(path, "127.0.0.1", { ["x-forwarded-for"] = client })
    end
    assert.equal(403, forwarded("/deny", "10.1.2.3:4711"))
    assert.equal(200, forwarded("/allow", "[2001:db8::7]:4711"))
    assert.equal(200, forwarded("/allow", "[2001:db8::7]"))
  end)

  it("stays with the proxy where it tells of no address", function()
    for _, client in ipairs {
      "unknown", "[::1", "[]x", "[10.0.0.1]:", "unix:/a", ":80", "10.1.2.3:99999", "[x]", "[[::1]]",
    } do
      assert.equal(200, status("/allow", "127.0.0.1", { ["x-forwarded-for"] = client }), client)
    end
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"ip-filter"'] = "allow and deny are both empty",
      ['"ip-filter", allow = { "10.0.0.1/8" }'] = 'allow: "10.0.0.1/8" is no block of addresses',
      ['"ip-filter", deny = { "::1", "10.0.0.0/33" }'] = 'deny: "10.0.0.0/33" is no block',
      ['"ip-filter", deny = { "localhost" }'] = 'deny: "localhost" is no block of addresses',
      ['"ip-filter", deny = { "::1,::2" }'] = 'deny: "::1,::2" is no block of addresses',
      ['"ip-filter", allow = { "# none" }'] = "allow: there is no block in it",
      ['"ip-filter", allow = { "" }'] = 'allow: "" is no block of addresses',
      ['"ip-filter", allow = "10.0.0.0/8"'] = 'allow is "10.0.0.0/8"; expected a list',
      ['"ip-filter", allow = { 10 }'] = "allow[1] is 10; expected a string",
    }
  end)
end)
