--- write-docs: writes the references in plugins/README.md, conf/README.md and lua/README.md.
--
-- A plugin, because plugins and the schema load inside the gateway only. What stands between the
-- two markers of a README is replaced, the rest is written by hand.

local BEGIN, END = "<!-- reference: made by ./dev docs -->", "<!-- end of the reference -->"

local write_docs = {
  summary = "Writes the generated parts of the documentation.",
  options = {
    root = { type = "string", required = true, help = "the source tree" },
    out = { type = "string", required = true, help = "folder that gets the files" },
  },
}

local function read(path)
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  return text
end

local function exists(path)
  local handle = io.open(path, "rb")
  if handle then handle:close() end
  return handle ~= nil
end

local function write(path, text)
  local handle = assert(io.open(path, "wb"))
  handle:write(text)
  handle:close()
end

local function update(self, name, reference)
  local text = read(self.root .. "/" .. name)
  local start, finish = text:find(BEGIN, 1, true), text:find(END, 1, true)
  assert(start and finish, name .. " has no markers")
  write(self.out .. "/" .. name,
    text:sub(1, start + #BEGIN - 1) .. "\n\n" .. reference .. "\n" .. text:sub(finish))
end

local function plugin_names(root)
  local disk = require "moongate.config.disk"
  local names = {}
  for _, file in ipairs(disk.names(root .. "/plugins")) do
    local name = file:match "^([%l%d-]+)%.lua$"
    if not name and exists(("%s/plugins/%s/init.lua"):format(root, file)) then name = file end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local PHASES = {
  "request", "respond", "response", "response_chunk", "response_body", "log", "start", "stop",
}

local function phases_of(plugin)
  local names = {}
  for _, phase in ipairs(PHASES) do
    if plugin[phase] then names[#names + 1] = "`" .. phase .. "`" end
  end
  return table.concat(names, ", ")
end

-- The opening comment behind its first sentence.
local function about(text)
  local lines = {}
  local is_first = true
  for line in text:gmatch "[^\n]+" do
    local said = line:match "^%-%-%-?%s?(.*)$"
    if not said then break end
    if not is_first then lines[#lines + 1] = said end
    is_first = false
  end
  return (table.concat(lines, " "):gsub("%s+", " "):match "^%s*(.-)%s*$")
end

local function plugins_reference(root, table_of)
  local out = {}
  for _, name in ipairs(plugin_names(root)) do
    local path = ("%s/plugins/%s.lua"):format(root, name)
    if not exists(path) then path = ("%s/plugins/%s/init.lua"):format(root, name) end
    local plugin, text = assert(loadfile(path))(), read(path)
    out[#out + 1] = ("## %s\n\n%s\n"):format(name, plugin.summary)
    local more = about(text)
    if more ~= "" then out[#out + 1] = more .. "\n" end
    out[#out + 1] = "Phases: " .. phases_of(plugin) .. ".\n"
    out[#out + 1] = table_of(plugin.options)
  end
  return table.concat(out, "\n")
end

local CONFIGURATION = {
  { "settings", "Settings with one value", "Each is a call: `workers(2)`, `via \"edge\"`." },
  { "memory", "memory", "Shared by all workers." },
  { "store", "store", "What must survive a restart. Without it there is no store." },
  { "log", "log" }, { "limits", "limits" }, { "resolver", "resolver" },
  { "shed", "shed", "Without it no load is shed." },
  { "listener", "listen" }, { "admin", "admin" }, { "upstream", "upstream" },
  { "target", "Targets of an upstream", "`{ \"http://10.0.0.12:9000\", weight = 2 }`" },
  { "consumer", "consumer" }, { "plan", "plan" }, { "route", "route" },
  { "timeout", "timeout", "In a route or a group; a duration alone is `total`." },
  { "group", "group" },
  { "deadline", "deadline", "For all routes, or in a route or a group: there `false` is none." },
}

local function configuration_reference(table_of)
  local schema = require "moongate.config.schema"
  local plugins = require "moongate.config.plugins"
  local out = {}
  for _, part in ipairs(CONFIGURATION) do
    out[#out + 1] = ("### %s\n"):format(part[2])
    if part[3] then out[#out + 1] = part[3] .. "\n" end
    out[#out + 1] = table_of(schema[part[1]])
  end
  out[#out + 1] = "### Every plugin\n"
  out[#out + 1] = "Beside its own options (plugins/README.md).\n"
  out[#out + 1] = table_of(plugins.STEP_OPTIONS)
  return table.concat(out, "\n")
end

-- The objects that plugins are given, then the libraries as init.lua lists them.
local OBJECTS = {
  "request", "attempt", "response", "headers", "lookup", "tls", "session", "model",
}
local TITLES = {
  request = "The request", attempt = "Its way upstream", response = "The response",
  headers = "Headers",
  lookup = "Query, cookies and parameters", tls = "The client's TLS",
  session = "The client's session", model = "A plugin",
}

local function lua_reference(root, reference)
  local out = {}
  local function add(title, name)
    local path = ("%s/lua/moongate/%s.lua"):format(root, name)
    if not exists(path) then return end
    local text = read(path)
    if name == "model" then text = text:sub((text:find("---@class Plugin\n", 1, true))) end
    out[#out + 1] = ("### %s\n\n%s"):format(title, reference(text, name))
  end
  for _, name in ipairs(OBJECTS) do add(TITLES[name], name) end
  for name in read(root .. "/lua/moongate/init.lua"):gmatch "%-%-%-@field ([%l_]+)" do
    add("moongate." .. name, name)
  end
  return table.concat(out, "\n")
end

function write_docs.new(options)
  package.path = options.root .. "/?.lua;" .. package.path
  local table_of = require("spec.docs.options").table
  local reference = require("spec.docs.annotations").reference
  update(options, "plugins/README.md", plugins_reference(options.root, table_of))
  update(options, "conf/README.md", configuration_reference(table_of))
  update(options, "lua/README.md", lua_reference(options.root, reference))
end

function write_docs.respond() end

return write_docs
