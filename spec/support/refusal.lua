--- refusal: what the gateway says to a configuration that it does not take.

local gateway = require "spec.support.gateway"

local refusal = {}

--- Starts it; raises when it serves, or ends without a word.
---@param config string
---@param files table<string, string>?  beside it
---@return string said
function refusal.of(config, files)
  local code, _, said = gateway.run({ "run" }, { config = config, files = files, seconds = 20 })
  if code == 0 or code == nil then error("the configuration was taken", 2) end
  return said
end

--- The same for a route with one plugin.
---@param plugin string  as in a configuration: '"rate-limit", limit = 0'
---@param upstream boolean?  false: the plugin answers
---@return string said
function refusal.of_plugin(plugin, upstream)
  return refusal.of(([[
    listen "127.0.0.1:0"
    route "/" { %s plugins = { { %s } } }
  ]]):format(upstream == false and "" or 'upstream = "http://127.0.0.1:1",', plugin))
end

--- Raises unless each plugin (a key of `cases`) is refused with the text.
---@param cases table<string, string>
---@param upstream boolean?
function refusal.of_each(cases, upstream)
  for plugin, text in pairs(cases) do
    local said = refusal.of_plugin(plugin, upstream)
    if not said:find(text, 1, true) then
      error(("%s is refused, but not with %q:\n%s"):format(plugin, text, said), 2)
    end
  end
end

return refusal
