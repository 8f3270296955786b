--- probe: plugins that run functions written in a spec's configuration.
--
--     route "/x" { plugins = { { "answer", on_respond = function(req, moongate) ... end } } }
--     route "/y" { upstream = "up", plugins = { { "probe", on_request = function(req) ... end } } }
--
-- Each phase's function is given what the phase is given, then the library.

local PHASES = { "request", "response", "response_chunk", "response_body", "log" }

local SOURCE = [[
local moongate = require "moongate"
local plugin = { summary = "Runs what a spec says.", options = {
  name = { type = "string", help = "to tell instances apart" },
  body_limit = { type = "size", help = "of response_body" },
} }
for _, phase in ipairs { %s } do
  local option = "on_" .. phase
  plugin.options[option] = { type = "function", help = "what to run" }
  plugin[phase] = function(self, ...)
    local given = { ... }
    given[select("#", ...) + 1] = moongate
    return self[option](unpack(given, 1, select("#", ...) + 1))
  end
end
function plugin.phases(instance)
  local phases = {}
  for _, phase in ipairs { %s } do phases[phase] = instance["on_" .. phase] ~= nil end
  return phases
end
return plugin
]]

local function source(phases)
  local list = "'" .. table.concat(phases, "','") .. "'"
  return SOURCE:format(list, list)
end

local probe = {}

--- For gateway.start: `files = probe.files`.
probe.files = {
  ["plugins/probe.lua"] = source(PHASES),
  ["plugins/observer.lua"] = source { "response", "response_chunk", "response_body", "log" },
  ["plugins/answer.lua"] = source { "respond", unpack(PHASES) },
}

--- The start of a configuration in which `says(path, function(req, moongate) ... end)` is a route
--- that answers with what its function returned, or what it raised, as text.
probe.says = [==[
  listen "127.0.0.1:0"
  local function text_of(ok, ...)
    local texts = {}
    for i = 1, math.max(1, select("#", ...)) do texts[i] = tostring((select(i, ...))) end
    return table.concat(texts, " ")
  end
  local function says(signature, run)
    route(signature) { plugins = { { "answer", on_respond = function(req, moongate)
      return moongate.reply.text(200, text_of(pcall(run, req, moongate)))
    end } } }
  end
]==]

--- A plugin whose `during` runs while it is loaded: what it raises is what the gateway refuses to
--- start with.
---@param during string  Lua, with `moongate` in sight
---@return table<string, string> files  with "loading" as the plugin's name
function probe.loading(during)
  return { ["plugins/loading.lua"] = ([[
    local moongate = require "moongate"
    local loading = { summary = "Does something while it is loaded.", options = {} }
    function loading.new() %s return {} end
    function loading:respond() return moongate.reply.text(200, "") end
    return loading
  ]]):format(during) }
end

return probe
