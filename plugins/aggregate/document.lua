--- document: one JSON text of the parts' values, always in the same order.
--
-- Values go in byte for byte: nothing is decoded and written again.

local json = require "moongate.json"
local json_text = require "aggregate.json_text"

local document = {}

--- How a member of an object begins.
---@param name string
---@return string
function document.member(name) return json.encode(name) .. ":" end

-- What separates, the member and its value: three pieces for each. With an `index` a value takes
-- the place of one that the member has.
local function put(pieces, index, member, value)
  local at = index and index[member]
  if not at then
    at = #pieces + 1
    pieces[at], pieces[at + 1] = at == 1 and "{" or ",", member
    if index then index[member] = at end
  end
  pieces[at + 2] = value
end

-- Members of objects side by side; of equal names the part that is later in the order wins. What is
-- no object stands under the part's name.
local function put_merged(pieces, index, member, value)
  local members = value:byte() == 123 and json_text.members(value)
  if not members then
    if value ~= "null" then put(pieces, index, member, value) end
    return
  end
  for _, one in ipairs(members) do put(pieces, index, document.member(one.name), one.value) end
end

local function errors_text(ordered, failures)
  local errors = {}
  for _, part in ipairs(ordered) do
    local failure = failures[part.name]
    if failure then
      errors[#errors + 1] = ('{"part":%s,"reason":%s%s}'):format(json.encode(part.name),
        json.encode(failure.reason),
        failure.status and (',"status":%d'):format(failure.status) or "")
    end
  end
  return "[" .. table.concat(errors, ",") .. "]"
end

-- What a part without a value is: failed, or left out.
local function missing(failures, name)
  return failures and failures[name] and "null"
end

--- The whole answer.
---@param ordered AggregatePart[]
---@param values table<string, string>  JSON, by names of parts
---@param failures table<string, AggregateFailure>?
---@param merge "group"|"merge"
---@param errors string   name of the member that tells what failed; "": none
---@return string
function document.of(ordered, values, failures, merge, errors)
  local pieces, index, add = {}, nil, put
  if merge == "merge" then index, add = {}, put_merged end
  for i = 1, #ordered do
    local part = ordered[i]
    local value = values[part.name] or missing(failures, part.name)
    if value then add(pieces, index, part.member, value) end
  end
  if failures and errors ~= "" then
    put(pieces, index, document.member(errors), errors_text(ordered, failures))
  end
  if #pieces == 0 then return "{}" end
  pieces[#pieces + 1] = "}"
  return table.concat(pieces)
end

return document
