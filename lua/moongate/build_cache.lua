--- build_cache: tells C how routes want their answers to be cached.

local bridge = require "moongate.ffi"
local has = require("moongate.list").has

local C = bridge.C

local build_cache = {}

local SET_COOKIE = { pass = 0, strip = 1, store = 2 }
local QUERY = { all = 0, sorted = 1, none = 3 }
local LISTED = 2

local function add_conditions(builder, which, conditions)
  if not conditions then return end
  for at, kind in ipairs { "headers", "cookies", "query" } do
    for name, value in pairs(conditions[kind] or {}) do
      builder:pair(which + at - 1, name, value ~= true and value or nil)
    end
  end
end

local function add_lifetimes(builder, policy)
  for status, ttl in pairs(policy.statuses) do
    builder:text(C.MOON_BUILD_CACHE_STATUS, status)
    builder:number(C.MOON_BUILD_CACHE_STATUS_TTL, ttl)
  end
  builder:number(C.MOON_BUILD_CACHE_TTL, policy.ttl)
  builder:number(C.MOON_BUILD_CACHE_TTL_FORCED, policy.force_ttl)
  builder:number(C.MOON_BUILD_CACHE_TTL_MAX, policy.max_ttl)
  builder:number(C.MOON_BUILD_CACHE_HEURISTIC, policy.heuristic)
  builder:number(C.MOON_BUILD_CACHE_HEURISTIC_MAX, policy.max_heuristic)
  builder:number(C.MOON_BUILD_CACHE_GRACE, policy.grace)
  builder:number(C.MOON_BUILD_CACHE_STALE_IF_ERROR, policy.stale_if_error)
  builder:number(C.MOON_BUILD_CACHE_KEEP, policy.keep)
  builder:number(C.MOON_BUILD_CACHE_AFTER_S_MAXAGE, policy.stale_after_s_maxage)
end

local function add_key(builder, key)
  if not key then return end
  local query = key.query
  if type(query) == "table" then
    builder:texts(C.MOON_BUILD_CACHE_QUERY_NAME, query)
    builder:number(C.MOON_BUILD_CACHE_QUERY, LISTED)
  else
    builder:number(C.MOON_BUILD_CACHE_QUERY, QUERY[query])
  end
  builder:texts(C.MOON_BUILD_CACHE_KEY_HEADER, key.headers)
  builder:texts(C.MOON_BUILD_CACHE_KEY_COOKIE, key.cookies)
  builder:number(C.MOON_BUILD_CACHE_BY_CONSUMER, key.consumer)
end

local RANGE_PASSED = { whole = 0, pass = 1 }

local function add_methods(builder, methods)
  builder:number(C.MOON_BUILD_CACHE_GETS, has(methods, "GET") and 1 or 0)
  builder:number(C.MOON_BUILD_CACHE_HEADS, has(methods, "HEAD") and 1 or 0)
  builder:number(C.MOON_BUILD_CACHE_POSTS, has(methods, "POST") and 1 or 0)
end

local function add_admission(builder, policy)
  add_methods(builder, policy.methods)
  add_conditions(builder, C.MOON_BUILD_BYPASS_HEADER, policy.bypass)
  add_conditions(builder, C.MOON_BUILD_NO_STORE_HEADER, policy.no_store)
  builder:number(C.MOON_BUILD_CACHE_SET_COOKIE, SET_COOKIE[policy.set_cookie])
  builder:number(C.MOON_BUILD_CACHE_OBEYS_CLIENTS, policy.obey_clients and 1 or 0)
  builder:number(C.MOON_BUILD_CACHE_RANGE_PASSED, RANGE_PASSED[policy.ranges])
  builder:number(C.MOON_BUILD_CACHE_OBJECT_MAX, policy.max_object)
end

local function add_fields(builder, policy)
  builder:text(C.MOON_BUILD_CACHE_NAME, policy.name)
  builder:texts(C.MOON_BUILD_CACHE_TARGETED, policy.targeted)
  builder:text(C.MOON_BUILD_CACHE_TAGS, policy.tags)
  builder:number(C.MOON_BUILD_CACHE_TAGS_HIDDEN, policy.hide_tags)
  builder:number(C.MOON_BUILD_CACHE_STATUS_SHOWN, policy.cache_status and 1 or 0)
  builder:number(C.MOON_BUILD_CACHE_KEY_SHOWN, policy.show_key)
end

local function add_policy(builder, policy, at)
  builder:begin(C.MOON_OBJECT_CACHE_POLICY, at)
  add_lifetimes(builder, policy)
  add_key(builder, policy.key)
  add_admission(builder, policy)
  add_fields(builder, policy)
  return builder:finish_or_report "cache"
end

--- The index of a route's cache policy: that of the last of its plugins that has one.
---@param builder table
---@param route ModelRoute
---@return integer?  nil: its answers are not cached
---@return boolean is_conditional  only of requests for which the plugin's `when` returns true
function build_cache.add(builder, route)
  local known, index, is_conditional = builder.cache_policies, nil, false
  for _, step in ipairs(route.plugins) do
    if step.plugin.cache_policy then
      index = known[step.instance]
      is_conditional = step.when ~= nil
      if not index then
        index = add_policy(builder, step.plugin.cache_policy(step.instance), route.at)
        known[step.instance] = index
      end
    end
  end
  return index, is_conditional
end

--- Tells of a route that has begun which policy it has.
---@param builder table
---@param index integer?
---@param is_conditional boolean
function build_cache.describe(builder, index, is_conditional)
  builder:number(C.MOON_BUILD_CACHE, index)
  builder:number(C.MOON_BUILD_CACHE_ASKED, is_conditional)
end

return build_cache
