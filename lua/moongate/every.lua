--- every: runs a function again and again, in each worker, until the generation ends.
--
-- For start(): `moongate.every(10, function() ... end)`. The next run begins `seconds` after the
-- last one has ended; what a run raises is logged, and the next one comes all the same.

local core = require "moongate.core.task"
local log = require "moongate.log"
local must_serve = require("moongate.ffi").must_serve

local function repeat_run(seconds, run)
  while true do
    core.sleep(seconds)
    local ok, why = xpcall(run, debug.traceback)
    if not ok then log.error("a repeated task raised: %s", why) end
  end
end

---@param seconds number  above 0
---@param run fun()
return function(seconds, run)
  must_serve "every"
  if not (type(seconds) == "number" and seconds > 0) then
    error("every needs seconds above 0", 2)
  end
  if type(run) ~= "function" then error("every needs a function to run", 2) end
  core.spawn(repeat_run, seconds, run)
end
