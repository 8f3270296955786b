--- idle: what a connection that waits for its next request takes of a worker's memory.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"

-- Sanitizers put a good deal around every piece of memory, and keep what was freed.
local SCALE = os.getenv "MOONGATE_BUILD" == "asan" and 32 or 1
local KIB = 1024

describe("an idle connection", function()
  local directory, moongate, ports

  setup(function()
    directory = system.temporary_directory()
    local origin = peer.start()
    local certificate = certificates.authority(directory, "authority")
      :issue { name = "localhost", alternatives = "DNS:localhost" }
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      listen { "127.0.0.1:0", tls = { cert = "%s", key = file "%s" } }
      upstream "origin" { "%s" }
      route "/{rest*}" { upstream = "origin" }
    ]]):format(certificate.certificate, certificate.key, origin.url) }
    ports = moongate.ports
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    process.remove(directory)
  end)

  -- Bytes for each of `count` connections that have had an answer, beyond those that were first.
  local function bytes_of(port, count, options)
    local clients = {}
    local function open(more)
      for _ = 1, more do
        local client = http.connect(port, options)
        assert.equal(200, client:request({ path = "/bytes/100" }).status)
        clients[#clients + 1] = client
      end
    end
    open(100)
    local before = moongate:rss()
    open(count)
    local bytes = (moongate:rss() - before) / count
    for _, client in ipairs(clients) do client:close() end
    return bytes
  end

  it("takes less than a kilobyte", function()
    local bytes = bytes_of(ports[1], 800)
    assert.is_true(bytes < SCALE * KIB, ("%.0f bytes"):format(bytes))
  end)

  it("with TLS takes less than twenty", function()
    local bytes = bytes_of(ports[2], 200, { tls = {} })
    assert.is_true(bytes < SCALE * 20 * KIB, ("%.0f bytes"):format(bytes))
  end)
end)
