--- http: a client that speaks HTTP/1.1 exactly as a spec tells it to.

local message = require "spec.support.message"
local socket = require "spec.support.socket"

local http = {}

---@class Response: Message
---@field version string
---@field status integer
---@field reason string
---@field interim Response[] the 1xx answers before it

---@class RequestOptions
---@field method string? default GET
---@field path string? the request target, default "/"
---@field headers table? a map by name, or a list of { name, value } in order; Host is added
---@field body string? sent with Content-Length unless `headers` say chunked
---@field version string? default "HTTP/1.1"
---@field count boolean? count the answer's body (`length`) and forget it
---@field seconds number? bound of each wait
---@field unix string? path of a unix socket, instead of the port
---@field address string? default "127.0.0.1"
---@field from string? own address
---@field tls table? see spec.support.tls_socket: the connection is encrypted

---@class Connection
---@field stream Socket
local Connection = {}
Connection.__index = Connection

--- Opens a connection.
---@param port integer|nil
---@param options RequestOptions? address, from, unix, seconds and tls count here
---@return Connection
function http.connect(port, options)
  options = options or {}
  local host = options.unix and "unix:" .. options.unix or options.address or "127.0.0.1"
  local stream = socket.connect(host, port, options)
  stream.seconds = options.seconds or stream.seconds
  if options.tls then
    stream = require("spec.support.tls_socket").client(stream, options.tls)
  end
  return setmetatable({ stream = stream, port = port }, Connection)
end

local function has_field(headers, wanted)
  for name, value in pairs(headers or {}) do
    if type(name) == "number" then name = value[1] end
    if name:lower() == wanted then return true end
  end
  return false
end

-- The framing of a body: what to add to the head, and the bytes to send.
local function frame(headers, body)
  if not body then return "", "" end
  if has_field(headers, "transfer-encoding") then
    return "", (body ~= "" and message.chunk(body) or "") .. "0\r\n\r\n"
  end
  if has_field(headers, "content-length") then return "", body end
  return ("Content-Length: %d\r\n"):format(#body), body
end

--- The bytes of a request.
---@param options RequestOptions
---@return string
function http.format(options)
  local start = ("%s %s %s\r\n"):format(options.method or "GET", options.path or "/",
                                        options.version or "HTTP/1.1")
  local host = has_field(options.headers, "host") and "" or "Host: localhost\r\n"
  local length, body = frame(options.headers, options.body)
  return start .. host .. message.fields(options.headers) .. length .. "\r\n" .. body
end

--- Sends bytes as they are.
---@param bytes string
---@return integer|nil sent
---@return string|nil why
function Connection:send(bytes)
  return self.stream:send(bytes)
end

local function parse_status(response)
  local version, status, reason = response.start:match "^(HTTP/%d%.%d) (%d%d%d) ?(.*)$"
  assert(version, "not a status line: " .. response.start)
  response.version, response.status, response.reason = version, tonumber(status), reason
end

local function has_body(response, method)
  return method ~= "HEAD" and response.status ~= 204 and response.status ~= 304
    and not (method == "CONNECT" and response.status < 300)
end

--- Reads the head of the next answer, whatever its status; the body stays unread.
---@return Response
function Connection:read_head()
  local response, why = message.read_head(self.stream)
  if not response then error("no answer: " .. why, 2) end
  parse_status(response)
  return response
end

--- Reads the next final answer; the 1xx before it are in `interim`.
---@param method string? of the request that it answers, default GET
---@param options RequestOptions?
---@return Response
function Connection:read_response(method, options)
  local interim = {}
  local response = self:read_head()
  while response.status < 200 and response.status ~= 101 do
    interim[#interim + 1] = response
    response = self:read_head()
  end
  response.interim = interim
  if response.status ~= 101 and has_body(response, method) then
    message.read_body(self.stream, response,
                      { until_close = true, count = options and options.count })
  end
  return response
end

--- Sends a request and reads its answer.
---@param options RequestOptions
---@return Response
function Connection:request(options)
  self:send(http.format(options))
  return self:read_response(options.method, options)
end

--- Whatever arrives next, or nil and why.
---@param bytes_max integer?
function Connection:receive_some(bytes_max)
  return self.stream:receive_some(bytes_max)
end

--- Exactly `length` bytes, or nil, why, and what came.
---@param length integer
function Connection:receive(length)
  return self.stream:receive(length)
end

--- All bytes up to and with `ending`, or nil, why, and what came.
---@param ending string
function Connection:receive_until(ending)
  return self.stream:receive_until(ending)
end

--- All bytes until the gateway closes, and how it ended: "closed", "reset" or "timeout".
---@return string bytes
---@return string how
function Connection:read_until_close()
  return self.stream:receive_all()
end

--- Whether the gateway closes within `seconds`, with nothing more to read.
---@param seconds number?
---@return boolean
function Connection:is_closed(seconds)
  return self.stream:is_closed(seconds)
end

--- Ends the sending direction only.
function Connection:finish()
  self.stream:finish()
end

--- Closes with a reset.
function Connection:reset()
  self.stream:reset()
end

function Connection:close()
  self.stream:close()
end

--- One request on a connection of its own.
---@param port integer|nil
---@param options RequestOptions?
---@return Response
function http.request(port, options)
  options = options or {}
  local connection = http.connect(port, options)
  local ok, response = pcall(connection.request, connection, options)
  connection:close()
  if not ok then error(response, 2) end
  return response
end

--- Sends bytes on a connection of their own, and returns all that comes back.
---@param port integer
---@param bytes string
---@param options RequestOptions?
---@return string answer
---@return string how the connection ended: "closed", "reset" or "timeout"
function http.exchange(port, bytes, options)
  local connection = http.connect(port, options)
  connection:send(bytes)
  local answer, how = connection:read_until_close()
  connection:close()
  return answer, how
end

return http
