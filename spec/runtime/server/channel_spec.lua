--- channel_spec: the line between the master and a worker.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include "server/channel.h"
local slice, text = runtime.slice, runtime.text

local EMFILE = 24
local TEXT_BYTES_MAX, FDS_MAX = 49152, 65

-- The one by which they are looked for is always among them.
local function open_descriptors()
  collectgarbage() -- forgotten files are closed
  local count = 0
  for number = 0, 1023 do
    if system.read_file("/proc/self/fdinfo/" .. number) then count = count + 1 end
  end
  return count
end

local function open_null() return system.C.spec_open("/dev/null", 0, 0) end

describe("channel", function()
  local ends, master, worker, received

  before_each(function()
    ends = ffi.new "struct channel *[2]"
    assert.is_true(C.channel_create_pair(ends))
    master, worker = ends[0], ends[1]
    received = ffi.new "struct channel_message"
  end)

  after_each(function()
    for i = 0, 1 do
      if ends[i] ~= nil then C.channel_destroy(ends + i) end
    end
  end)

  local function send(from, fields)
    local message = ffi.new "struct channel_message"
    for name, value in pairs(fields) do
      if name == "fds" then
        message.fd_count = #value
        for i, fd in ipairs(value) do message.fds[i - 1] = fd end
      elseif name == "text" then
        message.text = slice(value)
      else
        message[name] = value
      end
    end
    return C.channel_send(from, message)
  end

  it("has nothing to receive at first", function()
    assert.equal(C.CHANNEL_NOTHING, C.channel_receive(worker, received))
  end)

  it("makes a line of a sentence, cut where it does not fit, and nothing of nothing", function()
    local room = ffi.new("char[?]", TEXT_BYTES_MAX)
    assert.equal("no\n", text(C.channel_line(slice "no", room)))
    assert.equal("", text(C.channel_line(slice "", room)))
    local long = ("x"):rep(TEXT_BYTES_MAX)
    assert.equal(long:sub(2) .. "\n", text(C.channel_line(slice(long), room)))
  end)

  it("delivers the last words of an end that has left messages unread", function()
    assert.is_true(send(master, { kind = C.CHANNEL_START }))
    assert.is_true(send(worker, { kind = C.CHANNEL_READY }))
    C.channel_destroy(ends + 1)
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(master, received))
    assert.equal(C.CHANNEL_READY, received.kind)
    assert.equal(C.CHANNEL_CLOSED, C.channel_receive(master, received))
  end)

  it("carries messages whole and in order, both ways", function()
    assert.is_true(send(master, { kind = C.CHANNEL_START, generation = 7 }))
    assert.is_true(send(master, { kind = C.CHANNEL_SWAP, generation = 7 }))
    assert.is_true(send(worker, { kind = C.CHANNEL_STARTED, ok = true, text = "one\ntwo" }))
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(worker, received))
    assert.equal(C.CHANNEL_START, received.kind)
    assert.equal(7, tonumber(received.generation))
    assert.equal("", text(received.text))
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(worker, received))
    assert.equal(C.CHANNEL_SWAP, received.kind)
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(master, received))
    assert.equal(C.CHANNEL_STARTED, received.kind)
    assert.is_true(received.ok)
    assert.equal("one\ntwo", text(received.text))
    assert.equal(C.CHANNEL_NOTHING, C.channel_receive(master, received))
  end)

  it("cuts off a text that is too long", function()
    local long = ("x"):rep(TEXT_BYTES_MAX)
    assert.is_true(send(worker, { kind = C.CHANNEL_BUILT, text = long .. "more" }))
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(master, received))
    assert.is_false(received.ok)
    assert.equal(long, text(received.text))
  end)

  it("passes descriptors, of which each end closes its own", function()
    local before = open_descriptors()
    local fds = {}
    for i = 1, FDS_MAX do fds[i] = open_null() end
    assert.is_true(send(master, { kind = C.CHANNEL_BUILD, fds = fds }))
    for _, fd in ipairs(fds) do system.C.spec_close(fd) end
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(worker, received))
    assert.equal(FDS_MAX, tonumber(received.fd_count))
    local taken = C.channel_message_take(received, 1)
    assert.is_true(taken >= 0)
    assert.equal(-1, C.channel_message_take(received, 1))
    assert.equal(-1, C.channel_message_take(received, FDS_MAX))
    C.channel_message_clear(received)
    assert.equal(before + 1, open_descriptors())
    system.C.spec_close(taken)
  end)

  it("delivers a message without its descriptors where there is no room for them", function()
    local before = open_descriptors()
    local null = open_null()
    assert.is_true(send(master, { kind = C.CHANNEL_BUILD, fds = { null, null } }))
    local others = { open_null() }
    while others[#others] >= 0 do others[#others + 1] = open_null() end
    table.remove(others)
    assert.equal(EMFILE, ffi.errno())
    system.C.spec_close(table.remove(others))
    local outcome = C.channel_receive(worker, received)
    for _, other in ipairs(others) do system.C.spec_close(other) end
    system.C.spec_close(null)
    assert.equal(C.CHANNEL_MESSAGE, outcome)
    assert.equal(C.CHANNEL_BUILD, received.kind)
    assert.equal(0, tonumber(received.fd_count))
    assert.equal(before, open_descriptors())
  end)

  it("does not wait for an end that does not read", function()
    local long, count = ("x"):rep(TEXT_BYTES_MAX), 0
    while send(master, { kind = C.CHANNEL_ABANDON, text = long }) do count = count + 1 end
    assert.equal(system.EAGAIN, ffi.errno())
    assert.is_true(count >= 2)
    for _ = 1, count do assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(worker, received)) end
    assert.equal(C.CHANNEL_NOTHING, C.channel_receive(worker, received))
    assert.is_true(send(master, { kind = C.CHANNEL_ABANDON }))
  end)

  it("still delivers what a closed end has sent, then says that it is closed", function()
    assert.is_true(send(worker, { kind = C.CHANNEL_READY }))
    C.channel_destroy(ends + 1)
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(master, received))
    assert.equal(C.CHANNEL_CLOSED, C.channel_receive(master, received))
    assert.is_false(send(master, { kind = C.CHANNEL_START }))
  end)

  it("takes what is no message for the end", function()
    system.C.spec_send(C.channel_fd(worker), "short", 5, 0)
    assert.equal(C.CHANNEL_CLOSED, C.channel_receive(master, received))
    system.C.spec_send(C.channel_fd(worker), ("\255"):rep(16), 16, 0)
    assert.equal(C.CHANNEL_CLOSED, C.channel_receive(master, received))
  end)
end)
