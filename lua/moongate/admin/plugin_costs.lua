--- plugin_costs: what plugins cost, all workers together, for /metrics and /status.
--
-- Calls and errors are exact; times are estimates, of the sample that runtime/bridge/ledger.h
-- measures.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local sleep = require "moongate.sleep"

local C = bridge.C

local plugin_costs = {}

-- The route of what has no row of its own: outside of any, or there were too many.
local ELSEWHERE = "(other)"
-- Pairs of plugin and route in a status; /metrics has all of them.
local PAIRS_MAX = 100
-- Rows between two turns of the loop: about half a millisecond.
local ROWS_PER_TURN = 100

local function text(slice) return bridge.string(slice.start, slice.length) end

---@class PluginCost
---@field plugin string
---@field route string?           of a pair; that of what has no row of its own is "(other)"
---@field calls integer           of its phases
---@field errors integer          that it raised
---@field cpu_seconds number
---@field wait_seconds number     suspended: fetch, sleep, body
---@field cpu_per_call number?    seconds; nil where no call has been measured
---@field wait_per_call number?

local function visit_rows(which, visit)
  local cursor, texts = bridge.new "size_t[1]", bridge.new "struct slice[2]"
  local numbers, count = bridge.new "double[5]", 0
  while C.moon_plugin_cost_next(bridge.generation, which, cursor, texts, numbers) do
    if numbers[0] > 0 or numbers[1] > 0 or numbers[2] > 0 then
      visit(text(texts[0]), texts[1].start ~= nil and text(texts[1]) or ELSEWHERE, numbers)
    end
    count = count + 1
    if count % ROWS_PER_TURN == 0 then sleep(0) end
  end
end

--- Visits each pair of plugin and route that has been seen, in no order. Waits in between; `visit`
--- may not.
---@param visit fun(plugin: string, route: string, numbers: ffi.cdata*)  as abi_shared.h has them
function plugin_costs.each(visit)
  visit_rows(C.MOON_PLUGIN_ON_ROUTE, visit)
  visit_rows(C.MOON_PLUGIN_ELSEWHERE, visit)
end

local function new_row(plugin, route)
  return { plugin = plugin, route = route, calls = 0, errors = 0, cpu_seconds = 0,
    wait_seconds = 0, measured = 0 }
end

local function add(row, numbers)
  row.calls, row.errors = row.calls + numbers[0], row.errors + numbers[1]
  row.cpu_seconds = row.cpu_seconds + numbers[2]
  row.wait_seconds = row.wait_seconds + numbers[3]
  row.measured = row.measured + numbers[4]
end

-- The most expensive first, always in the same order.
local function is_before(one, other)
  if one.cpu_seconds ~= other.cpu_seconds then return one.cpu_seconds > other.cpu_seconds end
  if one.calls ~= other.calls then return one.calls > other.calls end
  if one.plugin ~= other.plugin then return one.plugin < other.plugin end
  return (one.route or "") < (other.route or "")
end

-- Where it belongs among the most expensive ones, or nowhere.
local function offer(top, row)
  local count = #top
  if count == PAIRS_MAX then
    if not is_before(row, top[count]) then return end
    count = count - 1
  end
  while count > 0 and is_before(row, top[count]) do
    top[count + 1] = top[count]
    count = count - 1
  end
  top[count + 1] = row
end

local function finish(rows)
  for _, row in ipairs(rows) do
    if row.measured > 0 then
      row.cpu_per_call = row.cpu_seconds / row.measured
      row.wait_per_call = row.wait_seconds / row.measured
    end
    row.measured = nil
  end
  return rows
end

--- By plugin, and the most expensive pairs of plugin and route. Waits now and then.
---@return { plugins: PluginCost[], pairs: PluginCost[], left_out: integer, errors: integer }
function plugin_costs.summary()
  local sums, plugins, top, count, errors = {}, json.array {}, json.array {}, 0, 0
  plugin_costs.each(function(plugin, route, numbers)
    local sum, row = sums[plugin], new_row(plugin, route)
    if not sum then
      sum = new_row(plugin)
      sums[plugin], plugins[#plugins + 1] = sum, sum
    end
    add(sum, numbers)
    add(row, numbers)
    offer(top, row)
    count, errors = count + 1, errors + numbers[1]
  end)
  table.sort(plugins, is_before)
  return { plugins = finish(plugins), pairs = finish(top), left_out = count - #top,
    errors = errors }
end

return plugin_costs
