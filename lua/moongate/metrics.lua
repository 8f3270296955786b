--- metrics: counters, gauges and histograms that all workers count together.
--
--     local seen = metrics.counter("app_seen_total", "Things seen.", { "kind" })
--     seen:with("apple"):add(1)
--
-- Families are declared when a plugin is loaded; their series count while requests run. A series is
-- kept once it was asked for: adding to it is one call into C and makes nothing.

local bridge = require "moongate.ffi"

local C = bridge.C

local metrics = {}

-- Series kept by one family in this state; what comes beyond shares the overflow slot.
local SERIES_MAX = 10000
local LABELS_MAX = 8

local KINDS = {
  counter = C.MOON_COUNTER_TOTAL,
  seconds = C.MOON_COUNTER_SECONDS,
  gauge = C.MOON_COUNTER_GAUGE,
}

---@class MetricSeries
---@field kind integer
---@field slot integer
local Series = {}
Series.__index = Series

---@class MetricFamily
---@field name string
---@field help string
---@field type "counter"|"gauge"|"histogram"
---@field labels string[]
local Family = {}
Family.__index = Family

--- Families by name, with help and type, for the text of /metrics.
---@type table<string, MetricFamily>
metrics.families = {}

local ESCAPES = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }

local function label_text(names, values)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = ('%s="%s"'):format(name, tostring(values[i] or ""):gsub('[\\"\n]', ESCAPES))
  end
  return table.concat(parts, ",")
end

local function slot_of(family, labels)
  if not C.moon_is_live(bridge.generation) then
    error("metrics can be counted only while the gateway serves, not while a plugin is loaded", 4)
  end
  if family.type == "histogram" then
    return C.moon_histogram_slot(bridge.generation, family.name, #family.name, labels, #labels)
  end
  return C.moon_counter_slot(bridge.generation, family.kind, family.name, #family.name, labels,
    #labels)
end

local function make_series(family, values)
  local slot = 0
  if family.count < SERIES_MAX then slot = slot_of(family, label_text(family.labels, values)) end
  return setmetatable({ kind = family.kind, slot = slot }, Series)
end

--- The series with these values of the family's labels, in their order.
---@param ... string|number
---@return MetricSeries
function Family:with(...)
  local count = select("#", ...)
  if count ~= #self.labels then
    error(("%s has %d labels, not %d"):format(self.name, #self.labels, count), 2)
  end
  local node = self.series
  for i = 1, count do
    local value = (select(i, ...))
    local below = node[value]
    if below == nil then
      below = i == count and make_series(self, { ... }) or {}
      if self.count < SERIES_MAX then
        node[value] = below
        if i == count then self.count = self.count + 1 end
      end
    end
    node = below
  end
  if count == 0 then
    self.only = self.only or make_series(self, {})
    return self.only
  end
  return node
end

--- Adds to a counter or gauge without labels.
function Family:add(amount) self:with():add(amount) end

--- Sets a gauge without labels: this worker's part of it.
function Family:set(value) self:with():set(value) end

--- Adds a duration in seconds to a histogram without labels.
function Family:observe(seconds) self:with():observe(seconds) end

--- Adds to a counter (never less than 0) or gauge.
---@param amount number?  default 1
function Series:add(amount)
  C.moon_counter_add(bridge.generation, self.kind, self.slot, amount or 1)
end

--- Sets this worker's part of a gauge.
---@param value number
function Series:set(value)
  C.moon_gauge_set(bridge.generation, self.slot, value)
end

--- Adds a duration to a histogram.
---@param seconds number
function Series:observe(seconds)
  C.moon_histogram_observe(bridge.generation, self.slot, seconds)
end

--- What all workers have counted together.
---@return number
function Series:value()
  return C.moon_counter_value(bridge.generation, self.kind, self.slot)
end

local function family_of(kind, kind_name, name, help, labels)
  if not name:find "^[%a_:][%w_:]*$" then error(("%q is no name of a metric"):format(name), 3) end
  labels = labels or {}
  if #labels > LABELS_MAX then error(name .. " has too many labels", 3) end
  local known = metrics.families[name]
  if known then
    if known.type ~= kind_name then error(("%s is a %s already"):format(name, known.type), 3) end
    return known
  end
  local family = setmetatable({
    name = name, help = help or "", type = kind_name, kind = kind, labels = labels, series = {},
    count = 0,
  }, Family)
  metrics.families[name] = family
  return family
end

--- A count that only grows. By convention its name ends in _total.
---@param name string
---@param help string?
---@param labels string[]?
---@return MetricFamily
function metrics.counter(name, help, labels)
  return family_of(KINDS.counter, "counter", name, help, labels)
end

--- A sum of seconds that only grows.
---@return MetricFamily
function metrics.seconds(name, help, labels)
  return family_of(KINDS.seconds, "counter", name, help, labels)
end

--- What is now; each worker has its part, readers see the sum.
---@return MetricFamily
function metrics.gauge(name, help, labels)
  return family_of(KINDS.gauge, "gauge", name, help, labels)
end

--- Durations in buckets from 10 µs to 5 minutes.
---@return MetricFamily
function metrics.histogram(name, help, labels)
  return family_of(-1, "histogram", name, help, labels)
end

return metrics
