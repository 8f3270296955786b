--- discovery: keeps the targets of upstreams that have `discover` as their sources say.
--
-- Of all workers one asks each source (leader.lua) and puts the list where all see it (board.lua);
-- each of them looks for new lists ten times a second. A generation that starts waits a little for
-- lists that are not there yet, so that the first requests find targets; whoever comes before there
-- is one gets 503 and "upstream-empty".

local board = require "moongate.discovery.board"
local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local dispatch = require "moongate.dispatch"
local digest = require "moongate.digest"
local leader = require "moongate.discovery.leader"
local log = require "moongate.log"
local sleep = require "moongate.sleep"
local sources = require "moongate.discovery.sources"
local spawn = require "moongate.spawn"
local targets = require "moongate.discovery.targets"

local C = bridge.C

local discovery = {}

local LOOK_SECONDS = 0.1
-- Whether there is somebody who asks is looked at each so many times.
local LOOKS_PER_CLAIM = 5
-- A start waits for so long for the first lists, and looks so often.
local FIRST_SECONDS, FIRST_LOOK_SECONDS = 2, 0.02

local seen = -1 -- of board.changes()
local has_entered = false
local looks, kept_at = 0, 0

-- True once there is nothing newer.
local function apply(source)
  local standing = board.standing(source)
  local version = board.version(standing)
  if version == source.applied or not version then return true end
  local text, of = board.list(standing)
  if not text then return false end
  targets.apply(source, text)
  source.applied = of
  return true
end

local function apply_all()
  local changes, is_done = board.changes(), true
  if changes == seen then return end
  for _, source in ipairs(sources.list) do
    if not apply(source) then is_done = false end
  end
  if is_done then seen = changes end
end

local function claim(source)
  local had = source.leads
  source.leads = board.claim(source)
  if not source.leads or had then return end
  source.term = (source.term or 0) + 1
  spawn(leader.lead, source, source.term)
end

local function claim_all()
  for _, source in ipairs(sources.list) do claim(source) end
  local now = C.moon_now(bridge.generation)
  if now - kept_at < board.REPEAT_SECONDS then return end
  kept_at = now
  for _, source in ipairs(sources.list) do
    if source.leads then board.keep(source) end
  end
end

local function give_up()
  for _, source in ipairs(sources.list) do
    source.leads = nil
    board.release(source)
  end
end

-- Who wrote a list may have died before the change was counted: now and then all are looked at.
local function look()
  if looks % LOOKS_PER_CLAIM == 0 then
    claim_all()
    seen = -1
  end
  looks = looks + 1
  apply_all()
end

-- Until another generation serves.
local function keep_looking()
  while true do
    local is_current = C.moon_is_current(bridge.generation)
    if has_entered and not is_current then return give_up() end
    has_entered = has_entered or is_current
    local ok, why = xpcall(look, debug.traceback)
    if not ok then log.error("looking for targets: %s", why) end
    sleep(LOOK_SECONDS)
  end
end

-- Those of which neither a list is known nor that there is none to be had now.
local function is_waiting()
  for _, source in ipairs(sources.list) do
    local state = board.state(source)
    local has_failed = state and state.key == source.key and state.error
    if not board.version(source) and not has_failed then return true end
  end
  return false
end

function discovery.start()
  for _, source in ipairs(sources.list) do leader.restore(source) end
  spawn(keep_looking)
  local waited = 0
  while is_waiting() and waited < FIRST_SECONDS do
    sleep(FIRST_LOOK_SECONDS)
    waited = waited + FIRST_LOOK_SECONDS
  end
  apply_all()
end

function discovery.stop() give_up() end

-- The same for the same question, however often it is asked, and by whom.
local function key_of(upstream)
  local options, bytes = upstream.discover, buffer.new()
  for _, name in ipairs { "kind", options.kind, "service", "app", "tag", "datacenter", "scheme" } do
    bytes:put(tostring(options[name]), "\0")
  end
  local hex = digest(bytes):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return upstream.name .. " " .. hex
end

local function text_of(options)
  local what = options.kind .. " " .. options[options.kind]:gsub("%?.*$", "")
  local name = options.service or options.app
  return name and what .. " " .. name or what
end

--- For build.lua: what the configuration has.
---@param model Model
function discovery.expect(model)
  for _, upstream in ipairs(model.upstreams) do
    if upstream.discover then
      sources.list[#sources.list + 1] = { name = upstream.name, key = key_of(upstream),
        text = text_of(upstream.discover), options = upstream.discover, zone = model.zone }
    end
  end
  dispatch.add_instance({ start = discovery.start, stop = discovery.stop }, discovery, "discovery")
end

return discovery
