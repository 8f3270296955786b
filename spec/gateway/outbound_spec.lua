local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"

describe("the head that goes upstream", function()
  local server, upstream

  setup(function()
    upstream = peer.start()
    server = gateway.start {
      config = ([[
        listen "127.0.0.1:0"
        upstream "origin" { "%s" }
        route "/own" { upstream = "origin", upstream_host = "own.example" }
        route "/set" { upstream = "origin", plugins = { { "host" } } }
        route "/{rest*}" { upstream = "origin" }
      ]]):format(upstream.url),
      files = {
        ["plugins/host.lua"] = [[
          --- host: sets another Host.
          local host = { summary = "Sets another Host.", options = {} }
          function host:request(req) req.headers.host = "set.example" end
          return host
        ]],
      },
    }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function host_seen(bytes)
    local answer = http.exchange(server.port, bytes)
    return json.decode(answer:match "\r\n\r\n(.*)$").headers.host
  end

  it("has the client's Host", function()
    assert.equal("a.example",
      host_seen "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
  end)

  it("has the authority of an absolute target", function()
    assert.equal("b.example",
      host_seen "GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
  end)

  it("has the route's own Host", function()
    assert.equal("own.example",
      host_seen "GET /own HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
  end)

  it("has the Host that a plugin set", function()
    assert.equal("set.example",
      host_seen "GET /set HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
  end)

  it("names the upstream where an HTTP/1.0 client named nobody", function()
    assert.equal("origin", host_seen "GET /x HTTP/1.0\r\n\r\n")
  end)

  it("counts Max-Forwards of OPTIONS down, and is answered here at 0", function()
    local function ask(hops)
      return http.exchange(server.port, ("OPTIONS /x HTTP/1.1\r\nHost: a\r\n"
        .. "Max-Forwards: %d\r\nConnection: close\r\n\r\n"):format(hops))
    end
    assert.truthy(ask(0):find "^HTTP/1.1 204 ")
    assert.truthy(ask(3):lower():find('"max-forwards":"2"', 1, true))
  end)
end)
