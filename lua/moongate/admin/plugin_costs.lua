--- plugin_costs: what plugins cost, all workers together, for /metrics and /status.
--
-- Calls and errors are exact; times are estimates, of the sample that runtime/bridge/ledger.h
-- measures.

local bridge = require "moongate.ffi"
local json = require "moongate.json"

local C = bridge.C

local plugin_costs = {}

-- The route of what has no row of its own: outside of any, or there were too many.
local ELSEWHERE = "(other)"
-- Pairs of plugin and route in a status; /metrics has all of them.
local PAIRS_MAX = 100

local texts, numbers = bridge.new "struct slice[2]", bridge.new "double[4]"

local function text(slice) return bridge.string(slice.start, slice.length) end

---@class PluginCost
---@field plugin string
---@field route string?         of a pair; that of what has no row of its own is "(other)"
---@field calls integer         of its phases
---@field errors integer        that it raised
---@field cpu_seconds number
---@field wait_seconds number   suspended: fetch, sleep, body

local function read(rows, which)
  local cursor = bridge.new "size_t[1]"
  while C.moon_plugin_cost_next(bridge.generation, which, cursor, texts, numbers) do
    if numbers[0] > 0 or numbers[1] > 0 then
      rows[#rows + 1] = {
        plugin = text(texts[0]),
        route = texts[1].start ~= nil and text(texts[1]) or ELSEWHERE,
        calls = numbers[0], errors = numbers[1],
        cpu_seconds = numbers[2], wait_seconds = numbers[3],
      }
    end
  end
end

--- Each pair of plugin and route that has been seen, in no order.
---@return PluginCost[]
function plugin_costs.pairs()
  local rows = json.array {}
  read(rows, C.MOON_PLUGIN_ON_ROUTE)
  read(rows, C.MOON_PLUGIN_ELSEWHERE)
  return rows
end

local function by_plugin(rows)
  local sums, list = {}, json.array {}
  for _, row in ipairs(rows) do
    local sum = sums[row.plugin]
    if not sum then
      sum = { plugin = row.plugin, calls = 0, errors = 0, cpu_seconds = 0, wait_seconds = 0 }
      sums[row.plugin] = sum
      list[#list + 1] = sum
    end
    for _, name in ipairs { "calls", "errors", "cpu_seconds", "wait_seconds" } do
      sum[name] = sum[name] + row[name]
    end
  end
  return list
end

-- The most expensive first, always in the same order.
local function is_before(one, other)
  if one.cpu_seconds ~= other.cpu_seconds then return one.cpu_seconds > other.cpu_seconds end
  if one.calls ~= other.calls then return one.calls > other.calls end
  if one.plugin ~= other.plugin then return one.plugin < other.plugin end
  return (one.route or "") < (other.route or "")
end

--- By plugin, and the most expensive pairs of plugin and route.
---@return { plugins: PluginCost[], pairs: PluginCost[], left_out: integer, errors: integer }
function plugin_costs.summary()
  local rows, errors = plugin_costs.pairs(), 0
  local plugins = by_plugin(rows)
  for _, row in ipairs(rows) do errors = errors + row.errors end
  table.sort(rows, is_before)
  table.sort(plugins, is_before)
  local left_out = math.max(0, #rows - PAIRS_MAX)
  for i = #rows, PAIRS_MAX + 1, -1 do rows[i] = nil end
  return { plugins = plugins, pairs = rows, left_out = left_out, errors = errors }
end

return plugin_costs
