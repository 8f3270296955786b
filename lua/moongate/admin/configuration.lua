--- configuration: the effective configuration as /config shows it, without secrets.
--
-- Made of the configuration as it is read once more for who asks (runtime/bridge/config_text.h):
-- defaults filled in, groups and `use` resolved into each route's own list of plugins.

local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local json = require "moongate.json"
local json_buffer = require "moongate.json_buffer"
local redact = require "moongate.admin.redact"
local schema = require "moongate.config.schema"

local C = bridge.C

local FLUSH_BYTES = 65536
local KNOWN_MAX = 1024

local configuration = {}

local PROXY = { [0] = "none", "v1", "v2", "any" }

local function by_schema(redaction, options, value)
  local shown = {}
  for name, option in pairs(options) do shown[name] = redaction:option(option, value[name]) end
  shown.at = value.at
  return shown
end

-- What an instance was given, without what its plugin has added.
local function options_of(redaction, step)
  local shown = {}
  for name, option in pairs(step.plugin.options) do
    local value = step.instance[name]
    if value ~= step.plugin[name] and not (value == false and option.type ~= "boolean") then
      shown[name] = redaction:option(option, value)
    end
  end
  return shown
end

local function step_of(redaction, step)
  return { name = step.name, options = options_of(redaction, step), conditional = step.when ~= nil }
end

local function steps_of(redaction, steps)
  local list = json.array {}
  for i, step in ipairs(steps) do list[i] = step_of(redaction, step) end
  return list
end

local function listener_of(redaction, listener)
  local tls = listener.tls
  local certificates = tls and json.array {}
  for i, files in ipairs(tls and tls.certificates or {}) do
    certificates[i] = { cert = redaction:value(files.cert), key = "(secret)" }
  end
  return {
    address = listener.address, admin = listener.admin, protocol = listener.protocol,
    token = listener.token and "(secret)", at = listener.at,
    proxy_protocol = PROXY[listener.proxy_protocol],
    proxy_sources = redaction:list(listener.proxy_sources),
    tls = tls and { certificates = certificates, client = tls.client, version = tls.version,
      client_ca = redaction:value(tls.client_ca), client_crl = redaction:value(tls.client_crl),
      client_crl_expired = tls.client_crl_expired },
  }
end

local function upstream_of(redaction, upstream)
  local shown = by_schema(redaction, schema.upstream, upstream)
  shown.name, shown.targets = redaction:value(upstream.name), redaction:list(upstream.targets)
  return shown
end

local function consumer_of(redaction, consumer)
  return {
    name = redaction:value(consumer.name), groups = redaction:list(consumer.groups),
    roles = redaction:list(consumer.roles), scopes = redaction:list(consumer.scopes),
    plan = consumer.plan, tags = redaction:value(consumer.tags), key_count = #consumer.keys,
    password_count = #consumer.passwords, at = consumer.at,
  }
end

local function each(redaction, list, show)
  local shown = json.array {}
  for i, one in ipairs(list) do shown[i] = show(redaction, one) end
  return shown
end

-- All but routes and consumers.
local function frame_of(redaction, model)
  return {
    files = json.array(model.files),
    workers = model.workers,
    memory = model.memory,
    store = model.store and redaction:value(model.store),
    log = model.log,
    resolver = model.resolver,
    limits = model.limits,
    shed = model.shed,
    trusted_proxies = redaction:list(model.trusted_proxies),
    forwarded = model.forwarded,
    watch = model.watch,
    via = model.via,
    user = redaction:value(model.user),
    zone = redaction:value(model.zone),
    listeners = each(redaction, model.listeners, listener_of),
    upstreams = each(redaction, model.upstreams, upstream_of),
    plans = redaction:list(model.plans),
    use = steps_of(redaction, model.use),
  }
end

---@class ConfigurationWriter
---@field redaction Redaction
---@field buffer string.buffer
---@field last table?             the route of which `alike` has what others have, too
---@field alike string.buffer
---@field known table<table, string>  the JSON of what many routes have in common
---@field known_count integer
local Writer = {}
Writer.__index = Writer

local function flush(into)
  C.moon_config_show(bridge.generation, into:ref())
  into:reset()
end

-- Appends a table that other routes may have, too, as `show` gives it.
function Writer:put_common(one, show)
  local text = self.known[one]
  if text then
    self.buffer:put(text)
    return
  end
  if self.known_count == KNOWN_MAX then
    json_buffer.put(self.buffer, show(self.redaction, one))
    return
  end
  text = json_buffer.put(buffer.new(), show(self.redaction, one)):tostring()
  self.known[one], self.known_count = text, self.known_count + 1
  self.buffer:put(text)
end

local function put_field(into, name, value)
  if value == nil then return end
  into:put(',"', name, '":')
  json_buffer.put(into, value)
end

function Writer:put_steps(steps)
  self.buffer:put ',"plugins":['
  for i, step in ipairs(steps) do
    if i > 1 then self.buffer:put "," end
    self:put_common(step, step_of)
  end
  self.buffer:put "]"
end

local function shown_criticality(given)
  return type(given) == "function" and "function" or given
end

-- What routes that are written alike have in common (config/route_mold.lua).
local function put_alike(into, redaction, route)
  put_field(into, "timeout", route.timeout)
  put_field(into, "hosts", redaction:list(route.hosts))
  put_field(into, "headers", redaction:value(route.headers))
  put_field(into, "query", redaction:value(route.query))
  put_field(into, "sni", route.sni)
  put_field(into, "priority", route.priority)
  put_field(into, "upstream", redaction:value(route.upstream))
  put_field(into, "upstream_host", redaction:value(route.upstream_host))
  put_field(into, "deadline", route.deadline)
  put_field(into, "retries", route.retries)
  put_field(into, "breaker", route.breaker)
  put_field(into, "hedge", route.hedge)
  put_field(into, "criticality", shown_criticality(route.criticality))
  put_field(into, "body_limit", route.body_limit)
  put_field(into, "upgrade", route.upgrade)
end

-- Field by field: a table for each of a hundred thousand routes would be the most of it. Those that
-- are alike come in the same table.
function Writer:put_route(route)
  local into = self.buffer
  if route ~= self.last then
    self.last = route
    put_alike(self.alike:reset(), self.redaction, route)
  end
  into:put '{"name":'
  json_buffer.put(into, self.redaction:value(route.name))
  put_field(into, "at", route.at)
  put_field(into, "methods", json.array(route.methods))
  put_field(into, "path", route.path)
  put_field(into, "conditional", route.when ~= nil)
  put_field(into, "rewrite", self.redaction:value(route.rewrite))
  into:putcdata(self.alike:ref())
  self:put_steps(route.plugins)
  into:put "}"
end

function Writer:add(route)
  self.buffer:put(self.separator)
  self:put_route(route)
  self.separator = ",\n"
  if #self.buffer > FLUSH_BYTES then flush(self.buffer) end
end

local function begin_consumers(self)
  self.has_consumers, self.separator = true, "\n"
  self.buffer:put '],"consumers":['
end

--- Behind all routes.
---@param consumer ModelConsumer
function Writer:add_consumer(consumer)
  if not self.has_consumers then begin_consumers(self) end
  self.buffer:put(self.separator)
  json_buffer.put(self.buffer, consumer_of(self.redaction, consumer))
  self.separator = ",\n"
  if #self.buffer > FLUSH_BYTES then flush(self.buffer) end
end

--- Which upstreams there are is known only then.
---@param model Model
function Writer:complete(model)
  local into = self.buffer
  if not self.has_consumers then begin_consumers(self) end
  local frame = buffer.new()
  json_buffer.put(frame, frame_of(self.redaction, model))
  into:put("],", frame:skip(1)) -- without its "{"
  flush(into)
end

--- Writes it, route by route, then consumer by consumer, as they are read.
---@param model Model  of which the secrets are known
---@return ConfigurationWriter
function configuration.writer(model)
  local redaction = redact.with(model.secrets or {})
  local into = buffer.new()
  into:put '{"routes":['
  return setmetatable({ redaction = redaction, buffer = into, alike = buffer.new(),
    separator = "\n", known = {}, known_count = 0, has_consumers = false }, Writer)
end

return configuration
