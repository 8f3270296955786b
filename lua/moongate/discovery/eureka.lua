--- eureka: instances of an application that are up, by Eureka's REST API.
--
-- Its JSON was made from XML: what is there once may be an object instead of a list of one, numbers
-- may be texts, and a port is `{ "$": 8080, "@enabled": "true" }`.

local fetched = require "moongate.discovery.fetched"
local json = require "moongate.json"
local targets = require "moongate.discovery.targets"

local eureka = {}

local function field(value, name)
  value = type(value) == "table" and value[name]
  return value ~= json.null and value or nil
end

-- The port where it is enabled, else nil.
local function port_of(instance, name)
  local port = field(instance, name)
  local enabled = field(port, "@enabled")
  if enabled ~= "true" and enabled ~= true then return nil end
  return tonumber(field(port, "$"))
end

-- The plain port before the secure one, unless a scheme is wanted.
local function way_of(instance, scheme)
  local plain, secure = port_of(instance, "port"), port_of(instance, "securePort")
  if scheme == "http" then return plain, false end
  if scheme == "https" or not plain then return secure, true end
  return plain, false
end

-- Certificates have names, so where there is TLS the name comes first.
local function target_of(source, instance)
  local port, tls = way_of(instance, source.options.scheme)
  local address, name = field(instance, "ipAddr"), field(instance, "hostName")
  local host = tls and name or address or name
  local target = targets.place(host, port, tls)
  if not target then return nil, "has no address or no port that is enabled" end
  local metadata = field(instance, "metadata")
  return targets.complete(target,
    { zone = field(metadata, "zone"), weight = tonumber(field(metadata, "weight")) })
end

local function instances_of(document)
  local instances = field(field(document, "application"), "instance")
  if type(instances) ~= "table" then return nil end
  return targets.is_list(instances) and instances or { instances }
end

---@param source DiscoverySource
---@return DiscoveredTarget[]? list
---@return number|string seconds_or_why
function eureka.ask(source)
  local options = source.options
  local url = options.eureka:gsub("/+$", "") .. "/apps/" .. fetched.escape(options.app)
  local document, why = fetched.document(source, url)
  if document == nil then return nil, why end
  local instances = instances_of(document)
  if not instances then return nil, "the answer has no instances of an application" end
  local list = {}
  for i, instance in ipairs(instances) do
    if field(instance, "status") == "UP" then
      local target
      target, why = target_of(source, instance)
      if not target then return nil, ("instance %d %s"):format(i, why) end
      list[#list + 1] = target
    end
  end
  return list, fetched.interval(source)
end

return eureka
