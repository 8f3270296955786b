--- listener_open_spec: opening listening sockets.

local bit = require "bit"
local ffi = require "ffi"
local native = require "spec.support.native"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

native.declare [[
int spec_listener_open(const struct address *address, bool reuse_port, int backlog, char *error)
  __asm__("listener_open");
unsigned spec_umask(unsigned) __asm__("umask");
]]
local C = native.C

local function open(text, reuse_port)
  local problem = ffi.new "char[256]"
  local fd = C.spec_listener_open(native.address(text), reuse_port or false, 128, problem)
  if fd < 0 then return nil, ffi.string(problem) end
  return fd
end

local function port_of(fd)
  local name, size = ffi.new "struct spec_ipv6", ffi.new("uint32_t[1]", 28)
  ffi.C.spec_getsockname(fd, name, size)
  return bit.bor(bit.lshift(bit.band(name.port, 0xff), 8), bit.rshift(name.port, 8))
end

local function close(fd)
  ffi.C.spec_close(fd)
end

describe("listener_open", function()
  local directory

  before_each(function() directory = system.temporary_directory() end)
  after_each(function() process.remove(directory) end)

  local function answers(host, port)
    local ok, client = pcall(socket.connect, host, port)
    if ok then client:close() end
    return ok
  end

  it("listens on one address", function()
    local fd = assert(open "127.0.0.1:0")
    assert.is_true(answers("127.0.0.1", port_of(fd)))
    assert.is_false(answers("127.0.0.2", port_of(fd)))
    close(fd)
  end)

  it("listens on all interfaces of both families", function()
    local fd = assert(open ":0")
    assert.is_true(answers("127.0.0.1", port_of(fd)))
    assert.is_true(answers("::1", port_of(fd)))
    close(fd)
  end)

  it("leaves IPv4 to others where IPv6 is written", function()
    local port = ports.free()
    local fd = assert(open("[::]:" .. port))
    assert.is_false(answers("127.0.0.1", port))
    assert.is_true(answers("::1", port))
    local other = assert(open("0.0.0.0:" .. port))
    assert.is_true(answers("127.0.0.1", port))
    close(other)
    close(fd)
  end)

  it("names the address that is in use", function()
    local fd = assert(open "127.0.0.1:0")
    local text = "127.0.0.1:" .. port_of(fd)
    assert.same({ nil, text .. " is in use" }, { open(text) })
    close(fd)
  end)

  it("shares a port only where that was asked for", function()
    local fd = assert(open("127.0.0.1:0", true))
    local text = "127.0.0.1:" .. port_of(fd)
    assert.is_nil((open(text)))
    local other = assert(open(text, true))
    close(other)
    close(fd)
  end)

  it("can listen again at once on a port that had connections", function()
    local port = ports.free()
    local fd = assert(open("127.0.0.1:" .. port))
    local client = socket.connect("127.0.0.1", port)
    local server = ffi.C.spec_accept4(fd, nil, nil, 0)
    close(server) -- this side closes first, and so keeps the port in TIME_WAIT
    client:receive_all()
    client:close()
    close(fd)
    fd = assert(open("127.0.0.1:" .. port))
    close(fd)
  end)

  it("says that an address is none of this machine", function()
    assert.same({ nil, "192.0.2.1:80 is not an address of this machine" }, { open "192.0.2.1:80" })
  end)

  it("listens on a unix socket, which others of its group may use", function()
    local path = directory .. "/a socket"
    local mask = C.spec_umask(0x1ff) -- 0777: takes all rights from new files
    local fd = assert(open("unix:" .. path))
    C.spec_umask(mask)
    assert.is_true(answers("unix:" .. path))
    local _, mode = process.run { "stat", "-c", "%a %F", path }
    assert.equal("660 socket\n", mode)
    close(fd)
  end)

  it("replaces the file of a socket that nobody listens on", function()
    local text = "unix:" .. directory .. "/socket"
    close(assert(open(text)))
    assert.is_false(answers(text))
    local fd = assert(open(text))
    assert.is_true(answers(text))
    close(fd)
  end)

  it("leaves a unix socket that is in use alone, even when its queue is full", function()
    local text = "unix:" .. directory .. "/socket"
    local listening = socket.listen(text, nil, 0)
    local queued = socket.connect(text)
    assert.same({ nil, text .. " is in use" }, { open(text) })
    assert.truthy(listening:accept())
    queued:close()
    listening:close()
  end)

  it("leaves a file alone that is not a socket", function()
    local path = directory .. "/file"
    system.write_file(path, "precious")
    assert.same({ nil, "unix:" .. path .. " exists already and is not a socket" },
      { open("unix:" .. path) })
    assert.equal("precious", system.read_file(path))
  end)

  it("says that the directory of a unix socket is missing", function()
    local text = "unix:" .. directory .. "/missing/socket"
    assert.same({ nil, text .. " cannot be made: its directory does not exist" }, { open(text) })
  end)
end)
