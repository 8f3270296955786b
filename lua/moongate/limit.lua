--- limit: limits of rates that hold exactly over all workers, by name and scope.
--
--     local limit = moongate.limit.gcra { name = "login", limit = 5, window = 60 }
--     local allowed, left, wait = limit:take(req.address)
--
-- What was used belongs to the name and the scope: a reload that changes the numbers keeps it;
-- with another algorithm it begins anew.

local bridge = require "moongate.ffi"
local scope_of = require "moongate.scope"

local type = type
local C, must_serve = bridge.C, bridge.must_serve

-- Beyond it doubles are no longer exact.
local WHOLE_MAX = 2 ^ 53
-- As shm/limiter_window.h has them.
local COUNT_MAX, SECONDS_MAX = 2 ^ 30 - 1, 2 ^ 31

---@class moongate.limit
local limit = {}

---@class Limit
---@field name string
---@field limit number     units in a window
---@field window number    seconds
---@field burst number?    units that may be used at once (GCRA)
---@field how integer      for limit_rules.lua
---@field take fun(self: Limit, scope: string, cost: integer?): boolean, number, number, number
---@field give fun(self: Limit, scope: string, cost: integer?)

-- A field more would make tables of twice the size: there may be one for each of many routes.
---@class RateLimit: Limit
local Rate = { how = C.MOON_LIMIT_GCRA }
Rate.__index = Rate

---@class WindowLimit: Limit
---@field how integer  of enum moon_window
local Window = {}
Window.__index = Window

-- Reused by every call: nothing may wait between a C call and reading them.
local numbers = bridge.new "double[3]"

local function is_whole(number, least)
  return type(number) == "number" and number >= least and number < WHOLE_MAX and number % 1 == 0
end

local function check(options)
  local window = options.window
  if type(options.name) ~= "string" then error("a limit needs a name", 3) end
  if not (is_whole(options.limit, 1) and is_whole(options.burst or 1, 1)) then
    error("a limit and its burst are whole numbers above 0", 3)
  end
  if not (type(window) == "number" and window > 0 and window < math.huge) then
    error("a limit needs a window above 0 seconds", 3)
  end
end

--- A limit whose allowance comes back evenly; made when a plugin is loaded. Its burst is the limit
--- unless another is given.
---@param options { name: string, limit: integer, window: number, burst: integer? }
---@return Limit
function limit.gcra(options)
  check(options)
  return setmetatable({ name = options.name, limit = options.limit, window = options.window,
    burst = options.burst or options.limit }, Rate)
end

local function window_limit(options, how)
  check(options)
  if not is_whole(options.window, 1) or options.window > SECONDS_MAX then
    error("a window that counts has whole seconds", 3)
  end
  if options.limit > COUNT_MAX then
    error(("a window counts up to %d"):format(COUNT_MAX), 3)
  end
  return setmetatable({ name = options.name, limit = options.limit, window = options.window,
    how = how }, Window)
end

--- A limit that counts from one multiple of the window to the next (of the epoch, in UTC).
---@param options { name: string, limit: integer, window: integer }
---@return Limit
function limit.fixed(options) return window_limit(options, C.MOON_WINDOW_FIXED) end

--- A limit that counts in the same windows, and adds what was used in the one before as far as that
--- still overlaps with the last so many seconds.
---@param options { name: string, limit: integer, window: integer }
---@return Limit
function limit.sliding(options) return window_limit(options, C.MOON_WINDOW_SLIDING) end

-- Names given to limits, by their kind and route.
local names_of = {}

--- A name for a limit that has none, while plugins are loaded: the route's, with a number from the
--- second of a kind on, so that each has what is its own.
---@param kind string   the plugin's name
---@param route string  as new() is told it
---@return string
function limit.own_name(kind, route)
  local name = route ~= "" and route or "use"
  local names = names_of[kind] or {}
  names_of[kind] = names
  names[name] = (names[name] or 0) + 1
  return names[name] == 1 and name or ("%s (%d)"):format(name, names[name])
end

local function keys_of(name, scope, cost)
  must_serve "a limit"
  if not is_whole(cost, 0) then error("the cost is no whole number from 0 on", 3) end
  return scope_of.keys(name, scope) or error("the scope of a limit is a string", 3)
end

--- Takes from the allowance of a scope.
---@param scope string   whose allowance: a consumer, an address; at most a few hundred bytes
---@param cost integer?  units, default 1; 0 only looks
---@return boolean allowed
---@return number remaining  units that would be allowed at once now
---@return number wait       seconds until the same may succeed; 0 when allowed, infinity: never
---@return number reset      seconds until all of the allowance is back
function Rate:take(scope, cost)
  cost = cost or 1
  local outcome = C.moon_limit_take(bridge.generation, keys_of(self.name, scope, cost), self.limit,
    self.window, self.burst, cost, numbers)
  if outcome < 0 then error(("the numbers of limit %q are out of range"):format(self.name), 2) end
  return outcome == 0, numbers[0], numbers[1], numbers[2]
end

--- Gives back what take() has just charged.
---@param scope string
---@param cost integer?  as of take()
function Rate:give(scope, cost)
  cost = cost or 1
  C.moon_limit_give(bridge.generation, keys_of(self.name, scope, cost), self.limit, self.window,
    self.burst, cost)
end

function Window:take(scope, cost)
  cost = cost or 1
  local outcome = C.moon_window_take_now(bridge.generation, keys_of(self.name, scope, cost),
    self.how, self.limit, self.window, cost, numbers)
  if outcome < 0 then error(("the numbers of limit %q are out of range"):format(self.name), 2) end
  return outcome == 0, numbers[0], numbers[1], numbers[2]
end

function Window:give(scope, cost)
  cost = cost or 1
  C.moon_window_give_now(bridge.generation, keys_of(self.name, scope, cost), self.how, self.limit,
    self.window, cost)
end

return limit
