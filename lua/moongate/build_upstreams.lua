--- build_upstreams: puts the configuration's upstreams into a generation.

local bridge = require "moongate.ffi"

local C = bridge.C

local build_upstreams = {}

local function is_remote(model, target)
  return model.zone ~= nil and target.zone ~= model.zone
end

local function add_balance(builder, upstream)
  local outliers, sticky = upstream.outliers, upstream.sticky
  builder:text(C.MOON_BUILD_BALANCE, upstream.balance)
  builder:number(C.MOON_BUILD_HASH_BOUND, upstream.bound)
  builder:text(C.MOON_BUILD_STICKY_KEY, sticky and sticky.key)
  builder:number(C.MOON_BUILD_SLOW_START, upstream.slow_start)
  builder:number(C.MOON_BUILD_SPILL, upstream.spill)
  builder:number(C.MOON_BUILD_PANIC, upstream.panic)
  builder:number(C.MOON_BUILD_FAILURES, upstream.failures)
  builder:number(C.MOON_BUILD_SET_ASIDE, upstream.set_aside)
  builder:number(C.MOON_BUILD_SET_ASIDE_MAX, upstream.set_aside_max)
  if not outliers then return end
  builder:number(C.MOON_BUILD_OUTLIER_SHARE, outliers.share)
  builder:number(C.MOON_BUILD_OUTLIER_SLOW, outliers.slow)
  builder:number(C.MOON_BUILD_OUTLIER_WINDOW, outliers.window)
  builder:number(C.MOON_BUILD_OUTLIER_REQUESTS, outliers.requests)
  builder:number(C.MOON_BUILD_OUTLIER_EJECTED, outliers.ejected)
end

local function add_health(builder, health)
  if not health then return end
  builder:number(C.MOON_BUILD_PROBE_HTTP, health.type == "http" and 1 or 0)
  builder:text(C.MOON_BUILD_PROBE_PATH, health.path)
  builder:text(C.MOON_BUILD_PROBE_HOST, health.host)
  builder:text(C.MOON_BUILD_PROBE_BODY, health.body)
  builder:text(C.MOON_BUILD_PROBE_STATUSES, health.ranges)
  builder:number(C.MOON_BUILD_PROBE_INTERVAL, health.interval)
  builder:number(C.MOON_BUILD_PROBE_JITTER, health.jitter)
  builder:number(C.MOON_BUILD_PROBE_TIMEOUT, health.timeout)
  builder:number(C.MOON_BUILD_PROBE_RISE, health.rise)
  builder:number(C.MOON_BUILD_PROBE_FALL, health.fall)
end

local function add_target(builder, target)
  builder:text(C.MOON_BUILD_TARGET, target.host)
  builder:number(C.MOON_BUILD_TARGET_PORT, target.port)
  builder:number(C.MOON_BUILD_TARGET_WEIGHT, target.weight)
  builder:number(C.MOON_BUILD_TARGET_PRIORITY, target.priority)
  builder:number(C.MOON_BUILD_TARGET_BACKUP, target.backup)
  builder:number(C.MOON_BUILD_TARGET_REMOTE, is_remote(builder.model, target))
  builder:number(C.MOON_BUILD_TARGET_TLS, target.tls)
end

--- The circuit breaker of an upstream or a route.
---@param builder table  of build.lua
---@param breaker ModelBreaker?
function build_upstreams.describe_breaker(builder, breaker)
  if not breaker then return end
  builder:number(C.MOON_BUILD_BREAKER_WINDOW, breaker.window)
  builder:number(C.MOON_BUILD_BREAKER_OPEN, breaker.open)
  builder:number(C.MOON_BUILD_BREAKER_MINIMUM, breaker.minimum)
  builder:number(C.MOON_BUILD_BREAKER_PROBES, breaker.probes)
  builder:number(C.MOON_BUILD_BREAKER_FAILURES, breaker.failures)
  builder:number(C.MOON_BUILD_BREAKER_SLOW, breaker.slow)
  builder:number(C.MOON_BUILD_BREAKER_SLOW_SHARE, breaker.slow_share)
  builder:number(C.MOON_BUILD_BREAKER_REPORT_ONLY, breaker.report_only)
end

--- The hedging of an upstream or a route.
---@param builder table  of build.lua
---@param hedge ModelHedge?
function build_upstreams.describe_hedge(builder, hedge)
  if not hedge then return end
  builder:number(C.MOON_BUILD_HEDGE_ATTEMPTS, hedge.attempts)
  builder:number(C.MOON_BUILD_HEDGE_SECONDS, hedge.seconds)
  builder:number(C.MOON_BUILD_HEDGE_QUANTILE, hedge.quantile)
  builder:number(C.MOON_BUILD_HEDGE_SHARE, hedge.share)
  builder:number(C.MOON_BUILD_HEDGE_REPORT_ONLY, hedge.report_only)
end

-- How many requests it gets at once, and which wait.
local function add_admission(builder, adaptive, queue)
  if adaptive then
    builder:number(C.MOON_BUILD_ADAPTIVE_MIN, adaptive.min)
    builder:number(C.MOON_BUILD_ADAPTIVE_MAX, adaptive.max)
    builder:number(C.MOON_BUILD_ADAPTIVE_INITIAL, adaptive.initial)
    builder:number(C.MOON_BUILD_ADAPTIVE_WINDOW, adaptive.window)
    builder:number(C.MOON_BUILD_ADAPTIVE_TOLERANCE, adaptive.tolerance)
    builder:number(C.MOON_BUILD_ADAPTIVE_REPORT_ONLY, adaptive.report_only)
  end
  if not queue then return end
  builder:number(C.MOON_BUILD_QUEUE_SIZE, queue.size)
  builder:number(C.MOON_BUILD_QUEUE_DEADLINE, queue.deadline)
  builder:text(C.MOON_BUILD_QUEUE_ORDER, queue.order)
  builder:number(C.MOON_BUILD_QUEUE_REPORT_ONLY, queue.report_only)
end

--- Adds an upstream that the configuration has, checked.
---@param builder table  of build.lua
---@param upstream ModelUpstream
function build_upstreams.add(builder, upstream)
  local tls = upstream.tls or {}
  builder:begin(C.MOON_OBJECT_CLUSTER, upstream.at)
  builder:text(C.MOON_BUILD_CLUSTER_NAME, upstream.name)
  for _, target in ipairs(upstream.targets) do add_target(builder, target) end
  builder:number(C.MOON_BUILD_DISCOVERED, upstream.discover and 1)
  add_balance(builder, upstream)
  add_health(builder, upstream.health)
  builder:text(C.MOON_BUILD_CLUSTER_PROTOCOL, upstream.protocol)
  builder:text(C.MOON_BUILD_TLS_CA, tls.ca)
  builder:text(C.MOON_BUILD_TLS_CERTIFICATE, tls.cert)
  builder:text(C.MOON_BUILD_TLS_KEY, tls.key)
  builder:text(C.MOON_BUILD_SERVER_NAME, tls.server_name)
  builder:number(C.MOON_BUILD_TLS_VERIFY, tls.verify == false and 0 or 1)
  builder:number(C.MOON_BUILD_IDLE_CONNECTIONS, upstream.idle_connections)
  builder:number(C.MOON_BUILD_IDLE_SECONDS, upstream.idle_timeout)
  builder:number(C.MOON_BUILD_CONNECTIONS, upstream.connections)
  builder:number(C.MOON_BUILD_RETRY_BUDGET, upstream.retry_budget)
  builder:number(C.MOON_BUILD_RETRY_BUDGET_MIN, upstream.retry_budget_min)
  builder:number(C.MOON_BUILD_RETRY_BUDGET_REPORT_ONLY, upstream.retry_budget_report_only)
  build_upstreams.describe_breaker(builder, upstream.breaker)
  build_upstreams.describe_hedge(builder, upstream.hedge)
  add_admission(builder, upstream.adaptive, upstream.queue)
  builder.clusters[upstream.name] = builder:finish_or_report("upstream " .. upstream.name)
end

return build_upstreams
