--- boot: the first Lua of a generation: reads the configuration and builds what it says.
--
-- Called by runtime/bridge/generation.c. What only building needs is dropped when it is done.

local bridge = require "moongate.ffi"
local compiler = require "moongate.compiler"

-- Modules that a serving state has no use for.
local BUILDING = { "^moongate%.config", "^moongate%.build", "^moongate%.router$",
  "^moongate%.below$", "^moongate%.canonical$", "^moongate%.chain$", "^moongate%.compiler$",
  "^moongate%.digest$", "^moongate%.admin%.configuration$", "^moongate%.admin%.redact$",
  "^moongate%.inventory$", "^moongate%.path_pattern$", "^moongate%.route_", "^moongate%.boot$" }

local function drop_modules()
  for name in pairs(package.loaded) do
    for _, pattern in ipairs(BUILDING) do
      if name:find(pattern) then package.loaded[name] = nil end
    end
  end
end

-- "file:line: what is wrong" of what config.lua says.
local function lines(errors)
  local texts = {}
  for i, one in ipairs(errors) do texts[i] = ("%s: %s"):format(one.at, one.message) end
  return texts
end

--- Code of plugins whose phases all routes share is compiled when it is hot; what ran once is
--- forgotten.
---@param generation ffi.cdata*
---@param path string         of the configuration
---@param plugin_root string  folder of the bundled plugins
---@return table? dispatch    nil: see errors
---@return string[]? errors
return function(generation, path, plugin_root)
  bridge.set_generation(generation)
  compiler.reads()
  local build = require "moongate.build"
  local config = require "moongate.config"
  local model, wrong = config.load(path,
    { plugin_root = plugin_root, builder = build.builder(false) })
  if not model then return nil, lines(wrong) end
  drop_modules()
  compiler.serves()
  return require "moongate.dispatch"
end
