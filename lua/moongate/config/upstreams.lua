--- upstreams: what `upstream` declares, and URLs that routes name instead.

local check = require "moongate.config.check"
local discover = require "moongate.config.discover"
local hedges = require "moongate.config.hedges"
local listeners = require "moongate.config.listeners"
local schema = require "moongate.config.schema"
local target_url = require "moongate.target_url"
local values = require "moongate.config.values"

local upstreams = {}

-- As PROBE_STATUSES_MAX of runtime/upstream/probe_options.h.
local RANGES_MAX = 16

--- Takes a target's URL apart.
---@param url any
---@return { host: string, port: integer, tls: boolean }?
---@return string? message
function upstreams.target(url)
  local target, expected = target_url.parse(url)
  if target then return target end
  return nil, ("the target is %s; expected %s"):format(values.show(url), expected)
end

local function without_first(entry)
  local rest = {}
  for key, value in pairs(entry) do
    if key ~= 1 then rest[key] = value end
  end
  return rest
end

-- { "http://a:80", weight = 2 }, or the URL alone.
local function target_of(entry, i, report)
  if type(entry) ~= "table" then entry = { entry } end
  local target, message = upstreams.target(entry[1])
  if not target then
    report(message)
    return nil
  end
  local own = check.options(schema.target, without_first(entry), report, ("target %d"):format(i))
  target.weight, target.priority, target.backup = own.weight, own.priority, own.backup
  target.zone = own.zone
  return target
end

local function targets_of(fields, report)
  local targets, count, is_discovered = {}, 0, fields.discover ~= nil
  for key in pairs(fields) do
    if type(key) == "number" then count = count + 1 end
  end
  for i = 1, count do targets[#targets + 1] = target_of(fields[i], i, report) end
  if count == 0 and not is_discovered then
    report("it has no target; expected " .. target_url.EXPECTED)
  elseif count > 0 and is_discovered then
    report "it has targets and discover; expected one of them: a list that is discovered is whole"
  end
  return targets
end

local function options_of(fields)
  local options = {}
  for key, value in pairs(fields) do
    if type(key) ~= "number" then options[key] = value end
  end
  return options
end

-- "a=1; b" and what else would end the cookie or begin another attribute.
local function is_attribute(text) return text == nil or not text:find "[%c;,%s]" end

-- What has been reported as of another type is not there, here and below.
local function check_sticky(sticky, report)
  if sticky.cookie and not sticky.cookie:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    report(("sticky.cookie is %q; expected a token (RFC 6265, 4.1.1)"):format(sticky.cookie))
  end
  if sticky.path and (not is_attribute(sticky.path) or sticky.path:sub(1, 1) ~= "/") then
    report(('sticky.path is %q; expected a path, as "/"'):format(sticky.path))
  end
  if not is_attribute(sticky.domain) then
    report(("sticky.domain is %q; expected a name"):format(sticky.domain))
  end
  if sticky.same_site == "none" and sticky.secure == false then
    report 'sticky.same_site = "none" needs secure; browsers drop the cookie otherwise'
  end
end

local function check_balance(upstream, report)
  local is_hash = upstream.balance == "hash"
  if upstream.balance == nil then return end
  if is_hash and upstream.by == nil then
    report('balance = "hash" needs by; it is ' .. schema.upstream.by.help)
  elseif not is_hash and upstream.by ~= nil then
    report 'by is for balance = "hash"'
  end
  local sticky = upstream.sticky
  if sticky then check_sticky(sticky, report) end
  if sticky and sticky.key and #sticky.key < 16 then
    report "sticky.key is too short; expected at least 16 bytes"
  end
end

-- Ranges of statuses, as "200-299,404-404".
local function ranges_of(list, report)
  local ranges = {}
  for i, item in ipairs(list) do
    local text = tostring(item)
    local first, last = text:match "^([1-5]%d%d)%-([1-5]%d%d)$"
    local class = text:match "^([1-5])xx$"
    if class then first, last = class .. "00", class .. "99" end
    if text:find "^[1-5]%d%d$" then first, last = text, text end
    if not first or tonumber(first) > tonumber(last) then
      report(('health.status[%d] is %s; expected 204, "2xx" or "200-399"'):format(i,
        values.show(item)))
    else
      ranges[#ranges + 1] = first .. "-" .. last
    end
  end
  if #ranges > RANGES_MAX then report(("health.status has more than %d"):format(RANGES_MAX)) end
  return table.concat(ranges, ",")
end

local function check_health(health, report)
  if health.path and not health.path:find "^/[!-~]*$" then
    report(('health.path is %q; expected a path, as "/healthz"'):format(health.path))
  end
  if health.host and not health.host:find "^[%w.:_%[%]-]+$" then
    report(("health.host is %q; expected a host, with a port or without"):format(health.host))
  end
  health.ranges = ranges_of(health.status or {}, report)
end

-- Of addresses that come from a name, certificates have the name.
local function tls_of(upstream, folder, report)
  local tls, discovered = upstream.tls or {}, upstream.discover or {}
  if tls.cert and not tls.key then report "tls.key is missing; tls.cert needs it" end
  return {
    verify = tls.verify,
    ca = listeners.absolute(folder, tls.ca),
    cert = listeners.absolute(folder, tls.cert),
    key = listeners.absolute(folder, tls.key),
    server_name = tls.server_name or discovered.host,
  }
end

-- What it begins with when nobody says so.
local INITIAL = 20

local function check_adaptive(adaptive, report)
  local min, max = adaptive.min, adaptive.max
  if not min or not max then return end
  if min > max then
    report(("adaptive.min is %d; expected at most max, %d"):format(min, max))
  elseif adaptive.initial and (adaptive.initial < min or adaptive.initial > max) then
    report(("adaptive.initial is %d; expected %d to %d"):format(adaptive.initial, min, max))
  end
  adaptive.initial = adaptive.initial or math.max(min, math.min(max, INITIAL))
end

local function make(name, fields, at, folder, report)
  local upstream = check.options(schema.upstream, options_of(fields), report)
  upstream.targets = targets_of(fields, report)
  upstream.name, upstream.at = name, at
  check_balance(upstream, report)
  hedges.complete(upstream.hedge, report)
  if upstream.health then check_health(upstream.health, report) end
  if upstream.adaptive then check_adaptive(upstream.adaptive, report) end
  if type(upstream.discover) == "table" then
    upstream.discover = discover.of(fields.discover, upstream.discover, folder, report)
  end
  upstream.tls = tls_of(upstream, folder, report)
  return upstream
end

---@param declared Declared
---@param report_at fun(at: string, message: string)
---@return ModelUpstream[]
function upstreams.of(declared, report_at)
  local list, seen = {}, {}
  for _, declaration in ipairs(declared.upstreams) do
    local name, at = tostring(declaration.name), declaration.at
    local function report(message) report_at(at, ("upstream %q: %s"):format(name, message)) end
    local fields = declaration.fields
    if type(fields) == "string" then fields = { fields } end
    if type(fields) ~= "table" then
      report(("is %s; expected a table"):format(values.show(fields)))
      fields = {}
    end
    if not name:find "^[%w][%w._-]*$" then report "the name may have letters, digits, . _ and -" end
    if seen[name] then report("is declared already at " .. seen[name]) end
    seen[name] = at
    list[#list + 1] = make(name, fields, at, declared.folder, report)
  end
  return list
end

--- The upstream that a URL in a route stands for.
---@return ModelUpstream? upstream
---@return string? message
function upstreams.of_url(url, at)
  local target, message = upstreams.target(url)
  if not target then return nil, message end
  return make(url, { url }, at, ".", function() end)
end

return upstreams
