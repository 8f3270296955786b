--- admin: the routes of the admin listeners: /metrics, /status, /ready, /config, /reload,
-- /cache/purge, /upstreams, /breakers, /concurrency and /consumers.
--
-- Endpoints in Lua like any other's; they are matched apart from the operator's routes, and none of
-- the operator's plugins run on them. Most only read; what changes something is no GET.

local breakers = require "moongate.admin.breakers"
local bridge = require "moongate.ffi"
local cache = require "moongate.admin.cache"
local concurrency = require "moongate.admin.concurrency"
local config_text = require "moongate.core.config_text"
local consumers = require "moongate.admin.consumers"
local guard = require "moongate.admin.guard"
local json = require "moongate.json"
local master = require "moongate.core.master"
local published = require "moongate.admin.published"
local reloads = require "moongate.admin.reloads"
local reply = require "moongate.reply"
local status = require "moongate.admin.status"
local targets = require "moongate.admin.targets"
local text_format = require "moongate.admin.text_format"

local C = bridge.C

local admin = {}

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }
local TIMEOUT = { connect = 5, response = 60, idle = 60, total = 0 }

local UNKNOWN = reply.problem(404, "not-found",
  "There is no such endpoint; there are /metrics, /status, /ready, /config, /reload, "
    .. "/cache/purge, /upstreams, /breakers, /concurrency and /consumers.")
local WRITE_ONLY = reply.problem(405, "method-not-allowed", "This endpoint wants a POST.",
  { allow = "POST" })
local READ_ONLY = reply.problem(405, "method-not-allowed", "This endpoint is only read.",
  { allow = "GET, HEAD" })
local DRAINING = reply.json(503, { status = "draining" }, HEADERS)

local function answer_metrics()
  local headers = { ["content-type"] = text_format.TYPE }
  for name, value in pairs(HEADERS) do headers[name] = value end
  published.publish()
  return reply.new(200, text_format.write(), headers)
end

local function answer_status(self)
  published.publish()
  return reply.json(200, status.read(self.facts), HEADERS)
end

-- Ready as long as it serves; a reload that failed has changed nothing, but should be known.
local function answer_ready()
  local is_draining = C.moon_worker_number(bridge.generation, C.MOON_WORKER_DRAINING) == 1
  if is_draining then return DRAINING end
  local known = reloads.read() or {}
  return reply.json(200, { status = "ready", generation = known.generation,
    last_failure = known.last_failure }, HEADERS)
end

-- The configuration as it was read, and what operators have said of targets since.
local function answer_config()
  local text, why_not = config_text.read()
  if not text then return reply.problem(503, "no-configuration", why_not, HEADERS) end
  local overlays = targets.overlays()
  if #overlays > 0 then
    text = text:gsub("}%s*$", "") .. ',"overlays":' .. json.encode(overlays) .. "}"
  end
  local headers = { ["content-type"] = "application/json" }
  for name, value in pairs(HEADERS) do headers[name] = value end
  return reply.new(200, text, headers)
end

-- Answers when it is done. The request stays with the generation that it began with.
local function answer_reload()
  local is_done, text = master.ask "reload"
  if is_done == nil then return reply.json(503, { ok = false, errors = { text } }, HEADERS) end
  local headers = { ["content-type"] = "application/json" }
  for name, value in pairs(HEADERS) do headers[name] = value end
  return reply.new(is_done and 200 or 409, text, headers)
end

-- Methods by path.
local ENDPOINTS = {
  ["/metrics"] = { GET = answer_metrics },
  ["/status"] = { GET = answer_status },
  ["/ready"] = { GET = answer_ready },
  ["/config"] = { GET = answer_config },
  ["/reload"] = { POST = answer_reload },
}
for _, endpoints in ipairs {
  breakers.endpoints, cache, concurrency.endpoints, consumers, targets.endpoints,
} do
  for path, methods in pairs(endpoints) do ENDPOINTS[path] = methods end
end

-- What is said to methods that the endpoint has not.
local function not_allowed(methods)
  local names = {}
  for name in pairs(methods) do names[#names + 1] = name end
  if #names == 1 and methods.GET then return READ_ONLY end
  if #names == 1 and methods.POST then return WRITE_ONLY end
  if methods.GET then names[#names + 1] = "HEAD" end
  table.sort(names)
  return reply.problem(405, "method-not-allowed", "This endpoint has other methods.",
    { allow = table.concat(names, ", ") })
end

---@class AdminEndpoint: Plugin
local endpoint = { summary = "Answers on the admin listener.", options = {} }

---@param req Request
---@return Reply
function endpoint:respond(req)
  local method = req.method == "HEAD" and "GET" or req.method
  local answer = self.methods and self.methods[method]
  local refusal = guard.check(self.guards[req.listener], req, answer and method ~= "GET")
  if refusal then return refusal end
  if not self.methods then return UNKNOWN end
  if not answer then return self.not_allowed end
  return answer(self, req)
end

function endpoint.start() published.start() end

local function route_of(path, methods, shared, at)
  local instance = setmetatable({ methods = methods,
    not_allowed = methods and not_allowed(methods), guards = shared.guards, facts = shared.facts },
    { __index = endpoint })
  return {
    name = "admin " .. path, methods = {}, path = path, hosts = {}, headers = {}, query = {},
    priority = 0, timeout = TIMEOUT, retries = 0, body_limit = 65536, upgrade = false, at = at,
    plugins = { { name = "admin", plugin = endpoint, instance = instance, on_error = "fail",
      at = at } },
  }
end

--- The routes of the admin listeners, none when nobody asked for one.
---@param model Model
---@return ModelRoute[]
function admin.routes(model)
  local guards, at = {}, nil
  for _, listener in ipairs(model.listeners) do
    if listener.admin then
      guards[listener.address], at = guard.of(listener), listener.at
    end
  end
  if not at then return {} end
  local shared = { guards = guards,
    facts = { routes = model.route_count, consumers = model.consumer_count } }
  local routes = { route_of("/{path*}", nil, shared, at) }
  for path, methods in pairs(ENDPOINTS) do
    routes[#routes + 1] = route_of(path, methods, shared, at)
  end
  return routes
end

return admin
