--- routes: `moongate routes`: lists the routes with where they go and which plugins they have.

local json = require "moongate.json"
local reading = require "moongate.command.reading"

local routes = { usage = "routes [-c FILE] [--json]", words = { 0, 0 } }

local function names_of(steps)
  local names = {}
  for i, step in ipairs(steps) do names[i] = step.name end
  return names
end

local function target_of(route)
  if route.upstream then return route.upstream end
  for _, step in ipairs(route.plugins) do
    if step.plugin.respond then return "(" .. step.name .. ")" end
  end
  return "?"
end

local function row_of(route)
  return {
    route.methods[1] and table.concat(route.methods, ",") or "*",
    route.hosts[1] and table.concat(route.hosts, ",") or "*",
    route.path,
    target_of(route),
    table.concat(names_of(route.plugins), " "),
    route.at,
  }
end

local function print_table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for column, text in ipairs(row) do widths[column] = math.max(widths[column] or 0, #text) end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      cells[column] = column < #row and text .. (" "):rep(widths[column] - #text) or text
    end
    io.stdout:write(table.concat(cells, "  "), "\n")
  end
end

local function print_json(list)
  local shown = {}
  for i, route in ipairs(list) do
    shown[i] = {
      name = route.name, at = route.at, path = route.path, priority = route.priority,
      methods = json.array(route.methods), hosts = json.array(route.hosts),
      upstream = route.upstream, rewrite = route.rewrite,
      plugins = json.array(names_of(route.plugins)), conditional = route.when ~= nil,
    }
  end
  io.stdout:write(json.encode(json.array(shown)), "\n")
end

---@param given Arguments
---@return integer code
function routes.run(given)
  local model = reading.model(given, true)
  if not model then return 1 end
  if given.json then
    print_json(model.routes)
    return 0
  end
  local rows = { { "METHOD", "HOST", "PATH", "UPSTREAM", "PLUGINS", "AT" } }
  for _, route in ipairs(model.routes) do rows[#rows + 1] = row_of(route) end
  print_table(rows)
  return 0
end

return routes
