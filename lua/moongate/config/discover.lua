--- discover: how the targets of an upstream are discovered: one source, and what belongs to it.

local listeners = require "moongate.config.listeners"
local target_url = require "moongate.target_url"
local values = require "moongate.config.values"

local discover = {}

local KINDS = { "dns", "srv", "file", "http", "consul", "eureka" }

-- Which sources an option is for; any, where it is not here.
local ONLY = {
  service = { consul = true }, tag = { consul = true }, datacenter = { consul = true },
  token = { consul = true }, wait = { consul = true }, app = { eureka = true },
  headers = { http = true, consul = true, eureka = true },
  timeout = { file = true, http = true, consul = true, eureka = true },
  interval = { file = true, http = true, eureka = true },
  ttl_min = { dns = true, srv = true }, ttl_max = { dns = true, srv = true },
  size = { file = true, http = true, consul = true, eureka = true },
}

local NEEDED = { consul = "service", eureka = "app" }
local INTERVALS = { file = 1, http = 10, eureka = 30 }

local function kinds_text() return table.concat(KINDS, ", ") end

-- The one source; nil when that was reported.
local function kind_of(given, report)
  local found
  for _, kind in ipairs(KINDS) do
    if given[kind] ~= nil then
      if found then
        report(("discover has %s and %s; expected one of them"):format(found, kind))
        return nil
      end
      found = kind
    end
  end
  if not found then report("discover has no source; expected one of " .. kinds_text()) end
  return found
end

local function sources_of(name)
  local names = {}
  for _, kind in ipairs(KINDS) do
    if ONLY[name][kind] then names[#names + 1] = kind end
  end
  return table.concat(names, ", ")
end

local function check_belonging(given, kind, report)
  local names = {}
  for name in pairs(given) do names[#names + 1] = name end
  table.sort(names, function(one, other) return tostring(one) < tostring(other) end)
  for _, name in ipairs(names) do
    if ONLY[name] and not ONLY[name][kind] then
      report(("discover.%s is for %s, not for %s"):format(name, sources_of(name), kind))
    end
  end
  local needed = NEEDED[kind]
  if needed and given[needed] == nil then
    report(("discover.%s is missing; %s needs it"):format(needed, kind))
  end
end

local function is_name(text) return text:find "^[%w._-]+$" ~= nil end

local function check_url(kind, url, report)
  local authority, rest = url:match "^https?://([^/?#]+)(.*)$"
  if authority and authority:find "@" then
    report(("discover.%s has a user in its URL; expected it in headers"):format(kind))
  elseif not authority or rest:find "[%s#%c]" or kind ~= "http" and rest:find "%?" then
    report(("discover.%s is %s; expected a URL"):format(kind, values.show(url)))
  end
end

-- By kind: takes what was written apart, into the checked options.
local TAKE = {}

function TAKE.dns(options, report)
  options.host, options.port =
    target_url.host_and_port(options.dns, options.scheme or "http")
  if not options.host or not is_name(options.host) then
    report(('discover.dns is %s; expected "name:port"'):format(values.show(options.dns)))
  end
end

function TAKE.srv(options, report)
  if is_name(options.srv) then return end
  report(('discover.srv is %s; expected a name, as "_http._tcp.orders.internal"'):format(
    values.show(options.srv)))
end

function TAKE.file(options, _, folder)
  options.path = listeners.absolute(folder, options.file)
end

for _, kind in ipairs { "http", "consul", "eureka" } do
  TAKE[kind] = function(options, report) check_url(kind, options[kind], report) end
end

local function check_headers(headers, report)
  for name, value in pairs(headers or {}) do
    if not name:find "^[%w!#$%%&'*+.^_`|~-]+$" or value:find "[%c]" then
      report(("discover.headers.%s is no field"):format(name))
    end
  end
end

--- Checks what belongs together.
---@param given table   as it was written
---@param options table  by discover_schema.lua, with defaults
---@param folder string  of the configuration
---@param report fun(message: string)
---@return table? discover  nil when there is no source
function discover.of(given, options, folder, report)
  local kind = kind_of(given, report)
  if not kind then return nil end
  check_belonging(given, kind, report)
  options.kind = kind
  options.interval = options.interval or INTERVALS[kind]
  if type(options[kind]) == "string" then TAKE[kind](options, report, folder) end
  check_headers(options.headers, report)
  if options.ttl_min and options.ttl_max and options.ttl_min > options.ttl_max then
    report "discover.ttl_min is more than ttl_max"
  end
  return options
end

return discover
