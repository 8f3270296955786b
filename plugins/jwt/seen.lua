--- seen: tokens that this worker has found to be right, by the text that they came in.
--
-- A text that is a key here is the very string that the same field of the next request becomes, so
-- that it makes no garbage.

local kept = require "moongate.kept"

---@class JwtSeen
---@field set JwtKeySet           by which it was verified
---@field [Jwt] JwtVerdict        of an instance, whose rules it has been held against

---@class JwtVerdict
---@field ends number             seconds since 1970
---@field claims table
---@field texts (string|false)[]  of claim_headers

local seen = {}

-- Longer ones are verified each time, so that memory is bounded.
local BYTES_MAX = 4096
local tokens = kept(1024)

---@param text string
---@return JwtSeen?
function seen.find(text)
  return tokens:get(text)
end

--- Remembers what an instance has found.
---@param text string
---@param set JwtKeySet
---@param instance Jwt
---@param verdict JwtVerdict
function seen.keep(text, set, instance, verdict)
  if #text > BYTES_MAX then return end
  local entry = tokens:get(text)
  if not entry or entry.set ~= set then
    entry = { set = set }
    tokens:put(text, entry)
  end
  entry[instance] = verdict
end

return seen
