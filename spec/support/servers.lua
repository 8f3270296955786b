--- servers: an upstream of so many servers on a virtual clock, and clients who ask through gates.
--
-- Requests come by chance, or from clients who ask again as soon as they were answered; what a
-- request takes is drawn from a distribution. Nothing here waits or reads a clock, and the numbers
-- drawn are the same in each run.

local ffi = require "ffi"
local shared = require "spec.support.shared"

ffi.cdef [[
  struct gates { struct series counts; void *words; int *bells; uint32_t lanes, lane; };
  struct gate_options {
    uint32_t min, max, initial, window_ms; double tolerance; bool is_report_only;
  };
  struct gate_sample { int outcome; double seconds; uint64_t active, now_ms; };
  struct gate_view {
    struct slice name; double limit, usual_seconds, recent_seconds;
    uint64_t active, queued, limited, waited, expired, overflowed; double waited_seconds;
  };
  bool gates_init(struct gates *, struct segment *, uint32_t lanes);
  void gates_clear(struct gates *);
  void gates_attach(struct gates *, uint32_t lane);
  bool gates_hang_bells(struct gates *, uint32_t first, uint32_t count);
  int gates_bell(const struct gates *);
  uint32_t gate_number(const struct gates *, struct slice);
  bool gate_enter(const struct gates *, uint32_t, const struct gate_options *, uint64_t *active);
  bool gate_leave(const struct gates *, uint32_t);
  void gate_report(const struct gates *, uint32_t, const struct gate_options *,
                   const struct gate_sample *);
  void gate_count_limited(const struct gates *, uint32_t);
  bool gate_queue_join(const struct gates *, uint32_t, uint32_t size);
  void gate_queue_leave(const struct gates *, uint32_t, int how, double seconds);
  void gate_await(const struct gates *, uint32_t);
  bool gate_tell(const struct gates *, uint32_t);
  void gate_forgo(const struct gates *, uint32_t);
  bool gates_next(const struct gates *, size_t *cursor, struct gate_view *);
  bool gate_reset(const struct gates *, struct slice);
  void gates_forget_lane(const struct gates *, uint32_t lane);
]]

local C = shared.C

local servers = { LANES = 4 }

--- The gates of each lane's process, over one segment.
---@return ffi.cdata*[]
function servers.gates()
  local segment = shared.segment(tonumber(C.gates_bytes(servers.LANES)) + 65536)
  local views = {}
  for lane = 1, servers.LANES do
    views[lane] = ffi.new "struct gates"
    assert(C.gates_init(views[lane], segment, servers.LANES))
    C.gates_attach(views[lane], lane - 1)
  end
  return views
end

-- A queue of events by their time.
local Agenda = {}
Agenda.__index = Agenda

function Agenda:add(at, run)
  local i = #self + 1
  local entry = { at = at, run = run }
  while i > 1 do
    local parent = math.floor(i / 2)
    if self[parent].at <= at then break end
    self[i], i = self[parent], parent
  end
  self[i] = entry
end

function Agenda:take()
  local first, last = self[1], table.remove(self)
  if #self == 0 then return first end
  local i = 1
  while true do
    local child = 2 * i
    if child < #self and self[child + 1].at < self[child].at then child = child + 1 end
    if child > #self or self[child].at >= last.at then break end
    self[i], i = self[child], child
  end
  self[i] = last
  return first
end

local Simulation = {}
Simulation.__index = Simulation

-- A generator of its own (Park and Miller), so that other specs change nothing.
local function random(self)
  self.seed = self.seed * 16807 % 2147483647
  return self.seed / 2147483647
end

function Simulation:exponential(mean) return -math.log(random(self)) * mean end

local function begin(self, request)
  self.busy = self.busy + 1
  local takes = self.takes and self:takes(self.service) or self:exponential(self.service)
  self.agenda:add(self.now + takes, function()
    self.busy = self.busy - 1
    local waiting = table.remove(self.backlog, 1)
    if waiting then begin(self, waiting) end
    request.done()
  end)
end

local function report(self, request)
  self.sample.outcome = self.is_down and 1 or 0
  self.sample.seconds = self.now - request.since
  self.sample.active, self.sample.now_ms = request.active, self.now * 1000
  C.gate_report(request.gates, self.number, self.options, self.sample)
end

local function pass(self, gates, done)
  local request = { gates = gates, since = self.now, active = self.active[0] }
  self.under_way = self.under_way + 1
  self.peak = math.max(self.peak, self.under_way)
  function request.done()
    self.under_way = self.under_way - 1
    C.gate_leave(gates, self.number)
    report(self, request)
    if not self.is_down then
      self.answered = self.answered + 1
      self.latencies[#self.latencies + 1] = self.now - request.since
    end
    done()
  end
  if self.is_down then
    self.agenda:add(self.now + 0.001, request.done)
  elseif self.busy < self.count then
    begin(self, request)
  else
    table.insert(self.backlog, request)
  end
end

--- One request, over the gates of one of the workers; `done` when it is answered or refused.
function Simulation:ask(done)
  self.asked = self.asked + 1
  local gates = self.views[self.asked % self.workers + 1]
  if C.gate_enter(gates, self.number, self.options, self.active) then
    pass(self, gates, done)
  else
    self.refused = self.refused + 1
    done(true)
  end
end

--- Requests come by chance, so many a second, until the rate changes.
function Simulation:arrive(rate)
  self.arrivals = (self.arrivals or 0) + 1
  local mine = self.arrivals
  local function next_one()
    if self.arrivals ~= mine then return end
    self:ask(function() end)
    self.agenda:add(self.now + self:exponential(1 / rate), next_one)
  end
  if rate > 0 then self.agenda:add(self.now + self:exponential(1 / rate), next_one) end
end

--- Forgets what was counted, then lets so many seconds pass.
---@return { rate: number, mean: number, p99: number, peak: integer, refused: integer }
function Simulation:run(seconds)
  local ends = self.now + seconds
  self.answered, self.refused, self.latencies, self.peak = 0, 0, {}, 0
  self.limit_least, self.limit_most = math.huge, 0
  while self.agenda[1] and self.agenda[1].at <= ends do
    local event = self.agenda:take()
    self.now = event.at
    event.run()
    local limit = self:limit()
    self.limit_least = math.min(self.limit_least, limit)
    self.limit_most = math.max(self.limit_most, limit)
  end
  self.now = ends
  table.sort(self.latencies)
  local sum = 0
  for _, latency in ipairs(self.latencies) do sum = sum + latency end
  local count = #self.latencies
  return { rate = self.answered / seconds, mean = sum / math.max(count, 1), peak = self.peak,
    p99 = self.latencies[math.ceil(count * 0.99)] or 0, refused = self.refused }
end

-- Asked for after each event: it is looked for once, as that takes longer than all else.
function Simulation:view()
  self.cursor[0] = self.found
  assert(C.gates_next(self.views[1], self.cursor, self.seen))
  self.found = self.cursor[0] - 1
  return self.seen
end

--- What was learnt last, whole windows only.
function Simulation:limit() return tonumber(self:view().limit) end

--- `takes(self, mean)` draws what a request takes, exponential when there is none.
---@param given { count: integer, service: number, workers: integer?, takes: function?,
---  options: table? }
function servers.simulate(given)
  local self = setmetatable({ views = servers.gates(), agenda = setmetatable({}, Agenda),
    now = 1000, seed = 20261126, busy = 0, under_way = 0, asked = 0, backlog = {}, peak = 0,
    count = given.count, service = given.service, takes = given.takes,
    workers = given.workers or 1, active = ffi.new "uint64_t[1]",
    sample = ffi.new "struct gate_sample", seen = ffi.new "struct gate_view",
    cursor = ffi.new "size_t[1]", found = 0 }, Simulation)
  self.options = ffi.new("struct gate_options", { min = 4, max = 1000, initial = 20,
    window_ms = 250, tolerance = 1.25 })
  for key, value in pairs(given.options or {}) do self.options[key] = value end
  self.name = shared.slice "orders"
  self.number = C.gate_number(self.views[1], self.name)
  return self
end

return servers
