--- config: reads a configuration into a model, or says all that is wrong with it.
--
-- In three steps, each of which goes on after an error: the files run (environment.lua) and leave
-- declarations, plugins are loaded, declarations are checked and joined into a model
-- (assemble.lua). Routes and consumers are built as they are read, so that not all of them are held
-- at a time.

local assemble = require "moongate.config.assemble"
local environment = require "moongate.config.environment"
local files = require "moongate.config.files"
local plugins = require "moongate.config.plugins"

local config = {}

---@class ConfigOptions
---@field plugin_root string       folder of the bundled plugins
---@field getenv (fun(name: string): string?)?  default os.getenv
---@field builder ModelBuilder?    makes something of the model; see build.lua

---@class ModelBuilder: RouteBuilder
---@field start (fun(model: Model, report: fun(at: string, message: string)))?
--- all but routes is known
---@field add (fun(pattern: RoutePattern): boolean?, string?)?  of each route that is right
---@field consumer (fun(consumer: ModelConsumer): boolean?, string?)?  of each that is right
---@field complete fun(model: Model)?  all is known, and nothing is wrong
---@field is_broken boolean?         something was wrong: nothing but patterns is of use any more
---@field forgets boolean?           model.routes and model.consumers may stay empty

---@class ConfigError
---@field at string        "conf/gateway.lua:12", or a file's name alone
---@field message string   what is wrong; what was expected

-- For specs, and whoever wants to see a model alone.
local function as_written()
  return { normalise = function(path) return path end }
end

-- In the order of files, of lines, and of finding.
local function sort(errors, order)
  local rank = {}
  for i, file in ipairs(order) do rank[file] = i end
  for i, one in ipairs(errors) do
    local file, line = one.at:match "^(.*):(%d+)$"
    one.rank = { rank[file or one.at] or 0, tonumber(line) or 0, i }
  end
  table.sort(errors, function(one, other)
    for i = 1, 2 do
      if one.rank[i] ~= other.rank[i] then return one.rank[i] < other.rank[i] end
    end
    return one.rank[3] < other.rank[3]
  end)
  for _, one in ipairs(errors) do one.rank = nil end
  return errors
end

--- Reads the configuration at `path` and everything that it includes.
---@param path string
---@param options ConfigOptions
---@return Model? model
---@return ConfigError[]? errors  in the order of files and lines, when there is no model
function config.load(path, options)
  local errors, builder = {}, options.builder or as_written()
  local function report(at, message)
    builder.is_broken = true
    errors[#errors + 1] = { at = at, message = files.mend(message) }
  end

  local declared = environment.run(path, options.getenv or os.getenv, report)
  local loader = plugins.loader(declared.plugin_folders, options.plugin_root, report)
  local model = assemble.model(declared, loader, report, builder)
  if #errors == 0 and builder.complete then builder.complete(model) end
  if #errors == 0 then return model end
  return nil, sort(errors, declared.files)
end

return config
