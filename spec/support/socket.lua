--- socket: byte streams for specs and their peers, every wait bounded.
--
-- A stream waits in poll(); inside a peer it yields to the peer's loop instead.

local bit = require "bit"
local ffi = require "ffi"
local system = require "spec.support.system"

local C = system.C

local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
local STREAM = 1 + 2048 + 524288 -- SOCK_STREAM, non-blocking, closed on exec
local MSG_NOSIGNAL = 0x4000
local CHUNK_BYTES = 262144

local chunk = ffi.new("char[?]", CHUNK_BYTES)

---@class Socket
---@field fd integer
---@field seconds number bound of every single wait
---@field unread string what came in behind the last thing asked for
---@field recorder fun(bytes: string)|nil is told all that arrives
local Socket = {}
Socket.__index = Socket

local socket = { Socket = Socket, default_seconds = 20 }

local pollfd = ffi.new "struct spec_pollfd[1]"

local function wait_in_poll(fd, events, seconds)
  pollfd[0].fd, pollfd[0].events = fd, events
  return C.spec_poll(pollfd, 1, math.ceil(seconds * 1000)) > 0
end

local wait = wait_in_poll

--- Replaces how streams wait: a function of descriptor, poll events and seconds.
---@param waiter fun(fd: integer, events: integer, seconds: number): boolean
function socket.use_waiter(waiter)
  wait = waiter
end

--- Waits for poll events on a descriptor.
---@param fd integer
---@param events integer
---@param seconds number
---@return boolean happened
function socket.wait(fd, events, seconds)
  return wait(fd, events, seconds)
end

local function wrap(fd)
  return setmetatable({ fd = fd, seconds = socket.default_seconds, unread = "" }, Socket)
end

local function swapped(port)
  return bit.bor(bit.lshift(bit.band(port, 0xff), 8), bit.rshift(port, 8))
end

local function ipv4_bytes(host)
  local a, b, c, d = host:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return assert(a, "not an address: " .. host) and { a + 0, b + 0, c + 0, d + 0 }
end

-- "127.0.0.1", "::1" or "unix:/path" as the kernel wants it.
local function address_of(host, port)
  local path = host:match "^unix:(.*)$"
  if path then
    return ffi.new("struct spec_unix", AF_UNIX, path), AF_UNIX, 2 + #path + 1
  elseif host == "::1" then
    local address = ffi.new("struct spec_ipv6", AF_INET6, swapped(port))
    address.address[15] = 1
    return address, AF_INET6, 28
  end
  return ffi.new("struct spec_ipv4", AF_INET, swapped(port), ipv4_bytes(host)), AF_INET, 16
end

local number = ffi.new "int[1]"
local number_size = ffi.new "uint32_t[1]"

local function set_option(fd, level, name, value)
  number[0] = value
  C.spec_setsockopt(fd, level, name, number, 4)
end

--- A listening socket.
---@param host string "127.0.0.1", "::1" or "unix:/path"
---@param port integer? 0, the default, lets the kernel choose
---@param backlog integer? connections that may queue
---@return Socket
function socket.listen(host, port, backlog)
  local address, family, size = address_of(host, port or 0)
  local fd = C.spec_socket(family, STREAM, 0)
  set_option(fd, 1, 2, 1)
  assert(C.spec_bind(fd, address, size) == 0, "bind: " .. system.last_error())
  assert(C.spec_listen(fd, backlog or 1024) == 0, "listen: " .. system.last_error())
  return wrap(fd)
end

--- A port of 127.0.0.1 that refuses connections as long as the socket lives.
---@param port integer? 0, the default, lets the kernel choose
---@return integer port
---@return Socket keeper
function socket.refusing(port)
  local address, family, size = address_of("127.0.0.1", port or 0)
  local keeper = wrap(C.spec_socket(family, STREAM, 0))
  assert(C.spec_bind(keeper.fd, address, size) == 0, "bind: " .. system.last_error())
  return keeper:port(), keeper
end

local function open_socket(family, options)
  local fd = C.spec_socket(family, STREAM, 0)
  if family ~= AF_UNIX then set_option(fd, 6, 1, 1) end
  if options.receive_buffer then set_option(fd, 1, 8, options.receive_buffer) end
  if options.from then
    local own, _, own_size = address_of(options.from, 0)
    assert(C.spec_bind(fd, own, own_size) == 0, "bind: " .. system.last_error())
  end
  return fd
end

-- Whether a connection that was still being made has been made.
local function is_connected(fd)
  if ffi.errno() ~= system.EINPROGRESS or not wait(fd, system.POLLOUT, 10) then return false end
  number_size[0] = 4
  C.spec_getsockopt(fd, 1, 4, number, number_size)
  return number[0] == 0
end

--- A connected stream; raises when that fails.
---@param host string "127.0.0.1", "::1" or "unix:/path"
---@param port integer?
---@param options { receive_buffer: integer?, from: string? }? bytes of SO_RCVBUF; own address
---@return Socket
function socket.connect(host, port, options)
  local address, family, size = address_of(host, port or 0)
  local fd = open_socket(family, options or {})
  if C.spec_connect(fd, address, size) ~= 0 and not is_connected(fd) then
    C.spec_close(fd)
    error(("cannot connect to %s:%s"):format(host, port), 2)
  end
  return wrap(fd)
end

--- The local port.
---@return integer
function Socket:port()
  local name = ffi.new "struct spec_ipv6"
  number_size[0] = ffi.sizeof(name)
  C.spec_getsockname(self.fd, name, number_size)
  return swapped(name.port)
end

--- The next connection of a listening socket, or nil when none comes in time.
---@param seconds number?
---@return Socket|nil
function Socket:accept(seconds)
  while true do
    local fd = C.spec_accept4(self.fd, nil, nil, 2048 + 524288)
    if fd >= 0 then
      set_option(fd, 6, 1, 1)
      return wrap(fd)
    end
    if ffi.errno() ~= system.EAGAIN then error("accept: " .. system.last_error()) end
    if not wait(self.fd, system.POLLIN, seconds or self.seconds) then return nil end
  end
end

-- Bytes now in `chunk`; nil with a reason when there will be none.
local function fill(self, bytes_max)
  while true do
    local count = tonumber(C.spec_recv(self.fd, chunk, math.min(bytes_max, CHUNK_BYTES), 0))
    if count > 0 then return count end
    if count == 0 then return nil, "closed" end
    if ffi.errno() ~= system.EAGAIN then return nil, "reset" end
    if not wait(self.fd, system.POLLIN, self.seconds) then return nil, "timeout" end
  end
end

--- Whatever arrives next.
---@param bytes_max integer?
---@return string|nil bytes
---@return "closed"|"reset"|"timeout"|nil why there are none
function Socket:receive_some(bytes_max)
  if self.unread ~= "" then
    local bytes = self.unread:sub(1, bytes_max or -1)
    self.unread = self.unread:sub(#bytes + 1)
    return bytes
  end
  local count, why = fill(self, bytes_max or CHUNK_BYTES)
  if not count then return nil, why end
  local bytes = ffi.string(chunk, count)
  if self.recorder then self.recorder(bytes) end
  return bytes
end

--- Exactly `length` bytes.
---@param length integer
---@return string|nil bytes
---@return string|nil why not
---@return string|nil partial what came before that
function Socket:receive(length)
  local parts, missing = {}, length
  while missing > 0 do
    local bytes, why = self:receive_some(missing)
    if not bytes then return nil, why, table.concat(parts) end
    parts[#parts + 1] = bytes
    missing = missing - #bytes
  end
  return table.concat(parts)
end

--- All bytes up to `ending`, and with it.
---@param ending string plain text
---@param bytes_max integer?
---@return string|nil bytes
---@return string|nil why not
---@return string|nil partial
function Socket:receive_until(ending, bytes_max)
  local bytes = self.unread
  self.unread = ""
  while true do
    local _, stop = bytes:find(ending, 1, true)
    if stop then
      self.unread = bytes:sub(stop + 1)
      return bytes:sub(1, stop)
    end
    if #bytes > (bytes_max or 1048576) then return nil, "too long", bytes end
    local more, why = self:receive_some()
    if not more then return nil, why, bytes end
    bytes = bytes .. more
  end
end

--- Everything until the other side ends.
---@return string bytes
---@return "closed"|"reset"|"timeout" how it ended
function Socket:receive_all()
  local parts = {}
  while true do
    local bytes, why = self:receive_some()
    if not bytes then return table.concat(parts), why end
    parts[#parts + 1] = bytes
  end
end

--- Reads and forgets `length` bytes, or all there are.
---@param length integer?
---@return integer count
---@return string|nil why it stopped early
function Socket:discard(length)
  local count = math.min(#self.unread, length or math.huge)
  self.unread = self.unread:sub(count + 1)
  while not length or count < length do
    local more, why = fill(self, length and length - count or CHUNK_BYTES)
    if not more then return count, why end
    count = count + more
  end
  return count
end

--- Sends all of `bytes`.
---@param bytes string
---@return integer|nil sent nil when the other side went away or did not read in time
---@return string|nil why
function Socket:send(bytes)
  local sent = 0
  local start = ffi.cast("const char *", bytes)
  while sent < #bytes do
    local count = tonumber(C.spec_send(self.fd, start + sent, #bytes - sent, MSG_NOSIGNAL))
    if count >= 0 then
      sent = sent + count
    elseif ffi.errno() ~= system.EAGAIN then
      return nil, "reset"
    elseif not wait(self.fd, system.POLLOUT, self.seconds) then
      return nil, "timeout"
    end
  end
  return sent
end

--- Whether the other side has ended (or ends within `seconds`) with nothing more to read.
---@param seconds number? default: the stream's own bound
---@return boolean
function Socket:is_closed(seconds)
  local before = self.seconds
  self.seconds = seconds or before
  local bytes, why = self:receive_some()
  self.seconds = before
  if bytes then self.unread = bytes .. self.unread end
  return why == "closed" or why == "reset"
end

--- Segments of TCP that have come so far.
---@return integer all        tcpi_segs_in of tcp(7)'s TCP_INFO
---@return integer with_data  tcpi_data_segs_in
function Socket:segments()
  local info = ffi.new "uint32_t[64]"
  number_size[0] = ffi.sizeof(info)
  assert(C.spec_getsockopt(self.fd, 6, 11, info, number_size) == 0, system.last_error())
  return info[35], info[38]
end

--- Ends the sending direction; reading goes on.
function Socket:finish()
  C.spec_shutdown(self.fd, 1)
end

--- Closes with a reset.
function Socket:reset()
  if not self.fd then return end
  C.spec_setsockopt(self.fd, 1, 13, ffi.new("struct spec_linger", 1, 0), 8)
  self:close()
end

function Socket:close()
  if self.fd then C.spec_close(self.fd) end
  self.fd = nil
end

return socket
