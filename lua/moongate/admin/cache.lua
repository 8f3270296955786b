--- cache: the endpoint of the admin listeners that purges what is cached.
--
--     POST /cache/purge   { "url": "https://…" }, { "prefix": "https://…" }, { "tag": "…" },
--                         { "route": "…" } or { "all": true }; with "soft": true it becomes stale;
--                         { "plugin_cache": "…" }: what plugins have cached by that name
--
-- Several of a kind are a list.

local check = require "moongate.config.check"
local http_cache = require "moongate.http_cache"
local json = require "moongate.json"
local reply = require "moongate.reply"

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }
local BODY_BYTES_MAX, VALUES_MAX = 65536, 1000

local KINDS = { "url", "prefix", "tag", "route", "plugin_cache" }
local OPTIONS = {
  url = { type = "any", help = "a URL, or a list" },
  prefix = { type = "any", help = "what URLs begin with, or a list" },
  tag = { type = "any", help = "a tag, or a list" },
  route = { type = "any", help = "the name of a route, or a list" },
  plugin_cache = { type = "any", help = "the name of a cache of plugins, or a list" },
  all = { type = "boolean", help = "all answers" },
  soft = { type = "boolean", default = false, help = "it becomes stale" },
}

local function unfit(detail) return reply.problem(422, "unfit", detail, HEADERS) end

-- The checked body; nil and a reply.
local function body_of(req)
  local given, wrong = json.decode(req:body(BODY_BYTES_MAX))
  if type(given) ~= "table" or json.is_array(given) and #given > 0 then
    return nil, reply.problem(400, "no-json", "The body is no JSON object: "
      .. (wrong or "it is another value") .. ".", HEADERS)
  end
  local faults = {}
  local checked = check.options(OPTIONS, given, function(message)
    faults[#faults + 1] = message
  end)
  if #faults > 0 then return nil, unfit(table.concat(faults, "; ") .. ".") end
  return checked
end

-- One purge for each value of each kind, and how many kinds there are.
local function purges_of(given)
  local purges, kinds = {}, 0
  if given.all then purges[1], kinds = { all = true, soft = given.soft }, 1 end
  for _, kind in ipairs(KINDS) do
    local values = given[kind]
    if values ~= nil then
      kinds = kinds + 1
      for _, value in ipairs(type(values) == "table" and values or { values }) do
        purges[#purges + 1] = { [kind] = value, soft = given.soft }
      end
    end
  end
  return purges, kinds
end

local function purge(_, req)
  local given, refusal = body_of(req)
  if not given then return refusal end
  local purges, kinds = purges_of(given)
  if kinds ~= 1 then
    return unfit "Expected one of url, prefix, tag, route, plugin_cache and all."
  end
  if #purges > VALUES_MAX then return unfit "Expected at most 1000 at once." end
  local purged
  for _, one in ipairs(purges) do
    local done, result = http_cache.purge(one)
    if not done then return unfit(result .. ".") end
    if result then purged = (purged or 0) + result end
  end
  return reply.json(200, { ok = true, purged = purged }, HEADERS)
end

return { ["/cache/purge"] = { POST = purge } }
