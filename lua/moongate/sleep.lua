--- sleep: lets a request or a task wait; everything else goes on meanwhile.

local core = require "moongate.core.task"

---@param seconds number
return function(seconds)
  core.sleep(seconds)
end
