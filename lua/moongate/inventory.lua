--- inventory: what a configuration has, told to C one by one, so that the master can say what a
--- reload changes.
--
-- Of each thing all that it says is written into a buffer, of which C keeps a fingerprint. What is
-- equal has to be written equally in every process: functions as their source.

local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local canonical = require "moongate.canonical"
local digest_of = require "moongate.digest"
local disk = require "moongate.config.disk"

local C = bridge.C
local texts = bridge.new "struct slice[2]"

local inventory = {}

-- In this order.
local OWN_FIELDS = { "path", "methods", "when", "rewrite" }
-- What routes that are written alike have in common (config/route_mold.lua).
local ALIKE_FIELDS = {
  "hosts", "headers", "query", "sni", "priority", "upstream", "upstream_host", "timeout",
  "deadline", "retries", "breaker", "hedge", "upgrade", "criticality",
}
local SETTINGS = {
  "workers", "memory", "store", "plans", "log", "resolver", "limits", "shed", "trusted_proxies",
  "forwarded", "via", "user", "watch",
}

---@class Inventory
local Inventory = {}
Inventory.__index = Inventory

-- The lines of a file that was read; none of one that was not.
local function lines_of(self, source)
  local lines = self.lines[source]
  if not lines then
    lines = {}
    for line in (disk.read(source) or ""):gmatch "([^\n]*)\n?" do lines[#lines + 1] = line end
    self.lines[source] = lines
  end
  return lines
end

-- Its source and what it has from outside. Bytecode would not do: its constants are in no order.
local function put_function(self, into, f, depth)
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then
    into:put "builtin"
    return
  end
  local lines = lines_of(self, info.source:sub(2))
  for i = info.linedefined, info.lastlinedefined do into:put(lines[i] or "", "\n") end
  for i = 1, info.nups do
    local name, value = debug.getupvalue(f, i)
    into:put(name, "=")
    canonical.put(into, value, self.put_other, depth + 1)
  end
end

-- What canonical.lua does not write.
local function put_other(self, into, value, depth)
  if type(value) == "function" and depth < canonical.DEPTH_MAX then
    put_function(self, into, value, depth)
  elseif type(value) == "table" and depth < canonical.DEPTH_MAX then
    canonical.put_table(into, value, self.put_other, depth)
  else
    into:put(type(value))
  end
end

local function put(self, into, value) canonical.put(into, value, self.put_other) end

-- A record, but for where it was written.
local function put_record(self, record)
  for _, name in ipairs(canonical.keys(record)) do
    if name ~= "at" then
      self.buffer:put(name, "=")
      put(self, self.buffer, record[name])
    end
  end
end

-- Adds what is in the buffer, which is empty then.
local function add(self, kind, name, at)
  local content, length = self.buffer:ref()
  at = at or ""
  texts[0].start, texts[0].length = name, #name
  texts[1].start, texts[1].length = at, #at
  C.moon_inventory_add(bridge.generation, kind, texts, content, length)
  self.buffer:reset()
end

-- What is left of them: a plugin may have taken some away.
local function put_options(self, into, step)
  local names = self.options[step.plugin]
  if not names then
    names = canonical.keys(step.plugin.options)
    self.options[step.plugin] = names
  end
  for _, name in ipairs(names) do
    into:put(name, "=")
    put(self, into, step.instance[name])
  end
end

-- Of what a step is given: functions are in it.
local function digest_of_step(self, step)
  local known = self.steps[step]
  if known then return known end
  local into = self.step_buffer:reset()
  put(self, into, step.when)
  if step.digest then into:put(step.digest) else put_options(self, into, step) end
  known = digest_of(into)
  if not step.is_single then self.steps[step] = known end
  return known
end

-- A plugin with its options, `when` and `on_error`.
local function put_step(self, step)
  local is_told = step.digest and not step.when
  self.plugins[step.name] = true
  self.buffer:put(step.name, ";", step.on_error, ";",
    is_told and step.digest or digest_of_step(self, step))
end

local function put_alike(self, into, route, model)
  for _, name in ipairs(ALIKE_FIELDS) do put(self, into, route[name]) end
  if route.body_limit ~= model.limits.body then put(self, into, route.body_limit) end
end

-- What `use` has is told once, and the limit of all bodies, too. Routes that are alike come in the
-- same table.
---@param route ModelRoute
function Inventory:route(route, model)
  local into = self.buffer
  if route ~= self.last then
    self.last = route
    put_alike(self, self.alike:reset(), route, model)
  end
  for _, name in ipairs(OWN_FIELDS) do put(self, into, route[name]) end
  into:putcdata(self.alike:ref())
  for i, step in ipairs(route.plugins) do
    if step ~= model.use[i] then put_step(self, step) end
  end
  add(self, C.MOON_INVENTORY_ROUTE, route.name, route.at)
end

-- A certificate or key, with what is in its file.
local function put_file(self, path)
  put(self, self.buffer, path)
  if type(path) == "string" and not path:find("-----BEGIN", 1, true) then
    put(self, self.buffer, disk.read(path))
  end
end

local function add_listener(self, listener)
  local tls = listener.tls
  put_record(self, listener)
  for _, files in ipairs(tls and tls.certificates or {}) do
    put_file(self, files.cert)
    put_file(self, files.key)
  end
  put_file(self, tls and tls.client_ca)
  put_file(self, tls and tls.client_crl)
  add(self, C.MOON_INVENTORY_LISTENER, (listener.admin and "admin " or "") .. listener.address,
    listener.at)
end

local function add_upstream(self, upstream)
  local tls = upstream.tls or {}
  put_record(self, upstream)
  for _, path in ipairs { tls.ca or false, tls.cert or false, tls.key or false } do
    put_file(self, path)
  end
  add(self, C.MOON_INVENTORY_UPSTREAM, upstream.name, upstream.at)
end

-- Where `require` would find an operator's module.
local function module_text(name)
  if name:find "^moongate%f[.%z]" then return nil end
  for template in package.path:gmatch "[^;]+" do
    local text = disk.read((template:gsub("%?", (name:gsub("%.", "/")))))
    if text then return text end
  end
  return nil
end

-- The file, then, once each, those of the modules that it requires by their names.
local function put_source(self, text, seen)
  put(self, self.buffer, text)
  for name in (text or ""):gmatch "require%s*%(?%s*[\"']([%w_.-]+)[\"']" do
    if not seen[name] then
      seen[name] = true
      local required = module_text(name)
      if required then put_source(self, required, seen) end
    end
  end
end

local function add_plugins(self, paths)
  for name in pairs(self.plugins) do
    local path = paths[name]
    put_source(self, path and disk.read(path), {})
    add(self, C.MOON_INVENTORY_PLUGIN, name, path)
  end
end

---@param consumer ModelConsumer
function Inventory:consumer(consumer)
  put_record(self, consumer)
  add(self, C.MOON_INVENTORY_CONSUMER, consumer.name, consumer.at)
end

--- All but routes and consumers, which have been told by then.
---@param model Model
function Inventory:finish(model)
  for _, listener in ipairs(model.listeners) do add_listener(self, listener) end
  for _, upstream in ipairs(model.upstreams) do add_upstream(self, upstream) end
  for _, name in ipairs(SETTINGS) do
    put(self, self.buffer, model[name])
    add(self, C.MOON_INVENTORY_SETTING, name)
  end
  for _, step in ipairs(model.use) do put_step(self, step) end
  add(self, C.MOON_INVENTORY_SETTING, "use")
  add_plugins(self, model.plugin_paths)
end

--- To be told all of a configuration while it is built.
---@return Inventory
function inventory.new()
  local self = setmetatable({
    buffer = buffer.new(), alike = buffer.new(), step_buffer = buffer.new(), steps = {},
    options = {}, plugins = {}, lines = {},
  }, Inventory)
  function self.put_other(into, value, depth) put_other(self, into, value, depth) end
  return self
end

return inventory
