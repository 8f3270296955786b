--- options: tables of options (of plugins, of the configuration) as Markdown.

local options = {}

local function shown(value)
  if type(value) == "string" then return ('`"%s"`'):format(value) end
  if type(value) == "table" then
    if next(value) == nil then return "`{}`" end
    local parts = {}
    for _, item in ipairs(value) do parts[#parts + 1] = tostring(item) end -- it may be an order
    if #parts == 0 then
      for key, item in pairs(value) do
        parts[#parts + 1] = ("%s = %s"):format(key, tostring(item))
      end
      table.sort(parts)
    end
    return "`{ " .. table.concat(parts, ", ") .. " }`"
  end
  return "`" .. tostring(value) .. "`"
end

local function kind_of(option)
  if option.items and option.items.type and option.items.type ~= "any" then
    return ("%s of %s"):format(option.type, option.items.type)
  end
  return option.type
end

local function values_of(option)
  if option.values then
    local list = {}
    for i, value in ipairs(option.values) do list[i] = shown(value) end
    return table.concat(list, ", ")
  end
  if option.min and option.max then return ("%s to %s"):format(option.min, option.max) end
  return option.min and ("at least " .. option.min) or option.max and ("at most " .. option.max)
end

local function meaning_of(option)
  local text = option.help or ""
  local values = values_of(option)
  return values and ("%s (%s)"):format(text, values) or text
end

local function default_of(option)
  if option.required then return "required" end
  if option.default == nil then return "" end
  return shown(option.default)
end

-- A line break or a bar would end a table's cell.
local function cell(text)
  return (text:gsub("%s+", " "):gsub("|", "\\|"))
end

local function names_of(of)
  local names = {}
  for name in pairs(of) do names[#names + 1] = name end
  table.sort(names, function(one, other)
    local first, second = of[one].required or false, of[other].required or false
    if first ~= second then return first end
    return one < other
  end)
  return names
end

local function add_rows(out, of, prefix)
  for _, name in ipairs(names_of(of)) do
    local option = of[name]
    local full = prefix .. name
    out[#out + 1] = ("| `%s` | %s | %s | %s |"):format(full, cell(kind_of(option)),
      cell(default_of(option)), cell(meaning_of(option)))
    local fields = option.fields or (option.items and option.items.fields)
    if fields then add_rows(out, fields, full .. (option.items and "[]." or ".")) end
  end
end

--- A table of options: those that are required first, then by name.
---@param of table<string, PluginOption>
---@return string markdown
function options.table(of)
  if next(of) == nil then return "No options.\n" end
  local out = { "| option | type | default | meaning |", "|---|---|---|---|" }
  add_rows(out, of, "")
  return table.concat(out, "\n") .. "\n"
end

return options
