--- command: the verbs of the command line that are about the configuration.
--
-- Called by runtime/bridge/script.c in a state of its own; has no effect on any running gateway.

local arguments = require "moongate.command.arguments"

local command = {}

local VERBS = {
  check = "moongate.command.check",
  routes = "moongate.command.routes",
  explain = "moongate.command.explain",
  new = "moongate.command.new",
}

--- Exit codes: 0 done, 1 failed, 2 wrong usage.
---@param words string[]          the verb and what follows it
---@param generation userdata
---@param plugin_root string
---@return integer code
function command.main(words, generation, plugin_root)
  local verb = require(VERBS[words[1]])
  local given, wrong = arguments.parse(words, verb.options or {}, verb.words)
  if not given then
    io.stderr:write(("moongate %s: %s\nusage: moongate %s\n"):format(words[1], wrong, verb.usage))
    return 2
  end
  given.generation, given.plugin_root = generation, plugin_root
  return verb.run(given)
end

return command
