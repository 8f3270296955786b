--- wait: waiting for something to become true, never longer than said.

local system = require "spec.support.system"

local wait = {}

local LEAST_SECONDS = 60

local function bound_of(seconds)
  if seconds and seconds < 1 then return seconds end
  return math.max(seconds or 0, LEAST_SECONDS)
end

--- Calls `condition` until it returns something true, which it returns.
--
-- A sanitized build on a busy machine is many times slower than a bare one, so
-- the bound is for what hangs, not for what is slow: it is a minute at least, or
-- the part of a second that is said. A condition that raises is
-- not true yet, as one that looks into what is not there for a moment does; what
-- it raised last is named when time is up.
---@param condition fun(): any
---@param seconds number?
---@param what string? named in the error when time is up
---@return any
function wait.that(condition, seconds, what)
  seconds = bound_of(seconds)
  local deadline = system.now() + seconds
  local pause = 0.001
  while true do
    local fine, value = pcall(condition)
    if fine and value then return value end
    if system.now() > deadline then
      local raised = fine and "" or ("; it raised: " .. tostring(value))
      error(("waited %g s for %s%s"):format(seconds, what or "a condition", raised), 2)
    end
    system.sleep(pause)
    pause = math.min(pause * 2, 0.05)
  end
end

return wait
