--- reading: the configuration as the verbs need it: read, built, never committed.

local bridge = require "moongate.ffi"
local compiler = require "moongate.compiler"
local json = require "moongate.json"

local reading = {}

--- Reads and builds; prints all that is wrong.
---@param given Arguments
---@param keeps_all boolean  whether model.routes and model.consumers are wanted
---@return Model? model  nil: errors have been printed
function reading.model(given, keeps_all)
  bridge.set_generation(given.generation)
  compiler.reads()
  local build = require "moongate.build"
  local config = require "moongate.config"
  local model, errors = config.load(given.config,
    { plugin_root = given.plugin_root, builder = build.builder(keeps_all) })
  if not model then reading.print_errors(given, errors) end
  return model
end

local function text_of(one) return ("%s: %s"):format(one.at, one.message) end

--- Errors for people, or with --json for programs.
---@param given Arguments
---@param errors table
function reading.print_errors(given, errors)
  if given.json then
    local list = {}
    for i, one in ipairs(errors) do
      local file, line, message = text_of(one):match "^(.-):(%d+): (.*)$"
      list[i] = { file = file, line = tonumber(line), message = message or text_of(one) }
    end
    io.stdout:write(json.encode { ok = false, errors = json.array(list) }, "\n")
    return
  end
  for _, one in ipairs(errors) do io.stderr:write(text_of(one), "\n") end
end

return reading
