--- simulation: requests to servers with stated distributions, picked by the real balancers of
-- several workers over one shared memory, on a clock that is a number.
--
-- Nothing waits and nothing listens; with the same seed the same happens.

local ffi = require "ffi"
require "spec.support.shared"
local upstream = require "spec.support.upstream"

local C = upstream.C
local REFUSED = upstream.fault "upstream-refused"

local simulation = {}

--- Times that have no memory.
---@param mean number seconds
---@return fun(): number
function simulation.exponential(mean)
  return function() return -mean * math.log(1 - math.random()) end
end

--- Times with a heavy tail: Pareto's with the exponent 1.5, at most fifty times the mean.
---@param mean number seconds
---@return fun(): number
function simulation.heavy(mean)
  return function()
    return math.min(50 * mean, mean / 3 / (1 - math.random()) ^ (1 / 1.5))
  end
end

--- The number below which `share` of the list lie.
---@param list number[]
---@param share number
---@return number
function simulation.percentile(list, share)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * share))]
end

---@class Agenda
local Agenda = {}
Agenda.__index = Agenda

--- What is still to happen: each has a time, `at`.
---@return Agenda
function simulation.agenda()
  return setmetatable({}, Agenda)
end

--- A heap: what comes first stands first.
---@param entry table
function Agenda:add(entry)
  local i = #self + 1
  while i > 1 do
    local parent = math.floor(i / 2)
    if self[parent].at <= entry.at then break end
    self[i], i = self[parent], parent
  end
  self[i] = entry
end

local function take(heap)
  local first, last, i = heap[1], table.remove(heap), 1
  while #heap > 0 do
    local child = 2 * i
    if child > #heap then break end
    if child < #heap and heap[child + 1].at < heap[child].at then child = child + 1 end
    if last.at <= heap[child].at then break end
    heap[i], i = heap[child], child
  end
  if #heap > 0 then heap[i] = last end
  return first
end

--- The next that has happened until `now`, or nil.
---@param now number
---@return table|nil
function Agenda:next(now)
  if self[1] and self[1].at <= now then return take(self) end
  return nil
end

---@class Workers
---@field clusters ffi.cdata*[] one upstream, as each worker has it
local Workers = {}
Workers.__index = Workers

--- Workers of one gateway, each with the upstream; close() them in the end.
---@param count integer
---@param weights integer[]               of its targets
---@param options table<string, number>   see driver_set in upstream_driver.c
---@return Workers
function simulation.workers(count, weights, options)
  local self = setmetatable({ drivers = {}, clusters = {} }, Workers)
  self.shared = C.shared_create(ffi.new("struct shared_options", { workers = count }))
  for i = 1, count do
    self.drivers[i] = upstream.driver()
    C.driver_seed(self.drivers[i].driver, 20260101 + i)
    C.driver_share(self.drivers[i].driver, self.shared, i - 1)
  end
  self:configure(weights, options)
  return self
end

--- Gives the upstream these targets and options from now on.
function Workers:configure(weights, options)
  local targets = {}
  for i, weight in ipairs(weights) do targets[i] = { 9000 + i, weight = weight } end
  for i, driver in ipairs(self.drivers) do self.clusters[i] = driver:cluster(targets, options) end
end

function Workers:close()
  for _, driver in ipairs(self.drivers) do driver:close() end
  C.shared_destroy(ffi.new("struct shared *[1]", self.shared))
end

---@class World
---@field rate number                    requests in a second, that come when they come (Poisson)
---@field requests integer
---@field service (fun(): number)[]      by server: seconds that it takes, one request at a time
---@field key (fun(): integer)?          of consistent hashing
---@field status (fun(index: integer, now: number): integer|"refused")?  by index from 0
---@field look (fun(index: integer, now: number, active: table<integer, integer>))?  after a pick

---@class Outcome
---@field counts table<integer, integer> requests by index from 0
---@field seconds number[]                of those that were answered, from asking to the answer
---@field failed integer                  refused, or answered with 500
---@field asked { at: number, index: integer, status: integer|string }[] in order

-- What has been answered until `now`.
local function drain(self, pending, outcome, active, now)
  while true do
    local one = pending:next(now)
    if not one then return end
    local cluster, seconds = self.clusters[one.worker], one.at - one.asked
    C.driver_end(cluster, one.index)
    C.driver_answer(cluster, one.index, one.status, seconds, one.at)
    active[one.index] = active[one.index] - 1
    outcome.seconds[#outcome.seconds + 1] = seconds
  end
end

-- One request of one worker.
local function ask(self, world, state, now)
  local worker = math.random(#self.clusters)
  local cluster = self.clusters[worker]
  local index = C.driver_pick_by(cluster, now, world.key and world.key() or 0, 0)
  local is_trial = C.driver_is_trial(cluster)
  local status = world.status and world.status(index, now) or 200
  if status == "refused" then
    C.driver_fail(cluster, index, REFUSED, is_trial, now)
  else
    C.driver_begin(cluster, index)
    state.active[index] = (state.active[index] or 0) + 1
    local done = math.max(now, state.free[index] or 0) + world.service[index + 1]()
    state.free[index] = done
    state.pending:add { at = done, worker = worker, index = index, asked = now, status = status }
  end
  return index, status
end

--- Lets the workers, each of which gets a request as likely as another, ask the world's servers.
---@param world World
---@return Outcome
function Workers:run(world)
  local outcome = { counts = {}, seconds = {}, failed = 0, asked = {} }
  local state = { pending = simulation.agenda(), free = {}, active = {} }
  local now, wait = self.now or 1, simulation.exponential(1 / world.rate)
  for i = 1, world.requests do
    now = now + wait()
    drain(self, state.pending, outcome, state.active, now)
    local index, status = ask(self, world, state, now)
    outcome.counts[index] = (outcome.counts[index] or 0) + 1
    outcome.asked[i] = { at = now, index = index, status = status }
    if status ~= 200 then outcome.failed = outcome.failed + 1 end
    if world.look then world.look(index, now, state.active) end
  end
  drain(self, state.pending, outcome, state.active, math.huge)
  self.now = now
  return outcome
end

return simulation
