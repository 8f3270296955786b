--- cache: answers with what the upstream has answered before, by the rules of HTTP (RFC 9111).
--
-- The core looks for an answer after all plugins have let the request pass, and stores what came
-- from the upstream before plugins change it: what they do to answers is done to each. Nothing of
-- it runs in Lua, but for a key that has the consumer, and a `when`.

local moongate = require "moongate"

local headers, http_cache = moongate.headers, moongate.http_cache

local function names(help)
  return { type = "list", items = { type = "string" }, default = {}, help = help }
end

local function values(help)
  return { type = "map", default = {}, help = help .. ": a value, or true for any" }
end

-- Alike for `bypass` and `no_store`.
local function conditions(help)
  return { type = "table", help = help, fields = {
    headers = values "request headers",
    cookies = values "cookies",
    query = values "parameters, as they are in the query",
  } }
end

---@class CachePlugin: Plugin
---@field key { headers: string[], cookies: string[], query: string|string[], consumer: boolean }?
local cache = {
  summary = "Keeps answers of the upstream, and answers with them.",
  options = {
    ttl = { type = "duration", max = 31536000,
      help = "how long answers are fresh that do not say it themselves; default: a guess by their "
        .. "Last-Modified" },
    statuses = { type = "map", items = { type = "duration", max = 31536000 }, default = {},
      help = 'the same by status: { ["404"] = "10s", ["500-599"] = "1s" }; of others `ttl`, where '
        .. "HTTP lets them be cached without a word (200, 203, 204, 300, 301, 308, 404, 405, 410, "
        .. "414, 501)" },
    force_ttl = { type = "boolean", default = false,
      help = "also for answers that say it; no-store and private are obeyed all the same" },
    max_ttl = { type = "duration", max = 31536000, help = "no answer is fresh for longer" },
    heuristic = { type = "number", default = 0.1, min = 0, max = 1,
      help = "share of the time since Last-Modified that is the guess; 0: none" },
    max_heuristic = { type = "duration", default = "24h", help = "limit of the guess" },
    grace = { type = "duration", default = 0, zero = true, max = 31536000,
      help = "how long a stale answer is given at once, while it is fetched anew; an answer's own "
        .. "stale-while-revalidate comes first" },
    stale_if_error = { type = "duration", default = 0, zero = true, max = 31536000,
      help = "how long a stale answer is given when the upstream fails; an answer's own "
        .. "stale-if-error comes first" },
    keep = { type = "duration", default = "1h", zero = true, max = 31536000,
      help = "how long a stale answer is kept, so that the upstream can confirm it (304)" },
    stale_after_s_maxage = { type = "boolean", default = false,
      help = "obey stale-while-revalidate and stale-if-error beside s-maxage, which forbids to be "
        .. "stale (RFC 9111, 5.2.2.10)" },
    methods = { type = "list", default = { "GET", "HEAD" },
      items = { type = "string", values = { "GET", "HEAD", "POST" } },
      help = "that may be answered; POST: its answer is stored for GET where Content-Location says "
        .. "that it is one (RFC 9110, 9.3.3)" },
    key = { type = "table",
      help = "what tells answers apart, beside scheme, host and path, and what Vary names",
      fields = {
        headers = names "request headers",
        cookies = names "cookies",
        query = { type = "any", default = "all",
          help = '"all", "sorted" (the order of parameters does not matter), "none", or a list of '
            .. "the parameters that matter" },
        consumer = { type = "boolean", default = false,
          help = "the consumer: name the plugin that finds it out before this one" },
      } },
    bypass = conditions "requests that have any of these have nothing to do with the cache",
    no_store = conditions "answers to requests that have any of these are not stored",
    set_cookie = { type = "string", values = { "pass", "strip", "store" }, default = "pass",
      help = "answers with Set-Cookie are not stored, stored without it, or stored with it" },
    obey_clients = { type = "boolean", default = true,
      help = "clients may ask for more than is stored: no-cache, max-age, min-fresh and Pragma; "
        .. "and for less: max-stale" },
    ranges = { type = "string", values = { "whole", "pass" }, default = "whole",
      help = "requests for a part of what is not stored ask the upstream for all of it, and get "
        .. "the part out of what comes, which is stored for all; or ask for the part, which is "
        .. "not stored" },
    max_object = { type = "size", min = 1, help = "larger bodies are not stored" },
    targeted = names "fields of answers that come before Cache-Control, in this order (RFC 9213)",
    tags = { type = "string", default = "surrogate-key",
      help = "field of answers with names to purge them by, separated by blanks or commas" },
    hide_tags = { type = "boolean", default = true, help = "do not pass that field to clients" },
    cache_status = { type = "boolean", default = true,
      help = "say in Cache-Status what became of a request (RFC 9211)" },
    name = { type = "string", default = "moongate", help = "of this cache in Cache-Status" },
    show_key = { type = "boolean", default = false, help = "... with the key" },
  },
}
cache.options.targeted.default = { "moongate-cache-control", "cdn-cache-control" }

-- Where nothing is said of the key.
local URI_ALONE = { headers = {}, cookies = {}, query = "all" }

local QUERIES = { all = true, sorted = true, none = true }
local NAMES_MAX = 16
local STATUS, RANGE = "^[2-5]%d%d$", "^([2-5]%d%d)%-([2-5]%d%d)$"

local function fault_of_query(query)
  if QUERIES[query] then return nil end
  if type(query) ~= "table" then
    return ('key.query is %s; expected "all", "sorted", "none" or a list'):format(tostring(query))
  end
  for _, name in ipairs(query) do
    if type(name) ~= "string" then return "key.query is a list of names" end
  end
  return nil
end

local function fault_of_statuses(statuses)
  for status in pairs(statuses) do
    local first, last = status:match(RANGE)
    if not status:find(STATUS) and not (first and first < last) then
      return ('statuses has %q; expected a status like "404", or a range like "500-599"')
        :format(status)
    end
  end
  return nil
end

local function fault_of_names(what, list)
  if #list > NAMES_MAX then return ("%s has %d names; expected at most %d"):format(what, #list,
    NAMES_MAX) end
  for _, name in ipairs(list) do
    if headers.fault(name) then
      return ("%s has %q, which no header is called"):format(what, name)
    end
  end
  return nil
end

local function fault_of_conditions(what, given)
  for kind, map in pairs(given or {}) do
    for name, value in pairs(map) do
      if value ~= true and type(value) ~= "string" then
        return ("%s.%s.%s is %s; expected a text, or true"):format(what, kind, name,
          tostring(value))
      end
    end
  end
  return nil
end

function cache.check(options)
  local key = options.key or URI_ALONE
  if #key.cookies > NAMES_MAX then return "key.cookies has more than 16 names" end
  return fault_of_query(key.query) or fault_of_statuses(options.statuses)
    or fault_of_names("key.headers", key.headers) or fault_of_names("targeted", options.targeted)
    or fault_of_names("tags", { options.tags }) or fault_of_names("name", { options.name })
    or fault_of_conditions("bypass", options.bypass)
    or fault_of_conditions("no_store", options.no_store)
end

function cache.phases(instance, is_conditional)
  return { request = is_conditional or instance.key ~= nil and instance.key.consumer }
end

--- What the core is told of it.
function cache.cache_policy(instance) return instance end

---@param req Request
function cache:request(req)
  http_cache.use(req)
  if self.key and self.key.consumer then http_cache.set_consumer(req, req.consumer_name) end
end

return cache
