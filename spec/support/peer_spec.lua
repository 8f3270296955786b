local authority_of = require("spec.support.certificates").authority
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("peer", function()
  local upstream

  before_each(function() upstream = peer.start() end)
  after_each(peer.stop_all)

  local function get(path, options)
    options = options or {}
    options.path = path
    return http.request(upstream.port, options)
  end

  it("gives the request back, and writes it down", function()
    local answer = get("/a?b", { method = "POST", body = "hello", headers = { { "X-A", "1" } } })
    local seen = json.decode(answer.body)
    assert.equal("POST", seen.method)
    assert.equal("/a?b", seen.target)
    assert.equal("hello", seen.body)
    assert.equal("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", seen.sha256)
    local request = upstream:requests()[1]
    assert.equal("hello", request.body)
    assert.same({ "X-A", "1" }, request.lines[2])
    assert.equal("POST /a?b HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n"
      .. "Content-Length: 5\r\n\r\nhello", upstream:received(1))
  end)

  it("answers in chunks, with trailers", function()
    local answer = get "/chunked/3"
    assert.equal("chunk 1;chunk 2;chunk 3;", answer.body)
    assert.equal(3, #answer.chunks)
    assert.equal("3", answer.trailers["x-count"])
  end)

  it("reads chunks", function()
    local answer = get("/count", {
      method = "POST", body = "hello", headers = { ["Transfer-Encoding"] = "chunked" } })
    assert.equal("5", answer.body)
  end)

  it("sends two gigabytes, and counts as many", function()
    assert.equal(2e9, get("/bytes/2000000000", { count = true }).length)
    local connection = http.connect(upstream.port)
    connection:send "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000000\r\n\r\n"
    local piece = ("x"):rep(1000000)
    for _ = 1, 2000 do connection:send(piece) end
    assert.equal("2000000000", connection:read_response().body)
    connection:close()
  end)

  it("serves hundreds of connections at once", function()
    local connections = {}
    for i = 1, 300 do connections[i] = http.connect(upstream.port) end
    local request = "GET /bytes/3 HTTP/1.1\r\n\r\n"
    for i = 1, 300 do connections[i]:send(request) end
    for _, connection in ipairs(connections) do
      assert.equal("012", connection:read_response().body)
      connection:close()
    end
  end)

  it("hints, switches protocols, ends with the connection", function()
    assert.equal(103, get("/hints").interim[1].status)
    assert.equal("01234", get("/until-close/5").body)
    local connection = http.connect(upstream.port)
    local switched = connection:request { path = "/upgrade", headers = { Upgrade = "x" } }
    assert.equal(101, switched.status)
    connection:send "bytes"
    assert.equal("bytes", connection:receive(5))
    connection:close()
  end)

  for name, ending in pairs {
    ["reset-in-body"] = "reset", ["close-in-body"] = "closed", ["reset-in-head"] = "reset",
    ["close-after-request"] = "closed", ["garbage"] = "closed",
  } do
    it("breaks off: " .. name, function()
      local _, how = http.exchange(upstream.port, "GET /fault/" .. name .. " HTTP/1.1\r\n\r\n")
      assert.equal(ending, how)
    end)
  end

  it("stalls", function()
    local _, how = http.exchange(upstream.port, "GET /fault/stall-in-body HTTP/1.1\r\n\r\n",
                                 { seconds = 0.05 })
    assert.equal("timeout", how)
  end)

  it("runs a function of the spec", function()
    local word = "upvalue"
    local own = peer.start(function(connection)
      local request = connection:read_request()
      connection:note { target = request.target }
      connection:answer(200, nil, word)
    end)
    assert.equal("upvalue", http.request(own.port, { path = "/x" }).body)
    assert.same({ { target = "/x" } }, own:notes())
    wait.that(function() return own:ended()[1] end)
    assert.equal(1, own:connections())
  end)

  it("refuses", function()
    local port, keeper = peer.refusing()
    assert.has_error(function() http.connect(port) end)
    keeper:close()
  end)

  it("speaks TLS of the version that it is told, for the names that it has", function()
    local directory = system.temporary_directory()
    local own = authority_of(directory, "ca")
    local identity = own:issue { name = "api", alternatives = "DNS:api.example.com" }
    for _, version in ipairs { "1.2", "1.3" } do
      local server = peer.start(nil, {
        tls = { cert = identity.certificate, key = identity.key, version = version } })
      local connection = http.connect(server.port, {
        tls = { ca = own.certificate, name = "api.example.com" } })
      assert.equal("TLSv" .. version, connection.stream:version())
      assert.equal(100000, #connection:request({ path = "/bytes/100000" }).body)
      connection:close()
      assert.has_error(function()
        http.connect(server.port, { tls = { ca = own.certificate, name = "other.example.com" } })
      end)
    end
    process.remove(directory)
  end)

  it("dies with the spec that started it", function()
    local pid_file = os.tmpname()
    local spec = process.fork(function()
      local inner = peer.start()
      system.write_file(pid_file, tostring(inner.pid))
      system.sleep(30)
    end)
    local pid = wait.that(function() return tonumber(system.read_file(pid_file)) end)
    spec:kill()
    wait.that(function()
      local status = system.read_file(("/proc/%d/status"):format(pid))
      return not status or status:find "State:%s*Z" -- a zombie where nobody reaps orphans
    end, 10, "the peer to die")
    os.remove(pid_file)
  end)
end)
