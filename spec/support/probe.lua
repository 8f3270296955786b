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

return probe
