--- text_format: all metrics in Prometheus' text format 0.0.4.
--
-- Series come from shared memory in no order and are gathered by family in buffers, without a Lua
-- string for each. After some hundred of them the loop has its turn.

local breakers = require "moongate.admin.breakers"
local bridge = require "moongate.ffi"
local buffer = require "string.buffer"
local cache_held = require "moongate.admin.cache_held"
local concurrency = require "moongate.admin.concurrency"
local metrics = require "moongate.metrics"
local plugin_costs = require "moongate.admin.plugin_costs"
local published = require "moongate.admin.published"
local reloads = require "moongate.admin.reloads"
local sleep = require "moongate.sleep"
local target_metrics = require "moongate.admin.target_metrics"
local workers = require "moongate.admin.workers"

local C = bridge.C

local text_format = { TYPE = "text/plain; version=0.0.4; charset=utf-8" }

-- Series between two turns of the loop: about a millisecond.
local SERIES_PER_TURN = 500

local BUCKETS = C.moon_histogram_buckets()

-- Families that C counts itself.
local OWN_HELP = {
  moongate_plugin_cache_hits_total = "Look-ups of a plugin's cache that found something.",
  moongate_plugin_cache_misses_total = "Look-ups of a plugin's cache that found nothing.",
  moongate_plugin_cache_collapsed_total = "Times that somebody waited for what another finds out.",
  moongate_plugin_cache_evicted_total = "Cached values that gave way to others, or had expired.",
  moongate_cache_requests_total = "Requests of routes that are cached, by what became of them.",
  moongate_cache_requests_collapsed_total = "Of these, those that waited for another's answer.",
  moongate_cache_answered_bytes_total = "Bytes of bodies that came from the cache.",
  moongate_loop_turn_seconds = "How long turns of the event loops took, all workers.",
  moongate_shed_total =
    "Requests that were refused, or would have been where it is only reported, to shed load.",
}

local SHARED = {
  { C.MOON_SHARED_COUNTERS, "gauge", "moongate_shared_counters",
    "Counters and gauges in shared memory." },
  { C.MOON_SHARED_COUNTERS_REFUSED, "counter", "moongate_shared_counters_refused_total",
    "Counters that found no room." },
  { C.MOON_SHARED_HISTOGRAMS, "gauge", "moongate_shared_histograms",
    "Histograms in shared memory." },
  { C.MOON_SHARED_HISTOGRAMS_REFUSED, "counter", "moongate_shared_histograms_refused_total",
    "Histograms that found no room." },
  { C.MOON_SHARED_LIMITS_REFUSED, "counter", "moongate_shared_limits_refused_total",
    "Requests denied since the table of limits was full." },
  { C.MOON_SHARED_SLOTS_REFUSED, "counter", "moongate_shared_slots_refused_total",
    "Requests denied since the table of slots was full." },
  { C.MOON_SHARED_DICT_BYTES, "gauge", "moongate_shared_dict_bytes",
    "Bytes in use of the shared dictionary." },
  { C.MOON_SHARED_DICT_REFUSED, "counter", "moongate_shared_dict_refused_total",
    "Values that the shared dictionary had no room for." },
  { C.MOON_SHARED_VALUES, "gauge", "moongate_plugin_cache_values",
    "Values that plugins have cached." },
  { C.MOON_SHARED_VALUE_BYTES, "gauge", "moongate_plugin_cache_bytes", "Memory that they take." },
  { C.MOON_SHARED_VALUES_REFUSED, "counter", "moongate_plugin_cache_refused_total",
    "Values that plugins wanted to cache and there was no room for." },
  { C.MOON_SHARED_PLUGIN_ROUTES, "gauge", "moongate_shared_plugin_routes",
    "Pairs of plugin and route with counts of their own." },
  { C.MOON_SHARED_PLUGIN_ROUTES_REFUSED, "counter", "moongate_shared_plugin_routes_refused_total",
    'Pairs that found no room: they count under the route "(other)".' },
}

-- In the order of enum moon_cache_number.
local CACHE = {
  { "counter", "moongate_cache_found_total", "Look-ups of the cache that found an answer." },
  { "counter", "moongate_cache_missed_total", "Look-ups that found none." },
  { "counter", "moongate_cache_collapsed_total",
    "Requests that waited for what another one was fetching." },
  { "counter", "moongate_cache_stored_total", "Answers that were stored." },
  { "counter", "moongate_cache_refreshed_total", "Stored answers that an upstream confirmed." },
  { "counter", "moongate_cache_evicted_total", "Stored answers that gave way to others." },
  { "counter", "moongate_cache_expired_total",
    "Stored answers taken out since they were of no use any more." },
  { "counter", "moongate_cache_purged_total", "Stored answers that a purge took out." },
  { "counter", "moongate_cache_refused_total", "Answers that the cache had no room for." },
  { "gauge", "moongate_cache_objects", "Answers that are stored." },
  { "gauge", "moongate_cache_filling", "Answers that are being stored." },
  { "gauge", "moongate_cache_bytes", "Memory that they take." },
  { "gauge", "moongate_cache_free_bytes", "Memory for more of them." },
}

local LABELS = { "plugin", "route" }
-- In the order of moon_plugin_cost_next()'s numbers.
local PLUGIN_COSTS = {
  metrics.counter("moongate_plugin_calls_total",
    "Calls of plugins' phases, by plugin and route.", LABELS),
  metrics.counter("moongate_plugin_errors_total",
    "Errors that plugins raised, by plugin and route.", LABELS),
  metrics.seconds("moongate_plugin_cpu_seconds_total",
    "Time of the CPU that plugins took, by plugin and route; estimated from a sample.", LABELS),
  metrics.seconds("moongate_plugin_wait_seconds_total",
    "Time that plugins waited, by plugin and route; estimated from a sample.", LABELS),
}

local bounds = {}
for i = 0, BUCKETS - 1 do
  local bound = C.moon_histogram_bound(i)
  bounds[i] = bound == math.huge and "+Inf" or ("%.10g"):format(bound)
end

local function number_text(number)
  return number % 1 == 0 and ("%.0f"):format(number) or ("%.9f"):format(number)
end

local function put_labels(into, labels, more)
  if labels.length == 0 and not more then return end
  into:put "{"
  if labels.length > 0 then into:putcdata(labels.start, labels.length) end
  if more then into:put(labels.length > 0 and "," or "", more) end
  into:put "}"
end

-- The buffers of families by name, made when their first series comes.
local function gathering()
  local families = {}
  return families, function(slice, kind)
    local name = bridge.string(slice.start, slice.length)
    local family = families[name]
    if not family then
      family = { name = name, kind = kind, lines = buffer.new() }
      families[name] = family
    end
    return family
  end
end

local function counter_kind(number)
  return number == C.MOON_COUNTER_GAUGE and "gauge" or "counter"
end

local function turn(count)
  if count % SERIES_PER_TURN == 0 then sleep(0) end
end

local function gather_counters(family_of)
  local cursor, texts = bridge.new "size_t[1]", bridge.new "struct slice[2]"
  local numbers, count = bridge.new "double[2]", 0
  while C.moon_counter_next(bridge.generation, cursor, texts, numbers) do
    local family = family_of(texts[0], counter_kind(numbers[0]))
    family.lines:put(family.name)
    put_labels(family.lines, texts[1])
    family.lines:put(" ", number_text(numbers[1]), "\n")
    count = count + 1
    turn(count)
  end
end

local function put_histogram(family, labels, numbers)
  local lines, name, sum = family.lines, family.name, 0
  for i = 0, BUCKETS - 1 do
    sum = sum + numbers[2 + i]
    lines:put(name, "_bucket")
    put_labels(lines, labels, 'le="' .. bounds[i] .. '"')
    lines:put(" ", number_text(sum), "\n")
  end
  lines:put(name, "_sum")
  put_labels(lines, labels)
  lines:put(" ", number_text(numbers[0]), "\n", name, "_count")
  put_labels(lines, labels)
  lines:put(" ", number_text(sum), "\n")
end

local function gather_histograms(family_of)
  local cursor, texts = bridge.new "size_t[1]", bridge.new "struct slice[2]"
  local numbers, count = bridge.new("double[?]", 2 + BUCKETS), 0
  while C.moon_histogram_next(bridge.generation, cursor, texts, numbers) do
    put_histogram(family_of(texts[0], "histogram"), texts[1], numbers)
    count = count + BUCKETS
    turn(count)
  end
end

local HELP_ESCAPES = { ["\\"] = "\\\\", ["\n"] = "\\n" }

local function put_head(into, name, kind, help)
  into:put("# HELP ", name, " ", (help:gsub("[\\\n]", HELP_ESCAPES)), "\n")
  into:put("# TYPE ", name, " ", kind, "\n")
end

-- Families of one set of labels, which C counts itself: their numbers come side by side.
local function put_rows(into, families, each)
  local lines = {}
  for i in ipairs(families) do lines[i] = buffer.new() end
  each(function(labels, numbers)
    for i, family in ipairs(families) do
      lines[i]:put(family.name, "{", labels, "} ", number_text(numbers[i - 1]), "\n")
    end
  end)
  for i, family in ipairs(families) do
    put_head(into, family.name, family.type, family.help)
    into:put(lines[i])
  end
end

-- Of a module whose `each` visits names with numbers, in the order of its FAMILIES.
local function put_named(into, named)
  put_rows(into, named.FAMILIES, function(visit)
    named.each(function(name, numbers) visit(named.FAMILIES[1]:label_text(name), numbers) end)
  end)
end

local function put_targets(into)
  local targets, upstreams = target_metrics.read()
  for _, pair in ipairs { { target_metrics.FAMILIES, targets },
    { target_metrics.UPSTREAM_FAMILIES, upstreams } } do
    put_rows(into, pair[1], function(visit)
      for _, labels in ipairs(pair[2]) do visit(labels, pair[2][labels]) end
    end)
  end
end

local function each_plugin_cost(visit)
  plugin_costs.each(function(plugin, route, numbers)
    visit(PLUGIN_COSTS[1]:label_text(plugin, route), numbers)
  end)
end

local function put_news(into)
  local known = reloads.read()
  if not known then return end
  put_head(into, "moongate_generation", "gauge", "The generation that serves; counts from 1.")
  into:put("moongate_generation ", number_text(known.generation), "\n")
  put_head(into, "moongate_generation_since_seconds", "gauge",
    "Since when it serves, since the epoch.")
  into:put("moongate_generation_since_seconds ", number_text(known.since), "\n")
  put_head(into, "moongate_reloads_total", "counter", "Reloads by how they went.")
  for _, result in ipairs { "succeeded", "failed" } do
    into:put('moongate_reloads_total{result="', result, '"} ',
      number_text(known.reloads[result]), "\n")
  end
  put_head(into, "moongate_reload_failed", "gauge",
    "1 while the last reload has failed; the generation before it serves on.")
  into:put("moongate_reload_failed ", known.last_failure and "1" or "0", "\n")
  put_head(into, "moongate_worker_restarts_total", "counter",
    "Workers started in the place of one that had ended.")
  into:put("moongate_worker_restarts_total ", number_text(known.restarts), "\n")
end

local function put_cache(into)
  local numbers = bridge.new("double[?]", C.MOON_CACHE_NUMBERS)
  C.moon_cache_numbers(bridge.generation, numbers)
  for i, row in ipairs(CACHE) do
    put_head(into, row[2], row[1], row[3])
    into:put(row[2], " ", number_text(numbers[i - 1]), "\n")
  end
end

local function put_own(into)
  put_head(into, "moongate_build_info", "gauge", "The version that runs.")
  into:put('moongate_build_info{version="', bridge.string(C.moon_version()), '"} 1\n')
  put_head(into, "moongate_start_time_seconds", "gauge", "When the gateway began, since the epoch.")
  into:put("moongate_start_time_seconds ", number_text(published.started()), "\n")
  for _, row in ipairs(SHARED) do
    put_head(into, row[3], row[2], row[4])
    into:put(row[3], " ", number_text(C.moon_shared_number(bridge.generation, row[1])), "\n")
  end
end

--- Waits now and then when there are many series.
---@return string
function text_format.write()
  local families, family_of = gathering()
  gather_counters(family_of)
  gather_histograms(family_of)
  local names = {}
  for name in pairs(families) do names[#names + 1] = name end
  table.sort(names)
  local text = buffer.new()
  for _, name in ipairs(names) do
    local family, known = families[name], metrics.families[name]
    put_head(text, name, family.kind, known and known.help or OWN_HELP[name] or "")
    text:put(family.lines)
  end
  put_targets(text)
  put_rows(text, PLUGIN_COSTS, each_plugin_cost)
  put_named(text, breakers)
  put_named(text, workers)
  put_named(text, concurrency)
  put_named(text, cache_held)
  put_news(text)
  put_own(text)
  put_cache(text)
  return text:tostring()
end

return text_format
