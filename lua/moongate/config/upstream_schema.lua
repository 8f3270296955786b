--- upstream_schema: what `upstream` and its targets may be given, in the form of plugins' options.

local DISCOVER = require "moongate.config.discover_schema"

local upstream_schema = {}

local STICKY = {
  cookie = { type = "string", default = "moongate-target", help = "its name" },
  path = { type = "string", default = "/", help = "below which clients send it" },
  domain = { type = "string", help = "to whose hosts clients send it; default: this one" },
  max_age = { type = "duration", default = 0, help = "for which they keep it; 0: a session" },
  secure = { type = "boolean",
    help = "only over TLS; default: when the request came over TLS" },
  http_only = { type = "boolean", default = true, help = "scripts do not see it" },
  same_site = { type = "string", values = { "lax", "strict", "none" }, default = "lax",
    help = "whether it comes with requests from other sites" },
  key = { type = "string", secret = true,
    help = "of what stands in it; needed where several gateways share clients, or cookies are to "
      .. "outlive a restart; default: one of its own" },
}

local HEALTH = {
  type = { type = "string", values = { "http", "tcp" }, default = "http",
    help = "a GET, or no more than a connection (with TLS where the target has it)" },
  path = { type = "string", default = "/", help = "what is asked for, with its query" },
  host = { type = "string", help = "Host of the question; default: the target's" },
  status = { type = "list", items = { type = "any" }, default = { "200-399" },
    help = 'expected: 204, "2xx", "200-399"' },
  body = { type = "string", help = "what the first 64 KiB of the answer have to have in them" },
  interval = { type = "duration", default = "5s", min = 0.1, help = "between two questions" },
  jitter = { type = "number", default = 0.1, min = 0, max = 0.5,
    help = "share of the interval by which it varies" },
  timeout = { type = "duration", default = "2s", min = 0.01, help = "for the answer" },
  rise = { type = "integer", default = 2, min = 1, max = 1000,
    help = "good answers in a row after which a target that was down is up" },
  fall = { type = "integer", default = 3, min = 1, max = 1000,
    help = "bad ones in a row after which one that was up is down; of the very first, one" },
}

local OUTLIERS = {
  share = { type = "number", default = 0.5, min = 0.01, max = 1,
    help = "of bad answers in a window that sets a target aside: of 500 or more, too slow, none" },
  slow = { type = "duration", default = 0,
    help = "after which the head of an answer is too slow; 0: however late" },
  window = { type = "duration", default = "10s", min = 0.1, help = "in which they are counted" },
  requests = { type = "integer", default = 20, min = 1, max = 100000,
    help = "in a window before there is a verdict" },
  ejected = { type = "number", default = 0.5, min = 0, max = 1,
    help = "share of the targets that may be set aside for bad answers; who takes no connections "
      .. "is, whatever the share" },
}

local BREAKER = {
  failures = { type = "number", default = 0.5, min = 0, max = 1,
    help = "share of requests that failed (no answer, or a status from 500 on) which opens it; "
      .. "0: not judged by them" },
  slow = { type = "duration", min = 0.001,
    help = "a request is slow when the head of its answer takes longer; default: none is" },
  slow_share = { type = "number", default = 0.8, min = 0.01, max = 1,
    help = "share of slow requests that opens it" },
  window = { type = "duration", default = "10s", min = 0.1, max = 3600,
    help = "of the requests that are judged" },
  minimum = { type = "integer", default = 20, min = 1, max = 60000,
    help = "requests in the window before they are judged" },
  open = { type = "duration", default = "5s", min = 0.05, max = 3600,
    help = "for which requests are refused, with 503, before it is tried again" },
  probes = { type = "integer", default = 3, min = 1, max = 1000,
    help = "requests that are then let through, and have to go well for it to close" },
  report_only = { type = "boolean", default = false,
    help = "refuse nothing; log and count what would be" },
}

-- As HEDGE_ATTEMPTS_MAX of runtime/upstream/hedging.h.
local HEDGE = {
  after = { type = "any", default = "p95",
    help = 'what the head of an answer may take before the request is sent to another target, too: '
      .. 'a duration, or a percentile of what answers took in the last minute, as "p95"' },
  attempts = { type = "integer", default = 1, min = 0, max = 3,
    help = "beside the first one, each after that time; 0: none" },
  share = { type = "number", default = 0.1, min = 0, max = 1,
    help = "of the requests that may be sent again so, besides one a second" },
  report_only = { type = "boolean", default = false,
    help = "send none; count those that would be" },
}

--- Hedging of what `help` says.
---@param help string
---@return table option
function upstream_schema.hedge(help)
  return { type = "table", fields = HEDGE, help = help }
end

--- A circuit breaker of what `help` says.
---@param help string
---@return table option
function upstream_schema.breaker(help)
  return { type = "table", fields = BREAKER, help = help }
end

local ADAPTIVE = {
  min = { type = "integer", default = 4, min = 1, max = 65535,
    help = "what it never falls below" },
  max = { type = "integer", default = 1000, min = 1, max = 65535,
    help = "what it never rises above" },
  initial = { type = "integer", min = 1, max = 65535,
    help = "what it begins with; default: 20, within min and max" },
  tolerance = { type = "number", default = 1.25, min = 1.05, max = 10,
    help = "answers may take so many times as long as usual before the limit shrinks" },
  window = { type = "duration", default = "250ms", min = 0.01, max = 60,
    help = "of the answers that are averaged; longer where there are less than twelve" },
  report_only = { type = "boolean", default = false,
    help = "limit nothing; learn, and count what would be" },
}

local QUEUE = {
  size = { type = "integer", default = 100, min = 1, max = 1000000,
    help = "requests that may wait, in all workers together" },
  deadline = { type = "duration", default = "500ms", min = 0.001, max = 3600,
    help = "for which one waits at most; then it is answered with 503" },
  order = { type = "string", values = { "fifo", "lifo", "adaptive" }, default = "adaptive",
    help = "who goes first in a worker: the oldest, the newest, or the oldest until some have been "
      .. "waiting for longer than the deadline, and then the newest" },
  report_only = { type = "boolean", default = false,
    help = "let none wait; count those that would" },
}

upstream_schema.upstream = {
  discover = { type = "table", fields = DISCOVER,
    help = "where its targets are learned at run time, instead of being written" },
  balance = { type = "string", default = "round_robin",
    values = { "round_robin", "least_conn", "ewma", "hash", "random" },
    help = "how the target of a request is chosen" },
  by = { type = "by", help = 'what hash goes by: "consumer", "address", "header:NAME", '
    .. '"cookie:NAME", "query:NAME", "param:NAME", "claim:NAME" or a function of the request' },
  bound = { type = "number", default = 1.25, min = 1, max = 100, zero = true,
    help = "with hash: what a target may have under way, as a multiple of its part; beyond it the "
      .. "next one gets it; 0: no bound" },
  sticky = { type = "table", fields = STICKY,
    help = "a cookie that keeps a client at its target" },
  slow_start = { type = "duration", default = 0, max = 3600,
    help = "for which a target that appears or comes back gets less than its weight" },
  spill = { type = "number", default = 0.7, min = 0, max = 1,
    help = "share of a tier (one priority, own zone or others) that has to be usable for it to "
      .. "take all requests; what it falls short of goes to the next tier; 0: as long as one is" },
  panic = { type = "number", default = 0, min = 0, max = 1,
    help = "when a smaller share of the targets is usable, all are asked; 0: when none is" },
  health = { type = "table", fields = HEALTH,
    help = "asks the targets at intervals; those that are down get no requests" },
  outliers = { type = "table", fields = OUTLIERS,
    help = "set aside targets whose answers are bad; without it only those that do not answer" },
  protocol = { type = "string", help = "default: HTTP/1.1" },
  tls = { type = "table", default = { verify = true }, help = "for https targets", fields = {
    verify = { type = "boolean", default = true,
      help = "check the target's certificate and its name" },
    ca = { type = "pem", help = "PEM file of its authorities; default: the system's" },
    cert = { type = "pem", help = "our certificate: a PEM file, or its text" },
    key = { type = "pem", secret = true, help = "its key: a PEM file, or its text" },
    server_name = { type = "string",
      help = "name to ask for and to check; default: the target's host" },
  } },
  idle_connections = { type = "integer", default = 64, min = 0, max = 65536,
    help = "kept open per target and worker; more are closed when they were idle for a second" },
  idle_timeout = { type = "duration", default = "60s", min = 0.01,
    help = "for which they are kept" },
  connections = { type = "integer", default = 0, min = 0,
    help = "per target and worker; 0: no limit" },
  failures = { type = "integer", default = 3, min = 1,
    help = "failed connections in a row that set a target aside" },
  set_aside = { type = "duration", default = "5s", min = 0.01,
    help = "for which it stays aside; then one request tries it, and if that fails it is for twice "
      .. "as long" },
  set_aside_max = { type = "duration", default = "5m", min = 0.01, help = "that this grows to" },
  retry_budget = { type = "number", default = 0.2, min = 0, max = 1,
    help = "share of requests that may be tried again" },
  retry_budget_min = { type = "integer", default = 3, min = 0,
    help = "retries a second always allowed, of all workers together" },
  retry_budget_report_only = { type = "boolean", default = false,
    help = "refuse no retry; count those that would be" },
  breaker = upstream_schema.breaker "a circuit breaker for all that is asked of it; default: none",
  hedge = upstream_schema.hedge("idempotent requests that one target does not answer in time are "
    .. "sent to a second one, and the first answer counts; default: none"),
  adaptive = { type = "table", fields = ADAPTIVE,
    help = "a limit of requests that wait for its answers, of all workers, learnt from how fast "
      .. "they come; default: none" },
  queue = { type = "table", fields = QUEUE,
    help = "where requests wait while it is at its limit, or out of connections; default: none" },
}

upstream_schema.target = {
  weight = { type = "integer", default = 1, min = 1, max = 1000,
    help = "its share among the targets" },
  priority = { type = "integer", default = 0, min = 0, max = 15,
    help = "those of a higher one are asked when too few of the lower ones can be" },
  backup = { type = "boolean", default = false,
    help = "asked only when no other target can be" },
  zone = { type = "string", help = "where it is; those of the gateway's zone come first" },
}

return upstream_schema
