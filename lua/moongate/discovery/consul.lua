--- consul: instances of a service whose checks pass, by Consul's HTTP API, with blocking queries.
--
-- A question waits at the agent until something has changed, or for `wait`. That it comes back says
-- nothing: the lists are compared. The index is one of Consul's: a number above 0 that only grows;
-- when it does not, the next question asks without one, as Consul's documentation has it.

local fetched = require "moongate.discovery.fetched"
local json = require "moongate.json"
local targets = require "moongate.discovery.targets"

local consul = {}

-- Between two questions, however fast the agent answers.
local PAUSE_SECONDS = 0.2
-- The agent adds up to a sixteenth to what it was asked to wait.
local WAIT_JITTER = 1 / 16
local WEIGHT_MAX = 1000

local function url_of(options, index)
  local parts = { "passing=1" }
  local function add(name, value)
    if value then parts[#parts + 1] = name .. "=" .. fetched.escape(tostring(value)) end
  end
  add("tag", options.tag)
  add("dc", options.datacenter)
  if index then
    add("index", ("%.0f"):format(index))
    add("wait", ("%.0fs"):format(options.wait))
  end
  return ("%s/v1/health/service/%s?%s"):format(options.consul:gsub("/+$", ""),
    fetched.escape(options.service), table.concat(parts, "&"))
end

local function field(table_or_other, name)
  local value = type(table_or_other) == "table" and table_or_other[name]
  return value ~= json.null and value or nil
end

local function target_of(source, entry)
  local service, node = field(entry, "Service"), field(entry, "Node")
  local host = field(service, "Address")
  if host == nil or host == "" then host = field(node, "Address") end
  local target = targets.place(host, field(service, "Port"), source.options.scheme == "https")
  if not target then return nil, "has no address or no port" end
  local weight = field(field(service, "Weights"), "Passing")
  if type(weight) == "number" then weight = math.max(1, math.min(weight, WEIGHT_MAX)) end
  local zone = field(field(service, "Meta"), "zone") or field(field(node, "Meta"), "zone")
  return targets.complete(target, { weight = weight, zone = zone })
end

-- What the next question is asked with; nil: it is not to wait.
local function next_index(headers, before)
  local index = tonumber(headers["x-consul-index"] or "")
  if not index or index ~= index or index < 1 or index > 2 ^ 53 then return nil end
  if before and index < before then return nil end
  return index
end

---@param source DiscoverySource
---@param memory table  of who asks
---@return DiscoveredTarget[]? list
---@return number|string seconds_or_why
function consul.ask(source, memory)
  local options, index = source.options, memory.index
  memory.index = nil -- after a failure it begins anew
  local waits = index and options.wait * (1 + WAIT_JITTER) or 0
  local document, headers = fetched.document(source, url_of(options, index), waits, options.token)
  if document == nil then return nil, headers end
  if not targets.is_list(document) then return nil, "the answer is no list" end
  local list = {}
  for i, entry in ipairs(document) do
    local target, why = target_of(source, entry)
    if not target then return nil, ("instance %d %s"):format(i, why) end
    list[i] = target
  end
  memory.index = next_index(headers, index)
  return list, memory.index and PAUSE_SECONDS or 1
end

return consul
