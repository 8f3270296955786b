--- process_states: since when threads have run, waited for a processor or slept, and for how long
-- of any time.

---@class ProcessStates
local ProcessStates = {}
ProcessStates.__index = ProcessStates

local process_states = {}

--- None are known yet.
---@return ProcessStates
function process_states.new() return setmetatable({ threads = {} }, ProcessStates) end

--- A thread is in another state from then on.
---@param pid integer
---@param state "runs"|"waits"|"sleeps"
---@param at number  not before that of the last
function ProcessStates:on_state(pid, state, at)
  local list = self.threads[pid] or {}
  list[#list + 1] = { state = state, at = at }
  self.threads[pid] = list
end

-- The place of the last change that is not behind it; 0: none.
local function place_of(list, at)
  local low, high = 0, #list
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if list[middle].at <= at then low = middle else high = middle - 1 end
  end
  return low
end

--- How long a thread was in each state.
---@param pid integer
---@param from number
---@param to number
---@return { runs: number, waits: number, sleeps: number }
function ProcessStates:between(pid, from, to)
  local spent, list = { runs = 0, waits = 0, sleeps = 0 }, self.threads[pid] or {}
  local place = place_of(list, from)
  while from < to do
    local next_change = list[place + 1]
    local till = math.min(to, next_change and next_change.at or to)
    local state = list[place] and list[place].state or "runs"
    spent[state] = spent[state] + till - from
    from, place = till, place + 1
  end
  return spent
end

return process_states
