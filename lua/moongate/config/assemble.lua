--- assemble: joins checked declarations into a model.

local check = require "moongate.config.check"
local files = require "moongate.config.files"
local listeners = require "moongate.config.listeners"
local routes = require "moongate.config.routes"
local schema = require "moongate.config.schema"
local upstreams = require "moongate.config.upstreams"
local values = require "moongate.config.values"

local assemble = {}

local function checked_table(declared, name, report)
  local declaration = declared.settings[name] or { fields = {} }
  local at = declaration.at or declared.files[1]
  if type(declaration.fields) ~= "table" then
    report(at, ("%s is %s; expected a table"):format(name, tostring(declaration.fields)))
    declaration = { fields = {} }
  end
  return check.options(schema[name], declaration.fields, function(message)
    report(at, ("%s: %s"):format(name, message))
  end)
end

local function checked_value(declared, name, option, report)
  local declaration = declared.settings[name]
  if not declaration then return option.default end
  return check.options({ [name] = option }, { [name] = declaration.fields }, function(message)
    report(declaration.at, message)
  end)[name]
end

-- nil when none is wanted.
local function store_of(declared, report)
  if not declared.settings.store then return nil end
  local store = checked_table(declared, "store", report)
  store.path = store.path and files.within(declared.folder, store.path)
  return store
end

local function resolver_of(declared, report)
  local resolver = checked_table(declared, "resolver", report)
  return {
    servers = resolver.servers and table.concat(resolver.servers, ","),
    timeout = resolver.timeout,
    stale = resolver.stale,
  }
end

local function consumer_of(declaration, report)
  local fields = declaration.fields
  if type(fields) ~= "table" then
    report(("is %s; expected a table"):format(type(fields) == "string" and "a string"
      or values.show(fields)))
    fields = {}
  end
  return check.options(schema.consumer, fields, report)
end

local function consumers_of(declared, report)
  local list, by_name, by_key = {}, {}, {}
  for _, declaration in ipairs(declared.consumers) do
    local at, name = declaration.at, tostring(declaration.name)
    local consumer = consumer_of(declaration, function(message)
      report(at, ("consumer %q: %s"):format(name, message))
    end)
    consumer.name, consumer.at = name, at
    if by_name[name] then
      report(at, ("consumer %q is declared already at %s"):format(name, by_name[name]))
    end
    by_name[name] = at
    for _, key in ipairs(consumer.keys or {}) do
      if key == "" then report(at, ("consumer %q has an empty key"):format(name)) end
      if by_key[key] then
        report(at, ("consumer %q has the same key as consumer %q"):format(name, by_key[key]))
      end
      by_key[key] = name
    end
    list[#list + 1] = consumer
  end
  return list
end

local function via_of(declared, report)
  local via = checked_value(declared, "via", schema.settings.via, report)
  if via and not via:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    report(declared.settings.via.at, ("via is %q; expected a token (RFC 9110, 5.6.2)"):format(via))
  end
  return via
end

--- The model; complete only if nothing was reported.
---@param declared Declared
---@param loader PluginLoader
---@param report fun(at: string, message: string)
---@param builder ModelBuilder
---@return Model
function assemble.model(declared, loader, report, builder)
  local model = {
    files = declared.files,
    workers = checked_value(declared, "workers", schema.settings.workers, report),
    memory = checked_table(declared, "memory", report),
    store = store_of(declared, report),
    log = checked_table(declared, "log", report),
    resolver = resolver_of(declared, report),
    limits = checked_table(declared, "limits", report),
    trusted_proxies = checked_value(declared, "trusted_proxies", schema.settings.trusted_proxies,
      report),
    forwarded = checked_value(declared, "forwarded", schema.settings.forwarded, report),
    watch = checked_value(declared, "watch", schema.settings.watch, report),
    via = via_of(declared, report),
    user = checked_value(declared, "user", schema.settings.user, report),
    consumers = consumers_of(declared, report),
    secrets = declared.secrets,
    plugin_paths = loader.paths,
  }
  model.listeners = listeners.of(declared, report)
  model.upstreams = upstreams.of(declared, report)
  routes.add(model, declared, loader, report, builder)
  if #model.listeners == 0 and not declared.is_broken then
    report(declared.files[1], 'nothing listens; expected listen ":8080"')
  end
  return model
end

return assemble
