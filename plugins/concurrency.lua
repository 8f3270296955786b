--- concurrency: admits so many requests at once, counted exactly over all workers.
--
-- A request has its slot until its answer has been sent, or until it is cut off; a tunnel, as long
-- as it lasts. C gives slots back, also those of a worker that was killed. Routes whose limits have
-- one name share the slots; a reload that changes the number keeps count.

local limit_rules = require "moongate.limit_rules"
local moongate = require "moongate"

local json, limit, reply, slots = moongate.json, moongate.limit, moongate.reply, moongate.slots
local ceil, ask = math.ceil, limit_rules.ask

---@class Concurrency: Plugin
---@field rules LimitRules
---@field missing "share"|"deny"
---@field report_only boolean
---@field refusal Reply
local concurrency = {
  summary = "Admits a number of requests at the same time.",
  options = {
    limit = { type = "integer", required = true, min = 1, max = 1048575,
      help = "requests at the same time" },
    by = { type = "by", default = "address", help = "what has slots of its own" },
    name = { type = "string",
      help = "routes whose limits have one name share the slots; default: the route's own" },
    missing = { type = "string", values = { "share", "deny" }, default = "share",
      help = "requests without what is counted by share the slots of one, or get a 403" },
    status = { type = "integer", values = { 429, 503 }, default = 429,
      help = "of the refusal: the client's doing, or the service's" },
    retry_after = { type = "duration", default = "1s", min = 1,
      help = "when a refused client may come again; nobody can know" },
    report_only = { type = "boolean", default = false,
      help = "refuse nothing: count in moongate_concurrency_refused_total what would be refused" },
  },
}

local refused = moongate.metrics.counter("moongate_concurrency_refused_total",
  "Requests that found no slot.", { "limit", "mode" })

local UNIDENTIFIED = reply.problem(403, "unidentified",
  "The request lacks what its concurrency is counted by.")

function concurrency.new(options, context)
  local name = options.name or limit.own_name("concurrency", context.route)
  options.name = name
  options.rules = { { name = name, by = options.by,
    gate = slots { name = "concurrency:" .. name, limit = options.limit } } }
  options.refusal = reply.problem(options.status, "too-many-at-once",
    "Too many requests at the same time.", { ["retry-after"] = ceil(options.retry_after) },
    { ["violated-policies"] = json.array { name } })
  return options
end

---@param req Request
---@return Reply?  ends the request when present
function concurrency:request(req)
  local outcome = ask(self.rules, req, 1, self.missing == "share", "none")
  if outcome == 0 then return nil end
  if outcome < 0 then return UNIDENTIFIED end
  refused:with(self.name, self.report_only and "report" or "enforce"):add()
  if self.report_only then return nil end
  return self.refusal
end

return concurrency
