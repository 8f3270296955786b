--- build_cache: tells C how routes want their answers to be cached.

local bridge = require "moongate.ffi"

local C = bridge.C

local build_cache = {}

local function add_policy(builder, policy, at)
  builder:begin(C.MOON_OBJECT_CACHE_POLICY, at)
  builder:number(C.MOON_BUILD_CACHE_TTL, policy.ttl)
  return builder:finish_or_report "cache"
end

--- The index of a route's cache policy: that of the last of its plugins that has one.
---@param builder table
---@param route ModelRoute
---@return integer?  nil: its answers are not cached
function build_cache.add(builder, route)
  local known, index = builder.cache_policies, nil
  for _, step in ipairs(route.plugins) do
    if step.plugin.cache_policy then
      index = known[step.instance]
      if not index then
        index = add_policy(builder, step.plugin.cache_policy(step.instance), route.at)
        known[step.instance] = index
      end
    end
  end
  return index
end

return build_cache
