--- peer: upstreams that do as a spec says, each in a process of its own.
--
-- `peer.start()` answers by path (see peer_answers); `peer.start(function(connection) … end)`
-- runs the function for each connection, with the spec's own locals in sight. What a
-- peer saw is written down as it comes, and the spec can read it at any time.

local json = require "cjson"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

---@class Peer
---@field port integer
---@field pid integer
---@field address string "127.0.0.1:PORT", for configurations
---@field url string "http://127.0.0.1:PORT"
local Peer = {}
Peer.__index = Peer

local peer = {}

local running = {}

--- Starts a peer, listening when this returns.
---@param handler nil|string|fun(connection: PeerConnection) what to do with each connection; a
--- string is the raw answer to every request; default: answers by path
---@param options { host: string?, port: integer?, backlog: integer?, tls: table?,
--- forgets: boolean? }? host: "127.0.0.1", "::1" or "unix:/path"; tls: see
--- spec.support.tls_socket; forgets: it writes nothing down, for millions of requests
---@return Peer
function peer.start(handler, options)
  options = options or {}
  local host = options.host or "127.0.0.1"
  local listener = socket.listen(host, options.port, options.backlog)
  local self = setmetatable({ directory = system.temporary_directory() }, Peer)
  self.port = not host:find "^unix:" and listener:port() or nil
  self.address = ("%s:%s"):format(host == "::1" and "[::1]" or host, self.port)
  self.url = "http://" .. self.address
  self.process = process.fork(function()
    system.C.spec_dup2(listener.fd, 3)
    listener.fd = 3
    system.C.spec_close_range(4, 0xffffffff, 0)
    require("spec.support.peer_loop").run(listener, handler, self.directory, options)
  end)
  self.pid = self.process.pid
  listener:close()
  running[self] = true
  return self
end

--- A port that refuses every connection until `keeper` is closed, and that a peer can have then.
---@return integer port
---@return Socket keeper
function peer.refusing()
  return socket.refusing(ports.free())
end

local function events(self, kind)
  local found = {}
  for line in (system.read_file(self.directory .. "/events") or ""):gmatch "([^\n]+)\n" do
    local event = json.decode(line)
    if event.event == kind then found[#found + 1] = event end
  end
  return found
end

--- The requests that it read, oldest first.
---@return table[] requests method, target, version, headers (by lower-case name), lines (in
--- order, as sent), head (raw), connection (number); body and length once the body was read
function Peer:requests()
  local bodies = events(self, "body") -- read first: what it is of has then been written
  local requests, by_number = events(self, "request"), {}
  for _, request in ipairs(requests) do by_number[request.number] = request end
  for _, done in ipairs(bodies) do
    local request = by_number[done.request] or {} -- it may have been forgotten
    request.body, request.length, request.sha256 = done.body, done.length, done.sha256
    request.trailers = done.trailers
  end
  return requests
end

--- Waits until it has read `count` requests.
---@param count integer
---@param seconds number?
---@return table[] requests
function Peer:wait_for_requests(count, seconds)
  return wait.that(function()
    local requests = self:requests()
    return #requests >= count and requests
  end, seconds, ("%d requests at the peer"):format(count))
end

--- How many connections it has accepted.
---@return integer
function Peer:connections()
  return #events(self, "accepted")
end

--- How its connections ended, in that order: { connection = number, how = string }.
---@return table[]
function Peer:ended()
  return events(self, "ended")
end

--- What a handler wrote down with connection:note().
---@return any[]
function Peer:notes()
  local values = {}
  for i, event in ipairs(events(self, "note")) do values[i] = event.value end
  return values
end

--- The raw bytes that came in on a connection (the first 256 KiB).
---@param connection integer? default 1
---@return string
function Peer:received(connection)
  return system.read_file(("%s/%d.raw"):format(self.directory, connection or 1)) or ""
end

--- Forgets all that it has seen so far.
function Peer:forget()
  system.write_file(self.directory .. "/events", "")
end

--- Ends it at once; its connections are reset or closed by the kernel.
function Peer:stop()
  if not running[self] then return end
  running[self] = nil
  self.process:kill()
  process.remove(self.directory)
end

--- Stops the process without ending it: connections stay, nothing is answered.
function Peer:freeze()
  self.process:signal(system.SIGSTOP)
end

--- Goes on after freeze().
function Peer:thaw()
  self.process:signal(system.SIGCONT)
end

--- Stops every peer that is still running: for after_each() or teardown().
function peer.stop_all()
  for self in pairs(running) do self:stop() end
end

return peer
