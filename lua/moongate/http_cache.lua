--- http_cache: what a plugin may do with the answers that the gateway keeps (the plugin `cache`).
--
--     local http_cache = moongate.http_cache
--     http_cache.purge { tag = "product-7" }
--     http_cache.purge { prefix = "https://example.com/blog/", soft = true }

local bridge = require "moongate.ffi"
local sleep = require "moongate.sleep"

local C, found, must_serve = bridge.C, bridge.found, bridge.must_serve

---@class moongate.http_cache
local http_cache = {}

local KINDS = { "url", "prefix", "tag", "route", "plugin_cache" }
-- As a line of the control socket.
local VALUE_BYTES_MAX = 1000

--- Lets the cache take part in this request, on a route whose plugin `cache` has a `when`.
---@param req Request
function http_cache.use(req) C.moon_cache_use(req.handle) end

--- Keeps the cache out of this request: it is neither answered from there nor is its answer stored.
---@param req Request
function http_cache.skip(req) C.moon_cache_skip(req.handle) end

--- Says who asks, for keys that have the consumer.
---@param req Request
---@param name string?
function http_cache.set_consumer(req, name)
  name = name or ""
  C.moon_cache_consumer(req.handle, name, #name)
end

---@class CachePurge  one of the first five
---@field url string?      an absolute URL: all variants of its answer
---@field prefix string?   the same of all URLs that begin so
---@field tag string?      answers that have the tag, see the plugin's option `tags`
---@field route string?    answers of the route of that name
---@field plugin_cache string?  a cache of plugins, by its name: moongate.cache(name)
---@field all boolean?     all answers
---@field soft boolean?    they become stale instead: to be validated, or given while that is done

local EXPECTED = "expected one of url, prefix, tag, route, plugin_cache and all"

local function fault_of(kind, value)
  if type(value) ~= "string" or value == "" then return kind .. " is no text" end
  return #value > VALUE_BYTES_MAX and kind .. " is too long" or nil
end

-- What of the kinds is given, the first of them; how many are.
local function given_of(what)
  local first, count = nil, 0
  for _, kind in ipairs(KINDS) do
    if what[kind] ~= nil then first, count = first or kind, count + 1 end
  end
  if what.all then first, count = first or "all", count + 1 end
  return first, count
end

-- "tag product-7"; nil and what is wrong.
local function line_of(what)
  local kind, count = given_of(what)
  if count ~= 1 then return nil, EXPECTED end
  local line = kind
  if kind ~= "all" then
    local wrong = fault_of(kind, what[kind])
    if wrong then return nil, wrong end
    line = kind:gsub("_", "-") .. " " .. what[kind]
  end
  return what.soft and "soft " .. line or line
end

--- Purges answers, in all workers at once. Of a prefix it waits until they have been taken out.
---@param what CachePurge
---@return boolean? done  nil when something was wrong
---@return string|integer? fault  what; else how many answers were taken out meanwhile
function http_cache.purge(what)
  must_serve "a purge"
  local line, wrong = line_of(what)
  if not line then return nil, wrong end
  local outcome = C.moon_cache_purge(bridge.generation, line, #line, found)
  if outcome < 0 then return nil, bridge.text() end
  if outcome == 0 then return true end
  local state = bridge.new("uint64_t[?]", C.MOON_CACHE_SWEEP_NUMBERS)
  while C.moon_cache_sweep(bridge.generation, state) do sleep(0) end
  return true, tonumber(state[C.MOON_CACHE_SWEEP_PURGED])
end

return http_cache
