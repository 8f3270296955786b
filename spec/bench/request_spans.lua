--- request_spans: requests followed through a client, a proxy and its origin, by what those read
--- and write: whose turn it was, and when.
--
-- It is the turn of who writes until its call returns, or the other end has read. A proxy is taken
-- to pass on what it has read in that order; a request whose answer goes elsewhere is left out.

---@class FollowedRequest
---@field took number  milliseconds from where the client begins to write until it has read
---@field spans { role: "client"|"proxy"|"origin", from: number, to: number }[]  milliseconds

local request_spans = {}

---@class RequestSpans
---@field done FollowedRequest[]
---@field lost integer     requests that were answered, and could not be followed
local RequestSpans = {}
RequestSpans.__index = RequestSpans

---@param threads { client: integer, proxy: integer, origin: integer }
---@param peers table<integer, table<integer, { tid: integer, fd: integer }>>  by socket_peers
---@return RequestSpans
function request_spans.new(threads, peers)
  local roles = {}
  for role, tid in pairs(threads) do roles[tid] = role end
  return setmetatable({ roles = roles, peers = peers, done = {}, lost = 0, asked = {}, sent = {},
    writing = {}, read = {}, answered = {} }, RequestSpans)
end

-- Who is at the other end, and its descriptor; nil: somebody else.
local function peer_of(self, tid, fd)
  local peer = self.peers[tid][fd]
  if not peer then return nil end
  return self.roles[peer.tid], peer.fd
end

-- Takes the first of a queue, which may be false; nil: it is empty.
local function shift(queue)
  local first = queue.first or 1
  local one = queue[first]
  if one == nil then return nil end
  queue[first], queue.first = nil, first + 1
  return one
end

-- false: something that belongs to no request that is followed.
local function push(queue, request)
  queue.last = (queue.last or 0) + 1
  queue[queue.last] = request or false
end

local function mark(request, name, at)
  if request and not request[name] then request[name] = at end
end

local SPANS = {
  { "client", "from", "asked" }, { "proxy", "asked", "sent" }, { "origin", "sent", "answered" },
  { "proxy", "answered", "returned" }, { "client", "returned", "to" },
}

-- The client has read the answer.
local function finish(self, request, at)
  local spans = {}
  request.to = at
  for i, span in ipairs(SPANS) do
    local from, to = request[span[2]], request[span[3]]
    if not from or not to then
      self.lost = self.lost + 1
      return
    end
    spans[i] = { role = span[1], from = from, to = to }
  end
  self.done[#self.done + 1] = { took = at - request.from, spans = spans }
end

local on_read = {}

function on_read.origin(self, _, far, _, at) mark(self.sent[far], "sent", at) end

function on_read.client(self, fd, _, _, at)
  local request = self.asked[fd]
  if not request then return end
  self.asked[fd] = nil
  if request.is_passed_on then mark(request, "returned", at) end
  finish(self, request, at)
end

function on_read.proxy(self, fd, far, peer, at)
  if peer == "client" then
    mark(self.asked[far], "asked", at)
    push(self.read, self.asked[far])
  else
    mark(self.sent[fd], "answered", at)
    push(self.answered, self.sent[fd])
  end
end

--- A thread has read something.
---@param tid integer
---@param fd integer
---@param at number  milliseconds
function RequestSpans:on_read(tid, fd, at)
  local peer, far = peer_of(self, tid, fd)
  if peer then on_read[self.roles[tid]](self, fd, far, peer, at) end
end

-- Each gives the request that it writes of, and the name of the time at which it has written.
local on_write = {}

function on_write.client(self, fd, _, _, at)
  if self.asked[fd] then self.lost = self.lost + 1 end -- its answer was not seen
  self.asked[fd] = { from = at, fd = fd }
  return self.asked[fd], "asked"
end

function on_write.origin(self, _, far) return self.sent[far], "answered" end

function on_write.proxy(self, fd, far, peer)
  if peer == "origin" then
    self.sent[fd] = shift(self.read) or nil
    return self.sent[fd], "sent"
  end
  local request = shift(self.answered)
  if not request or request.fd ~= far then return nil end
  request.is_passed_on = true
  return request, "returned"
end

--- A thread begins to write.
---@param tid integer
---@param fd integer
---@param at number  milliseconds
function RequestSpans:on_write(tid, fd, at)
  local peer, far = peer_of(self, tid, fd)
  self.writing[tid] = nil
  if not peer then return end
  local request, name = on_write[self.roles[tid]](self, fd, far, peer, at)
  self.writing[tid] = request and { request = request, name = name }
end

--- A thread has written.
---@param tid integer
---@param at number  milliseconds
function RequestSpans:on_written(tid, at)
  local writing = self.writing[tid]
  if writing then mark(writing.request, writing.name, at) end
end

--- A thread sleeps: the proxy has passed on all that it has read, whatever was not recorded.
---@param tid integer
function RequestSpans:on_sleep(tid)
  if self.roles[tid] == "proxy" then self.read, self.answered = {}, {} end
end

return request_spans
