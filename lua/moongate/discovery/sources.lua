--- sources: what this generation discovers targets by.

---@class DiscoverySource
---@field name string     of the upstream
---@field key string      the same for the same question about the same upstream, and no other
---@field text string     for people: "dns orders.internal:8080"
---@field options table   as discover_schema.lua has it
---@field zone string?    where the gateway is
---@field leads boolean?  this state is the one that asks
---@field term integer?   how often it has become that
---@field applied integer? number of the list that is in force here

---@class moongate.discovery.sources
---@field list DiscoverySource[]
return { list = {} }
