local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"
local system = require "spec.support.system"

describe("redirect", function()
  local moongate, directory, authority

  setup(function()
    directory = system.temporary_directory()
    authority = certificates.authority(directory, "own")
    local server = authority:issue { name = "localhost", alternatives = "DNS:localhost" }
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      listen { "127.0.0.1:0", tls = { cert = "%s", key = "%s" } }
      upstream "users" { "%s" }
      local function redirect(path, options)
        options[1] = "redirect"
        route(path) { plugins = { options } }
      end
      redirect("/old/{id}", { to = "https://new.example.com/users/{id}" })
      redirect("/rest/{rest*}", { to = "/new/{rest*}?from=rest#top", status = 301 })
      redirect("/bare", { to = "/bare/", query = false, status = 307 })
      redirect("/moved", { to = "http://{host}:81{path}?{query}" })
      redirect("/climb", { to = "/a/{query:to}" })
      route "/tls/{rest*}" { upstream = "users", rewrite = "/inside/{rest*}",
        plugins = { { "redirect", https = true } } }
      route "/port/{rest*}" { upstream = "users",
        plugins = { { "redirect", https = true, port = 8443, status = 301, query = false } } }
    ]]):format(server.certificate, server.key, peer.start().url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    os.execute(("rm -r '%s'"):format(directory))
  end)

  local function get(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options)
  end

  local function location(path, options)
    local answer = get(path, options)
    return ("%d %s"):format(answer.status, answer.headers.location or "-")
  end

  it("sends on to another address", function()
    assert.equal("302 https://new.example.com/users/7", location "/old/7")
    assert.equal("302 https://new.example.com/users/a%2Fb%3Fc", location "/old/a%2fb%3Fc")
  end)

  it("keeps the query, behind what the address has of its own", function()
    assert.equal("302 https://new.example.com/users/7?a=b&c=%20", location "/old/7?a=b&c=%20")
    assert.equal("301 /new/a/b?from=rest&x=1#top", location "/rest/a/b?x=1")
    assert.equal("301 /new/a/b?from=rest#top", location "/rest/a/b")
  end)

  it("leaves the query out where it is to", function()
    assert.equal("307 /bare/", location "/bare?a=b")
  end)

  it("puts the request's own address where it is to, the query once", function()
    assert.equal("302 http://example.org:81/moved?a=b",
      location("/moved?a=b", { headers = { Host = "example.org:8080" } }))
    assert.equal("302 http://[::1]:81/moved?", location("/moved", { headers = { Host = "[::1]" } }))
  end)

  it("makes no address of what would climb", function()
    local answer = get "/climb?to=.."
    assert.equal(400, answer.status)
    assert.matches("bad%-address", answer.body)
  end)

  it("sends what came without TLS to the same address with it", function()
    assert.equal("308 https://example.org/tls/a%20b?c=d",
      location("/tls/a%20b?c=d", { headers = { Host = "example.org:8080" } }))
    assert.equal("308 https://example.org/tls/x?y=z",
      location("http://example.org/tls/x?y=z", { headers = { Host = "example.org" } }))
    assert.equal("301 https://[::1]:8443/port/a",
      location("/port/a?b=c", { method = "POST", headers = { Host = "[::1]:8080" } }))
  end)

  it("knows no host that nobody named", function()
    local answer = http.exchange(moongate.port, "GET /tls/ HTTP/1.0\r\n\r\n")
    assert.matches("^HTTP/1%.%d 400 ", answer)
    assert.matches("missing%-host", answer)
  end)

  it("lets through what came with TLS", function()
    local answer = http.request(moongate.ports[2], {
      path = "/tls/a", headers = { Host = "localhost" },
      tls = { ca = authority.certificate, name = "localhost" },
    })
    assert.equal(200, answer.status)
    assert.equal("/inside/a", json.decode(answer.body).target)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each({
      ['"redirect"'] = "to is missing",
      ['"redirect", to = "/a", https = true'] = "to and https are both given",
      ['"redirect", to = "example.com"'] = 'to is "example.com"; expected an address or a path',
      ['"redirect", to = "//example.com"'] = 'to is "//example.com"; expected an address',
      ['"redirect", to = "https:///a"'] = "expected an address or a path",
      ['"redirect", to = "/{haeder:a}"'] = "to: there is no {haeder:a}",
      ['"redirect", to = "/a", status = 200'] = "status is 200; expected one of 301, 302",
      ['"redirect", https = true, port = 0'] = "port is 0; expected",
    }, false)
    refusal.of_each { ['"redirect", to = "/a"'] = "has an upstream and a plugin that answers" }
    assert.matches("neither an upstream", refusal.of_plugin('"redirect", https = true', false))
  end)
end)
