--- config: reads a configuration into a model, or says all that is wrong with it.
--
-- In three steps, each of which goes on after an error: the files run (environment.lua) and leave
-- declarations, plugins are loaded, declarations are checked and joined into a model (assemble.lua).

local assemble = require "moongate.config.assemble"
local environment = require "moongate.config.environment"
local plugins = require "moongate.config.plugins"

local config = {}

---@class ConfigOptions
---@field plugin_root string       folder of the bundled plugins
---@field getenv (fun(name: string): string?)?  default os.getenv
---@field normalise (fun(path: string): string?)?  uri_normalise_path; nil: paths stay as written

---@class ConfigError
---@field at string        "conf/gateway.lua:12", or a file's name alone
---@field message string   what is wrong; what was expected

local function by_place(one, other)
  local file, line = one.at:match "^(.*):(%d+)$"
  local other_file, other_line = other.at:match "^(.*):(%d+)$"
  if file and file == other_file and line ~= other_line then
    return tonumber(line) < tonumber(other_line)
  end
  return one.order < other.order
end

--- Reads the configuration at `path` and everything that it includes.
---@param path string
---@param options ConfigOptions
---@return Model? model
---@return ConfigError[]? errors  in the order of files and lines, when there is no model
function config.load(path, options)
  local errors = {}
  local function report(at, message)
    errors[#errors + 1] = { at = at, message = message, order = #errors }
  end

  local declared = environment.run(path, options.getenv or os.getenv, report)
  local loader = plugins.loader(declared.plugin_folders, options.plugin_root, report)
  local model = assemble.model(declared, loader, report, options)
  if #errors == 0 then return model end
  table.sort(errors, by_place)
  return nil, errors
end

return config
