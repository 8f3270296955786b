--- document: one JSON text of the parts' values, always in the same order.
--
-- Values go in byte for byte: nothing is decoded and written again.

local json = require "moongate.json"
local json_text = require "aggregate.json_text"

local document = {}

local function put(list, index, name, value)
  local at = index[name]
  if not at then
    at = #list + 1
    index[name] = at
  end
  list[at] = json.encode(name) .. ":" .. value
end

-- Members of objects side by side; of equal names the part that is later in the order wins. What is
-- no object stands under the part's name.
local function put_merged(list, index, name, value)
  local members = value:sub(1, 1) == "{" and json_text.members(value)
  if not members then
    if value ~= "null" then put(list, index, name, value) end
    return
  end
  for _, member in ipairs(members) do put(list, index, member.name, member.value) end
end

local function errors_text(order, results)
  local errors = {}
  for _, name in ipairs(order) do
    local failure = results[name] and results[name].failure
    if failure then
      errors[#errors + 1] = ('{"part":%s,"reason":%s%s}'):format(json.encode(name),
        json.encode(failure.reason),
        failure.status and (',"status":%d'):format(failure.status) or "")
    end
  end
  return #errors > 0 and "[" .. table.concat(errors, ",") .. "]" or nil
end

--- The whole answer.
---@param order string[]  names of the parts
---@param results table<string, AggregateResult>
---@param merge "group"|"merge"
---@param errors string   name of the member that tells what failed; "": none
---@return string
function document.of(order, results, merge, errors)
  local list, index = {}, {}
  local add = merge == "merge" and put_merged or put
  for _, name in ipairs(order) do
    local result = results[name]
    local value = result.value or (not result.is_skipped and "null") or nil
    if value then add(list, index, name, value) end
  end
  local failures = errors ~= "" and errors_text(order, results)
  if failures then put(list, index, errors, failures) end
  return "{" .. table.concat(list, ",") .. "}"
end

return document
