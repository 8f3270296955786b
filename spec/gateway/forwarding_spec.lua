--- forwarding: the fields and targets that an origin sees of a running gateway's requests.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"

describe("forwarding", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)

  local function start(settings, routes)
    return gateway.start { files = probe.files, config = ([[
      listen "127.0.0.1:0"
      %s
      upstream "origin" { "%s" }
      %s
    ]]):format(settings, origin.url, routes or 'route "/{rest*}" { upstream = "origin" }') }
  end

  -- What the origin saw of a request.
  local function see(self, options)
    local response = http.request(self.port, options)
    assert.equal(200, response.status, response.body)
    return json.decode(response.body)
  end

  describe("of fields", function()
    local self

    setup(function() self = start "" end)
    teardown(gateway.stop_all)

    it("never passes those of one hop", function()
      local seen = see(self, { headers = {
        Connection = "X-Mine, close, keep-alive", ["X-Mine"] = "a", ["Keep-Alive"] = "timeout=5",
        ["Proxy-Connection"] = "keep-alive", TE = "trailers, gzip", Upgrade = "h2c",
        ["Proxy-Authorization"] = "Basic x", ["HTTP2-Settings"] = "AAA", ["X-Other"] = "kept",
      } })
      for _, name in ipairs { "x-mine", "keep-alive", "proxy-connection", "upgrade",
                              "http2-settings" } do
        assert.is_nil(seen.headers[name], name)
      end
      -- Trailers are the gateway's own word to the origin.
      assert.equal("trailers", seen.headers.te)
      assert.equal("te", seen.headers.connection:lower())
      assert.equal("kept", seen.headers["x-other"])
    end)

    it("never passes what any of several Connection fields names", function()
      local seen = see(self, { headers = {
        { "Connection", "a" }, { "A", "1" }, { "connection", " , B ,, c" }, { "B", "2" },
        { "C", "3" }, { "D", "4" },
      } })
      assert.same({ nil, nil, nil, "4" },
        { seen.headers.a, seen.headers.b, seen.headers.c, seen.headers.d })
    end)

    it("does not let Connection take away what routing and framing need", function()
      local seen = see(self, { method = "POST", body = "abc", headers = {
        Connection = "host, content-length, x-forwarded-for, via" } })
      assert.equal("localhost", seen.headers.host)
      assert.equal("abc", seen.body)
      assert.equal("127.0.0.1", seen.headers["x-forwarded-for"])
      assert.equal("1.1 moongate", seen.headers.via)
    end)

    it("never passes those of the origin's hop to the client", function()
      local response = http.request(self.port, { path = "/headers/connection=x-mine"
        .. "&x-mine=a&keep-alive=timeout&proxy-connection=x&upgrade=h2c&x-other=kept" })
      for _, name in ipairs { "connection", "x-mine", "keep-alive", "proxy-connection",
                              "upgrade" } do
        assert.is_nil(response.headers[name], name)
      end
      assert.equal("kept", response.headers["x-other"])
    end)

    it("keeps the rest as it came, in its order", function()
      local fields = { { "X-b", "2" }, { "x-A", "1" }, { "X-b", "3  4" }, { "Accept", "*/*" } }
      local seen, at = see(self, { headers = fields }), 1
      for _, line in ipairs(seen.lines) do
        local wanted = fields[at]
        if wanted and line[1]:lower() == wanted[1]:lower() then
          assert.equal(wanted[2], line[2])
          at = at + 1
        end
      end
      assert.equal(#fields + 1, at)
    end)

    it("adds who asked, and itself", function()
      local seen = see(self, { headers = { Host = "Api.example:81" } })
      assert.equal("127.0.0.1", seen.headers["x-forwarded-for"])
      assert.equal("http", seen.headers["x-forwarded-proto"])
      assert.equal("Api.example:81", seen.headers["x-forwarded-host"])
      assert.equal("127.0.0.1", seen.headers["x-real-ip"])
      assert.equal("1.1 moongate", seen.headers.via)
      assert.is_nil(seen.headers.forwarded)
    end)

    it("believes no stranger about that", function()
      local seen = see(self, { version = "HTTP/1.0", headers = {
        ["X-Forwarded-For"] = "10.0.0.1", ["X-Forwarded-Proto"] = "https", ["X-Real-IP"] = "::1",
        ["X-Forwarded-Host"] = "evil", ["X-Forwarded-Port"] = "1", Forwarded = "for=10.0.0.1",
        Via = "1.0 somebody",
      } })
      assert.equal("127.0.0.1", seen.headers["x-forwarded-for"])
      assert.equal("http", seen.headers["x-forwarded-proto"])
      assert.equal("localhost", seen.headers["x-forwarded-host"])
      assert.equal("127.0.0.1", seen.headers["x-real-ip"])
      assert.is_nil(seen.headers["x-forwarded-port"])
      assert.is_nil(seen.headers.forwarded)
      assert.equal("1.0 somebody, 1.0 moongate", seen.headers.via)
    end)

    it("passes a trace on", function()
      local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      local seen = see(self, { headers = { Traceparent = trace, Tracestate = "a=b" } })
      assert.equal(trace, seen.headers.traceparent)
      assert.equal("a=b", seen.headers.tracestate)
    end)

    it("ends what goes round in circles", function()
      local via = ("1.1 moongate, "):rep(8) .. "1.1 other"
      assert.equal(508, http.request(self.port, { headers = { Via = via } }).status)
    end)
  end)

  describe("of fields from a trusted proxy", function()
    local self

    setup(function()
      self = start 'trusted_proxies { "127.0.0.1/32", "10.0.0.0/8" } forwarded(true)'
    end)
    teardown(gateway.stop_all)

    it("goes on with what it says", function()
      local seen = see(self, { headers = {
        { "X-Forwarded-For", "1.2.3.4, 10.0.0.1" }, { "X-Forwarded-For", "10.9.9.9" },
        { "X-Forwarded-Proto", "https" }, { "X-Forwarded-Host", "shop.example" },
        { "X-Forwarded-Port", "8443" }, { "Forwarded", "for=1.2.3.4" },
      } })
      assert.equal("1.2.3.4, 10.0.0.1, 10.9.9.9, 127.0.0.1", seen.headers["x-forwarded-for"])
      assert.equal("https", seen.headers["x-forwarded-proto"])
      assert.equal("shop.example", seen.headers["x-forwarded-host"])
      assert.equal("8443", seen.headers["x-forwarded-port"])
      assert.equal("1.2.3.4", seen.headers["x-real-ip"])
      assert.equal('for=1.2.3.4, for=127.0.0.1;host="localhost";proto=http',
        seen.headers.forwarded)
    end)

    it("believes it about the nearest stranger only", function()
      local seen = see(self, { headers = { ["X-Forwarded-For"] = "6.6.6.6, 1.2.3.4, 10.0.0.1" } })
      assert.equal("1.2.3.4", seen.headers["x-real-ip"])
    end)

    it("leaves ports out of addresses", function()
      for _, entry in ipairs { "1.2.3.4:567", "1.2.3.4" } do
        local seen = see(self, { headers = { ["X-Forwarded-For"] = entry } })
        assert.equal("1.2.3.4", seen.headers["x-real-ip"])
      end
      local seen = see(self, { headers = { ["X-Forwarded-For"] = "[2001:DB8::1]:567" } })
      assert.equal("2001:db8::1", seen.headers["x-real-ip"])
    end)

    it("takes nonsense for nobody", function()
      local seen = see(self, { headers = { ["X-Forwarded-For"] = "1.2.3.4, unknown" } })
      assert.equal("127.0.0.1", seen.headers["x-real-ip"])
    end)

    it("believes nobody else", function()
      local seen = see(self, { from = "127.0.0.2", headers = { ["X-Forwarded-For"] = "1.2.3.4" } })
      assert.equal("127.0.0.2", seen.headers["x-forwarded-for"])
      assert.equal("127.0.0.2", seen.headers["x-real-ip"])
      assert.equal('for=127.0.0.2;host="localhost";proto=http', seen.headers.forwarded)
    end)
  end)

  describe("of targets", function()
    local self

    setup(function()
      self = start("", [[
        route "/{rest*}" { upstream = "origin" }
        route "/private/{rest*}" { upstream = "origin", plugins = { { "probe", on_request =
          function(_, moongate) return moongate.reply.text(403, "private") end } } }
        route "/old/{id}/{rest*}" { upstream = "origin", rewrite = "/new/{rest}/{id}" }
        route "/older/{x}/{y}" { upstream = "origin", rewrite = "/new/{y}/{x}" }
        route "/turned/{y}/{x}" { upstream = "origin", rewrite = "/new/{y}/{x}" }
        route "/turned2/{y}/{x}" { upstream = "origin", rewrite = "/new2/{y}/{x}" }
        route "/as-it-is/{x}" { upstream = "origin" }
        route "/hosted" { upstream = "origin", upstream_host = "inner.example" }
      ]])
    end)
    teardown(gateway.stop_all)

    -- As sent, and as the origin sees it.
    local TARGETS = {
      ["/a%2Fb"] = "/a%2Fb", ["/a%2fb"] = "/a%2Fb", ["/a/./b/../c"] = "/a/c", ["/a//b"] = "/a/b",
      ["///a"] = "/a", ["/%61%62c"] = "/abc", ["/a%20b"] = "/a%20b", ["/caf%c3%a9"] = "/caf%C3%A9",
      ["/a/%2e%2e/b"] = "/b", ["/a/.%2E/b/"] = "/b/", ["/a?x=%2e%2e//&y"] = "/a?x=%2e%2e//&y",
      ["/a/.."] = "/", ["/a?"] = "/a?", ["/"] = "/", ["/a;b=c/d"] = "/a;b=c/d",
      ["/a%252e"] = "/a%252e",
    }

    for sent, expected in pairs(TARGETS) do
      it(("makes %s out of %s"):format(expected, sent), function()
        assert.equal(expected, see(self, { path = sent }).target)
      end)
    end

    for _, target in ipairs { "/private/x", "/a/../private/x", "//private/x", "/%70rivate/x",
                              "/private//x", "/a/%2e%2e/private/x", "/./private/./x" } do
      it(("knows the private path in %s"):format(target), function()
        assert.equal(403, http.request(self.port, { path = target }).status)
      end)
    end

    it("passes the host as it came, unless the route names one", function()
      assert.equal("Some.Host:1", see(self, { headers = { Host = "Some.Host:1" } }).headers.host)
      assert.equal("inner.example", see(self, { path = "/hosted" }).headers.host)
      assert.equal("b.example", see(self, { path = "http://b.example/x" }).headers.host)
    end)

    it("rewrites with what the path's names stand for", function()
      assert.equal("/new/b%2Fc/d/7?q", see(self, { path = "/old/7/b%2Fc/d?q" }).target)
    end)

    it("rewrites for each route what it says, whatever the one before it says", function()
      assert.equal("/new/2/1", see(self, { path = "/older/1/2" }).target)
      assert.equal("/new/1/2", see(self, { path = "/turned/1/2" }).target)
      assert.equal("/new2/1/2", see(self, { path = "/turned2/1/2" }).target)
      assert.equal("/as-it-is/1", see(self, { path = "/as-it-is/1" }).target)
    end)
  end)
end)
