--- leader: asks one source again and again, for all workers, and says what it has found.
--
-- Whatever goes wrong, the last good list stays: no answer, one that is too large or malformed, one
-- with too many targets, an empty one that nobody has said to be meant. The next question comes
-- after a time that doubles with each failure, and varies.

local board = require "moongate.discovery.board"
local bridge = require "moongate.ffi"
local consul = require "moongate.discovery.consul"
local dns = require "moongate.discovery.dns"
local documents = require "moongate.discovery.documents"
local eureka = require "moongate.discovery.eureka"
local json = require "moongate.json"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local sleep = require "moongate.sleep"
local store = require "moongate.store"
local targets = require "moongate.discovery.targets"
local varied = require "moongate.discovery.varied"

local C = bridge.C

local leader = {}

local ASK = {
  dns = dns.addresses, srv = dns.services, file = documents.file, http = documents.http,
  consul = consul.ask, eureka = eureka.ask,
}

-- The first time between two failed questions; at most retry_max.
local RETRY_SECONDS = 0.5
local ERROR_BYTES_MAX = 240
-- Who takes over asks after this time at the latest, whatever the one before had in mind.
local FIRST_SECONDS_MAX = 60

local ASKED = metrics.counter("moongate_discovery_asked_total",
  "Times that the source of an upstream's targets was asked.", { "upstream" })
local FAILED = metrics.counter("moongate_discovery_failures_total",
  "Of these, those without a list that could be used.", { "upstream" })

local function now() return C.moon_now(bridge.generation) end

local function has_store() return C.moon_store_is_open(bridge.generation) end

-- Of lists that are to survive a restart; in the store, where there is one.
local function kept() return store "discovery" end

local function state_of(source)
  local state = board.state(source)
  if state and state.key == source.key then return state end
  return { source = source.text, key = source.key, targets = 0, failures = 0 }
end

--- Takes over what the store has from before a restart, where no worker knows a list.
---@param source DiscoverySource
function leader.restore(source)
  if board.version(source) or not has_store() then return end
  local is_read, text = pcall(kept().get, kept(), source.key)
  local record = is_read and text and json.decode(text)
  if not record or not board.publish(source, record.list) then return end
  local state = state_of(source)
  state.targets, state.updated, state.changed = record.targets, record.updated, record.updated
  state.restored = true
  board.set_state(source, state)
end

local function remember(source, state, text)
  if not has_store() then return end
  local done, why = kept():put(source.key, json.encode {
    list = text, targets = state.targets, updated = state.updated })
  if not done then log.warning("upstream %q: its list is not stored: %s", source.name, why) end
end

-- nil and why where the answer cannot be used.
local function usable(source, list)
  local options = source.options
  if #list == 0 and not options.empty then return nil, "the list is empty" end
  local text, count = targets.encode(list)
  if count > options.targets then
    return nil, ("the list has %d targets, more than %d"):format(count, options.targets)
  end
  return text, count
end

local function take(source, state, list)
  local text, count = usable(source, list)
  if not text then return nil, count end
  local old = board.list(source)
  state.targets = count
  if text == old then return true end
  local done, why = board.publish(source, text)
  if not done then return nil, why end
  log.info("upstream %q: %d targets by %s: %s", source.name, count, source.text,
    targets.difference(old, text))
  state.changed, state.updated = now(), now()
  remember(source, state, text)
  return true
end

local function retry_seconds(source, failures)
  local seconds = RETRY_SECONDS * 2 ^ math.min(failures - 1, 20)
  return varied(math.min(seconds, source.options.retry_max), 0.5, 1)
end

local function note_failure(source, state, why)
  why = tostring(why):sub(1, ERROR_BYTES_MAX)
  FAILED:with(source.name):add(1)
  if why ~= state.error then
    log.warning("upstream %q: no new list by %s: %s%s", source.name, source.text, why,
      state.updated and "; the last one stays" or "")
  end
  state.failures, state.error = state.failures + 1, why
  return retry_seconds(source, state.failures)
end

local function note_success(source, state)
  if state.error then
    log.info("upstream %q: %s tells again", source.name, source.text)
  end
  state.failures, state.error, state.restored, state.updated = 0, nil, nil, now()
end

-- Asks once; the seconds until it is to be asked again, nil when that is somebody else's by now.
local function ask(source, memory, term)
  ASKED:with(source.name):add(1)
  local ok, list, seconds = pcall(ASK[source.options.kind], source, memory)
  -- Whoever asks by now knows better.
  if not source.leads or source.term ~= term or not board.claim(source) then return nil end
  local state, why = state_of(source), seconds
  state.asked = now()
  local is_good = ok and list == false
  if ok and list then is_good, why = take(source, state, list) end
  if not ok then
    log.error("upstream %q: %s", source.name, list)
    why = "the answer could not be read"
  end
  if is_good then note_success(source, state) else seconds = note_failure(source, state, why) end
  if not is_good then memory.stamp = nil end
  state.next = state.asked + seconds
  board.set_state(source, state)
  return seconds
end

-- Nothing that goes wrong with one answer ends the asking.
local function ask_safely(source, memory, term)
  local ok, seconds = xpcall(ask, debug.traceback, source, memory, term)
  if ok then return seconds end
  log.error("upstream %q: %s", source.name, seconds)
  return source.options.retry_max
end

--- Asks for as long as this state is the one that does; after the one before it when that would
--- have.
---@param source DiscoverySource
---@param term integer  the source's; with another one somebody else does
function leader.lead(source, term)
  local memory, state = {}, state_of(source)
  local wait = board.version(source) and (state.next or 0) - now() or 0
  wait = math.min(wait, FIRST_SECONDS_MAX)
  while wait do
    if wait > 0 then sleep(wait) end
    if not source.leads or source.term ~= term then return end
    wait = ask_safely(source, memory, term)
  end
  if source.term == term then source.leads = false end
end

return leader
