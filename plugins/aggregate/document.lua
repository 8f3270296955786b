--- document: one JSON text of the parts' values, always in the same order.
--
-- Values go in byte for byte: nothing is decoded and written again. Side by side they are put
-- together by C (runtime/bridge/gather.h), members in one object here.

local json = require "moongate.json"
local json_text = require "aggregate.json_text"

local document = {}

--- How a member of an object begins.
---@param name string
---@return string
function document.member(name) return json.encode(name) .. ":" end

-- What separates, the member and its value: three pieces for each. A value takes the place of one
-- that the member has.
local function put(pieces, index, member, value)
  local at = index[member]
  if not at then
    at = #pieces + 1
    pieces[at], pieces[at + 1] = at == 1 and "{" or ",", member
    index[member] = at
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

--- The list of what failed.
---@param ordered AggregatePart[]
---@param failures table<string, AggregateFailure>
---@return string
function document.errors(ordered, failures)
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

--- The members of all parts in one object.
---@param ordered AggregatePart[]
---@param values table<string, string>  JSON, by names of parts
---@param member string  a further one, and its value; "": none
---@param value string?
---@return string
function document.merged(ordered, values, member, value)
  local pieces, index = {}, {}
  for _, part in ipairs(ordered) do
    if values[part.name] then put_merged(pieces, index, part.member, values[part.name]) end
  end
  if member ~= "" then put(pieces, index, member, value) end
  if #pieces == 0 then return "{}" end
  pieces[#pieces + 1] = "}"
  return table.concat(pieces)
end

return document
