--- targets: lists of targets as sources say them, made into one form, told apart, and put into
-- force.
--
-- The form is JSON: `[[host, port, tls, weight, priority, backup, zone], …]` in the order of hosts
-- and ports, so that two lists are the same when their texts are.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local target_url = require "moongate.target_url"

local C = bridge.C

---@class DiscoveredTarget
---@field host string
---@field port integer
---@field tls boolean
---@field weight integer
---@field priority integer
---@field backup boolean
---@field zone string?

---@class moongate.discovery.targets
local targets = {}

-- As CLUSTER_WEIGHT_MAX and CLUSTER_PRIORITY_MAX of runtime/upstream/cluster.h.
local WEIGHT_MAX, PRIORITY_MAX = 1000, 15
local ZONE_BYTES_MAX = 128

--- Whether a decoded value was a JSON array.
---@param value any
---@return boolean
function targets.is_list(value)
  return type(value) == "table" and (json.is_array(value) or value[1] ~= nil)
end

local function whole(value, default, min, max)
  if value == nil or value == json.null then return default end
  if type(value) ~= "number" or value % 1 ~= 0 or value < min or value > max then return nil end
  return value
end

local function is_host(host)
  if target_url.is_v6(host) then return true end
  return host:find "^[%w._-]+$" ~= nil and not host:find "^[-.]"
end

-- "host:port" without a scheme has that of the source. Sockets of this machine are for its files.
local function address_of(source, url)
  if type(url) ~= "string" then return nil end
  if not url:find "^%l+:/" then url = (source.options.scheme or "http") .. "://" .. url end
  local target = target_url.parse(url)
  if not target then return nil end
  if target.port == 0 then return source.options.kind == "file" and target or nil end
  return is_host(target.host) and target or nil
end

--- A target of a list that an operator or a program of theirs has written: a text, or a table with
--- `url`.
---@param source DiscoverySource
---@param item any
---@return DiscoveredTarget?
---@return string? why
function targets.read(source, item)
  if type(item) == "string" then item = { url = item } end
  if type(item) ~= "table" then return nil, "is neither a text nor an object" end
  local target = address_of(source, item.url)
  if not target then return nil, 'has no "url" of a target, as "http://host:port"' end
  return targets.complete(target, item)
end

--- Adds weight, priority, backup and zone.
---@param target table  host, port, tls
---@param item table
---@return DiscoveredTarget?
---@return string? why
function targets.complete(target, item)
  target.weight = whole(item.weight, 1, 1, WEIGHT_MAX)
  target.priority = whole(item.priority, 0, 0, PRIORITY_MAX)
  if not target.weight then return nil, "has a weight that is not from 1 to 1000" end
  if not target.priority then return nil, "has a priority that is not from 0 to 15" end
  target.backup = item.backup == true
  local zone = item.zone
  if type(zone) == "string" and #zone <= ZONE_BYTES_MAX then target.zone = zone end
  return target
end

--- host and port as a registry says them; nil when they are none.
---@param host any
---@param port any
---@param tls boolean
---@return table?
function targets.place(host, port, tls)
  if type(host) ~= "string" or #host > 253 or not is_host(host) then return nil end
  if not whole(port, nil, 1, 65535) then return nil end
  return { host = host:lower(), port = port, tls = tls }
end

local function before(one, other)
  if one.host ~= other.host then return one.host < other.host end
  if one.port ~= other.port then return one.port < other.port end
  return one.tls and not other.tls
end

--- The form of a list; what is there twice counts once.
---@param list DiscoveredTarget[]
---@return string text
---@return integer count
function targets.encode(list)
  table.sort(list, before)
  local rows, last = json.array {}, nil
  for _, target in ipairs(list) do
    local is_new = not last or before(last, target)
    if is_new then
      rows[#rows + 1] = { target.host, target.port, target.tls and 1 or 0, target.weight,
        target.priority, target.backup and 1 or 0, target.zone or "" }
    end
    last = target
  end
  return json.encode(rows), #rows
end

-- A row as people know it.
local function name_of(row)
  if row[1]:sub(1, 1) == "/" then return "unix:" .. row[1] end
  local host = row[1]:find(":", 1, true) and "[" .. row[1] .. "]" or row[1]
  return ("%s://%s:%d"):format(row[3] == 1 and "https" or "http", host, row[2])
end

local function names_of(text)
  local names = {}
  for _, row in ipairs(text and json.decode(text) or {}) do names[name_of(row)] = true end
  return names
end

local function count_missing(names, others)
  local count, first = 0, nil
  for name in pairs(names) do
    if not others[name] then
      count = count + 1
      if not first or name < first then first = name end
    end
  end
  return count, first
end

--- How a list differs from the one before, for the log: "2 came (http://a:1 …), 1 went (…)".
---@param old string?  the form of a list
---@param new string
---@return string
function targets.difference(old, new)
  local before_names, names = names_of(old), names_of(new)
  local parts = {}
  local came, first = count_missing(names, before_names)
  if came > 0 then parts[1] = ("%d came (%s%s)"):format(came, first, came > 1 and " …" or "") end
  local went
  went, first = count_missing(before_names, names)
  if went > 0 then
    parts[#parts + 1] = ("%d went (%s%s)"):format(went, first, went > 1 and " …" or "")
  end
  return #parts > 0 and table.concat(parts, ", ") or "weights or tiers changed"
end

local function is_remote(source, zone)
  return source.zone ~= nil and zone ~= source.zone
end

--- Puts a list into force in this worker: at once, or with its generation where that only starts.
---@param source DiscoverySource
---@param text string  the form of a list
---@return integer outcome  enum moon_take
function targets.apply(source, text)
  local rows = json.decode(text) or {}
  local hosts = bridge.new("struct slice[?]", #rows + 1)
  local numbers = bridge.new("double[?]", (#rows + 1) * C.MOON_TAKE_NUMBERS)
  for i, row in ipairs(rows) do
    local at = (i - 1) * C.MOON_TAKE_NUMBERS
    hosts[i - 1].start, hosts[i - 1].length = row[1], #row[1]
    numbers[at + C.MOON_TAKE_PORT] = row[2]
    numbers[at + C.MOON_TAKE_TLS] = row[3]
    numbers[at + C.MOON_TAKE_WEIGHT] = row[4]
    numbers[at + C.MOON_TAKE_PRIORITY] = row[5]
    numbers[at + C.MOON_TAKE_BACKUP] = row[6]
    numbers[at + C.MOON_TAKE_REMOTE] = is_remote(source, row[7]) and 1 or 0
  end
  return C.moon_upstream_take(bridge.generation, source.name, #source.name, hosts, numbers, #rows)
end

return targets
