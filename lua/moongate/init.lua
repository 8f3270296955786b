--- moongate: what a plugin has: `local moongate = require "moongate"`.
--
-- Libraries are loaded when they are first named, so that a state holds only what its plugins use.
-- Name them at the top of a plugin: while a request runs, nothing can be loaded that waits.

---@class moongate
---@field reply moongate.reply
---@field consumers moongate.consumers
---@field auth moongate.auth
---@field passwords moongate.passwords
---@field json moongate.json
---@field log moongate.log
---@field fetch fun(request: FetchOptions|string): FetchAnswer?, string?, string?
---@field all fun(functions: table<any, fun(): any, string?>): table, table
---@field sleep fun(seconds: number)
---@field spawn fun(run: function, ...)
---@field every fun(seconds: number, run: fun())
---@field counter fun(name: string, help: string?): MetricFamily
---@field limit moongate.limit
---@field quota moongate.quota
---@field time_zone moongate.time_zone
---@field slots fun(options: { name: string, limit: integer }): Slots
---@field address_set fun(blocks: string[]): AddressSet?, string?
---@field store fun(name: string): Store
---@field dict fun(name: string): Dict
---@field metrics moongate.metrics
---@field by moongate.by
---@field crypto moongate.crypto
---@field jwt moongate.jwt
---@field bearer moongate.bearer
---@field cache fun(name: string): Cache
---@field http_cache moongate.http_cache
---@field uri moongate.uri
---@field time moongate.time
local moongate = {}

return setmetatable(moongate, {
  __index = function(self, name)
    local library = require("moongate." .. name)
    rawset(self, name, library)
    return library
  end,
})
