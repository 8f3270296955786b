--- thread_states: since when threads have been running, runnable (waiting for a processor) or
--- sleeping, and for how long of any time.

---@class ThreadStates
local ThreadStates = {}
ThreadStates.__index = ThreadStates

local thread_states = {}

--- Of these threads; none is known yet.
---@param tids integer[]
---@return ThreadStates
function thread_states.new(tids)
  local self = setmetatable({ changes = {} }, ThreadStates)
  for _, tid in ipairs(tids) do self.changes[tid] = {} end
  return self
end

--- A thread is in another state from then on; other threads' are left out.
---@param tid integer
---@param state "running"|"runnable"|"sleeping"
---@param at number  milliseconds; not before that of the last
function ThreadStates:on_state(tid, state, at)
  local list = self.changes[tid]
  if list then list[#list + 1] = { state = state, at = at } end
end

--- Since when the state of each is known.
---@return number milliseconds; math.huge: that of one is not
function ThreadStates:known_since()
  local since = 0
  for _, list in pairs(self.changes) do
    since = math.max(since, list[1] and list[1].at or math.huge)
  end
  return since
end

-- The place of the last change that is not behind it.
local function place_of(list, at)
  local low, high = 0, #list
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if list[middle].at <= at then low = middle else high = middle - 1 end
  end
  return low
end

--- How long a thread was in each state, in milliseconds.
---@param tid integer
---@param from number  milliseconds, not before known_since()
---@param to number    milliseconds
---@return { running: number, runnable: number, sleeping: number }
function ThreadStates:between(tid, from, to)
  local spent, list = { running = 0, runnable = 0, sleeping = 0 }, self.changes[tid]
  local place = place_of(list, from)
  while from < to do
    local next_change, state = list[place + 1], list[place].state
    local till = math.min(to, next_change and next_change.at or to)
    spent[state] = spent[state] + till - from
    from, place = till, place + 1
  end
  return spent
end

return thread_states
