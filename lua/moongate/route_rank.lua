--- route_rank: which of two routes is the more specific one, in words.
--
-- The matcher decides (runtime/gateway/route_matcher.h has the order); this names what made the
-- difference, in the same order, for a request that both match.

local route_rank = {}

local function split(path)
  local segments = {}
  for segment in path:gmatch "/([^/]*)" do segments[#segments + 1] = segment end
  return segments
end

-- 3: a text, 2: {name}, 1: {name*}.
local function segment_rank(segment)
  if segment:sub(1, 1) ~= "{" then return 3 end
  return segment:sub(-2) == "*}" and 1 or 2
end

local function segment_fits(pattern, segment)
  local rank = segment_rank(pattern)
  return rank == 1 or rank == 2 and segment ~= "" or pattern == segment
end

--- How far a pattern goes along with a path.
---@param pattern string
---@param path string
---@return integer segments  that fit, from the left
---@return boolean is_whole  all of them: it matches
function route_rank.path_fit(pattern, path)
  local patterns, segments = split(pattern), split(path)
  for i, one in ipairs(patterns) do
    if not segments[i] or not segment_fits(one, segments[i]) then return i - 1, false end
    if segment_rank(one) == 1 then return i, true end
  end
  return #patterns, #patterns == #segments
end

--- Why a pattern does not match a path.
---@param pattern string
---@param path string
---@return string
function route_rank.path_difference(pattern, path)
  local fit = route_rank.path_fit(pattern, path)
  local wanted, segment = split(pattern)[fit + 1], split(path)[fit + 1]
  if not wanted and segment == "" then return "its path has no slash at the end" end
  if not wanted then return ("its path ends before \"/%s\""):format(segment) end
  if wanted == "" and not segment then return "its path has a slash at the end" end
  if not segment then return ("its path goes on with \"/%s\""):format(wanted) end
  if segment == "" then return ("it wants \"/%s\" where the path has nothing"):format(wanted) end
  return ("it wants \"/%s\" where the path has \"/%s\""):format(wanted, segment)
end

-- 0: any host; else the longer, the more specific, and exact ones above all wildcards.
local function host_rank(route, host)
  local best = 0
  for _, one in ipairs(route.hosts or {}) do
    local rank = one == host and math.huge
      or one:sub(1, 2) == "*." and host:sub(1 - #one) == one:sub(2) and #one or 0
    best = math.max(best, rank)
  end
  return best
end

local function count_conditions(route)
  local count = route.sni and 1 or 0
  for _ in pairs(route.headers or {}) do count = count + 1 end
  for _ in pairs(route.query or {}) do count = count + 1 end
  return count
end

local function path_reason(winner, loser)
  local ours, theirs = split(winner.path), split(loser.path)
  for i, segment in ipairs(ours) do
    local other = theirs[i] or ""
    if segment_rank(segment) ~= segment_rank(other) then
      return ("its path is less specific: %s against %s"):format(other, segment)
    end
  end
  return nil
end

local function has_methods(route)
  return route.methods ~= nil and #route.methods > 0
end

local function names_head(route)
  for _, method in ipairs(route.methods or {}) do
    if method == "HEAD" then return true end
  end
  return false
end

local function rest_reason(winner, loser)
  if count_conditions(winner) ~= count_conditions(loser) then
    return ("it has fewer conditions: %d against %d")
      :format(count_conditions(loser), count_conditions(winner))
  elseif has_methods(winner) ~= has_methods(loser) then
    return "it names no method"
  elseif (winner.when ~= nil) ~= (loser.when ~= nil) then
    return "it has no `when`"
  elseif names_head(winner) ~= names_head(loser) then
    return "it does not name HEAD"
  end
  return "it comes second: as many conditions, in order of their text"
end

--- Why `winner` is tried before `loser`.
---@param winner ModelRoute
---@param loser ModelRoute
---@param request ExplainedRequest  which both match
---@return string reason  "its path is less specific: …"
function route_rank.difference(winner, loser, request)
  local ours, theirs = winner.priority or 0, loser.priority or 0
  if ours ~= theirs then return ("its priority is lower: %d against %d"):format(theirs, ours) end
  if host_rank(winner, request.host) ~= host_rank(loser, request.host) then
    return "its host is less specific"
  end
  return path_reason(winner, loser) or rest_reason(winner, loser)
end

return route_rank
