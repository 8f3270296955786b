--- limit: rate limits that hold exactly over all workers (GCRA), by name and scope.
--
--     local limit = moongate.limit.gcra { name = "login", limit = 5, window = 60 }
--     local allowed, left, wait = limit:take(req.address)
--
-- What was used belongs to the name and the scope: a reload that changes the numbers keeps it.

local bridge = require "moongate.ffi"

local type = type
local C, must_serve = bridge.C, bridge.must_serve

-- Beyond it doubles are no longer exact.
local WHOLE_MAX = 2 ^ 53

---@class moongate.limit
local limit = {}

---@class Limit
---@field name string
---@field limit number     units in a window
---@field window number    seconds
---@field burst number     units that may be used at once
local Limit = {}
Limit.__index = Limit

-- Reused by every call: nothing may wait between a C call and reading them.
local keys = bridge.new "struct slice[2]"
local numbers = bridge.new "double[3]"

local function is_whole(number, least)
  return type(number) == "number" and number >= least and number < WHOLE_MAX and number % 1 == 0
end

--- A limit; made when a plugin is loaded. Its burst is the limit unless another is given.
---@param options { name: string, limit: integer, window: number, burst: integer? }
---@return Limit
function limit.gcra(options)
  local burst, window = options.burst or options.limit, options.window
  if type(options.name) ~= "string" then error("a limit needs a name", 2) end
  if not (is_whole(options.limit, 1) and is_whole(burst, 1)) then
    error("a limit and its burst are whole numbers above 0", 2)
  end
  if not (type(window) == "number" and window > 0 and window < math.huge) then
    error("a limit needs a window above 0 seconds", 2)
  end
  return setmetatable({
    name = options.name, limit = options.limit, window = options.window, burst = burst,
  }, Limit)
end

--- Takes from the allowance of a scope.
---@param scope string   whose allowance: a consumer, an address; at most a few hundred bytes
---@param cost integer?  units, default 1; 0 only looks
---@return boolean allowed
---@return number remaining  units that would be allowed at once now
---@return number wait       seconds until the same may succeed; 0 when allowed, infinity: never
---@return number reset      seconds until all of the allowance is back
function Limit:take(scope, cost)
  must_serve "a limit"
  cost = cost or 1
  if not is_whole(cost, 0) then error("the cost is no whole number from 0 on", 2) end
  if type(scope) ~= "string" then error("the scope of a limit is a string", 2) end
  local name = self.name
  keys[0].start, keys[0].length = name, #name
  keys[1].start, keys[1].length = scope, #scope
  local outcome = C.moon_limit_take(bridge.generation, keys, self.limit, self.window, self.burst,
    cost, numbers)
  if outcome < 0 then error(("the numbers of limit %q are out of range"):format(name), 2) end
  return outcome == 0, numbers[0], numbers[1], numbers[2]
end

return limit
