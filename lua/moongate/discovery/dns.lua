--- dns: targets by name servers: all addresses of a name, or all services of one (RFC 2782).

local board = require "moongate.discovery.board"
local core = require "moongate.core.dns"
local json = require "moongate.json"
local target_url = require "moongate.target_url"
local targets = require "moongate.discovery.targets"

local dns = {}

-- For how long it is believed that there is nothing.
local ABSENT_SECONDS = 5
local PRIORITY_MAX, WEIGHT_MAX = 15, 1000

local function is_tls(source) return source.options.scheme == "https" end

local function held(source, seconds)
  local options = source.options
  return math.min(math.max(seconds, options.ttl_min), options.ttl_max)
end

-- Adds what the last good list has of an IP version that no name server could tell of now: that
-- one family is silent does not say that its targets are gone.
local function add_former(source, version, list)
  for _, row in ipairs(json.decode(board.list(source) or "[]")) do
    local host, port, tls = row[1], row[2], row[3] == 1
    if target_url.is_v6(host) == (version == 6) then
      list[#list + 1] = targets.complete(targets.place(host, port, tls), {})
    end
  end
end

--- Each address is a target of its own.
---@param source DiscoverySource
---@return DiscoveredTarget[]? list  nil: see why
---@return number|string seconds_or_why  for which it holds
function dns.addresses(source)
  local options = source.options
  local found, seconds, untold = core.addresses(options.host)
  if found == nil then return nil, seconds end
  if not found then return {}, held(source, ABSENT_SECONDS) end
  local list = {}
  for i, address in ipairs(found) do
    list[i] = targets.complete(targets.place(address, options.port, is_tls(source)), {})
  end
  if untold == 0 then return list, held(source, seconds) end
  add_former(source, untold, list)
  return list, held(source, math.min(seconds, ABSENT_SECONDS))
end

-- Priorities of services are any numbers, those of targets 0 to 15: by their order.
local function tiers_of(found)
  local priorities, tiers = {}, {}
  for i = 3, #found, 4 do
    if not tiers[found[i]] then
      tiers[found[i]] = true
      priorities[#priorities + 1] = found[i]
    end
  end
  table.sort(priorities)
  for i, priority in ipairs(priorities) do tiers[priority] = math.min(i - 1, PRIORITY_MAX) end
  return tiers
end

-- The largest weight of each priority: weights are to one another as they are there.
local function largest_of(found)
  local largest = {}
  for i = 3, #found, 4 do
    largest[found[i]] = math.max(largest[found[i]] or 0, found[i + 1])
  end
  return largest
end

-- Of weight 0 there is to be a small chance, not none.
local function weight_of(weight, largest)
  local scaled = largest > WEIGHT_MAX and weight * WEIGHT_MAX / largest or weight
  return math.max(1, math.floor(scaled + 0.5))
end

--- Each service is a target: host, port, weight, and priority as a tier.
---@param source DiscoverySource
---@return DiscoveredTarget[]? list
---@return number|string seconds_or_why
function dns.services(source)
  local found, seconds = core.services(source.options.srv)
  if found == nil then return nil, seconds end
  if not found then return {}, held(source, ABSENT_SECONDS) end
  local list, tiers, largest = {}, tiers_of(found), largest_of(found)
  for i = 1, #found, 4 do
    local host, port, priority, weight = found[i], found[i + 1], found[i + 2], found[i + 3]
    local target = targets.place(host, port, is_tls(source))
    if not target then return nil, "a service has no host or no port" end
    list[#list + 1] = targets.complete(target,
      { weight = weight_of(weight, largest[priority]), priority = tiers[priority] })
  end
  return list, held(source, seconds)
end

return dns
