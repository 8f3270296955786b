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

function Writer:put_field(name, value)
  if value == nil then return end
  self.buffer:put(',"', name, '":')
  json_buffer.put(self.buffer, value)
end

function Writer:put_steps(steps)
  self.buffer:put ',"plugins":['
  for i, step in ipairs(steps) do
    if i > 1 then self.buffer:put "," end
    self:put_common(step, step_of)
  end
  self.buffer:put "]"
end

local function as_it_is(_, value) return value end

local function shown_criticality(given)
  return type(given) == "function" and "function" or given
end

-- Field by field: a table for each of a hundred thousand routes would be the most of it.
function Writer:put_route(route)
  local redaction = self.redaction
  self.buffer:put '{"timeout":'
  self:put_common(route.timeout, as_it_is)
  self:put_field("name", redaction:value(route.name))
  self:put_field("at", route.at)
  self:put_field("methods", json.array(route.methods))
  self:put_field("path", route.path)
  self:put_field("hosts", redaction:list(route.hosts))
  self:put_field("headers", redaction:value(route.headers))
  self:put_field("query", redaction:value(route.query))
  self:put_field("sni", route.sni)
  self:put_field("conditional", route.when ~= nil)
  self:put_field("priority", route.priority)
  self:put_field("upstream", redaction:value(route.upstream))
  self:put_field("rewrite", redaction:value(route.rewrite))
  self:put_field("upstream_host", redaction:value(route.upstream_host))
  self:put_field("deadline", route.deadline)
  self:put_field("retries", route.retries)
  self:put_field("breaker", route.breaker)
  self:put_field("hedge", route.hedge)
  self:put_field("criticality", shown_criticality(route.criticality))
  self:put_field("body_limit", route.body_limit)
  self:put_field("upgrade", route.upgrade)
  self:put_steps(route.plugins)
  self.buffer:put "}"
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
  return setmetatable({ redaction = redaction, buffer = into, separator = "\n", known = {},
    known_count = 0, has_consumers = false }, Writer)
end

return configuration
