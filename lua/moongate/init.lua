--- moongate: what a plugin has: `local moongate = require "moongate"`.
--
-- Libraries are loaded when they are first named, so that a state holds only what its plugins use.
-- Name them at the top of a plugin: while a request runs, nothing can be loaded that waits.

---@class moongate
---@field reply moongate.reply
---@field consumers moongate.consumers
---@field json moongate.json
---@field log moongate.log
---@field fetch fun(request: table|string): table?, string?
---@field all fun(...): ...
---@field sleep fun(seconds: number)
---@field spawn fun(run: function, ...)
---@field every fun(seconds: number, run: function)
---@field counter table
---@field limit table
---@field address_set fun(blocks: string[]): AddressSet?, string?
---@field dict table
---@field metrics table
---@field crypto table
---@field uri table
---@field time table
local moongate = {}

return setmetatable(moongate, {
  __index = function(self, name)
    local library = require("moongate." .. name)
    rawset(self, name, library)
    return library
  end,
})
