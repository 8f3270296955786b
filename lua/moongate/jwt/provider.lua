--- provider: the keys that somebody publishes as a JSON Web Key Set at a URL.
--
-- The set is fetched when the first token comes, kept for as long as HTTP says, and shared by all
-- workers (moongate.cache): one of them fetches, once at a time, and not more often than the
-- interval says, however many tokens come with a kid that nobody knows. What was there before stays
-- while there is nothing new: a provider that is down stops nobody whose key is known, for as long
-- as `keep` says. A set that is stale is fetched again while its keys are still used.

local cache = require "moongate.cache"
local fetch = require "moongate.fetch"
local freshness = require "moongate.freshness"
local keys = require "moongate.jwt.keys"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local spawn = require "moongate.spawn"
local time = require "moongate.time"

---@class JwtProviderOptions
---@field url string
---@field algorithms string[]?  that are allowed
---@field timeout number        seconds for a fetch
---@field interval number       seconds between two fetches, at least
---@field lifetime number       seconds that a set is fresh where its provider does not say
---@field keep number           seconds that a set is used for, at most, when there is no newer one

---@class JwtProvider
---@field set JwtKeySet|false  false: there is none yet
---@field ends number          seconds since 1970 until which the set is fresh
---@field fetched number       when it was
local Provider = {}
Provider.__index = Provider

local provider = {}

-- What a cache takes, less what comes before it.
local SET_BYTES_MAX = 65000
-- However long a provider says that its keys may be kept.
local LIFETIME_MAX = 86400

local documents = cache "jwks"
local fetches = metrics.counter("moongate_jwks_fetches_total",
  "Fetches of key sets of identity providers.", { "url", "outcome" })
local stale = metrics.counter("moongate_jwks_stale_total",
  "Times that keys beyond their time were used on, as there were no newer ones.", { "url" })

-- When it was fetched and until when it is fresh, then the set.
local function write(fetched, ends, text)
  return ("%.3f %.3f\n%s"):format(fetched, ends, text)
end

local function read(document)
  local fetched, ends, text = document:match "^(%S+) (%S+)\n(.*)$"
  return tonumber(fetched), tonumber(ends), text
end

-- Replaces the keys, which were told by other words. What was parsed before is not used any more.
local function take(self, document)
  local fetched, ends, text = read(document)
  if text ~= self.text then
    local set, why = keys.of_jwks(text, self.algorithms)
    if not set then return false, why end
    if self.set then keys.forget(self.set.keys) end
    self.set, self.text = set, text
  end
  self.document, self.fetched, self.ends = document, fetched, ends
  return true
end

-- What the provider says: the document, or nil and a word for metrics and a sentence for the log.
local function ask(self)
  local answer, fault, why = fetch { url = self.url, timeout = self.timeout,
    connect_timeout = self.timeout, limit = SET_BYTES_MAX,
    headers = { accept = "application/jwk-set+json, application/json" } }
  if not answer then return nil, fault, why end
  if answer.status ~= 200 then
    return nil, "status-" .. answer.status, ("It answered %d."):format(answer.status)
  end
  local now = time.now()
  local fresh = math.min(freshness.of(answer.headers, now) or self.lifetime, LIFETIME_MAX)
  return write(now, now + math.max(fresh, self.interval), answer.body)
end

local function again(self) return "again " .. self.url end

-- Which one there is in shared memory, so that nobody copies the one that he has: the first line.
local function version(self) return "version " .. self.url end

-- One fetch, which all workers wait for; its outcome is counted and logged by whoever made it.
local function load(self)
  return function()
    -- Without room for that it is fetched all the same.
    if not documents:add(again(self), "", self.interval) and documents:get(again(self)) then
      return nil, "too soon"
    end
    local document, fault, why = ask(self)
    if document then
      local is_right
      is_right, why = take(self, document)
      fault = "unusable"
      if is_right then
        fetches:with(self.url, "ok"):add()
        documents:set(version(self), document:match "^[^\n]*", self.keep)
        return document, self.keep
      end
    end
    fetches:with(self.url, fault):add()
    log.error("no keys from %s: %s", self.url, tostring(why))
    return nil, fault
  end
end

local function take_shared(self)
  local known = documents:get(version(self))
  if known and self.document and self.document:sub(1, #known + 1) == known .. "\n" then return end
  local document = documents:get(self.url)
  if document and document ~= self.document and (not self.document
      or read(document) > self.fetched) then
    take(self, document)
  end
end

-- Waits for a fetch, be it another's; where there was one just now, for nothing.
local function refresh(self)
  if documents:get(again(self)) and not documents:is_loading(self.url) then return end
  -- A moment longer than the fetch, whose outcome is to be known.
  documents:refresh(self.url, self.timeout + 1, load(self))
  take_shared(self)
end

local function last_use(self) return self.fetched + self.keep end

-- While the keys are used on. Nobody asks again before it is over, nor, if it was in vain, before
-- the interval is.
local function refresh_stale(self)
  local document = self.document
  self.ends = math.min(time.now() + self.timeout + 1, last_use(self))
  refresh(self)
  if self.document == document then
    self.ends = math.min(time.now() + self.interval, last_use(self))
  end
end

--- The set as it is now. Waits only when there is none that may be used.
---@return JwtKeySet? set  nil: there is none, and the provider does not say
function Provider:current()
  if self.set and time.now() < self.ends then return self.set end
  take_shared(self)
  local now = time.now()
  if self.set and now < self.ends then return self.set end
  if self.set and now < last_use(self) then
    stale:with(self.url):add()
    spawn(refresh_stale, self)
    return self.set
  end
  refresh(self)
  return self.set and time.now() < last_use(self) and self.set or nil
end

--- Another set than the one in which a key was missing, where there is one by now.
---@param set JwtKeySet
---@return JwtKeySet?
function Provider:renewed(set)
  take_shared(self)
  if self.set == set then refresh(self) end
  return self.set ~= set and self.set or nil
end

local made = {}

--- The provider at that URL: the same one for the same options.
---@param options JwtProviderOptions
---@return JwtProvider
function provider.of(options)
  local name = table.concat({ options.url, table.concat(options.algorithms or {}, ","),
    options.timeout, options.interval, options.lifetime, options.keep }, " ")
  if made[name] then return made[name] end
  local self = { set = false, ends = 0, fetched = 0, text = false, document = false }
  for key, value in pairs(options) do self[key] = value end
  made[name] = setmetatable(self, Provider)
  return self
end

return provider
