--- peer_loop: the process of a peer: one coroutine for each connection, one poll() for all.

local ffi = require "ffi"
local bit = require "bit"
local json = require "cjson"
local message = require "spec.support.message"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local C = system.C

local CONNECTIONS_MAX = 8192
local RECORD_BYTES_MAX = 262144

local peer_loop = {}

local waiting = {} -- by coroutine: { fd, events, deadline }
local pollfds = ffi.new("struct spec_pollfd[?]", CONNECTIONS_MAX)

---@class PeerConnection
---@field number integer counted from 1
---@field stream Socket
---@field seconds number|nil
local Connection = {}
Connection.__index = Connection

local directory, request_count, events_file

local function record(event)
  if not events_file then return end
  event = json.encode(event) .. "\n"
  events_file:write(event)
  events_file:flush()
end

--- Reads the head of the next request and writes it down.
---@return table|nil request nil at the end of the connection
function Connection:read_head()
  local request, why = message.read_head(self.stream)
  if not request then
    self.how = why
    return nil
  end
  request.method, request.target, request.version = request.start:match "^(%S+) (%S+) (%S+)$"
  request_count = request_count + 1
  request.number = request_count
  record {
    event = "request", number = request_count, connection = self.number, head = request.head,
    lines = request.lines, headers = request.headers, method = request.method,
    target = request.target, version = request.version,
  }
  return request
end

--- Reads the body of a request and writes it down.
---@param request table from read_head()
---@param options { count: boolean? }? count: only its length
function Connection:read_body(request, options)
  message.read_body(self.stream, request, options)
  record {
    event = "body", request = request.number, length = request.length or 0,
    body = #request.body <= RECORD_BYTES_MAX and request.body or nil, trailers = request.trailers,
  }
end

--- Reads the next request, with its body.
---@return table|nil request nil at the end of the connection
function Connection:read_request()
  local request = self:read_head()
  if request then self:read_body(request) end
  return request
end

--- Sends bytes; false when the other side is gone or does not read.
---@param bytes string
---@return boolean
function Connection:send(bytes)
  local sent, why = self.stream:send(bytes)
  if not sent then self.how = why end
  return sent ~= nil
end

--- Sends an answer with a Content-Length.
---@param status integer
---@param headers table|nil
---@param body string|nil
function Connection:answer(status, headers, body)
  body = body or ""
  return self:send(("HTTP/1.1 %d Status\r\n%sContent-Length: %d\r\n\r\n%s"):format(
    status, message.fields(headers), #body, body))
end

--- Lets other connections go on for a while.
---@param seconds number
function Connection:sleep(seconds)
  coroutine.yield(-1, 0, seconds)
end

--- Lets other connections go on until `condition` holds, which runs in the peer's process: what
--- another peer has seen, or a latch.
---@param condition fun(): any
function Connection:await(condition)
  local deadline = system.now() + 60
  while not condition() do
    assert(system.now() < deadline, "a peer waited in vain")
    self:sleep(0.005)
  end
end

--- Whether the other side closes within `seconds`.
---@param seconds number
---@return boolean
function Connection:is_closed(seconds)
  return self.stream:is_closed(seconds)
end

--- Writes down a value for Peer:notes().
function Connection:note(value)
  record { event = "note", connection = self.number, value = value }
end

function Connection:close()
  self.stream:close()
end

function Connection:reset()
  self.stream:reset()
end

--- Ends the sending direction only.
function Connection:finish()
  self.stream:finish()
end

local function resume(thread, ...)
  local ok, fd, events, seconds = coroutine.resume(thread, ...)
  if not ok then io.stderr:write("peer: ", debug.traceback(thread, tostring(fd)), "\n") end
  if coroutine.status(thread) == "dead" then
    waiting[thread] = nil
  else
    waiting[thread] = { fd = fd, events = events, deadline = system.now() + seconds }
  end
end

local function recorder(number)
  local file, left
  return function(bytes)
    file = file or assert(io.open(("%s/%d.raw"):format(directory, number), "wb"))
    left = left or RECORD_BYTES_MAX
    if left <= 0 then return end
    file:write(bytes:sub(1, left))
    file:flush()
    left = left - #bytes
  end
end

local function serve(stream, handler, number, tls)
  local connection = setmetatable({ stream = stream, number = number }, Connection)
  record { event = "accepted", connection = number }
  local ok, problem = pcall(function()
    if tls then connection.stream = require("spec.support.tls_socket").server(stream, tls) end
    connection.stream.recorder = events_file and recorder(number)
    handler(connection)
  end)
  record {
    event = "ended", connection = number,
    how = ok and (connection.how or "done") or tostring(problem),
  }
  connection.stream:close()
end

local function accept(listener, handler, tls)
  local number = 0
  listener.seconds = 3600
  while true do
    local stream = listener:accept()
    if stream then
      number = number + 1
      resume(coroutine.create(serve), stream, handler, number, tls)
    end
  end
end

local function turn()
  local threads, now, nearest = {}, system.now(), 3600
  for thread, entry in pairs(waiting) do
    local i = #threads
    threads[i + 1] = thread
    pollfds[i].fd, pollfds[i].events, pollfds[i].revents = entry.fd, entry.events, 0
    nearest = math.min(nearest, entry.deadline - now)
  end
  C.spec_poll(pollfds, #threads, math.max(0, math.ceil(nearest * 1000)))
  now = system.now()
  for i, thread in ipairs(threads) do
    local is_ready = bit.band(pollfds[i - 1].revents, 0xff) ~= 0
    if is_ready or waiting[thread].deadline <= now then resume(thread, is_ready) end
  end
end

--- Serves until the process is killed.
---@param listener Socket
---@param handler nil|string|fun(connection: PeerConnection)
---@param where string directory for what is written down
---@param options { tls: table?, forgets: boolean? }
function peer_loop.run(listener, handler, where, options)
  directory, request_count = where, 0
  local answers = require "spec.support.peer_answers"
  if type(handler) == "string" then handler = answers.always(handler) end
  socket.use_waiter(coroutine.yield)
  events_file = not options.forgets and assert(io.open(where .. "/events", "ab")) or nil
  resume(coroutine.create(accept), listener, handler or answers.by_path, options.tls)
  while true do turn() end
end

return peer_loop
