--- board: what all workers know together of discovered lists: the last good one of each source, who
-- asks for it, and how that goes.
--
-- In the shared dictionary, so that it survives reloads and workers that die. A list is written in
-- pieces under a number of its own before the word that names the number is: nobody sees half of
-- one, whenever its writer is killed. Lists live for an hour unless who asks says them again, so
-- that those of sources that nobody has any more go.

local bridge = require "moongate.ffi"
local dict = require "moongate.dict" "moongate.discovery"
local json = require "moongate.json"

local C = bridge.C

---@class moongate.discovery.board
local board = {
  LEASE_SECONDS = 2,
  REPEAT_SECONDS = 300,
}

-- Less than what any dictionary takes as a value.
local PIECE_BYTES = 16384
local LIST_SECONDS = 3600
local CHANGES = "changes"

-- What tells this state from those of other workers and generations.
local own = {}

local function token()
  own.token = own.token or ("%d %s"):format(
    C.moon_worker_number(bridge.generation, C.MOON_WORKER_INDEX), tostring(own))
  return own.token
end

--- Whether this state is the one that asks: takes or extends a lease of LEASE_SECONDS. When its
--- worker dies or is stuck the lease ends, and another one takes it.
---@param source DiscoverySource
---@return boolean
function board.claim(source)
  local key = "lease " .. source.key
  if dict:get(key) == token() then
    return (dict:set(key, token(), board.LEASE_SECONDS))
  end
  return (dict:add(key, token(), board.LEASE_SECONDS))
end

--- Whether it still is.
---@param source DiscoverySource
---@return boolean
function board.holds(source) return dict:get("lease " .. source.key) == token() end

---@param source DiscoverySource
function board.release(source)
  if board.holds(source) then dict:delete("lease " .. source.key) end
end

--- A number that is another one whenever some list has changed.
---@return integer
function board.changes() return dict:get(CHANGES) or 0 end

local function piece_key(source, version, i)
  return ("list %s %d %d"):format(source.key, version, i)
end

local function head_of(source)
  local head = dict:get("list " .. source.key)
  if not head then return nil end
  local version, count = head:match "^(%d+) (%d+)$"
  return tonumber(version), tonumber(count)
end

--- The number of the last good list; nil: there is none.
---@param source DiscoverySource
---@return integer?
function board.version(source) return (head_of(source)) end

--- The last good list; nil: there is none, or it is being replaced.
---@param source DiscoverySource
---@return string? text
---@return integer? version
function board.list(source)
  local version, count = head_of(source)
  if not version then return nil end
  local pieces = {}
  for i = 1, count do
    pieces[i] = dict:get(piece_key(source, version, i))
    if not pieces[i] then return nil end
  end
  return table.concat(pieces), version
end

--- Whose list is in force: the source's, or until that has one the last source's of this upstream.
---@param source DiscoverySource
---@return { key: string }
function board.standing(source)
  if board.version(source) then return source end
  return { key = dict:get("last " .. source.name) or source.key }
end

local function write(source, version, text)
  local count = math.max(1, math.ceil(#text / PIECE_BYTES))
  for i = 1, count do
    local piece = text:sub((i - 1) * PIECE_BYTES + 1, i * PIECE_BYTES)
    local done, why = dict:set(piece_key(source, version, i), piece, LIST_SECONDS)
    if not done then return nil, why end
  end
  return dict:set("list " .. source.key, ("%d %d"):format(version, count), LIST_SECONDS)
end

local function forget(source, version, count)
  for i = 1, count or 0 do dict:delete(piece_key(source, version, i)) end
end

--- Another list than before.
---@param source DiscoverySource
---@param text string
---@return boolean done
---@return string? why   when the memory has no room: the list from before stays
function board.publish(source, text)
  local old, old_count = head_of(source)
  local version = dict:increment "versions"
  if not version then return false, "the shared dictionary is full" end
  local done, why = write(source, version, text)
  if not done then return false, why end
  dict:set("last " .. source.name, source.key)
  dict:increment(CHANGES)
  if old then forget(source, old, old_count) end
  return true
end

--- Says the same again, so that it lives on.
---@param source DiscoverySource
function board.keep(source)
  local standing, state = board.standing(source), board.state(source)
  local text, version = board.list(standing)
  if text then write(standing, version, text) end
  if state then board.set_state(source, state) end
end

---@class DiscoveryState  what is known of an upstream's list
---@field source string     "dns orders.internal:8080"
---@field key string        of the source: of another one it says nothing
---@field targets integer   of the last good list
---@field updated number?   when that was last confirmed; seconds since the epoch
---@field changed number?   when it last became another one
---@field asked number?
---@field next number?      when it is asked again
---@field failures integer  in a row
---@field error string?     of the last of these
---@field restored boolean? the list is from before a restart

---@param source DiscoverySource
---@return DiscoveryState?
function board.state(source)
  local text = dict:get("state " .. source.name)
  return text and json.decode(text) or nil
end

---@param source DiscoverySource
---@param state DiscoveryState
function board.set_state(source, state)
  dict:set("state " .. source.name, json.encode(state), LIST_SECONDS)
  dict:set("shown " .. source.name, board.sentence(state), LIST_SECONDS)
end

local function clock(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end

--- The state for people.
---@param state DiscoveryState
---@return string
function board.sentence(state)
  local parts = { state.source }
  if state.updated then
    parts[2] = ("%d targets as of %s"):format(state.targets, clock(state.updated))
  else
    parts[2] = "no list yet"
  end
  if state.restored then parts[2] = parts[2] .. ", from before a restart" end
  if state.error then
    parts[3] = ("failed %d times in a row: %s"):format(state.failures, state.error)
  end
  if state.next then parts[#parts + 1] = "asked again at " .. clock(state.next) end
  return table.concat(parts, "; ")
end

return board
