--- peer_answers: ready-made ways in which an upstream behaves, well or badly.
--
-- Each is a handler for peer.start(); `by_path`, its default, lets the request's
-- path choose: /bytes/100, /status/404, /delay/0.2, /fault/reset-before, and so on;
-- any other path gets the request back as JSON.

local ffi = require "ffi"
local json = require "cjson"
local message = require "spec.support.message"

local answers = {}

local PIECE = ("0123456789abcdef"):rep(16384)

-- OpenSSL's library is already there for the gateway; its one-shot digest is enough.
local function sha256(bytes)
  pcall(ffi.cdef, [[unsigned char *spec_sha256(const void *, size_t, unsigned char *)
    __asm__("SHA256");]])
  local digest = ffi.new "unsigned char[32]"
  ffi.load("libcrypto.so.3").spec_sha256(bytes, #bytes, digest)
  local hex = {}
  for i = 0, 31 do hex[i + 1] = ("%02x"):format(digest[i]) end
  return table.concat(hex)
end

--- Reads each request whole, answers it with `raw`.
---@param raw string
---@return fun(connection: PeerConnection)
function answers.always(raw)
  return function(connection)
    while connection:read_request() do
      if not connection:send(raw) then return end
    end
  end
end

--- Answers the first `count` requests of a connection by path, then closes it.
---@param count integer
---@return fun(connection: PeerConnection)
function answers.closing_after(count)
  return function(connection)
    for _ = 1, count do
      local request = connection:read_head()
      if not request then return end
      answers.dispatch(connection, request)
    end
  end
end

--- Sends `raw` as soon as the connection is there, then reads until the end.
---@param raw string
---@return fun(connection: PeerConnection)
function answers.unasked(raw)
  return function(connection)
    connection:send(raw)
    connection.stream:discard()
  end
end

--- Accepts, reads, and never says anything.
---@param connection PeerConnection
function answers.silent(connection)
  connection.stream.seconds = 3600
  while connection:read_request() do connection:note "read" end
end

--- Resets each connection before it reads anything.
---@param connection PeerConnection
function answers.resetting(connection)
  connection:reset()
end

--- Sends `raw` byte by byte, `seconds` apart, for each request.
---@param raw string
---@param seconds number
---@return fun(connection: PeerConnection)
function answers.trickling(raw, seconds)
  return function(connection)
    while connection:read_request() do
      for byte in raw:gmatch "." do
        if not connection:send(byte) then return end
        connection:sleep(seconds)
      end
    end
  end
end

local function echo(connection, request)
  connection:read_body(request)
  local text = json.encode {
    method = request.method, target = request.target, version = request.version,
    headers = request.headers, lines = request.lines, trailers = request.trailers,
    length = request.length or 0, sha256 = sha256(request.body),
    body = #request.body <= 65536 and request.body or nil,
  }
  connection:answer(200, { ["Content-Type"] = "application/json" },
                    request.method == "HEAD" and "" or text)
end

local function send_bytes(connection, count)
  while count > 0 do
    local piece = count >= #PIECE and PIECE or PIECE:sub(1, count)
    if not connection:send(piece) then return end
    count = count - #piece
  end
end

local paths = {}

-- /bytes/N: N bytes with a Content-Length.
function paths.bytes(connection, request, count)
  connection:read_body(request)
  connection:send(("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"):format(count))
  if request.method ~= "HEAD" then send_bytes(connection, tonumber(count)) end
end

-- /chunked/N: N chunks "chunk 1;" and so on, with trailers x-count and x-done.
function paths.chunked(connection, request, count)
  connection:read_body(request)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-count\r\n\r\n"
  for i = 1, tonumber(count) do connection:send(message.chunk("chunk " .. i .. ";")) end
  connection:send(("0\r\nX-Count: %s\r\nX-Done: yes\r\n\r\n"):format(count))
end

-- /events/N/SECONDS: N server-sent events with a pause before each but the first.
function paths.events(connection, request, rest)
  local count, pause = rest:match "^(%d+)/?([%d.]*)$"
  connection:read_body(request)
  connection:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    .. "Transfer-Encoding: chunked\r\n\r\n")
  for i = 1, tonumber(count) do
    if i > 1 then connection:sleep(tonumber(pause) or 0) end
    connection:send(message.chunk(("data: %d\n\n"):format(i)))
  end
  connection:send "0\r\n\r\n"
end

-- /until-close/N: N bytes that only the end of the connection ends.
paths["until-close"] = function(connection, request, count)
  connection:read_body(request)
  connection:send "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
  send_bytes(connection, tonumber(count))
  return "close"
end

-- /status/CODE: that status; no body where HTTP has none.
function paths.status(connection, request, code)
  connection:read_body(request)
  if code == "204" or code == "304" then
    connection:send(("HTTP/1.1 %s Status\r\n\r\n"):format(code))
  else
    connection:answer(tonumber(code), nil, request.method ~= "HEAD" and "status " .. code or "")
  end
end

-- /delay/SECONDS: answers later.
function paths.delay(connection, request, seconds)
  connection:read_body(request)
  connection:sleep(tonumber(seconds))
  connection:answer(200, nil, "late")
end

-- /count: answers the length of the body, which is counted and forgotten.
function paths.count(connection, request)
  if request.headers.expect then connection:send "HTTP/1.1 100 Continue\r\n\r\n" end
  connection:read_body(request, { count = true })
  connection:answer(200, nil, ("%d"):format(request.length or 0))
end

-- /slow-count/SECONDS: the same, but starts to read the body only later.
paths["slow-count"] = function(connection, request, seconds)
  connection:sleep(tonumber(seconds))
  paths.count(connection, request)
end

-- /hints: 103 Early Hints before the answer.
function paths.hints(connection, request)
  connection:read_body(request)
  connection:send "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
  connection:answer(200, nil, "hinted")
end

-- /reject: answers 417 and closes before it reads the body.
function paths.reject(connection)
  connection:answer(417, { Connection = "close" }, "not wanted")
  return "close"
end

-- /upgrade: switches to the protocol asked for, and echoes every byte from then on.
function paths.upgrade(connection, request)
  connection:send(("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
    .. "Upgrade: %s\r\n\r\n"):format(request.headers.upgrade or "echo"))
  while true do
    local bytes = connection.stream:receive_some()
    if not bytes or not connection:send(bytes) then return "close" end
  end
end

-- /headers/NAME=VALUE&…: an answer with these fields, in this order.
function paths.headers(connection, request, query)
  connection:read_body(request)
  local fields = {}
  for name, value in query:gmatch "([^&=]+)=([^&]*)" do
    fields[#fields + 1] = { name, (value:gsub("%%20", " ")) }
  end
  connection:answer(200, fields, "fields")
end

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

-- What goes wrong: the bytes that are sent, and what happens to the connection then.
local FAULTS = {
  ["reset-after-request"] = { "", "reset" },
  ["close-after-request"] = { "", "close" },
  ["reset-in-head"] = { "HTTP/1.1 200 OK\r\nContent-Le", "reset" },
  ["close-in-head"] = { "HTTP/1.1 200 OK\r\nContent-Le", "close" },
  ["reset-after-head"] = { OK, "reset" },
  ["close-after-head"] = { OK, "close" },
  ["reset-in-body"] = { OK .. "01234", "reset" },
  ["close-in-body"] = { OK .. "01234", "close" },
  ["close-in-chunks"] = {
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", "close" },
  ["stall-in-head"] = { "HTTP/1.1 200 OK\r\nContent-Le", "stall" },
  ["stall-in-body"] = { OK .. "01234", "stall" },
  ["stall"] = { "", "stall" },
  ["garbage"] = { "\22\3\1 this is not HTTP\r\n\r\n", "close" },
  ["bad-chunk"] = {
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234XX0\r\n\r\n", "go on" },
  ["extra-bytes"] = { OK .. "0123456789stray", "go on" },
  ["extra-answer"] = { OK .. "0123456789" .. OK .. "stolen one", "go on" },
}

-- /fault/NAME: one of the above, once the request has been read.
function paths.fault(connection, request, name)
  connection:read_body(request)
  local fault = assert(FAULTS[name], "no such fault: " .. name)
  connection:send(fault[1])
  if fault[2] == "stall" then connection.stream:is_closed(3600) end
  return fault[2]
end

--- Answers one request as its path says.
---@param connection PeerConnection
---@param request table from read_head()
---@return "close"|"reset"|nil what to do with the connection
function answers.dispatch(connection, request)
  local name, rest = request.target:match "^/([^/?]+)/?([^?]*)"
  local answer = paths[name] or echo
  local expects = request.headers.expect and name ~= "count" and name ~= "reject"
  if expects then connection:send "HTTP/1.1 100 Continue\r\n\r\n" end
  return answer(connection, request, rest)
end

--- Answers each request of a connection as its path says: the default.
---@param connection PeerConnection
function answers.by_path(connection)
  connection.stream.seconds = 600
  while true do
    local request = connection:read_head()
    if not request then return end
    local what = answers.dispatch(connection, request)
    if what == "reset" then return connection:reset() end
    if what == "close" or what == "stall" or connection.how then return end
  end
end

return answers
