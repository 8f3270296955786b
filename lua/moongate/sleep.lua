--- sleep: lets a request or a task wait; everything else goes on meanwhile.

local core = require "moongate.core.task"
local must_serve = require("moongate.ffi").must_serve

---@param seconds number
return function(seconds)
  must_serve "sleep"
  core.sleep(seconds)
end
