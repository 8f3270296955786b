--- graph: which parts wait for which.

local graph = {}

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end
graph.sorted = sorted

-- Follows needs from `name`; the names of a circle, in its order, when there is one.
local function circle_from(parts, name, path, is_done)
  if is_done[name] then return nil end
  for i, seen in ipairs(path) do
    if seen == name then
      local circle = { unpack(path, i) }
      circle[#circle + 1] = name
      return circle
    end
  end
  path[#path + 1] = name
  for _, needed in ipairs(sorted(parts[name].needs)) do
    local circle = circle_from(parts, needed, path, is_done)
    if circle then return circle end
  end
  path[#path] = nil
  is_done[name] = true
  return nil
end

--- Names of parts that wait for each other, the first one again at the end; nil: there are none.
---@param parts table<string, AggregatePart>
---@return string[]?
function graph.circle(parts)
  local is_done = {}
  for _, name in ipairs(sorted(parts)) do
    local circle = circle_from(parts, name, {}, is_done)
    if circle then return circle end
  end
  return nil
end

--- For each part how many it waits for, and which wait for it.
---@param parts table<string, AggregatePart>
---@return table<string, integer> counts
---@return table<string, AggregatePart[]> dependents
function graph.of(parts)
  local counts, dependents = {}, {}
  for _, name in ipairs(sorted(parts)) do
    local needs = sorted(parts[name].needs)
    counts[name] = #needs
    for _, needed in ipairs(needs) do
      dependents[needed] = dependents[needed] or {}
      table.insert(dependents[needed], parts[name])
    end
  end
  return counts, dependents
end

return graph
