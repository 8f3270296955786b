--- matcher: route matchers made and asked from tables.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local C = runtime.C

runtime.include "gateway/route_matcher.h"

---@class Matcher
---@field handle ffi.cdata*
---@field arena ffi.cdata*
local Matcher = {}
Matcher.__index = Matcher

local matcher = {}

local MISSES = {
  [0] = "none", "host", "path", "method", "header", "query", "server name",
}
local OUTCOMES = { [0] = "found", "not found", "method not allowed" }

---@return Matcher
function matcher.new()
  return setmetatable({ handle = C.route_matcher_create(), arena = runtime.new_arena() }, Matcher)
end

-- Everything that C reads while a call lasts; a slice does not keep its bytes alive.
local function slices(list, kept)
  local array = ffi.new("struct slice[?]", math.max(#list, 1))
  for i, text in ipairs(list) do array[i - 1] = runtime.slice(text) end
  kept[#kept + 1] = array
  return array, #list
end

local function conditions(map, kept)
  local array, count = ffi.new("struct route_condition[?]", 64), 0
  for name, value in pairs(map) do
    array[count].name = runtime.slice(name)
    if value ~= true then array[count].value = runtime.slice(value) end
    count = count + 1
  end
  kept[#kept + 1] = array
  return array, count
end

--- Adds a route: methods, path, hosts, headers, query, sni, when, priority.
---@param index integer
---@param route table
---@return boolean added
---@return integer|nil conflict
function Matcher:add(index, route)
  local kept, pattern = {}, ffi.new "struct route_pattern"
  local conflict = ffi.new "uint32_t[1]"
  pattern.route = index
  pattern.priority = route.priority or 0
  pattern.hosts, pattern.host_count = slices(route.hosts or {}, kept)
  pattern.methods, pattern.method_count = slices(route.methods or {}, kept)
  pattern.headers, pattern.header_count = conditions(route.headers or {}, kept)
  pattern.queries, pattern.query_count = conditions(route.query or {}, kept)
  pattern.path = runtime.slice(route.path)
  pattern.server_name = runtime.slice(route.sni or "")
  pattern.has_when = route.when ~= nil
  local added = C.route_matcher_add(self.handle, pattern, conflict)
  return added, not added and conflict[0] or nil
end

function Matcher:seal()
  C.route_matcher_seal(self.handle)
end

function Matcher:close()
  C.route_matcher_destroy(ffi.new("struct route_matcher *[1]", { self.handle }))
  C.arena_clear(self.arena)
end

--- A request as the matcher sees it; what it points at lives as long as the table.
---@param request table method, host, path, query, headers, sni
---@return table
function Matcher:subject(request)
  local made = { head = ffi.new "struct request", given = request }
  local head = made.head
  head.method_name = runtime.slice(request.method or "GET")
  head.method = C.method_of(head.method_name)
  head.host = runtime.slice(request.host or "")
  head.path = runtime.slice(request.path)
  if request.query then head.query = runtime.slice(request.query) end
  for _, field in ipairs(request.headers or {}) do
    C.headers_add(head.headers, self.arena, runtime.slice(field[1]), runtime.slice(field[2]))
  end
  made.subject = ffi.new "struct route_subject"
  made.subject.request = head
  made.subject.server_name = runtime.slice(request.sni or "")
  made.subject.arena = self.arena
  return made
end

local function result(outcome, match)
  local captures = {}
  outcome = OUTCOMES[tonumber(outcome)]
  if outcome ~= "found" then return outcome, captures end
  for i = 0, match.capture_count - 1 do
    captures[i + 1] = runtime.text(match.captures[i].value)
  end
  return tonumber(match.route), captures, match
end

--- The index of the route found, or "not found" or "method not allowed".
---@param request table
---@return integer|string
---@return string[] captures
---@return ffi.cdata*|nil match
function Matcher:match(request)
  local match = ffi.new "struct route_match"
  return result(C.route_matcher_match(self.handle, self:subject(request).subject, match), match)
end

--- All routes in the order in which they are tried, then what came instead of another one.
---@param request table
---@return (integer|string)[]
function Matcher:matches(request)
  local match, made, found = ffi.new "struct route_match", self:subject(request), {}
  local outcome = C.route_matcher_match(self.handle, made.subject, match)
  while tonumber(outcome) == 0 do
    found[#found + 1] = tonumber(match.route)
    outcome = C.route_matcher_next(self.handle, made.subject, match)
  end
  found[#found + 1] = OUTCOMES[tonumber(outcome)]
  return found
end

---@param request table
---@return string
function Matcher:allowed(request)
  local made = self:subject(request)
  return runtime.text(C.route_matcher_allowed(self.handle, made.subject, self.arena))
end

---@param request table
---@param index integer
---@return string
function Matcher:why_not(request, index)
  local made = self:subject(request)
  return MISSES[tonumber(C.route_matcher_why_not(self.handle, index, made.subject))]
end

return matcher
