--- cache_origin: an upstream for specs of the cache, whose requests say how it answers.
--
-- The query says it: `status`, `bytes` (of the body) or `body`, `chunked`, `delay` (before the
-- head), `pause` (in the middle of the body), `hold` and `held` (the path of a latch that is waited
-- for there, and before the head), `cut` (the connection ends there), `again` (the
-- status from the second request for the same target on; "close": none at all), and every other
-- name is a field of the answer ("+" is a blank). The body is the number of the request unless said
-- otherwise, which tells answers apart. A request with If-None-Match of the ETag gets 304.

local message = require "spec.support.message"
local peer = require "spec.support.peer"
local system = require "spec.support.system"

local cache_origin = {}

local OWN = {
  status = true, bytes = true, body = true, chunked = true, delay = true, pause = true, cut = true,
  again = true, hold = true, held = true,
}

local seen = {} -- how often each target was asked for

local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function read_query(target)
  local said, fields = {}, {}
  for name, value in (target:match "%?(.*)" or ""):gmatch "([^&=]+)=?([^&]*)" do
    if OWN[name] then
      said[name] = decode(value)
    else
      fields[#fields + 1] = { name, decode(value) }
    end
  end
  return said, fields
end

local function body_of(said, request)
  if said.bytes then return ("%016d"):format(request.number):rep(tonumber(said.bytes) / 16) end
  return said.body or tostring(request.number)
end

local function field(fields, wanted)
  for _, pair in ipairs(fields) do
    if pair[1]:lower() == wanted then return pair[2] end
  end
end

local function send_head(connection, status, fields, said, body)
  fields[#fields + 1] = said.chunked and { "Transfer-Encoding", "chunked" }
    or { "Content-Length", #body }
  return connection:send(("HTTP/1.1 %s Status\r\n%s\r\n"):format(status, message.fields(fields)))
end

local function send_piece(connection, said, piece)
  connection:send(said.chunked and message.chunk(piece) or piece)
end

-- From the second time on a target may be answered in another way.
local function status_of(said, request)
  seen[request.target] = (seen[request.target] or 0) + 1
  if said.again and seen[request.target] > 1 then return said.again end
  return said.status or 200
end

local function await(connection, path)
  connection:await(function() return system.read_file(path) end)
end

local function send_body(connection, said, body)
  local half = math.ceil(#body / 2)
  send_piece(connection, said, body:sub(1, half))
  if said.pause then connection:sleep(tonumber(said.pause)) end
  if said.hold then await(connection, said.hold) end
  if said.cut then return "close" end
  send_piece(connection, said, body:sub(half + 1))
  if said.chunked then connection:send "0\r\n\r\n" end
  return nil
end

local function answer(connection, request)
  local said, fields = read_query(request.target)
  local is_head = request.method == "HEAD"
  local status, tag = status_of(said, request), field(fields, "etag")
  if status == "close" then return "close" end
  if said.delay then connection:sleep(tonumber(said.delay)) end
  if said.held then await(connection, said.held) end
  if tag and request.headers["if-none-match"] == tag then
    connection:send("HTTP/1.1 304 Status\r\n" .. message.fields(fields) .. "\r\n")
    return nil
  end
  local body = is_head and "" or body_of(said, request)
  send_head(connection, status, fields, said, body)
  return not is_head and send_body(connection, said, body) or nil
end

--- Starts one.
---@return Peer
function cache_origin.start()
  return peer.start(function(connection)
    connection.stream.seconds = 600
    while true do
      local request = connection:read_request()
      if not request then return end
      if answer(connection, request) == "close" or connection.how then return end
    end
  end)
end

return cache_origin
