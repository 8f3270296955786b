--- configuration: the effective configuration as /config shows it, without secrets.
--
-- Made once for all workers, where the configuration is read: defaults filled in, groups and `use`
-- resolved into each route's own list of plugins.

local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local json = require "moongate.json"
local json_buffer = require "moongate.json_buffer"
local redact = require "moongate.admin.redact"
local schema = require "moongate.config.schema"

local C = bridge.C

local FLUSH_BYTES = 65536

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

-- Instances are shared by many routes; so is what is shown of them.
local function steps_of(redaction, steps)
  local list = json.array {}
  for i, step in ipairs(steps) do
    local known = redaction.instances[step.instance]
    if not known then
      known = options_of(redaction, step)
      redaction.instances[step.instance] = known
    end
    list[i] = { name = step.name, options = known, conditional = step.when ~= nil }
  end
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
      client_ca = redaction:value(tls.client_ca) },
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

local function route_of(redaction, route)
  return {
    name = redaction:value(route.name), at = route.at, methods = json.array(route.methods),
    path = route.path, hosts = redaction:list(route.hosts),
    headers = redaction:value(route.headers), query = redaction:value(route.query),
    sni = route.sni, conditional = route.when ~= nil, priority = route.priority,
    upstream = redaction:value(route.upstream), rewrite = redaction:value(route.rewrite),
    upstream_host = redaction:value(route.upstream_host), timeout = route.timeout,
    retries = route.retries, body_limit = route.body_limit, upgrade = route.upgrade,
    plugins = steps_of(redaction, route.plugins),
  }
end

local function each(redaction, list, show)
  local shown = json.array {}
  for i, one in ipairs(list) do shown[i] = show(redaction, one) end
  return shown
end

-- All but the routes.
local function frame_of(redaction, model)
  return {
    files = json.array(model.files),
    workers = model.workers,
    memory = model.memory,
    store = model.store and redaction:value(model.store),
    log = model.log,
    resolver = model.resolver,
    limits = model.limits,
    trusted_proxies = redaction:list(model.trusted_proxies),
    forwarded = model.forwarded,
    watch = model.watch,
    via = model.via,
    user = redaction:value(model.user),
    listeners = each(redaction, model.listeners, listener_of),
    upstreams = each(redaction, model.upstreams, upstream_of),
    plans = redaction:list(model.plans),
    consumers = each(redaction, model.consumers, consumer_of),
    use = steps_of(redaction, model.use),
  }
end

---@class ConfigurationWriter
local Writer = {}
Writer.__index = Writer

local function flush(into)
  C.moon_config_show(bridge.generation, into:ref())
  into:reset()
end

function Writer:add(route)
  local into = self.buffer
  into:put(self.separator)
  json_buffer.put(into, route_of(self.redaction, route))
  self.separator = ",\n"
  if #into > FLUSH_BYTES then flush(into) end
end

--- Which upstreams there are is known only then.
---@param model Model
function Writer:complete(model)
  local into = self.buffer
  local frame = buffer.new()
  json_buffer.put(frame, frame_of(self.redaction, model))
  into:put("],", frame:skip(1)) -- without its "{"
  flush(into)
end

--- Writes it, route by route as they are read.
---@param model Model  of which the secrets are known
---@return ConfigurationWriter
function configuration.writer(model)
  local redaction = redact.with(model.secrets or {})
  redaction.instances = {}
  local into = buffer.new()
  into:put '{"routes":['
  return setmetatable({ redaction = redaction, buffer = into, separator = "\n" }, Writer)
end

return configuration
