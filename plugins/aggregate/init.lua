--- aggregate: answers with one JSON document made of several requests.
--
-- Parts run side by side. A part that names another one's value, as in {profile.id}, waits for that
-- one. What the client gets:
--
--     200  all required parts are there. An optional part that failed is its default, or null, and
--          is listed under `errors`; one that `when` left out is its default, or missing
--     401 403 404 410 429   a required part answered so (with its WWW-Authenticate, Retry-After)
--     503  a required part answered so, or its upstream has no target
--     504  a required part did not answer in its time, or the route's `timeout` was over
--     502  a required part failed in any other way: any other status that is not 2xx, no JSON, too
--          large, nothing at `extract`, or a value that its address needs is not there
--
-- The first required part that fails ends it all; what still runs is cancelled.

local all = require "moongate.all"
local bridge = require "moongate.ffi"
local document = require "aggregate.document"
local graph = require "aggregate.graph"
local part = require "aggregate.part"
local reply = require "moongate.reply"

local C = bridge.C

local PARTS_MAX = 32

---@class Aggregate: Plugin
local aggregate = {
  summary = "Answers with one JSON document made of several requests.",
  options = {
    parts = { type = "map", required = true,
      help = "the requests by name: an address, or { address, method, headers, body, required, "
        .. "default, timeout, limit, when, extract }; at most 32" },
    timeout = { type = "duration", default = "10s", min = 0.001,
      help = "for all parts together; then the client gets a 504 if a required one is missing" },
    merge = { type = "string", values = { "group", "merge" }, default = "group",
      help = '"group": each part under its name; "merge": the members of all parts in one object, '
        .. "of equal ones that of the part whose name sorts last" },
    errors = { type = "string", default = "errors",
      help = 'member that lists the optional parts that failed, with reason and status; "": none' },
    forward_headers = { type = "list", items = { type = "string" },
      default = { "accept-language", "traceparent", "tracestate" },
      help = "fields of the client's request that every part gets" },
  },
}

local function check_shape(options, parts, report)
  local circle = graph.circle(parts)
  if circle then
    report(("parts wait for each other: %s"):format(table.concat(circle, " -> ")))
  end
  if #options.order == 0 then report "parts is empty; expected at least one" end
  if #options.order > PARTS_MAX then
    report(("parts has %d entries; expected at most %d"):format(#options.order, PARTS_MAX))
  end
  if options.errors ~= "" and parts[options.errors] then
    report(("a part is called %q, as the list of errors is; give errors another name"):format(
      options.errors))
  end
end

---@param options table
---@return table?
---@return string? wrong
function aggregate.new(options)
  local wrong, parts = {}, {}
  local function report(message) wrong[#wrong + 1] = message end
  for name, given in pairs(options.parts) do
    if not name:find "^[%w_-]+$" then
      report(("parts.%s: the name may have letters, digits, _ and -"):format(name))
    end
    parts[name] = part.new(name, given, options.parts, report)
  end
  options.order = graph.sorted(parts)
  check_shape(options, parts, report)
  if #wrong > 0 then
    table.sort(wrong)
    return nil, table.concat(wrong, "; ")
  end
  options.compiled = parts
  options.counts, options.dependents = graph.of(parts)
  return options
end

local function forwarded_of(self, req)
  local headers = {}
  for _, name in ipairs(self.forward_headers) do headers[name:lower()] = req.headers[name] end
  return headers
end

local run_parts

-- false: a required part failed, so that it is over.
local function run_part(self, run, one)
  local result = part.ask(one, run)
  run.results[one.name] = result
  if one.required and result.failure then
    run.failed, run.failure = run.failed or one, run.failure or result.failure
    return false
  end
  local ready = {}
  for _, waiting in ipairs(self.dependents[one.name] or {}) do
    run.left[waiting.name] = run.left[waiting.name] - 1
    if run.left[waiting.name] == 0 then ready[#ready + 1] = waiting end
  end
  return run_parts(self, run, ready)
end

function run_parts(self, run, list)
  if #list == 0 then return true end
  if #list == 1 then return run_part(self, run, list[1]) end
  local functions = {}
  for i, one in ipairs(list) do
    functions[i] = function() return run_part(self, run, one) end
  end
  all(functions, true)
  return not run.failed
end

local SAME = { [401] = true, [403] = true, [404] = true, [410] = true, [429] = true, [503] = true }
local BUSY = { ["upstream-unavailable"] = true, ["upstream-limit"] = true }
local LIFTED = { "www-authenticate", "retry-after" }

local function status_of(failure)
  if failure.status then
    return failure.reason == "status" and SAME[failure.status] and failure.status or 502
  end
  if BUSY[failure.reason] then return 503 end
  if failure.reason:find "timeout" or failure.reason == "upstream-stalled" then return 504 end
  return 502
end

local function refusal(run)
  local failure, headers = run.failure, {}
  local status = status_of(failure)
  for _, name in ipairs(status == failure.status and LIFTED or {}) do
    headers[name] = failure.answer.headers[name]
  end
  return reply.problem(status, "part-failed",
    ("The part %q of the answer is missing."):format(run.failed.name), headers,
    { part = run.failed.name, reason = failure.reason })
end

---@param req Request
---@return Reply
function aggregate:respond(req)
  local run = {
    req = req, results = {}, left = {}, forwarded = forwarded_of(self, req),
    deadline = C.moon_now(bridge.generation) + self.timeout,
  }
  local ready = {}
  for _, name in ipairs(self.order) do
    run.left[name] = self.counts[name]
    if run.left[name] == 0 then ready[#ready + 1] = self.compiled[name] end
  end
  if not run_parts(self, run, ready) then return refusal(run) end
  local body = document.of(self.order, run.results, self.merge, self.errors)
  return reply.new(200, body, { ["content-type"] = "application/json" })
end

return aggregate
