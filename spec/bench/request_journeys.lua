--- request_journeys: requests followed through a client, a proxy and its origin, by what those read
-- and write.
--
-- A proxy is taken to pass on what it has read in that order; a request whose answer then comes
-- from another connection than it was sent to is left out.

---@class Journey
---@field took number  milliseconds from the client's write until it has read
---@field stages { role: string, from: number, to: number }[]  whose turn it was

local request_journeys = {}

---@class RequestJourneys
---@field done Journey[]
---@field lost integer     requests that could not be followed
local RequestJourneys = {}
RequestJourneys.__index = RequestJourneys

---@param threads { client: integer, proxy: integer, origin: integer }
---@param ends table  as socket_ends.find() gives it
---@return RequestJourneys
function request_journeys.new(threads, ends)
  return setmetatable({ threads = threads, ends = ends, done = {}, lost = 0, asked = {}, sent = {},
    read = {}, answered = {} }, RequestJourneys)
end

local function other_end(self, pid, fd)
  local one = self.ends[pid][fd]
  if not one then return nil end
  for role, thread in pairs(self.threads) do
    if thread == one.pid then return role, one.fd end
  end
  return nil
end

-- Takes the first of a queue.
local function shift(queue)
  local first = queue.first or 1
  local one = queue[first]
  queue[first], queue.first = nil, one and first + 1 or first
  return one
end

local function push(queue, one)
  queue.first, queue.last = queue.first or 1, (queue.last or 0) + 1
  queue[queue.last] = one
end

--- A thread has read something.
---@param pid integer
---@param fd integer
---@param at number
function RequestJourneys:on_read(pid, fd, at)
  local role, far = other_end(self, pid, fd)
  if not role then return end
  if pid == self.threads.origin then
    local one = self.sent[far]
    if one then one.origin_read = at end
  elseif pid == self.threads.client then
    self:finish(fd, at)
  elseif role == "client" then
    local one = self.asked[far]
    if one then one.proxy_read = at end
    push(self.read, one or false)
  else
    local one = self.sent[fd]
    if one then one.proxy_read_answer = at end
    push(self.answered, one or false)
  end
end

--- A thread begins to write.
---@param pid integer
---@param fd integer
---@param at number
function RequestJourneys:on_write(pid, fd, at)
  local role, far = other_end(self, pid, fd)
  if not role then return end
  if pid == self.threads.client then
    self.asked[fd] = { from = at, fd = fd }
  elseif pid == self.threads.origin then
    local one = self.sent[far]
    if one then one.origin_wrote = at end
  elseif role == "origin" then
    local one = shift(self.read)
    self.sent[fd] = one or nil
    if one then one.proxy_sent = at end
  else
    local one = shift(self.answered)
    if one and one.fd == far then one.proxy_answered = at end
  end
end

--- A thread sleeps: the proxy has passed on all that it has read, whatever was not recorded.
---@param pid integer
function RequestJourneys:on_sleep(pid)
  if pid == self.threads.proxy then self.read, self.answered = {}, {} end
end

local STAGES = { { "proxy", "from", "proxy_sent" }, { "origin", "proxy_sent", "origin_wrote" },
  { "proxy", "origin_wrote", "proxy_answered" }, { "client", "proxy_answered", "to" } }

--- The client has read the answer.
---@param fd integer
---@param at number
function RequestJourneys:finish(fd, at)
  local one = self.asked[fd]
  if not one then return end
  self.asked[fd], one.to = nil, at
  local stages = {}
  for i, stage in ipairs(STAGES) do
    local from, to = one[stage[2]], one[stage[3]]
    if not from or not to or to < from then
      self.lost = self.lost + 1
      return
    end
    stages[i] = { role = stage[1], from = from, to = to }
  end
  self.done[#self.done + 1] = { took = at - one.from, stages = stages }
end

return request_journeys
