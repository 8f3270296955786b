--- fetch_target: what core.call knows the host of a URL by.

local core = require "moongate.core.fetch"

-- By authority and scheme, so that a URL is looked up once.
local targets, target_count = {}, 0
local TARGETS_MAX = 1024

--- Only while the gateway serves.
---@param scheme "http"|"https"
---@param authority string  an upstream's name, or a host
---@return integer|false|nil target  nil when there are too many; false when it is no authority
return function(scheme, authority)
  local key = scheme .. "://" .. authority
  if targets[key] then return targets[key] end
  local target, why = core.target(authority, scheme == "https")
  if why == false then return false end
  if target and target_count < TARGETS_MAX then
    targets[key] = target
    target_count = target_count + 1
  end
  return target
end
