--- revocation: sessions that have ended before their time, where the gateway keeps count of them.
--
-- By the id of a session, and for all of a consumer's by the time before which they began. Kept no
-- longer than a session can last, in shared memory or in the store.

local moongate = require "moongate"

local revocation = {}

local NAME = "session"
local areas = {}

local function dictionary()
  areas.dict = areas.dict or moongate.dict(NAME)
  return areas.dict
end

local function store()
  areas.store = areas.store or moongate.store(NAME)
  return areas.store
end

local DRIVERS = {
  none = { get = function() return nil end, put = function() return true end },
  dict = {
    get = function(key) return dictionary():get(key) end,
    put = function(key, value, seconds) return dictionary():set(key, value, seconds) end,
  },
  store = {
    get = function(key)
      local text = store():get(key)
      return text and tonumber(text)
    end,
    put = function(key, value, seconds)
      return store():put(key, ("%d"):format(value), seconds)
    end,
  },
}

---@param kind "none"|"dict"|"store"
---@param session Session
---@return boolean
function revocation.is_revoked(kind, session)
  local get = DRIVERS[kind].get
  if get("id/" .. session.id) then return true end
  local since = session.consumer and get("consumer/" .. session.consumer)
  return since ~= nil and since ~= false and session.started <= since
end

--- Ends one; may wait.
---@param kind "none"|"dict"|"store"
---@param session Session
---@param seconds number  that it could last yet
---@return boolean done  false: it cannot be remembered now
---@return string? why
function revocation.revoke(kind, session, seconds)
  return DRIVERS[kind].put("id/" .. session.id, 1, seconds)
end

--- Ends all that a consumer has; may wait.
---@param kind "none"|"dict"|"store"
---@param consumer string
---@param seconds number  that they could last yet
---@return boolean done
---@return string? why
function revocation.revoke_all(kind, consumer, seconds)
  return DRIVERS[kind].put("consumer/" .. consumer, math.floor(moongate.time.now() * 1000), seconds)
end

return revocation
