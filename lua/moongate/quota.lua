--- quota: what may be used in a day, a month, so many seconds: counted in shared memory, kept in
--- the store.
--
-- All workers count together, exactly. Of what a worker has charged, the store's numbers are raised
-- to those in shared memory each `flush` seconds and when its generation ends; a gateway that
-- starts anew goes on from there. So the loss of the whole gateway costs what was charged since the
-- last flush. What a worker that was killed has not saved its successor does (quota_marks.lua).
--
-- Windows are of the calendar, or of so many seconds: "rolling", or from the first use on.

local bridge = require "moongate.ffi"
local crypto = require "moongate.crypto"
local fields = require "moongate.limit_fields"
local limit_rules = require "moongate.limit_rules"
local log = require "moongate.log"
local marks = require "moongate.quota_marks"
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
---@field rule table?       what C tells of it in answers, as limit_fields has it
---@field known ffi.cdata*?  as limit_rules has it
---@field start number      of the window that is current, 0 before one was
---@field stop number
---@field flush_seconds number
---@field saved_from number    start of the window that was current at the last flush: what was used
--- in the one before is saved
---@field charged table<string, integer>  scopes since the last flush, with their marks
---@field saving table<string, integer>   those that are about to be saved
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

-- As C knows it.
local function known_of(self)
  local known = limit_rules.known(self)
  if self.rule then C.moon_limit_rule_tells(known, fields.told(self.rule)) end
  C.moon_limit_rule_window(known, self.start, self.stop)
  self.known = known
  return known
end

local function set_window(self, start, stop)
  self.start, self.stop = start, stop
  if self.known then C.moon_limit_rule_window(self.known, start, stop) end
end

-- A window from the first use on has its end in shared memory; what is current begins now.
local function find_window(self)
  local now = C.moon_now(bridge.generation)
  if self.kind == "first-use" then
    local start = floor(now)
    set_window(self, start, start + self.length)
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

local function ask(self, req, scope, cost, flags)
  local outcome = C.moon_limit_charge(req.handle, self.known or known_of(self), scope, #scope,
    flags, cost)
  if outcome < 0 then error(("the numbers of quota %q are out of range"):format(self.name), 3) end
  return outcome
end

local function take(self, req, scope, cost, flags)
  local now = find_window(self)
  local outcome = ask(self, req, scope, cost, flags + C.MOON_WINDOW_MUST_EXIST)
  if outcome == UNKNOWN then
    restore(self, scope, now)
    outcome = ask(self, req, scope, cost, flags)
  end
  if outcome == 0 and cost ~= 0 and self.store and not self.charged[scope] then
    self.charged[scope] = marks.put(self.name, scope, self.flush_seconds)
  end
  return outcome == 0
end

--- Takes from what a scope may use; a cost of 0 only looks. What answers tell is noted, where C
--- writes it.
---@param req Request
---@param scope string
---@param cost integer
---@return boolean allowed
function Quota:take(req, scope, cost) return (take(self, req, scope, cost, 0)) end

--- Charges what has been used already, beyond the limit, too.
---@param req Request
---@param scope string
---@param cost integer
---@return boolean charged
function Quota:charge(req, scope, cost)
  return (take(self, req, scope, cost, C.MOON_WINDOW_MAY_EXCEED))
end

--- How it stood then; to be read before anything can wait.
---@return number remaining
---@return number told       seconds that answers tell
---@return number wait       seconds until the same may succeed; 0 when allowed, infinity: never
---@return number reset      seconds until the window is over
function Quota:said() return limit_rules.said(self.known) end

-- Has a window's number in the store raised to that in shared memory. What is over by now is
-- nobody's; a window from the first use on says itself when it ends.
local function save_window(self, batch, scope, start, stop, now)
  point_to(self, scope)
  if not C.moon_window_used(bridge.generation, keys, self.how, start, stop, numbers) then return end
  local used, ends = numbers[0], numbers[1]
  local rest = max(1, ends - now)
  batch:raise(key_of(self, scope, ends), used, rest + KEPT_SECONDS + (self.length or 0))
  if self.kind == "first-use" then
    batch:put(end_key_of(self, scope), ("%d"):format(ends), rest)
  end
end

-- A batch of at most BATCH_MAX scopes that were set aside, which are no longer so. The rest stays
-- where whoever ends the generation finds it.
local function take_batch(self)
  local batch, inside, count, now = self.store:batch(), {}, 0, find_window(self)
  for scope, mark in pairs(self.saving) do
    if count == BATCH_MAX then break end
    save_window(self, batch, scope, self.start, self.stop, now)
    if self.kind == "rolling" and self.saved_from ~= self.start then
      save_window(self, batch, scope, self.start - self.length, self.start, now)
    end
    inside[scope], self.saving[scope], count = mark, nil, count + 1
  end
  return count > 0 and batch or nil, inside
end

local function set_aside(self)
  local charged, saving = self.charged, self.saving
  self.charged = {}
  if not next(saving) then
    self.saving = charged
    return
  end
  for scope, mark in pairs(charged) do
    if saving[scope] then marks.remove(saving[scope]) end
    saving[scope] = mark
  end
end

local function keep_for_next(self, inside)
  for scope, mark in pairs(inside) do
    if self.charged[scope] then
      marks.remove(mark)
    else
      self.charged[scope] = mark
    end
  end
end

local function is_done(batch)
  if #batch.operations == 0 then return true end
  return batch:commit()
end

--- Saves what was charged, and waits until it is in the store. What could not be saved stays for
--- the next time, as one scope, however often that is.
function Quota:flush()
  if not self.store then return end
  set_aside(self)
  local batch, inside = take_batch(self)
  local start = self.start
  while batch do
    local done, why = is_done(batch)
    if not done then
      keep_for_next(self, inside)
      log.error("quota %q is not saved: %s", self.name, tostring(why))
      return
    end
    for _, mark in pairs(inside) do marks.remove(mark) end
    batch, inside = take_batch(self)
  end
  self.saved_from = start
end

--- The same without waiting, when the generation ends.
function Quota:leave()
  if not self.store then return end
  set_aside(self)
  local batch = take_batch(self)
  while batch do
    if #batch.operations > 0 and not batch:post() then
      log.error("quota %q is not saved: too much waits", self.name)
      return
    end
    batch = take_batch(self)
  end
end

--- Takes over what the worker that was here before, and was killed, has not saved; when the
--- generation starts.
function Quota:inherit()
  if not self.store then return end
  for scope, mark in pairs(marks.take(self.name)) do self.charged[scope] = mark end
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
---@field flush number?    seconds between two flushes
---@field rule table?      what C tells of it in answers, as limit_fields has it

--- A quota; made when a plugin is loaded.
---@param options QuotaOptions
---@return Quota
function quota.new(options)
  local hows = { calendar = C.MOON_WINDOW_FIXED, rolling = C.MOON_WINDOW_SLIDING,
    ["first-use"] = C.MOON_WINDOW_FROM_FIRST }
  return setmetatable({
    name = options.name, full_name = "quota:" .. options.name, limit = options.limit,
    kind = options.kind, unit = options.unit, zone = options.zone, length = options.length,
    how = hows[options.kind], start = 0, stop = 0, saved_from = 0, charged = {}, saving = {},
    flush_seconds = options.flush or 0,
    rule = options.rule, known = false,
    store = options.persist and open_store "quota" or nil,
  }, Quota)
end

return quota
