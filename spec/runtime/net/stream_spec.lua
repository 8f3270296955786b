jit.off(true, true) -- compiled code must not be called back

local bit = require "bit"
local socket = require "spec.support.socket"
local streams = require "spec.support.streams"
local system = require "spec.support.system"

local BIG = ("moongate"):rep(1048576)

-- What some epoll of this process watches `fd` for: 1 is reading, 4 writing; nil: not at all.
local function watched(fd)
  for number = 0, 1023 do
    local info = system.read_file(("/proc/self/fdinfo/%d"):format(number)) or ""
    local events = info:match("tfd:%s+" .. fd .. " events:%s+(%x+)")
    if events then return bit.band(tonumber(events, 16), 5) end
  end
end

describe("stream", function()
  local loop

  before_each(function() loop = streams.loop() end)
  after_each(function() loop:close() end)

  -- A stream over TCP and the plain socket at its other end.
  local function tcp()
    local listening = socket.listen "127.0.0.1"
    local peer = socket.connect("127.0.0.1", listening:port())
    local accepted = listening:accept()
    listening:close()
    return streams.over(loop, accepted.fd), peer
  end

  it("reads what the other side writes, then the end", function()
    local one, other = streams.pair(loop)
    one:attach()
    assert.equal(streams.AGAIN, one:read())
    assert.equal(10, other:write("hello", "", " you", "!"))
    loop:run(function() return one:text() == "hello you!" end)
    other:shut_down()
    loop:run(function() return one.ending end)
    assert.equal(streams.END, one.ending)
    assert.equal(streams.END, one:read())
  end)

  it("is not told of the end again and again", function()
    local one, other = streams.pair(loop)
    one:attach()
    other:destroy()
    loop:run(function() return one.ending end)
    local told = one.readables
    loop:pass(0.02)
    assert.equal(told, one.readables)
  end)

  it("answers that it is broken after a reset, every time", function()
    local one, peer = tcp()
    one:attach()
    peer:reset()
    loop:run(function() return one.ending end)
    assert.equal(streams.BROKEN, one.ending)
    assert.equal(streams.BROKEN, one:read())
  end)

  for _, how in ipairs { "destroy", "shut_down" } do
    it("sends its last bytes and its end in one segment: " .. how, function()
      local one, peer = tcp()
      local before = peer:segments()
      one:end_soon()
      one:write "last"
      one[how](one)
      assert.same({ "last", "closed" }, { peer:receive_all() })
      assert.equal(before + 1, (peer:segments()))
    end)
  end

  it("sends its last bytes whatever it has not read", function()
    local one, peer = tcp()
    peer:send "more"
    one:end_soon()
    one:write("last", " bytes")
    one:destroy()
    assert.equal("last bytes", (peer:receive_all()))
  end)

  it("calls a reader that leaves bytes behind again", function()
    local one, other = streams.pair(loop)
    local got = ""
    function one:on_readable()
      got = got .. self:read(1)
    end
    one:attach()
    other:write "abc"
    loop:run(function() return got == "abc" end)
  end)

  it("tells a new owner only what comes, and the old one nothing", function()
    local one, other = streams.pair(loop)
    other:write "early"
    loop:pass(0.01)
    one:attach()
    one:detach()
    loop:pass(0.01)
    assert.equal(0, one.readables)
    one:attach()
    loop:run(function() return one:text() == "early" end)
  end)

  it("begins with a new owner as if nobody had owned it before", function()
    local one, other = streams.pair(loop)
    local told = 0
    one.on_writable = function() told = told + 1 end
    one:attach()
    one:pause()
    one:await_writable()
    one:attach()
    other:write "hello"
    loop:run(function() return one:text() == "hello" end)
    assert.equal(0, told)
  end)

  it("loses nothing while it is paused", function()
    local one, other = streams.pair(loop)
    one:attach()
    one:pause()
    other:write "later"
    loop:pass(0.02)
    assert.equal(0, one.readables)
    one:resume()
    loop:run(function() return one:text() == "later" end)
  end)

  it("is watched for reading all along, for writing only while that waits", function()
    local one, other = streams.pair(loop)
    other:attach()
    other:pause()
    one:attach()
    loop:pass(0.001)
    assert.equal(1, watched(one:fd()))
    one:send(BIG)
    loop:pass(0.001)
    assert.equal(5, watched(one:fd()))
    other:resume()
    loop:run(function() return other:length() == #BIG end)
    loop:pass(0.001)
    assert.equal(1, watched(one:fd()))
  end)

  it("takes as much as fits and goes on when there is room", function()
    local one, other = streams.pair(loop)
    one:attach()
    other:attach()
    other:pause()
    one:send(BIG)
    assert.is_true(one.sent > 0 and one.sent < #BIG)
    local before = one.sent
    loop:pass(0.02)
    assert.equal(before, one.sent)
    other:resume()
    loop:run(function() return other:length() == #BIG end)
    assert.is_true(other:text() == BIG)
  end)

  it("tells once that there is room", function()
    local one = streams.pair(loop)
    local told = 0
    function one.on_writable() told = told + 1 end
    one:attach()
    one:await_writable()
    loop:run(function() return told > 0 end)
    loop:pass(0.02)
    assert.equal(1, told)
  end)

  it("writes into a broken connection without a signal", function()
    local one, other = streams.pair(loop)
    other:destroy()
    assert.equal(streams.BROKEN, one:write "x")
    assert.equal(streams.BROKEN, one:write("x", "y"))
  end)

  it("never takes a reset for an end, though a write was told of it", function()
    local one, peer = tcp()
    peer:send "half"
    peer:reset()
    assert.equal(streams.BROKEN, one:write "x")
    assert.equal("half", one:read())
    assert.equal(streams.BROKEN, one:read())
  end)

  it("reads what came before the peer was gone for writes", function()
    local one, peer = tcp()
    peer:send "all"
    peer:close()
    one:write "x"
    loop:run(function() return one:write "y" == streams.BROKEN end)
    assert.equal("all", one:read())
    assert.equal(streams.END, one:read())
  end)

  it("reads on after it was shut down", function()
    local one, other = streams.pair(loop)
    one:attach()
    other:attach()
    one:shut_down()
    loop:run(function() return other.ending == streams.END end)
    other:write "still here"
    loop:run(function() return one:text() == "still here" end)
  end)

  for _, way in ipairs { "destroy", "abort" } do
    it("may be gone by " .. way .. " after its own callbacks", function()
      local one, other = streams.pair(loop)
      function one:on_readable() self[way](self) end
      one:attach()
      other:write "x"
      loop:run(function() return one.c == nil end)
      local writer = streams.pair(loop)
      function writer:on_writable() self[way](self) end
      writer:attach()
      writer:await_writable()
      loop:run(function() return writer.c == nil end)
    end)
  end

  it("sends its last bytes though its peer breaks its word in the same turn", function()
    local streams_of, peers = {}, {}
    for i = 1, 2 do
      streams_of[i], peers[i] = tcp()
      streams_of[i]:attach()
      peers[i]:send "more"
    end
    -- Who is told first ends the other, of which the loop knows as well.
    local ended
    for i, one in ipairs(streams_of) do
      function one:on_readable()
        self:read()
        if ended then return end
        ended = 3 - i
        local other = streams_of[ended]
        other:end_soon()
        other:write "last"
        other:peer_has_said_all()
        other:destroy()
      end
    end
    loop:run(function() return ended end)
    assert.equal("last", (peers[ended]:receive_all()))
  end)

  it("ends for the peer when destroyed, and is reset when aborted", function()
    local one, peer = tcp()
    one:write "bye"
    one:destroy()
    assert.same({ "bye", "closed" }, { peer:receive_all() })
    local other, its_peer = tcp()
    other:abort()
    assert.same({ "", "reset" }, { its_peer:receive_all() })
  end)

  describe("between messages", function()
    it("is quiet until the peer speaks", function()
      local one, other = streams.pair(loop)
      assert.is_true(one:is_quiet())
      other:write "stray"
      assert.is_false(one:is_quiet())
      assert.equal("stray", one:read())
      assert.is_true(one:is_quiet())
    end)

    it("is not quiet once the peer hung up or failed", function()
      local one, other = streams.pair(loop)
      other:shut_down()
      assert.is_false(one:is_quiet())
      local failed, peer = tcp()
      peer:reset()
      assert.is_false(failed:is_quiet())
      assert.equal(streams.BROKEN, failed:read())
      assert.is_false(failed:is_quiet())
    end)
  end)

  describe("knows what was acknowledged", function()
    it("over TCP", function()
      local one, peer = tcp()
      local before = one:acknowledged()
      one:write "12345"
      assert.equal("12345", peer:receive(5))
      loop:run(function() return one:acknowledged() == before + 5 end)
    end)

    it("also after a reset", function()
      local one, peer = tcp()
      local before = one:acknowledged()
      peer:reset()
      one:attach()
      loop:run(function() return one.ending end)
      assert.equal(before, one:acknowledged())

      local heard, its_peer = tcp()
      before = heard:acknowledged()
      heard:write "12345"
      assert.equal("12345", its_peer:receive(5))
      its_peer:reset()
      heard:attach()
      loop:run(function() return heard.ending end)
      assert.equal(before + 5, heard:acknowledged())
    end)

    it("never over a unix socket", function()
      local one = streams.pair(loop)
      assert.equal(tonumber(0xffffffffffffffffULL), one:acknowledged())
    end)
  end)
end)
