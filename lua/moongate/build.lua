--- build: makes a generation of a model.
--
-- C gets what grows with the configuration (routes, consumers), dispatch.lua gets the chains.
-- Nothing here has an effect on the running gateway. Everything that is wrong is reported: where it
-- was written, and what.

local bridge = require "moongate.ffi"
local build_consumers = require "moongate.build_consumers"
local build_routes = require "moongate.build_routes"
local build_upstreams = require "moongate.build_upstreams"
local chain = require "moongate.chain"
local criticality = require "moongate.criticality"
local dispatch = require "moongate.dispatch"
local router = require "moongate.router"

local C, found = bridge.C, bridge.found

-- What build functions are given: the generation, and where errors go.
local Builder = {}
Builder.__index = Builder

function Builder:text(which, text)
  if text ~= nil then C.moon_build_text(self.generation, which, text, #text) end
end

function Builder:texts(which, texts)
  for _, text in ipairs(texts or {}) do self:text(which, text) end
end

function Builder:number(which, number)
  if number == true then number = 1 end
  if number then C.moon_build_number(self.generation, which, number) end
end

function Builder:pair(which, name, value)
  C.moon_build_pair(self.generation, which, name, #name, value, value and #value or 0)
end

function Builder:begin(object, at)
  C.moon_build_begin(self.generation, object)
  self.at, self.has_last = at, false -- see build_routes.lua
  if at then self:text(C.MOON_BUILD_SOURCE, at) end
end

-- The object's index, or nil with what is wrong.
function Builder:finish()
  local index = C.moon_build_finish(self.generation, found)
  if index >= 0 then return index end
  return nil, bridge.text()
end

-- Finishes an object that config.lua has checked: what is still wrong is reported.
function Builder:finish_or_report(what)
  local index, message = self:finish()
  if not index then self.report(self.at, ("%s: %s"):format(what, message)) end
  return index
end

local function add_settings(builder, model)
  local limits, memory, resolver = model.limits, model.memory, model.resolver or {}
  builder:begin(C.MOON_OBJECT_SETTINGS)
  builder.at = model.files[1]
  builder:text(C.MOON_BUILD_USER, model.user)
  builder:text(C.MOON_BUILD_VIA, model.via)
  builder:texts(C.MOON_BUILD_TRUSTED_PROXY, model.trusted_proxies)
  builder:text(C.MOON_BUILD_RESOLVER_SERVERS, resolver.servers)
  builder:text(C.MOON_BUILD_LOG_LEVEL, model.log.level)
  builder:text(C.MOON_BUILD_LOG_FORMAT, model.log.format)
  builder:number(C.MOON_BUILD_WORKERS, model.workers)
  builder:number(C.MOON_BUILD_MEMORY_COUNTERS, memory.counters)
  builder:number(C.MOON_BUILD_MEMORY_LIMITS, memory.limits)
  builder:number(C.MOON_BUILD_MEMORY_DICT, memory.dict)
  builder:number(C.MOON_BUILD_MEMORY_VALUES, memory.plugin_cache)
  builder:number(C.MOON_BUILD_MEMORY_OBJECTS, memory.cache)
  builder:number(C.MOON_BUILD_RESOLVER_TIMEOUT, resolver.timeout)
  builder:number(C.MOON_BUILD_RESOLVER_STALE, resolver.stale)
  builder:number(C.MOON_BUILD_FORWARDED, model.forwarded)
  builder:number(C.MOON_BUILD_WATCH, model.watch and 1 or 0)
  builder:number(C.MOON_BUILD_LIMIT_HEAD, limits.head)
  builder:number(C.MOON_BUILD_LIMIT_TARGET, limits.target)
  builder:number(C.MOON_BUILD_LIMIT_BODY, limits.body)
  builder:number(C.MOON_BUILD_HEAD_TIMEOUT, limits.head_timeout)
  builder:number(C.MOON_BUILD_BODY_TIMEOUT, limits.body_timeout)
  builder:number(C.MOON_BUILD_IDLE_TIMEOUT, limits.idle_timeout)
  builder:number(C.MOON_BUILD_SEND_TIMEOUT, limits.send_timeout)
  builder:number(C.MOON_BUILD_LIMIT_REQUESTS, limits.requests)
  builder:number(C.MOON_BUILD_LIMIT_CONNECTIONS, limits.connections)
  builder:number(C.MOON_BUILD_LIMIT_PER_ADDRESS, limits.connections_per_address)
  builder:number(C.MOON_BUILD_DRAIN_TIMEOUT, limits.drain_timeout)
  builder:number(C.MOON_BUILD_TURN_TIMEOUT, limits.turn_timeout)
  local shed = model.shed
  if shed then
    builder:number(C.MOON_BUILD_SHED_LAG, shed.lag)
    builder:number(C.MOON_BUILD_SHED_FULL, shed.full)
    builder:number(C.MOON_BUILD_SHED_WINDOW, shed.window)
    builder:number(C.MOON_BUILD_SHED_REPORT_ONLY, shed.report_only)
  end
  if model.store then
    builder:text(C.MOON_BUILD_STORE_PATH, model.store.path)
    builder:number(C.MOON_BUILD_STORE_SIZE, model.store.size)
  end
  builder:finish_or_report("settings")
end

local CLIENT_CERTIFICATES = { none = 0, optional = 1, required = 2 }
local function add_listener(builder, listener)
  builder:begin(C.MOON_OBJECT_LISTENER, listener.at)
  builder:text(C.MOON_BUILD_ADDRESS, listener.address)
  builder:text(C.MOON_BUILD_LISTENER_PROTOCOL, listener.protocol)
  builder:texts(C.MOON_BUILD_PROXY_SOURCE, listener.proxy_sources)
  builder:number(C.MOON_BUILD_ADMIN, listener.admin)
  builder:number(C.MOON_BUILD_PROXY_PROTOCOL, listener.proxy_protocol)
  local tls = listener.tls
  if tls then
    for _, files in ipairs(tls.certificates) do
      builder:pair(C.MOON_BUILD_CERTIFICATE, files.cert, files.key)
    end
    builder:text(C.MOON_BUILD_CLIENT_CA, tls.client_ca)
    builder:text(C.MOON_BUILD_CLIENT_CRL, tls.client_crl)
    builder:number(C.MOON_BUILD_CLIENT_CRL_EXPIRED, tls.client_crl_expired == "allow")
    builder:number(C.MOON_BUILD_TLS_CLIENT, CLIENT_CERTIFICATES[tls.client])
    builder:number(C.MOON_BUILD_TLS_VERSION, tls.version == "1.3" and 3 or 2)
  end
  builder:finish_or_report("listen " .. listener.address)
end

-- Those that routes name by a URL come up with them.
local function add_clusters(builder)
  local upstreams = builder.model.upstreams
  for i = builder.cluster_count + 1, #upstreams do
    builder.cluster_count = i
    build_upstreams.add(builder, upstreams[i])
  end
end

local function add_discovery(model)
  for _, upstream in ipairs(model.upstreams) do
    if upstream.discover then return require("moongate.discovery").expect(model) end
  end
end

local function add_instances(builder, plugins)
  for _, step in ipairs(plugins) do
    local plugin = step.plugin
    if (plugin.start or plugin.stop) and not builder.known[step.instance] then
      builder.known[step.instance] = true
      dispatch.add_instance(step.instance, plugin, step.name)
    end
  end
end

-- What all routes of a shape have in common, whose steps have the same plugins.
local function traits_of(builder, shape, plugins)
  local traits = builder.traits[shape]
  if traits then return traits end
  traits = { may_cache = false, may_start = false }
  for _, step in ipairs(plugins) do
    local plugin = step.plugin
    traits.may_cache = traits.may_cache or plugin.cache_policy ~= nil
    traits.may_start = traits.may_start or plugin.start ~= nil or plugin.stop ~= nil
  end
  builder.traits[shape] = traits
  return traits
end

-- A route that is right in itself: true, or nil and what is in its way.
local function add_route(builder, pattern, is_admin)
  local route = pattern.route
  local ok, shape, array = pcall(builder.chain, route.plugins)
  if not ok then return nil, shape end
  if not is_admin then add_clusters(builder) end
  local traits = traits_of(builder, shape, route.plugins)
  local index, message = build_routes.add(builder, pattern, shape, traits.may_cache, is_admin)
  if not index then return nil, message end
  dispatch.add_route(index, shape, array, route.when)
  if criticality.is_asked(route, builder.model) then
    dispatch.add_criticality(index, route.criticality)
  end
  if traits.may_start then add_instances(builder, route.plugins) end
  return true
end

local function normalise(path)
  if C.moon_normalise_path(bridge.generation, path, #path, found) then return bridge.text() end
  return nil
end

local function add_use(builder, use)
  local shape, array = builder.chain(use)
  dispatch.set_use(shape, array)
  C.moon_build_use(builder.generation, shape.mask, shape.number)
  add_instances(builder, use)
end

local function has_admin(model)
  for _, listener in ipairs(model.listeners) do
    if listener.admin then return true end
  end
  return false
end

local function start(builder, model)
  C.moon_build_expect(builder.generation, model.route_count) -- broken or not: all are matched
  if builder.is_broken then return end
  add_settings(builder, model)
  for _, listener in ipairs(model.listeners) do add_listener(builder, listener) end
  add_clusters(builder)
  add_discovery(model)
  add_use(builder, model.use)
  if not has_admin(model) then return end
  -- Loaded by who reads for all, too: whoever is asked for it has only what was read then.
  local is_wanted = C.moon_config_is_wanted(builder.generation)
  if is_wanted or C.moon_inventory_is_wanted(builder.generation) then
    local configuration = require "moongate.admin.configuration"
    builder.shown = is_wanted and configuration.writer(model)
  end
end

local function add_admin_routes(builder, model)
  local errors = router.compile(require("moongate.admin").routes(model), {
    add = function(pattern) return add_route(builder, pattern, true) end,
    normalise = normalise,
  })
  for _, one in ipairs(errors) do builder.report(one.at, one.message) end
end

local build = {}

--- What config.load builds a model with, into the generation; what is good is in dispatch.lua then.
---@param keeps_all boolean  whether model.routes and model.consumers are wanted
---@return ModelBuilder
function build.builder(keeps_all)
  local builder = setmetatable({
    generation = bridge.generation, clusters = {}, cluster_count = 0, known = {},
    cache_policies = {}, traits = {}, last = {}, chain = chain.maker(), normalise = normalise,
    is_plain = function(path) return C.moon_path_is_plain(path, #path) end,
  }, Builder)
  local list = C.moon_inventory_is_wanted(bridge.generation)
    and require("moongate.inventory").new()
  function builder.start(model, report)
    builder.model, builder.report = model, report
    builder.forgets = not keeps_all
    start(builder, model)
  end
  function builder.add(pattern)
    if builder.is_broken then return build_routes.add_pattern(builder, pattern) end
    if builder.shown then builder.shown:add(pattern.route) end
    local ok, wrong = add_route(builder, pattern, false)
    if ok and list then list:route(pattern.route, builder.model) end
    return ok, wrong
  end
  function builder.consumer(consumer) return build_consumers.add(builder, consumer, list) end
  function builder.complete(model)
    if builder.shown then builder.shown:complete(model) end
    if list then list:finish(model) end
    if not has_admin(model) then return end
    C.moon_build_order(builder.generation) -- it lists them
    add_admin_routes(builder, model)
  end
  return builder
end

return build
