--- bearer_known: bearer tokens that this worker has found to be right, by the text they came in.
--
-- A text that is a key here is the very string that the same field of the next request becomes, so
-- that it makes no garbage. What one instance has found says nothing about another, whose rules may
-- differ.

local kept = require "moongate.kept"

---@class BearerVerdict
---@field ends number             seconds since 1970
---@field claims table
---@field texts (string|false)[]  of bearer.texts

---@class moongate.bearer_known
local bearer_known = {}

-- Longer ones are verified each time, so that memory is bounded.
local BYTES_MAX = 4096
local tokens = kept(1024)

--- What an instance has found; it may be over by now.
---@param text string
---@param instance table
---@return BearerVerdict?
function bearer_known.find(text, instance)
  local verdicts = tokens:get(text)
  return verdicts and verdicts[instance]
end

---@param text string
---@param instance table
---@param verdict BearerVerdict
function bearer_known.keep(text, instance, verdict)
  if #text > BYTES_MAX then return end
  local verdicts = tokens:get(text)
  if not verdicts then
    verdicts = {}
    tokens:put(text, verdicts)
  end
  verdicts[instance] = verdict
end

return bearer_known
