--- metrics: counters, gauges and histograms that all workers count together.
--
--     local seen = metrics.counter("app_seen_total", "Things seen.", { "kind" })
--     seen:with("apple"):add(1)
--
-- Families are declared when a plugin is loaded; their series count while requests run. A series is
-- kept once it was asked for: adding to it is one call into C and makes nothing. What was added is
-- in shared memory at once, so it is not lost with a worker that dies.

local bridge = require "moongate.ffi"

local C, must_serve = bridge.C, bridge.must_serve

---@class moongate.metrics
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

-- Longer values of labels are cut; a name and all its labels have 2048 bytes (shm/name_table.h).
local VALUE_BYTES_MAX = 256

local ESCAPES = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }

-- Who reads metrics refuses all of them for one byte that is not UTF-8, so what a client sent may
-- have no such byte: in a value that has any, '?' stands for all beyond ASCII.
local function label_value(value)
  local text = tostring(value):sub(1, VALUE_BYTES_MAX)
  if text:find "[\128-\255]" and not C.moon_is_utf8(text, #text) then
    text = text:gsub("[\128-\255]", "?")
  end
  return (text:gsub('[\\"\n]', ESCAPES))
end

local function label_text(names, values)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = ('%s="%s"'):format(name, label_value(values[i]))
  end
  return table.concat(parts, ",")
end

--- What stands between the braces of a series: `target="one"`.
---@param ... string|number|boolean|nil  as for with()
---@return string
function Family:label_text(...)
  return label_text(self.labels, { ... })
end

local function slot_of(family, labels)
  if family.type == "histogram" then
    return (C.moon_histogram_slot(bridge.generation, family.name, #family.name, labels, #labels))
  end
  return (C.moon_counter_slot(bridge.generation, family.kind, family.name, #family.name, labels,
    #labels))
end

local function make_series(family, values)
  must_serve "counting"
  local slot = 0
  if family.count < SERIES_MAX then slot = slot_of(family, label_text(family.labels, values)) end
  return setmetatable({ kind = family.kind, slot = slot }, Series)
end

-- What no table has as a key counts as none.
local function label_key(value)
  if value == nil or value ~= value then return "" end
  return value
end

local function label_keys(...)
  local keys = { ... }
  for i = 1, select("#", ...) do keys[i] = label_key(keys[i]) end
  return keys
end

--- The series with these values of the family's labels, in their order.
---@param ... string|number|boolean|nil  nil counts as ""
---@return MetricSeries
function Family:with(...)
  local count = select("#", ...)
  if count ~= #self.labels then
    error(("%s has %d labels, not %d"):format(self.name, #self.labels, count), 2)
  end
  local node = self.series
  for i = 1, count do
    local value = label_key((select(i, ...)))
    local below = node[value]
    if below == nil then
      below = i == count and make_series(self, label_keys(...)) or {}
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
---@param amount number?  default 1
function Family:add(amount) self:with():add(amount) end

--- Sets a gauge without labels: this worker's part of it, a whole number.
---@param value number
function Family:set(value) self:with():set(value) end

--- Adds a duration in seconds to a histogram without labels.
---@param seconds number
function Family:observe(seconds) self:with():observe(seconds) end

--- Adds to a counter (never less than 0) or gauge.
---@param amount number?  default 1
function Series:add(amount)
  C.moon_counter_add(bridge.generation, self.kind, self.slot, amount or 1)
end

--- Sets this worker's part of a gauge, a whole number.
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

local function check_names(name, labels)
  if type(name) ~= "string" or not name:find "^[%a_:][%w_:]*$" then
    error(("%q is no name of a metric"):format(tostring(name)), 4)
  end
  if #labels > LABELS_MAX then error(name .. " has too many labels", 4) end
  for _, label in ipairs(labels) do
    if type(label) ~= "string" or not label:find "^[%a_][%w_]*$" then
      error(("%q is no name of a label"):format(tostring(label)), 4)
    end
  end
end

local function family_of(kind, kind_name, name, help, labels)
  labels = labels or {}
  check_names(name, labels)
  local known = metrics.families[name]
  if known then
    if known.kind ~= kind then error(("%s is a %s already"):format(name, known.type), 3) end
    if table.concat(known.labels, ",") ~= table.concat(labels, ",") then
      error(name .. " has other labels already", 3)
    end
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
---@param name string
---@param help string?
---@param labels string[]?
---@return MetricFamily
function metrics.seconds(name, help, labels)
  return family_of(KINDS.seconds, "counter", name, help, labels)
end

--- What is now; each worker has its part, readers see the sum.
---@param name string
---@param help string?
---@param labels string[]?
---@return MetricFamily
function metrics.gauge(name, help, labels)
  return family_of(KINDS.gauge, "gauge", name, help, labels)
end

--- Durations in buckets from 10 µs to 5 minutes.
---@param name string
---@param help string?
---@param labels string[]?
---@return MetricFamily
function metrics.histogram(name, help, labels)
  return family_of(-1, "histogram", name, help, labels)
end

return metrics
