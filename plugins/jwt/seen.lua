--- seen: tokens that this worker has found to be right, by the text that they came in.
--
-- A text that is a key here is the very string that the same field of the next request becomes, so
-- that it makes no garbage. Two tables: when the young one is full it becomes the old one, whose
-- entries are dropped unless they are used again.

---@class JwtSeen
---@field set JwtKeySet           by which it was verified
---@field [Jwt] JwtVerdict        of an instance, whose rules it has been held against

---@class JwtVerdict
---@field ends number             seconds since 1970
---@field claims table
---@field texts (string|false)[]  of claim_headers

local seen = {}

local COUNT_MAX = 2048
local BYTES_MAX = 4194304

local young, old, count, bytes = {}, {}, 0, 0

local function put(text, entry)
  if count >= COUNT_MAX or bytes + #text > BYTES_MAX then
    old, young, count, bytes = young, {}, 0, 0
  end
  young[text] = entry
  count, bytes = count + 1, bytes + #text
end

---@param text string
---@return JwtSeen?
function seen.find(text)
  local entry = young[text]
  if entry then return entry end
  entry = old[text]
  if entry then put(text, entry) end
  return entry
end

--- Remembers what an instance has found.
---@param text string
---@param set JwtKeySet
---@param instance Jwt
---@param verdict JwtVerdict
function seen.keep(text, set, instance, verdict)
  local entry = seen.find(text)
  if not entry or entry.set ~= set then
    entry = { set = set }
    if not young[text] then put(text, entry) end
    young[text] = entry
  end
  entry[instance] = verdict
end

return seen
