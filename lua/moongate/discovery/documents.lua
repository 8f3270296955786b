--- documents: targets from a JSON list, in a file or by HTTP.
--
--     [ "http://10.0.0.11:9000", { "url": "10.0.0.12:9000", "weight": 2, "zone": "b" } ]
--
-- Or an object that has such a list as "targets".

local core = require "moongate.core.file"
local json = require "moongate.json"
local fetched = require "moongate.discovery.fetched"
local targets = require "moongate.discovery.targets"

local documents = {}

local function list_of(source, document)
  if type(document) == "table" and not targets.is_list(document) then
    document = document.targets
  end
  if not targets.is_list(document) then
    return nil, 'it is no list, nor has it one as "targets"'
  end
  local list = {}
  for i, item in ipairs(document) do
    local target, why = targets.read(source, item)
    if not target then return nil, ("target %d %s"):format(i, why) end
    list[i] = target
  end
  return list
end

--- A file: read when it is another one than before, or has changed, whatever it was replaced by.
---@param source DiscoverySource
---@param memory table   of who asks
---@return DiscoveredTarget[]|false|nil list  false: as it was
---@return number|string seconds_or_why
function documents.file(source, memory)
  local options = source.options
  local text, stamp = core.read_changed(options.path, options.size, memory.stamp or "",
    options.timeout)
  if text == nil then return nil, "the file cannot be read: " .. stamp end
  if text == false then return false, options.interval end
  local document, wrong = json.decode(text)
  if document == nil then return nil, "the file is no JSON: " .. tostring(wrong) end
  local list, why = list_of(source, document)
  if not list then return nil, "the file: " .. why end
  memory.stamp = stamp
  return list, options.interval
end

--- What a URL answers with.
---@param source DiscoverySource
---@return DiscoveredTarget[]? list
---@return number|string seconds_or_why
function documents.http(source)
  local document, why = fetched.document(source, source.options.http)
  if document == nil then return nil, why end
  local list
  list, why = list_of(source, document)
  if not list then return nil, "the answer: " .. why end
  return list, fetched.interval(source)
end

return documents
