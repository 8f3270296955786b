--- overload: a worker on a virtual clock, whose shedder is told of its turns and asked about each
--- request.
--
-- Requests come by themselves, at random moments, so many in a second; what has come when a turn
-- begins is served in it, one after the other. Nothing depends on the machine.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("net/loop_delay.h", "gateway/triage.h", "gateway/shedder.h")

local overload = { C = C, LOW = 25, NORMAL = 50, HIGH = 75, CRITICAL = 100 }

-- A request takes between half and one and a half of it.
local COST, REFUSAL_COST = 1e-3, 5e-5

---@class OverloadedWorker
---@field shedder ffi.cdata*
---@field now number     virtual seconds
---@field rate number    requests in a second, as a multiple of what can be served
---@field mixture table  shares by criticality
---@field asked table    requests by criticality
---@field refused table  of them
---@field late table     the longest that one waited to be served, by criticality
local Worker = {}
Worker.__index = Worker

-- The same numbers in each run.
local function random(self)
  self.seed = (self.seed * 1103515245 + 12345) % 2147483648
  return self.seed / 2147483648
end

local function criticality_of(self)
  local at = random(self)
  for criticality, share in pairs(self.mixture) do
    if at < share then return criticality end
    at = at - share
  end
  return next(self.mixture)
end

local function arrive(self)
  while self.next <= self.now do
    self.queue[#self.queue + 1] = self.next
    self.next = self.next - math.log(1 - random(self)) * COST / self.rate
  end
end

local function serve(self, came)
  local criticality = criticality_of(self)
  self.asked[criticality] = (self.asked[criticality] or 0) + 1
  if C.shedder_refuses(self.shedder, criticality) then
    self.refused[criticality] = (self.refused[criticality] or 0) + 1
    self.now = self.now + REFUSAL_COST
    return
  end
  self.now = self.now + COST * (0.5 + random(self))
  self.late[criticality] = math.max(self.late[criticality] or 0, self.now - came)
end

--- One turn with what has come, and `more` seconds of something else.
---@param more number?
function Worker:turn(more)
  overload.current = self
  if #self.queue == 0 and not more then self.now = math.max(self.now, self.next) end
  arrive(self)
  local began, queue = self.now, self.queue
  self.began[0] = began
  self.queue = {}
  for _, came in ipairs(queue) do serve(self, came) end
  self.now = self.now + (more or 0)
  arrive(self)
  C.shedder_end_turn(self.shedder, began, self.now - began, self.behind)
  self.delay_max = math.max(self.delay_max, self.shedder.delay.seconds)
end

--- Goes on for so long, with that much load; what is counted begins anew.
---@param seconds number
---@param rate number
function Worker:run(seconds, rate)
  self.rate = rate
  self:count()
  local stop = self.now + seconds
  while self.now < stop do self:turn() end
end

--- Begins to count.
function Worker:count() self.asked, self.refused, self.late, self.delay_max = {}, {}, {}, 0 end

--- The share of requests that was refused.
---@param criticality integer
---@return number
function Worker:share(criticality)
  return (self.refused[criticality] or 0) / (self.asked[criticality] or 1)
end

-- Callbacks are few, and never freed. It is that of the worker whose turn it is.
function Worker.clock()
  overload.callback = overload.callback
    or ffi.cast("double (*)(void)", function() return overload.current.now end)
  return overload.callback
end

---@param options table?  of `struct shedder_options`, beside what is the default
---@return OverloadedWorker
function overload.worker(options)
  local given = { lag_seconds = 0.02, full_seconds = 0.2, window_seconds = 0.5 }
  for name, value in pairs(options or {}) do given[name] = value end
  local self = setmetatable({
    shedder = ffi.new "struct shedder", now = 1000, next = 1000, queue = {}, seed = 1, rate = 1,
    behind = 0,
    mixture = { [overload.LOW] = 0.3, [overload.NORMAL] = 0.4, [overload.HIGH] = 0.2,
      [overload.CRITICAL] = 0.1 },
  }, Worker)
  C.shedder_init(self.shedder)
  self.began = ffi.new "double[1]"
  self.shedder.turn, self.shedder.clock = self.began, Worker.clock()
  C.shedder_configure(self.shedder, ffi.new("struct shedder_options", given))
  self:count()
  return self
end

return overload
