--- known: what instances of plugins in this worker have found of requests, by a text of theirs.
--
-- A field's value that is a key here is the very string that the same field of the next request
-- becomes, so that it makes no garbage. What one instance has found says nothing about another,
-- whose options differ. A purge of what plugins cache (moongate.cache) is one of all that is here.

local bridge = require "moongate.ffi"
local kept = require "moongate.kept"

local C = bridge.C

---@class moongate.known
local known = {}

-- What longer ones say is found out each time, so that memory is bounded.
local BYTES_MAX = 4096
local texts = kept(1024)
local epoch = false

--- What an instance has found; whether it is over by now is for it to say.
---@param text string
---@param instance table
---@return table? found
function known.find(text, instance)
  local now = C.moon_value_epoch(bridge.generation)
  if now ~= epoch then
    texts:clear()
    epoch = now
  end
  local of_text = texts:get(text)
  return of_text and of_text[instance]
end

---@param text string
---@param instance table
---@param found table
function known.keep(text, instance, found)
  if #text > BYTES_MAX then return end
  local of_text = texts:get(text)
  if not of_text then
    of_text = {}
    texts:put(text, of_text)
  end
  of_text[instance] = found
end

return known
