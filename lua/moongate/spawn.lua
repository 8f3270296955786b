--- spawn: starts a task of its own, which lives until it returns or its generation ends.
--
-- It runs at once, up to its first wait. What it raises is logged. It has no request: what it
-- needs of one is given to it as arguments.

local core = require "moongate.core.task"
local must_serve = require("moongate.ffi").must_serve

---@param run fun(...)
---@param ... any
return function(run, ...)
  must_serve "spawn"
  core.spawn(run, ...)
end
