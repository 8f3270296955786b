jit.off(true, true) -- compiled code must not be called back

local ffi = require "ffi"
local socket = require "spec.support.socket"
local streams = require "spec.support.streams"
local system = require "spec.support.system"

-- How many descriptors this process has open.
local function descriptors()
  local count = 0
  for number = 0, 1023 do
    if system.read_file("/proc/self/fdinfo/" .. number) then count = count + 1 end
  end
  return count
end

describe("connector", function()
  local loop

  before_each(function() loop = streams.loop() end)
  after_each(function() loop:close() end)

  local function finish(connector)
    loop:run(function() return connector.fault end)
    return connector.fault, connector.detail
  end

  for _, host in ipairs { "127.0.0.1", "::1" } do
    it("reaches " .. host, function()
      local listening = socket.listen(host)
      local shown = host == "::1" and "[::1]" or host
      local connector = streams.connect(loop, shown .. ":" .. listening:port())
      assert.equal("none", (finish(connector)))
      local peer, stream = listening:accept(), connector.stream
      peer:send "hello"
      stream:attach()
      loop:run(function() return stream:text() == "hello" end)
      stream:write "you"
      assert.equal("you", peer:receive(3))
      peer:close()
      listening:close()
    end)
  end

  it("hands over a stream that is attached to nobody", function()
    local listening = socket.listen "127.0.0.1"
    local connector = streams.connect(loop, "127.0.0.1:" .. listening:port())
    finish(connector)
    local peer = listening:accept()
    peer:send "early"
    loop:pass(0.01)
    connector.stream:attach()
    loop:run(function() return connector.stream:text() == "early" end)
    peer:close()
    listening:close()
  end)

  it("sends small writes at once", function()
    local listening = socket.listen "127.0.0.1"
    local connector = streams.connect(loop, "127.0.0.1:" .. listening:port())
    finish(connector)
    local value, size = ffi.new "int[1]", ffi.new("uint32_t[1]", 4)
    ffi.C.spec_getsockopt(connector.stream:fd(), 6, 1, value, size)
    assert.equal(1, value[0])
    listening:close()
  end)

  it("reaches a unix socket before it returns", function()
    local directory = system.temporary_directory()
    local address = "unix:" .. directory .. "/s"
    local listening = socket.listen(address)
    local connector = streams.connect(loop, address)
    assert.equal("none", connector.fault)
    assert.is_nil(connector.c)
    local peer = listening:accept()
    connector.stream:write "hello"
    assert.equal("hello", peer:receive(5))
    peer:close()
    listening:close()
  end)

  it("is refused where nobody listens", function()
    local port, keeper = socket.refusing()
    local fault, detail = finish(streams.connect(loop, "127.0.0.1:" .. port))
    assert.equal("upstream-refused", fault)
    assert.equal("connect: Connection refused", detail)
    keeper:close()
  end)

  it("is refused where there is no unix socket", function()
    local connector = streams.connect(loop, "unix:/nonexistent/socket")
    assert.equal("upstream-refused", connector.fault)
    assert.equal("connect: No such file or directory", connector.detail)
  end)

  it("finds no way to where there is none", function()
    local connector = streams.connect(loop, "255.255.255.255:80")
    assert.equal("upstream-unroutable", (finish(connector)))
  end)

  it("gives up after its timeout", function()
    -- A queue that is full: the kernel drops what else knocks.
    local listening = socket.listen("127.0.0.1", 0, 0)
    local first = socket.connect("127.0.0.1", listening:port())
    local address = "127.0.0.1:" .. listening:port()
    local waiting = {}
    for i = 1, 3 do waiting[i] = streams.connect(loop, address, { timeout = 0.05 }) end
    local fault, detail = finish(waiting[3])
    assert.equal("upstream-connect-timeout", fault)
    assert.equal("connecting took too long", detail)
    for i = 1, 2 do
      if waiting[i].c then waiting[i]:cancel() end
    end
    first:close()
    listening:close()
  end)

  it("leaves nothing behind when it is cancelled", function()
    local listening = socket.listen("127.0.0.1", 0, 0)
    local before = descriptors()
    for _ = 1, 5 do
      streams.connect(loop, "127.0.0.1:" .. listening:port()):cancel()
    end
    local connector = streams.connect(loop, "127.0.0.1:" .. listening:port())
    loop:pass(0.001)
    if connector.c then connector:cancel() else connector.stream:destroy() end
    assert.equal(before, descriptors())
    loop:pass(0.02)
    listening:close()
  end)

  it("leaves nothing behind when it fails", function()
    local port, keeper = socket.refusing()
    local before = descriptors()
    finish(streams.connect(loop, "127.0.0.1:" .. port))
    assert.equal(before, descriptors())
    keeper:close()
  end)
end)
