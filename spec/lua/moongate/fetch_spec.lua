local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("fetch", function()
  local moongate, origin, directory, secure

  local function ask(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options).body
  end

  -- The path on the origin is the rest of the gateway's own path.
  local function fetched(path) return ask("/get" .. path) end

  setup(function()
    directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    local identity = authority:issue { name = "localhost", alternatives = "DNS:localhost" }
    origin = peer.start()
    secure = peer.start(nil, { tls = { cert = identity.certificate, key = identity.key } })
    moongate = gateway.start {
      files = probe.files,
      config = probe.says .. ([==[
      local ORIGIN, PORT, SECURE_PORT = %q, %d, %d
      upstream "up" { ORIGIN }
      upstream "secure" { "https://localhost:" .. SECURE_PORT, tls = { ca = %q } }
      local function outcome(answer, fault, text)
        if not answer then return fault .. ": " .. text end
        return answer.status .. " " .. #answer.body .. " " .. answer.body
      end
      says("/get/{rest*}", function(req, m)
        return outcome(m.fetch("http://up/" .. req.params.rest))
      end)
      says("/direct", function(req, m) return outcome(m.fetch(ORIGIN .. "/bytes/3")) end)
      says("/options", function(req, m)
        return m.fetch { url = "http://up/echo?a=1&b=%%20#no", method = "PUT", body = "text",
          headers = { ["X-One"] = "1", ["x-two"] = { "2", 3 } } }.body
      end)
      says("/host", function(req, m)
        return m.fetch { url = "http://up/echo", headers = { Host = "other.test" } }.body
      end)
      says("/post", function(req, m) return m.fetch { url = "http://up/echo", body = "" }.body end)
      says("/big", function(req, m)
        local answer = m.fetch { url = "http://up/echo", body = ("0123456789"):rep(524288) }
        return m.json.decode(answer.body).length
      end)
      says("/relay", function(req, m)
        local answer, fault = m.fetch { url = "http://up/echo", body = req:body(2 ^ 24) }
        return answer and m.json.decode(answer.body).length or fault
      end)
      says("/limit", function(req, m)
        return m.fetch { url = "http://up/bytes/11", limit = 10 },
          select(2, m.fetch { url = "http://up/bytes/11", limit = 10 }),
          #m.fetch { url = "http://up/bytes/10", limit = 10 }.body,
          select(2, m.fetch { url = "http://up/bytes/1", limit = 0 }),
          #m.fetch { url = "http://up/bytes/0", limit = 0 }.body,
          #m.fetch { url = "http://up/bytes/5000000", limit = math.huge }.body
      end)
      says("/slow", function(req, m)
        return outcome(m.fetch { url = "http://up/delay/10", timeout = 0.05 })
      end)
      says("/head", function(req, m)
        return outcome(m.fetch { url = "http://up/bytes/7", method = "HEAD" })
      end)
      says("/fields", function(req, m)
        local answer = m.fetch "http://up/twice"
        return answer.headers["x-twice"], #answer.fields
      end)
      says("/refused", function(req, m) return outcome(m.fetch "http://127.0.0.1:1/") end)
      says("/unknown", function(req, m) return outcome(m.fetch "http://nobody.invalid/") end)
      says("/bad/{which}", function(req, m)
        local bad = {
          url = { url = "ftp://up/" }, none = { url = "http:///x" }, missing = {},
          user = { url = "http://a@up/" }, blank = { url = "http://u p/" },
          line = { url = "http://up\r\nX-A: 1/" }, port = { url = "http://up:0/" },
          bigport = { url = "http://up:65536/" }, path = { url = "http://up/a b" },
          lines = { url = "http://up/", headers = { ["x-a"] = "1\r\nX-B: 2" } },
          name = { url = "http://up/", headers = { ["x a"] = "1" } },
          length = { url = "http://up/", body = "abc", headers = { ["Content-Length"] = "1" } },
          chunked = { url = "http://up/", headers = { ["transfer-encoding"] = "chunked" } },
          upgrade = { url = "http://up/", headers = { connection = "upgrade" } },
          host = { url = "http://up/", headers = { host = "a\r\nX-B: 2" } },
          method = { url = "http://up/", method = "GET /x HTTP/1.1\r\nX:" },
          connect = { url = "http://up/", method = "CONNECT" },
          timeout = { url = "http://up/", timeout = "soon" },
          connecttime = { url = "http://up/", connect_timeout = {} },
          limit = { url = "http://up/", limit = "much" },
          body = { url = "http://up/", body = {} },
        }
        m.fetch(bad[req.params.which])
        return "not refused"
      end)
      says("/tls", function(req, m) return outcome(m.fetch "http://secure/bytes/3") end)
      says("/tls-untrusted", function(req, m)
        return outcome(m.fetch("https://localhost:" .. SECURE_PORT .. "/"))
      end)
      says("/leave", function(req, m)
        m.log.info "fetches slowly"
        m.fetch "http://up/delay/3600"
      end)
      says("/many", function(req, m)
        local list = {}
        for i = 1, 100 do
          list[i] = function() return m.fetch("http://up/bytes/" .. i) end
        end
        local sum = 0
        for _, answer in ipairs(m.all(list)) do sum = sum + #answer.body end
        return sum
      end)
      says("/hosts", function(req, m)
        local faults = {}
        for i = 1, 300 do
          local _, fault = m.fetch { url = "http://127.0.1." .. i %% 256 .. ":" .. 1 + i,
            timeout = 0.5 }
          faults[fault] = (faults[fault] or 0) + 1
        end
        return faults["upstream-limit"]
      end)
    ]==]):format(origin.url, origin.port, secure.port, authority.certificate),
    }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    process.remove(directory)
  end)

  it("asks an upstream by its name", function()
    assert.equal("200 3 012", fetched "/bytes/3")
    assert.matches('"host":"up"', fetched "/echo")
  end)

  it("asks any host by its address", function() assert.equal("200 3 012", ask "/direct") end)

  it("sends method, query, headers and body as it is told", function()
    local echo = ask "/options"
    assert.matches('"method":"PUT"', echo)
    assert.matches('echo%?a=1&b=%%20"', echo)
    assert.matches('"body":"text"', echo)
    assert.matches('"content%-length":"4"', echo)
    assert.matches('"x%-one":"1"', echo)
    assert.matches('"x%-two":%["2","3"%]', echo)
  end)

  it("may name another host in Host", function()
    assert.matches('"host":"other.test"', ask "/host")
  end)

  it("posts when there is a body, even an empty one", function()
    local echo = ask "/post"
    assert.matches('"method":"POST"', echo)
    assert.matches('"content%-length":"0"', echo)
  end)

  it("sends big bodies", function() assert.equal("5242880", ask "/big") end)

  it("sends on what a client sent", function()
    local body = ("x"):rep(3000000)
    assert.equal("3000000", ask("/relay", { method = "POST", body = body }))
  end)

  it("holds as much of an answer as it may", function()
    local too_large = "upstream-body-too-large"
    assert.equal(("nil %s 10 %s 0 5000000"):format(too_large, too_large), ask "/limit")
  end)

  it("gives answers of any status, and follows no redirect", function()
    assert.matches("^404 ", fetched "/status/404")
    assert.matches("^302 ", fetched "/status/302")
    assert.equal("204 0 ", fetched "/status/204")
    assert.equal("200 0 ", ask "/head")
  end)

  it("reads chunks, and bodies that the end of the connection ends", function()
    assert.equal("200 16 chunk 1;chunk 2;", fetched "/chunked/2")
    assert.equal("200 2 01", fetched "/until-close/2")
  end)

  it("says why there is no answer", function()
    assert.matches("^timeout: %u.*%.$", ask "/slow")
    assert.matches("^upstream%-refused: ", ask "/refused")
    assert.matches("^upstream%-[%a-]+: ", ask "/unknown")
    assert.matches("^upstream%-[%a-]+: ", fetched "/fault/reset-before")
  end)

  it("raises for what is no request, without a request", function()
    local before = #origin:requests()
    for _, which in ipairs { "url", "none", "missing", "user", "blank", "line", "port",
      "bigport" } do
      assert.matches("is not a URL to fetch", ask("/bad/" .. which), which)
    end
    for _, which in ipairs { "path", "lines", "name", "length", "chunked", "upgrade", "host",
      "method", "connect" } do
      assert.matches("is not what it may be", ask("/bad/" .. which), which)
    end
    for _, which in ipairs { "timeout", "connecttime", "limit", "body" } do
      assert.matches("expected", ask("/bad/" .. which), which)
    end
    assert.equal(before, #origin:requests())
  end)

  it("encrypts, and trusts whom the upstream's own authority vouches for", function()
    assert.equal("200 3 012", ask "/tls")
    assert.matches("^upstream%-certificate%-error: ", ask "/tls-untrusted")
  end)

  it("runs many side by side", function() assert.equal("5050", ask "/many") end)

  it("is broken off when the client leaves", function()
    local connection = http.connect(moongate.port)
    connection:send "GET /leave HTTP/1.1\r\nHost: a\r\n\r\n"
    moongate:wait_for_log "fetches slowly"
    wait.that(function()
      for _, request in ipairs(origin:requests()) do
        if request.target == "/delay/3600" then return true end
      end
    end)
    connection:close()
    assert.equal("200 3 012", fetched "/bytes/3")
  end)

  it("connects to 256 other hosts at most", function()
    assert.is_true(tonumber(ask "/hosts") >= 44)
    assert.equal("200 3 012", fetched "/bytes/3")
  end)

  it("works only while the gateway serves", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading 'moongate.fetch "http://up/"',
    })
    assert.equal(1, code)
    assert.matches("only while the gateway serves", err)
  end)

  it("is cancelled when the gateway stops", function()
    local own = gateway.start { files = probe.files, config = probe.says .. ([==[
      says("/", function(req, m)
        m.spawn(function() m.fetch { url = "%s/delay/3600", timeout = 3600 } end)
      end)
    ]==]):format(origin.url) }
    local before = #origin:requests()
    http.request(own.port, {})
    origin:wait_for_requests(before + 1)
    own:stop()
  end)
end)
