--- big bodies: two gigabytes each way at once, and the worker stays as small as it was.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"

local BYTES = 2 * 1024 * 1024 * 1024
-- A sanitizer keeps what was freed for a while.
local GROWTH_MAX = (os.getenv "MOONGATE_BUILD" == "asan" and 32 or 1) * 8 * 1024 * 1024

describe("a body of two gigabytes", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      limits { body = "3g" }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function upload()
    local client = http.connect(moongate.port)
    local piece = ("u"):rep(1024 * 1024)
    client:send(("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"):format(BYTES))
    for _ = 1, BYTES / #piece do assert(client:send(piece)) end
    assert(client:read_response().body == ("%d"):format(BYTES))
  end

  it("passes in each direction without being kept", function()
    -- What one exchange of this kind needs, once.
    assert.equal(200, http.request(moongate.port, { path = "/bytes/1000000" }).status)
    assert.equal(200, http.request(moongate.port, {
      path = "/count", method = "POST", body = ("x"):rep(1000000) }).status)
    local before = moongate:rss()
    local most = before
    local uploading = process.fork(upload)

    local client = http.connect(moongate.port)
    client:send(http.format { path = "/bytes/" .. ("%d"):format(BYTES) })
    client:read_head()
    local left = BYTES
    while left > 0 do
      local count, why = client.stream:discard(math.min(left, 64 * 1024 * 1024))
      assert.is_nil(why)
      left = left - count
      most = math.max(most, moongate:rss())
    end
    client:close()
    assert.equal(0, uploading:wait(120))
    most = math.max(most, moongate:rss())
    assert.is_true(most - before < GROWTH_MAX, ("it grew by %d bytes"):format(most - before))
  end)
end)

describe("a side that is slow", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function start(origin)
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      limits { body = "1g" }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(origin.url) }
  end

  it("holds a client back that sends faster", function()
    local self = start(peer.start())
    local before = self:rss()
    local client = http.connect(self.port)
    client.stream.seconds = 0.3
    client:send "POST /slow-count/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    local sent, piece = 0, ("x"):rep(1000000)
    while sent < 100000000 and client:send(piece) do sent = sent + #piece end
    assert.is_true(sent < 50000000, "nothing held it back")
    assert.is_true(self:rss() - before < GROWTH_MAX)
    client:close()
  end)

  it("holds an origin back that answers faster", function()
    local self = start(peer.start())
    local before = self:rss()
    local client = http.connect(self.port, { receive_buffer = 65536 })
    client:send(http.format { path = "/bytes/100000000" })
    assert.equal(200, client:read_head().status)
    -- Whatever the gateway wants to read without being asked for it, it has by now.
    assert.equal(200, http.request(self.port, { path = "/delay/0.3" }).status)
    assert.is_true(self:rss() - before < GROWTH_MAX)
    assert.equal(100000000, (client.stream:discard(100000000)))
    client:close()
  end)

  it("does so with TLS on both sides", function()
    local directory = system.temporary_directory()
    local pair = certificates.authority(directory, "authority"):issue { name = "localhost" }
    local origin = peer.start(nil, { tls = { cert = pair.certificate, key = pair.key } })
    local self = gateway.start { config = ([[
      listen { "127.0.0.1:0", tls = { cert = %q, key = %q } }
      limits { body = "1g" }
      upstream "origin" { "https://%s", tls = { verify = false } }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(pair.certificate, pair.key, origin.address) }
    assert.equal(200, http.request(self.port, { path = "/bytes/100000", tls = {} }).status)
    local before = self:rss()
    local client = http.connect(self.port, { tls = {}, receive_buffer = 65536 })
    client:send(http.format { path = "/bytes/50000000" })
    assert.equal(200, client:read_head().status)
    assert.equal(200, http.request(self.port, { path = "/delay/0.3", tls = {} }).status)
    assert.is_true(self:rss() - before < GROWTH_MAX)
    assert.equal(50000000, (client.stream:discard(50000000)))
    client:send "POST /slow-count/0.3 HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n"
    for _ = 1, 50 do assert(client:send(("x"):rep(1000000))) end
    assert.equal("50000000", client:read_response().body)
    assert.is_true(self:rss() - before < GROWTH_MAX)
    client:close()
    process.remove(directory)
  end)
end)
