--- build_routes: tells C what routes say, of each only what the one before did not say.
--
-- Routes come by the thousand, from loops and groups, and most differ in their name and path alone:
-- to say the rest once more would be most of what it takes to build one.

local bridge = require "moongate.ffi"
local build_cache = require "moongate.build_cache"
local build_deadline = require "moongate.build_deadline"
local build_upstreams = require "moongate.build_upstreams"
local criticality = require "moongate.criticality"

local C, found = bridge.C, bridge.found

local build_routes = {}

local function add_conditions(builder, which, conditions)
  for name, value in pairs(conditions) do
    builder:pair(which, name, value ~= true and value or nil)
  end
end

-- What tells a route from others.
local function describe_pattern(builder, pattern)
  builder:text(C.MOON_BUILD_ROUTE_NAME, pattern.route.name)
  builder:text(C.MOON_BUILD_PATH, pattern.path)
  builder:texts(C.MOON_BUILD_HOST, pattern.hosts)
  builder:texts(C.MOON_BUILD_METHOD, pattern.methods)
  add_conditions(builder, C.MOON_BUILD_HEADER, pattern.headers)
  add_conditions(builder, C.MOON_BUILD_QUERY, pattern.query)
  builder:text(C.MOON_BUILD_SNI, pattern.sni)
  builder:number(C.MOON_BUILD_PRIORITY, pattern.priority)
  builder:number(C.MOON_BUILD_HAS_WHEN, pattern.has_when)
end

local function describe_route(builder, route, shape)
  local timeout = route.timeout or {}
  builder:text(C.MOON_BUILD_REWRITE, route.rewrite)
  builder:text(C.MOON_BUILD_UPSTREAM_HOST, route.upstream_host)
  builder:number(C.MOON_BUILD_CLUSTER, builder.clusters[route.upstream])
  builder:number(C.MOON_BUILD_CONNECT_SECONDS, timeout.connect)
  builder:number(C.MOON_BUILD_RESPONSE_SECONDS, timeout.response)
  builder:number(C.MOON_BUILD_BODY_IDLE_SECONDS, timeout.idle)
  builder:number(C.MOON_BUILD_TOTAL_SECONDS, timeout.total)
  builder:number(C.MOON_BUILD_RETRIES, route.retries)
  build_upstreams.describe_breaker(builder, route.breaker)
  build_upstreams.describe_hedge(builder, route.hedge)
  build_deadline(builder, route.deadline)
  builder:number(C.MOON_BUILD_BODY_MAX, route.body_limit)
  builder:number(C.MOON_BUILD_UPGRADE, route.upgrade)
  local matters = route.criticality
  builder:number(C.MOON_BUILD_CRITICALITY, type(matters) == "number" and matters)
  builder:number(C.MOON_BUILD_CRITICALITY_ASKED, criticality.is_asked(route, builder.model))
  builder:number(C.MOON_BUILD_PHASES, shape.mask)
  builder:number(C.MOON_BUILD_CHAIN, shape.number)
end

-- Whether it is made of the same mold (config/route_mold.lua), and what it has beside that is the
-- same: C has been told all but its name, path and place.
local function is_like(last, pattern, shape)
  return last.pattern == pattern and last.methods == pattern.methods
    and last.has_when == pattern.has_when and last.rewrite == pattern.route.rewrite
    and last.shape == shape
end

local function keep(last, pattern, shape)
  last.pattern, last.methods = pattern, pattern.methods
  last.has_when, last.rewrite, last.shape = pattern.has_when, pattern.route.rewrite, shape
end

local function add_whole(builder, pattern, shape, is_admin)
  local route = pattern.route
  local cache_policy, is_conditional = build_cache.add(builder, route)
  builder:begin(C.MOON_OBJECT_ROUTE, route.at)
  describe_pattern(builder, pattern)
  describe_route(builder, route, shape)
  build_cache.describe(builder, cache_policy, is_conditional)
  builder:number(C.MOON_BUILD_IS_ADMIN, is_admin)
  return builder:finish()
end

local function add_like_last(builder, path, route)
  local name, at = route.name, route.at
  local index = C.moon_build_like_last(builder.generation, name, #name, path, #path, at, #at, found)
  if index >= 0 then return index end
  return nil, bridge.text()
end

--- Adds a route; its index, or nil with what is in its way.
---@param builder table     of build.lua
---@param pattern RoutePattern
---@param shape Shape       of its plugins
---@param may_cache boolean  one of them may say how answers are cached, which is not compared
---@param is_admin boolean
---@return integer? index
---@return string? message
function build_routes.add(builder, pattern, shape, may_cache, is_admin)
  if builder.has_last and not may_cache and is_like(builder.last, pattern, shape) then
    return add_like_last(builder, pattern.path, pattern.route)
  end
  local index, message = add_whole(builder, pattern, shape, is_admin)
  builder.has_last = not may_cache and not is_admin
  if builder.has_last then keep(builder.last, pattern, shape) end
  return index, message
end

--- Where something was wrong already, and the generation is good for nothing: routes that cannot be
--- told apart are found all the same.
---@param builder table  of build.lua
---@param pattern RoutePattern
---@return integer? index
---@return string? message
function build_routes.add_pattern(builder, pattern)
  builder:begin(C.MOON_OBJECT_ROUTE, pattern.route.at)
  describe_pattern(builder, pattern)
  return builder:finish()
end

return build_routes
