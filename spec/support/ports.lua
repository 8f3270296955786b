--- ports: numbers of 127.0.0.1 for programs that must be told where to listen.
--
-- Who can let the kernel choose (port 0) does; but a configuration that names two listeners, or the
-- same one again, needs a number first. The kernel's own choice, given back, is no such number: it
-- comes from the range that connections of everybody else take theirs from, a moment later. So
-- these are from below it, and kept from other spec files by the name of a socket, for as long as
-- this process lives.

local bit = require "bit"
local ffi = require "ffi"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local C = system.C

local AF_UNIX, DATAGRAM = 1, bit.bor(2, 0x80000) -- SOCK_DGRAM, closed on exec
local FIRST, COUNT = 12000, 12000

local ports = {}

--- Claims a port against all other spec files, as a name (unix(7)): whoever binds it has the port,
--- and loses it with the last descriptor.
---@param port integer
---@return boolean done false when it is somebody's
function ports.claim(port)
  local name = ("\0moongate-spec-port-%d"):format(port)
  local address = ffi.new("struct spec_unix", AF_UNIX)
  ffi.copy(address.path, name, #name)
  local fd = C.spec_socket(AF_UNIX, DATAGRAM, 0)
  assert(fd >= 0, "socket: " .. system.last_error())
  if C.spec_bind(fd, address, 2 + #name) == 0 then return true end
  C.spec_close(fd)
  return false
end

local function is_free(port)
  local ok, listener = pcall(socket.listen, "127.0.0.1", port)
  if ok then listener:close() end
  return ok
end

local last = C.spec_getpid() * 37 -- so that processes do not all ask for the same ones

--- A port that nobody listens on, and that no other spec file is given.
---@return integer
function ports.free()
  for _ = 1, COUNT do
    last = last + 1
    local port = FIRST + last % COUNT
    if ports.claim(port) and is_free(port) then return port end
  end
  error("no port is free", 2)
end

return ports
