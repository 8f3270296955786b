--- frames: speaks the two-stream protocol of spec/support/two_stream, on either side of a gateway.

local socket = require "spec.support.socket"

local frames = {}

frames.WINDOW = 16384

local POLLIN = 1

---@class FrameConnection
---@field socket table
---@field pending table  frames received and not yet asked for
local Connection = {}
Connection.__index = Connection

--- Speaks frames on a connected socket.
---@return FrameConnection
function frames.on(stream)
  return setmetatable({ socket = stream, pending = {}, given = {}, sent = {} }, Connection)
end

--- Sends one frame.
---@param id integer  1 or 2
---@param kind string "H", "D", "E", "W" or "R"
---@param payload string?
function Connection:send(id, kind, payload)
  payload = payload or ""
  local length = string.char(math.floor(#payload / 256), #payload % 256)
  return self.socket:send(string.char(id) .. kind .. length .. payload)
end

--- Lets the other side send `bytes` more on that stream.
function Connection:credit(id, bytes)
  return self:send(id, "W", string.char(0, math.floor(bytes / 65536) % 256,
    math.floor(bytes / 256) % 256, bytes % 256))
end

local function read_frame(self)
  local header, why = self.socket:receive(4)
  if not header then return nil, why end
  local length = header:byte(3) * 256 + header:byte(4)
  local payload = length > 0 and self.socket:receive(length) or ""
  return { id = header:byte(1), kind = header:sub(2, 2), payload = payload }
end

-- Adds credit up in `self.given`; other frames wait until they are asked for.
local function keep(self, frame)
  if frame.kind ~= "W" then
    self.pending[#self.pending + 1] = frame
    return
  end
  local a, b, c, d = frame.payload:byte(1, 4)
  local bytes = ((a * 256 + b) * 256 + c) * 256 + d
  self.given[frame.id] = (self.given[frame.id] or 0) + bytes
end

--- The next frame of that stream (or of any), but for credit.
---@return table? frame
---@return string? why
function Connection:receive(id)
  while true do
    for i, frame in ipairs(self.pending) do
      if not id or frame.id == id then return table.remove(self.pending, i) end
    end
    local frame, why = read_frame(self)
    if not frame then return nil, why end
    keep(self, frame)
  end
end

--- Sends `bytes` of data as credit allows.
---@return integer sent  less than `bytes` when no credit came within `seconds`
function Connection:send_data(id, bytes, seconds)
  local sent = 0
  while sent < bytes do
    local room = frames.WINDOW + (self.given[id] or 0) - (self.sent[id] or 0)
    local piece = math.min(room, 4096, bytes - sent)
    if piece > 0 then
      self:send(id, "D", ("x"):rep(piece))
      self.sent[id] = (self.sent[id] or 0) + piece
      sent = sent + piece
    elseif #self.socket.unread > 0 or socket.wait(self.socket.fd, POLLIN, seconds) then
      keep(self, assert(read_frame(self)))
    else
      break
    end
  end
  return sent
end

--- All data of a stream up to its end, giving credit for it as it comes.
---@return string data
---@return string kind of the frame that ended it
function Connection:receive_body(id)
  local parts = {}
  while true do
    local frame = assert(self:receive(id))
    if frame.kind ~= "D" then return table.concat(parts), frame.kind end
    parts[#parts + 1] = frame.payload
    self:credit(id, #frame.payload)
  end
end

return frames
