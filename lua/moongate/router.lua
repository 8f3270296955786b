--- router: routes as they are written, checked and added to a matcher one by one.
--
-- The matcher stays out of here: a `RouteBuilder` is passed in. Everything that is wrong is
-- reported at once, each where it was written.
--
--     local errors = router.compile(routes, {
--       add = function(pattern) … end,    -- true, or nil and the index of what it conflicts with
--       normalise = function(path) … end, -- uri_normalise_path; nil: malformed
--     })
--
-- A configuration may have a hundred thousand of them, so what most look like is told at a glance,
-- and nothing is made for what is not wrong.

local path_pattern = require "moongate.path_pattern"
local route_host = require "moongate.route_host"
local route_signature = require "moongate.route_signature"

local router = {}

local NONE = {}

-- Header, query and SNI conditions of one route, as in runtime/gateway/route_matcher.h.
router.CONDITIONS_MAX = 64
router.PRIORITY_MAX = 2 ^ 31 - 1

---@class RouteSource  one route, as config.lua has it (see ModelRoute)
---@field name string?          what messages call it; by default methods and path
---@field methods string[]?     none: any
---@field path string
---@field hosts string[]?
---@field headers table<string, string|true>?
---@field query table<string, string|true>?
---@field sni string?
---@field when function?
---@field priority integer?
---@field at string             "routes/users.lua:12"

---@class RoutePattern  what a builder is given, normalised: see struct route_pattern
---@field index integer         in the list of routes, from 1
---@field route RouteSource
---@field priority integer
---@field hosts string[]        lower case
---@field methods string[]
---@field path string
---@field headers table<string, string|true>
---@field query table<string, string|true>
---@field sni string            "": any
---@field has_when boolean

---@class RouteBuilder
---@field add fun(pattern: RoutePattern): boolean?, integer|string|nil  the second: see `compile`
---@field normalise fun(path: string): string?
---@field is_plain (fun(path: string): boolean)?  whether it is right and normal, at a glance

---@class RouteError
---@field at string
---@field message string

-- What is wrong with the route that is being checked; nil: nothing so far.
local messages

local function report(message)
  if not message then return end
  messages = messages or {}
  messages[#messages + 1] = message
end

local function check_methods(methods)
  if route_signature.METHODS[methods[1]] and not methods[2] then return end
  local seen = {}
  for _, method in ipairs(methods) do
    report(route_signature.method_error(method))
    if seen[method] then report(("method %s is given twice"):format(method)) end
    seen[method] = true
  end
end

local function check_hosts(route)
  if not route.hosts or not route.hosts[1] then return NONE end
  local hosts, seen = {}, {}
  for _, text in ipairs(route.hosts) do
    local host, message = route_host.parse(text)
    report(message)
    if host and seen[host] then report(("host \"%s\" is given twice"):format(text)) end
    if host then
      seen[host] = true
      hosts[#hosts + 1] = host
    end
  end
  return hosts
end

-- RFC 9110, 5.5: other values never come.
local function is_field_value(value)
  return not value:find "[%z\1-\8\10-\31\127]" and not value:find "^[ \t]"
    and not value:find "[ \t]$"
end

local function value_error(what, name, value)
  if value == true then return nil end
  if type(value) ~= "string" then
    return ("%s \"%s\" is a %s; expected a string, or true for any value")
      :format(what, name, type(value))
  elseif what == "header" and not is_field_value(value) then
    return ("header \"%s\" has a value that no field can have"):format(name)
  end
  return nil
end

-- Header names are tokens (RFC 9110, 5.6.2) in any case; a parameter may be called anything but "".
local function is_name(what, name)
  if type(name) ~= "string" or name == "" then return false end
  return what ~= "header" or not name:find "[^%w!#$%%&'*+%-.^_`|~]"
end

local function check_conditions(what, map)
  if next(map) == nil then return 0 end
  local seen, count = {}, 0
  for name, value in pairs(map) do
    local key = what == "header" and tostring(name):lower() or name
    if not is_name(what, name) then
      report(("%s \"%s\" is not a name"):format(what, tostring(name)))
    elseif seen[key] then
      report(("%s \"%s\" is given twice"):format(what, name))
    else
      report(value_error(what, name, value))
    end
    seen[key] = true
    count = count + 1
  end
  return count
end

local function check_sni(route)
  if not route.sni then return "" end
  local name, message = route_host.parse(route.sni)
  report(message and "sni: " .. message)
  return name or ""
end

local function check_priority(route)
  local priority = route.priority or 0
  local is_whole = type(priority) == "number" and priority % 1 == 0
  if not is_whole or math.abs(priority) > router.PRIORITY_MAX then
    report(("priority is %s; expected a whole number"):format(tostring(priority)))
  end
  return priority
end

local function check_path(route, builder)
  local path = route.path
  if builder.is_plain and builder.is_plain(path) then return path end
  local pattern, message = path_pattern.parse(path, builder.normalise)
  report(message and ("path \"%s\" %s"):format(path, message))
  return pattern and pattern.path or path
end

local function check_all_conditions(headers, query)
  local conditions = check_conditions("header", headers)
    + check_conditions("query parameter", query)
  if conditions >= router.CONDITIONS_MAX then
    report(("has %d conditions; at most %d"):format(conditions, router.CONDITIONS_MAX - 1))
  end
end

--- Checks what a route has beside methods and path, which many may have in common.
---@param route RouteSource
---@return RoutePattern pattern  without methods and path
---@return string[] messages     what is wrong
function router.check_conditions(route)
  messages = nil
  local pattern = {
    priority = check_priority(route), hosts = check_hosts(route), sni = check_sni(route),
    headers = route.headers or NONE, query = route.query or NONE,
  }
  check_all_conditions(pattern.headers, pattern.query)
  return pattern, messages or NONE
end

--- Completes a pattern with what the route alone has.
---@param pattern RoutePattern
---@param route RouteSource
---@param builder RouteBuilder
---@return string[] messages  what is wrong
function router.complete(pattern, route, builder)
  messages = nil
  local methods = route.methods or NONE
  check_methods(methods)
  pattern.route, pattern.methods, pattern.has_when = route, methods, route.when ~= nil
  pattern.path = check_path(route, builder)
  return messages or NONE
end

--- What messages call a route.
---@param route RouteSource
---@return string
function router.name(route)
  if route.name then return route.name end
  local methods = table.concat(route.methods or NONE, ",")
  return methods == "" and route.path or methods .. " " .. route.path
end

local function conflict_message(route, other)
  if type(other) ~= "table" then
    return ("route \"%s\": %s"):format(router.name(route), other
      or "too many routes have the same host and path; tell them apart by one of these")
  end
  return ("route \"%s\" cannot be told apart from \"%s\" at %s; %s"):format(router.name(route),
    router.name(other), other.at, "give one a priority, a host or a condition")
end

--- Adds what `check` has found to be right: nil, or what is in its way.
---@param pattern RoutePattern
---@param builder RouteBuilder
---@param routes RouteSource[]?  by the builder's numbers
---@return string? message
function router.add(pattern, builder, routes)
  local added, conflict = builder.add(pattern)
  if added then return nil end
  return conflict_message(pattern.route, routes and routes[conflict] or conflict)
end

local function add_errors(errors, route, list)
  for _, message in ipairs(list) do errors[#errors + 1] = { at = route.at, message = message } end
end

--- Checks all routes and adds those that are right.
--
-- `builder.add` returns true, or nil with what is in the way: the index of the route that cannot be
-- told apart, a text, or nothing when ROUTE_MATCHER_CANDIDATES_MAX have that host and path.
---@param routes RouteSource[]
---@param builder RouteBuilder
---@return RouteError[] errors  empty: all are added
function router.compile(routes, builder)
  local errors = {}
  for index, route in ipairs(routes) do
    local pattern, wrong = router.check_conditions(route)
    local further = router.complete(pattern, route, builder)
    add_errors(errors, route, further)
    add_errors(errors, route, wrong)
    if #wrong + #further == 0 then
      pattern.index = index
      local message = router.add(pattern, builder, routes)
      if message then errors[#errors + 1] = { at = route.at, message = message } end
    end
  end
  return errors
end

return router
