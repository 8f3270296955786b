--- nearest: the known name that somebody probably meant.

local nearest = {}

-- Edits (a swap of neighbours counts as one) that turn `one` into `other`.
local function distance(one, other)
  local before, row = {}, {}
  for j = 0, #other do row[j] = j end
  for i = 1, #one do
    local older = before
    before, row = row, { [0] = i }
    for j = 1, #other do
      local same = one:byte(i) == other:byte(j)
      local least = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (same and 0 or 1))
      local swapped = i > 1 and j > 1 and one:byte(i) == other:byte(j - 1)
        and one:byte(i - 1) == other:byte(j)
      if swapped then least = math.min(least, older[j - 2] + 1) end
      row[j] = least
    end
  end
  return row[#other]
end

-- The same, where it is at most `most`; nil: it is more.
local function distance_within(one, other, most)
  -- As many edits at least as one is longer than the other.
  if math.abs(#one - #other) > most then return nil end
  local count = distance(one, other)
  return count <= most and count or nil
end

--- The most similar of `names` (a list, or a table by name); nil when none is similar enough.
---@param name string
---@param names table
---@return string?
function nearest.of(name, names)
  local best, most = nil, #name < 4 and 1 or math.max(2, math.floor(#name / 3))
  for key, value in pairs(names) do
    local candidate = type(key) == "number" and value or key
    local count = distance_within(name, candidate, most)
    if count and (count < most or not best or candidate < best) then
      best, most = candidate, count
    end
  end
  return best
end

--- "; did you mean \"x\"?", or what there is when few, or "".
---@param name string
---@param names table
---@return string
function nearest.hint(name, names)
  local found = nearest.of(name, names)
  if found then return ('; did you mean "%s"?'):format(found) end
  local list = {}
  for key, value in pairs(names) do list[#list + 1] = type(key) == "number" and value or key end
  table.sort(list)
  if #list == 0 or #list > 24 then return "" end
  return "; known are " .. table.concat(list, ", ")
end

return nearest
