--- explain: why a request goes where it goes, in words.
--
-- Pure: what the matcher and the chains say is passed in as an `Explained`; `explain.table` makes
-- of it what --json prints, `explain.text` what a person reads.
--
--     local result = explain.table {
--       request = { method = "GET", scheme = "http", host = "a.test", path = "/users/7" },
--       outcome = "found", winner = 3, rejected = {}, captures = { { "id", "7" } },
--       routes = model.routes, misses = misses,   -- misses[i] = explain.MISSES[why_not(i)]
--       chain = explain.chain(model.routes[3].plugins),
--     }
--     io.write(explain.text(result))

local protection = require "moongate.protection"
local route_rank = require "moongate.route_rank"
local router = require "moongate.router"

local explain = {}

-- How many routes that came near are told of.
explain.NEAR_MAX = 5

-- By the number of enum route_miss (runtime/gateway/route_matcher.h).
explain.MISSES = {
  [0] = "none", "host", "path", "method", "header", "query", "sni",
}

---@class Explained
---@field request ExplainedRequest
---@field outcome "found"|"not found"|"method not allowed"
---@field winner integer?            into `routes`
---@field rejected table<integer, boolean>  routes that matched, but whose `when` said no
---@field captures { [1]: string, [2]: string }[]  name and value of the winner's placeholders
---@field allowed string?            of "method not allowed": what Allow will say
---@field routes ModelRoute[]        see model.lua
---@field misses string[]            for each route, what did not fit first: one of MISSES
---@field chain table<string, string[]>?  phase to names of plugins, in the order in which they run
---@field forward_path string?       what goes upstream instead of the path
---@field cache ExplanationCache?    nil: the route has none
---@field protection Protection?     nil: the route has no upstream

---@class ExplanationCache
---@field way "lookup"|"pass"|"write"  write: what is stored of it is forgotten
---@field conditional boolean?       only where the plugin's `when` says so
---@field key string?                by which it is looked up, beside what the answer's Vary says
---@field reason string?             why it is not: "bypass", "method", "request"

---@class ExplainedRequest
---@field method string
---@field scheme string
---@field host string                lower case, no port
---@field path string                normalised
---@field query table<string, string>?   first values, decoded
---@field headers table<string, string>? first values by lower-case name
---@field sni string?

---@class Explanation  what --json prints
---@field request ExplainedRequest
---@field outcome string
---@field route ExplanationRoute?
---@field captures { name: string, value: string }[]
---@field allowed string?
---@field upstream string?
---@field forward_path string?
---@field chain table<string, string[]>
---@field cache ExplanationCache?
---@field protection Protection?
---@field near ExplanationRoute[]    the nearest first, at most NEAR_MAX

---@class ExplanationRoute
---@field name string
---@field at string
---@field why string                 why it won, or lost

-- Plugins of a phase run in the order written on the way in, and backwards on the way out.
local PHASES = {
  { "request" }, { "respond" }, { "response", true }, { "response_chunk", true },
  { "response_body", true }, { "log" },
}

local function takes_part(step, phase)
  local plugin = step.plugin
  if type(plugin[phase]) ~= "function" then return false end
  return not plugin.phases or plugin.phases(step.instance)[phase] == true
end

--- The chain of a route: which plugins run in which phase, in their order.
---@param steps ModelStep[]
---@return table<string, string[]>
function explain.chain(steps)
  local chain = {}
  for _, phase in ipairs(PHASES) do
    local name, is_backwards = phase[1], phase[2]
    local names = {}
    for _, step in ipairs(steps) do
      if takes_part(step, name) then
        table.insert(names, is_backwards and 1 or #names + 1, step.name)
      end
    end
    if #names > 0 then chain[name] = names end
  end
  return chain
end

local function quoted(value)
  return value and ("\"%s\""):format(value) or "none"
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function is_met(wanted, value)
  return value ~= nil and (wanted == true or value == wanted)
end

-- The first condition of a map that the request's values do not meet.
local function unmet(conditions, values, what)
  for _, name in ipairs(sorted_names(conditions)) do
    local wanted, value = conditions[name], values[what == "header" and name:lower() or name]
    if not is_met(wanted, value) then
      local condition = wanted == true and name or ("%s = %s"):format(name, quoted(wanted))
      return ("it wants the %s %s; the request has %s"):format(what, condition, quoted(value))
    end
  end
  return ("its condition on a %s does not hold"):format(what)
end

local WHY_MISSED = {
  host = function(route, request)
    return ("it is for %s; the request is for %s")
      :format(table.concat(route.hosts, ", "), quoted(request.host ~= "" and request.host or nil))
  end,
  path = function(route, request)
    return route_rank.path_difference(route.path, request.path)
  end,
  method = function(route)
    return ("it takes %s"):format(table.concat(route.methods, ", "))
  end,
  header = function(route, request)
    return unmet(route.headers, request.headers or {}, "header")
  end,
  query = function(route, request)
    return unmet(route.query, request.query or {}, "query parameter")
  end,
  sni = function(route, request)
    return ("it wants the server name %s; the client sent %s")
      :format(route.sni, quoted(request.sni))
  end,
}

local function why_lost(given, index)
  local route, winner = given.routes[index], given.routes[given.winner]
  local miss, request = given.misses[index], given.request
  if miss ~= "none" then return WHY_MISSED[miss](route, request) end
  -- What matches and is not the best one although nothing is, was turned down.
  if given.rejected[index] or not winner then return "it matches, but its `when` said no" end
  return "it matches too, but " .. route_rank.difference(winner, route, request)
end

-- The further a route got before something did not fit, the nearer it came; 0: not worth a word.
local NEARNESS = { none = 1000, sni = 900, query = 800, header = 700, method = 600 }

local function nearness(given, index)
  local miss, route, path = given.misses[index], given.routes[index], given.request.path
  if NEARNESS[miss] then return NEARNESS[miss] end
  local segments, is_whole = route_rank.path_fit(route.path, path)
  if is_whole then return 500 end
  return miss == "path" and segments or 0
end

-- Keeps the best few without sorting all: there may be a hundred thousand.
local function insert_near(near, candidate)
  local at = #near + 1
  while at > 1 and near[at - 1].nearness < candidate.nearness do at = at - 1 end
  table.insert(near, at, candidate)
  near[explain.NEAR_MAX + 1] = nil
end

local function find_near(given)
  local near = {}
  for index, route in ipairs(given.routes) do
    local score = index ~= given.winner and nearness(given, index) or 0
    if score > 0 then insert_near(near, { nearness = score, index = index, route = route }) end
  end
  for i, one in ipairs(near) do
    near[i] = { name = router.name(one.route), at = one.route.at, why = why_lost(given, one.index) }
  end
  return near
end

-- Why the winner won over the second best, or that nothing else would have matched.
local function why_won(given)
  for index in ipairs(given.routes) do
    if index ~= given.winner and given.misses[index] == "none" then
      return "it comes first of the routes that match"
    end
  end
  return "no other route matches"
end

--- What --json prints.
---@param given Explained
---@return Explanation
function explain.table(given)
  local winner, captures = given.routes[given.winner], {}
  for i, capture in ipairs(winner and given.captures or {}) do
    captures[i] = { name = capture[1], value = capture[2] }
  end
  return {
    request = given.request,
    outcome = given.outcome,
    route = winner and { name = router.name(winner), at = winner.at, why = why_won(given) },
    captures = captures,
    allowed = given.allowed,
    upstream = winner and winner.upstream,
    forward_path = winner and given.forward_path,
    chain = given.chain or {},
    cache = winner and given.cache,
    protection = winner and given.protection,
    near = find_near(given),
  }
end

local function add(lines, label, text)
  if text then lines[#lines + 1] = ("%-10s %s"):format(label, text) end
end

local function cache_text(cache)
  local text = "what is stored of it is forgotten"
  if cache.way == "lookup" then text = "looked up as " .. cache.key end
  if cache.way == "pass" then text = "not looked up: " .. cache.reason end
  return cache.conditional and text .. ", if its `when` says so" or text
end

local function add_outcome(lines, result)
  if result.route then
    add(lines, "route", ("%s  (%s)"):format(result.route.name, result.route.at))
    add(lines, "why", result.route.why)
  elseif result.allowed then
    add(lines, "answer", "405 Method Not Allowed, Allow: " .. result.allowed)
  else
    add(lines, "answer", "404 Not Found")
  end
  for _, capture in ipairs(result.captures) do
    add(lines, "param", ("%s = %s"):format(capture.name, capture.value))
  end
  add(lines, "upstream", result.upstream)
  add(lines, "path sent", result.forward_path)
  add(lines, "cache", result.cache and cache_text(result.cache))
  if not result.protection then return end
  protection.tell(result.protection, function(label, text) add(lines, label, text) end)
end

--- What a person reads.
---@param result Explanation
---@return string text ends with a line break
function explain.text(result)
  local request = result.request
  local url = ("%s://%s%s"):format(request.scheme, request.host, request.path)
  local lines = { request.method .. " " .. url }
  add_outcome(lines, result)
  if next(result.chain) then lines[#lines + 1] = "chain" end
  for _, phase in ipairs(PHASES) do
    local names = result.chain[phase[1]]
    if names then lines[#lines + 1] = ("  %-15s %s"):format(phase[1], table.concat(names, ", ")) end
  end
  if result.near[1] then lines[#lines + 1] = "came near" end
  for _, one in ipairs(result.near) do
    lines[#lines + 1] = ("  %s  (%s)\n    %s"):format(one.name, one.at, one.why)
  end
  return table.concat(lines, "\n") .. "\n"
end

return explain
