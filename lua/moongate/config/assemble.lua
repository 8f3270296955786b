--- assemble: joins checked declarations into a model.

local check = require "moongate.config.check"
local consumers = require "moongate.config.consumers"
local deadlines = require "moongate.config.deadlines"
local files = require "moongate.config.files"
local listeners = require "moongate.config.listeners"
local routes = require "moongate.config.routes"
local schema = require "moongate.config.schema"
local upstreams = require "moongate.config.upstreams"

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

-- nil when nobody sheds.
local function shed_of(declared, report)
  local declaration = declared.settings.shed
  if not declaration then return nil end
  local shed = checked_table(declared, "shed", report)
  if shed.lag and shed.full and shed.full <= shed.lag then
    report(declaration.at, ("shed: full is %gs and lag is %gs; expected full to be more")
      :format(shed.full, shed.lag))
  end
  return shed
end

local function resolver_of(declared, report)
  local resolver = checked_table(declared, "resolver", report)
  return {
    servers = resolver.servers and table.concat(resolver.servers, ","),
    timeout = resolver.timeout,
    stale = resolver.stale,
  }
end

local function via_of(declared, report)
  local via = checked_value(declared, "via", schema.settings.via, report)
  if via and not via:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    report(declared.settings.via.at, ("via is %q; expected a token (RFC 9110, 5.6.2)"):format(via))
  end
  return via
end

local function deadline_of(declared, report)
  local declaration = declared.settings.deadline
  if not declaration then return nil end
  return deadlines.of(declaration.fields, function(message) report(declaration.at, message) end)
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
    shed = shed_of(declared, report),
    trusted_proxies = checked_value(declared, "trusted_proxies", schema.settings.trusted_proxies,
      report),
    forwarded = checked_value(declared, "forwarded", schema.settings.forwarded, report),
    watch = checked_value(declared, "watch", schema.settings.watch, report),
    via = via_of(declared, report),
    user = checked_value(declared, "user", schema.settings.user, report),
    zone = checked_value(declared, "zone", schema.settings.zone, report),
    deadline = deadline_of(declared, report),
    plans = consumers.plans(declared, report),
    secrets = declared.secrets,
    plugin_paths = loader.paths,
  }
  model.listeners = listeners.of(declared, report)
  model.upstreams = upstreams.of(declared, report)
  routes.add(model, declared, loader, report, builder)
  consumers.add(model, declared, report, builder)
  if #model.listeners == 0 and not declared.is_broken then
    report(declared.files[1], 'nothing listens; expected listen ":8080"')
  end
  return model
end

return assemble
