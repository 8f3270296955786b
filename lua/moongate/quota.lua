--- quota: what may be used in a day, a month, so many seconds: counted in shared memory, kept in
--- the store.
--
-- All workers count together, exactly. What a worker has charged is added to the store each
-- `flush` seconds and when its generation ends; a gateway that starts anew goes on from there. So
-- the loss of the whole gateway costs what was charged since the last flush. What a worker that was
-- killed had not yet added is counted for as long as the gateway lives.
--
-- Windows are of the calendar, or of so many seconds: "rolling", or from the first use on.

local bridge = require "moongate.ffi"
local crypto = require "moongate.crypto"
local log = require "moongate.log"
local open_store = require "moongate.store"

local floor, max, type = math.floor, math.max, type
local C, must_serve = bridge.C, bridge.must_serve

local KEY_BYTES_MAX, BATCH_MAX = 300, 400
-- So long what is over stays in the store: clocks differ.
local KEPT_SECONDS = 3600
local UNKNOWN = 3

---@class Quota
---@field name string
---@field limit integer
---@field kind "calendar"|"rolling"|"first-use"
---@field unit string?      of a calendar
---@field zone TimeZone?
---@field length number?    seconds, of the other kinds
---@field how integer       of enum moon_window
---@field start number      of the window that is current, 0 before one was
---@field stop number
---@field pending table<string, number>   charged and not yet in the store, by scope
---@field earlier table<number, table<string, number>>  the same by the end of its window: of those
--- that are over, and what is about to be saved
---@field ends table<string, number>      of windows from the first use on, by scope
---@field store Store?
local Quota = {}
Quota.__index = Quota

-- Reused by every call: nothing may wait between a C call and reading them.
local keys = bridge.new "struct slice[2]"
local numbers = bridge.new "double[3]"

local function point_to(self, scope)
  must_serve "a quota"
  if type(scope) ~= "string" then error("the scope of a quota is a string", 3) end
  local name = self.full_name
  keys[0].start, keys[0].length = name, #name
  keys[1].start, keys[1].length = scope, #scope
end

local function put_earlier(self, stop, scope, amount)
  local amounts = self.earlier[stop]
  if not amounts then
    amounts = {}
    self.earlier[stop] = amounts
  end
  amounts[scope] = (amounts[scope] or 0) + amount
end

-- Moves what is pending to `earlier`.
local function set_aside(self)
  local pending, ends, stop = self.pending, self.ends, self.stop
  if not next(pending) then return end
  self.pending, self.ends = {}, {}
  if self.kind ~= "first-use" and not self.earlier[stop] then
    self.earlier[stop] = pending
    return
  end
  for scope, amount in pairs(pending) do put_earlier(self, ends[scope] or stop, scope, amount) end
end

-- What has been charged in a window belongs to it, also when it is over.
local function set_window(self, start, stop)
  set_aside(self)
  self.start, self.stop = start, stop
end

-- A window from the first use on has its end in shared memory; what is current begins now.
local function find_window(self)
  local now = C.moon_now(bridge.generation)
  if self.kind == "first-use" then
    self.start = floor(now)
    self.stop = self.start + self.length
  elseif now < self.start or now >= self.stop then
    if self.kind == "calendar" then
      set_window(self, self.zone:window(self.unit, now))
    else
      local start = floor(now / self.length) * self.length
      set_window(self, start, start + self.length)
    end
  end
  return now
end

local function key_of(self, scope, stop)
  local key = ("%s\0%s"):format(self.name, scope)
  if #key > KEY_BYTES_MAX then key = crypto.hex(crypto.sha256(key)) end
  return ("%s\0%d"):format(key, stop)
end

-- Where the end of a window from the first use on is kept: no window ends at 0.
local function end_key_of(self, scope) return key_of(self, scope, 0) end

local function stored(self, scope, stop)
  local text = self.store and self.store:get(key_of(self, scope, stop))
  return text and tonumber(text) or 0
end

local function begin(self, scope, start, stop, used)
  point_to(self, scope)
  if not C.moon_window_begin(bridge.generation, keys, self.how, self.limit, start, stop, used) then
    log.warning("there is no room to count quota %q", self.name)
  end
end

-- What the store knows of a scope that shared memory does not.
local function restore(self, scope, now)
  local start, stop = self.start, self.stop
  if self.kind == "first-use" then
    local ends = self.store and tonumber(self.store:get(end_key_of(self, scope)) or "")
    if ends and ends > now then stop = ends end
  elseif self.kind == "rolling" then
    begin(self, scope, start - self.length, start, stored(self, scope, start))
  end
  begin(self, scope, start, stop, stored(self, scope, stop))
end

local function ask(self, scope, cost, flags)
  point_to(self, scope)
  local outcome = C.moon_window_take(bridge.generation, keys, self.how + flags, self.limit,
    self.start, self.stop, cost, numbers)
  if outcome < 0 then error(("the numbers of quota %q are out of range"):format(self.name), 3) end
  return outcome
end

-- Counts what goes to the store, under the end of its window.
local function note(self, scope, cost, now)
  if not self.store or cost == 0 then return end
  local pending = self.pending
  if self.kind == "first-use" then
    local stop = floor(now + numbers[2] + 0.5)
    local known = self.ends[scope]
    if known and known ~= stop then
      put_earlier(self, known, scope, pending[scope])
      pending[scope] = nil
    end
    self.ends[scope] = stop
  end
  pending[scope] = (pending[scope] or 0) + cost
end

local function take(self, scope, cost, flags)
  local now = find_window(self)
  local outcome = ask(self, scope, cost, flags + C.MOON_WINDOW_MUST_EXIST)
  if outcome == UNKNOWN then
    restore(self, scope, now)
    outcome = ask(self, scope, cost, flags)
  end
  if outcome == 0 then note(self, scope, cost, now) end
  return outcome == 0, numbers[0], numbers[1], numbers[2]
end

--- Takes from what a scope may use; a cost of 0 only looks.
---@param scope string
---@param cost integer
---@return boolean allowed
---@return number remaining
---@return number wait       seconds until the same may succeed; 0 when allowed, infinity: never
---@return number reset      seconds until the window is over
function Quota:take(scope, cost) return take(self, scope, cost, 0) end

--- Charges what has been used already, beyond the limit, too.
---@param scope string
---@param cost integer
---@return boolean charged
---@return number remaining
---@return number wait
---@return number reset
function Quota:charge(scope, cost) return take(self, scope, cost, C.MOON_WINDOW_MAY_EXCEED) end

-- A batch of at most BATCH_MAX that were set aside, which are no longer so, and what is in it. The
-- rest stays where whoever ends the generation finds it.
local function take_batch(self)
  local batch, inside, now = self.store:batch(), {}, C.moon_now(bridge.generation)
  for stop, amounts in pairs(self.earlier) do
    local rest = max(1, stop - now)
    for scope, amount in pairs(amounts) do
      if #inside == BATCH_MAX then return batch, inside end
      batch:add(key_of(self, scope, stop), amount, rest + KEPT_SECONDS + (self.length or 0))
      if self.kind == "first-use" then
        batch:put(end_key_of(self, scope), ("%d"):format(stop), rest)
      end
      inside[#inside + 1] = { stop = stop, scope = scope, amount = amount }
      amounts[scope] = nil
    end
    self.earlier[stop] = nil
  end
  return batch, inside
end

--- Adds what was charged to the store, and waits until it is there. What could not be added stays
--- for the next time, as one number for each scope and window.
function Quota:flush()
  if not self.store then return end
  set_aside(self)
  local batch, inside = take_batch(self)
  while #inside > 0 do
    local done, why = batch:commit()
    if not done then
      for _, one in ipairs(inside) do put_earlier(self, one.stop, one.scope, one.amount) end
      log.error("quota %q is not saved: %s", self.name, tostring(why))
      return
    end
    batch, inside = take_batch(self)
  end
end

--- The same without waiting, when the generation ends.
function Quota:leave()
  if not self.store then return end
  set_aside(self)
  local batch, inside = take_batch(self)
  while #inside > 0 do
    if not batch:post() then
      log.error("quota %q is not saved: too much waits", self.name)
      return
    end
    batch, inside = take_batch(self)
  end
end

---@class moongate.quota
local quota = {}

---@class QuotaOptions
---@field name string
---@field limit integer
---@field kind "calendar"|"rolling"|"first-use"
---@field unit "hour"|"day"|"week"|"month"|"year"|nil  of a calendar
---@field zone TimeZone?
---@field length integer?  seconds, of the others
---@field persist boolean  false: shared memory alone

--- A quota; made when a plugin is loaded.
---@param options QuotaOptions
---@return Quota
function quota.new(options)
  local hows = { calendar = C.MOON_WINDOW_FIXED, rolling = C.MOON_WINDOW_SLIDING,
    ["first-use"] = C.MOON_WINDOW_FROM_FIRST }
  return setmetatable({
    name = options.name, full_name = "quota:" .. options.name, limit = options.limit,
    kind = options.kind, unit = options.unit, zone = options.zone, length = options.length,
    how = hows[options.kind], start = 0, stop = 0, pending = {}, earlier = {}, ends = {},
    store = options.persist and open_store "quota" or nil,
  }, Quota)
end

return quota
