local frames = require "spec.support.frames"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local socket = require "spec.support.socket"
local wait = require "spec.support.wait"

local BODY = 200000

local function start(config)
  local binary = gateway.binary():gsub("moongate$", "spec/two_stream")
  return gateway.start { config = config, binary = binary }
end

describe("two exchanges on one connection", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function client_of(server)
    return frames.on(socket.connect("127.0.0.1", server.port))
  end

  local function in_front_of(upstream)
    return start(([[
      listen { "127.0.0.1:0", protocol = "two-stream" }
      limits { drain_timeout = "0.5s" }
      upstream "origin" { "%s" }
      route "/{path*}" { upstream = "origin" }
    ]]):format(upstream.url))
  end

  it("are answered side by side", function()
    local client = client_of(in_front_of(peer.start()))
    client:send(1, "H", "GET /delay/2 spec\n")
    client:send(1, "E")
    client:send(2, "H", "GET /bytes/10 spec\n")
    client:send(2, "E")
    local first = client:receive()
    assert.equal(2, first.id)
    assert.truthy(first.payload:find "^200\n")
    assert.equal(10, #client:receive_body(2))
    assert.truthy(client:receive(1).payload:find "^200\n")
  end)

  it("have windows of their own for answers", function()
    local client = client_of(in_front_of(peer.start()))
    client:send(1, "H", ("GET /bytes/%d spec\n"):format(BODY))
    client:send(1, "E")
    client:send(2, "H", ("GET /bytes/%d spec\n"):format(BODY))
    client:send(2, "E")
    -- Nothing is credited on stream 1, and all on stream 2: it gets through alone.
    assert.equal("H", client:receive(2).kind)
    assert.equal(BODY, #client:receive_body(2))
    assert.equal("H", client:receive(1).kind)
    local held = 0
    while held < frames.WINDOW do held = held + #client:receive(1).payload end
    assert.equal(frames.WINDOW, held)
    assert.equal(0, #client.pending)
    client:credit(1, frames.WINDOW)
    assert.equal(BODY - held, #client:receive_body(1))
  end)

  it("have windows of their own for requests", function()
    local upstream = peer.start(function(connection)
      local request = connection:read_head()
      if request.target == "/stuck" then connection:sleep(30) end
      connection:read_body(request)
      connection:send "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    end)
    local client = client_of(in_front_of(upstream))
    client:send(1, "H", "POST /stuck spec\n")
    client:send(2, "H", "POST /taken spec\n")
    -- The kernel's buffers take some of it, then stream 1 stands still.
    assert.is_true(client:send_data(1, 2 ^ 26, 0.5) < 2 ^ 26)
    assert.equal(BODY, client:send_data(2, BODY, 20))
    client:send(2, "E")
    assert.truthy(client:receive(2).payload:find "^200\n")
    assert.equal("ok", (client:receive_body(2)))
  end)

  it("share a connection to an upstream", function()
    local upstream = peer.start(function(connection)
      local speaker = frames.on(connection.stream)
      local waiting = {}
      while #waiting < 2 do
        local frame = speaker:receive()
        if frame.kind == "H" then waiting[#waiting + 1] = frame end
      end
      connection:note(#waiting)
      for i = #waiting, 1, -1 do
        speaker:send(waiting[i].id, "H", "200\ncontent-type: text/plain\n")
        speaker:send(waiting[i].id, "D", waiting[i].payload:match "^%u+ (%S+)")
        speaker:send(waiting[i].id, "E")
      end
      connection:sleep(60)
    end)
    local server = start(([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s", protocol = "two-stream" }
      route "/{path*}" { upstream = "origin" }
    ]]):format(upstream.url))
    -- The second request can only be answered when the first is on the same connection, waiting.
    local one, other = http.connect(server.port), http.connect(server.port)
    one:send "GET /one HTTP/1.1\r\nHost: spec\r\n\r\n"
    wait.that(function() return upstream:connections() == 1 end, 20, "a connection")
    other:send "GET /other HTTP/1.1\r\nHost: spec\r\n\r\n"
    assert.equal("/other", other:read_response("GET").body)
    assert.equal("/one", one:read_response("GET").body)
    assert.equal(1, upstream:connections())
  end)
end)
