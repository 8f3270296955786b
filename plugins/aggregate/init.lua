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

local bridge = require "moongate.ffi"
local core = require "moongate.core.task"
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

-- Each name once.
local function lowered(names)
  local list, is_there = {}, {}
  for _, name in ipairs(names) do
    name = name:lower()
    if not is_there[name] then list[#list + 1] = name end
    is_there[name] = true
  end
  return list
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
  local counts
  counts, options.dependents = graph.of(parts)
  options.ordered, options.first, options.counts = {}, {}, next(options.dependents) and counts
  for i, name in ipairs(options.order) do
    options.ordered[i] = parts[name]
    if counts[name] == 0 then table.insert(options.first, parts[name]) end
  end
  options.forwarded = lowered(options.forward_headers)
  return options
end

local ACCEPT = { "accept", "application/json" }

-- What all parts get, names and values in turn, and what Host says when that is forwarded, too.
local function fields_of(self, req)
  local fields, host = ACCEPT, nil
  for i = 1, #self.forwarded do
    local name = self.forwarded[i]
    local value = req.headers[name]
    if value and name == "host" then
      host = value
    elseif value then
      if fields == ACCEPT then fields = { ACCEPT[1], ACCEPT[2] } end
      local at = name == "accept" and 1 or #fields + 1
      fields[at], fields[at + 1] = name, value
    end
  end
  return fields, host
end

local run_parts

-- false: a required part failed, so that it is over.
local function run_part(self, run, one)
  if not part.ask(one, run) then return false end
  local dependents = self.dependents[one.name]
  if not dependents then return true end
  local ready = {}
  for _, waiting in ipairs(dependents) do
    run.left[waiting.name] = run.left[waiting.name] - 1
    if run.left[waiting.name] == 0 then ready[#ready + 1] = waiting end
  end
  return run_parts(self, run, ready)
end

function run_parts(self, run, list)
  if #list == 0 then return true end
  if #list == 1 then return run_part(self, run, list[1]) end
  local wrong = core.join_each(list, run_part, self, run)
  for i = 1, wrong and #list or 0 do
    if wrong[i] then error(wrong[i].error, 0) end
  end
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

-- As one text when there are several of that name.
local function field_of(fields, name)
  local found
  for i = 1, #fields, 2 do
    if fields[i]:lower() == name then
      found = found and found .. ", " .. fields[i + 1] or fields[i + 1]
    end
  end
  return found
end

local function refusal(run)
  local failure, headers = run.failures[run.failed.name], {}
  local status = status_of(failure)
  for _, name in ipairs(status == failure.status and LIFTED or {}) do
    headers[name] = field_of(failure.fields, name)
  end
  return reply.problem(status, "part-failed",
    ("The part %q of the answer is missing."):format(run.failed.name), headers,
    { part = run.failed.name, reason = failure.reason })
end

local ANSWER = reply.new(200, nil, { ["content-type"] = "application/json" })

---@param req Request
---@return Reply
function aggregate:respond(req)
  local run = {
    req = req, values = {}, failures = nil, failed = nil, fields = ACCEPT, host = nil, left = nil,
    deadline = C.moon_now(bridge.generation) + self.timeout,
  }
  run.fields, run.host = fields_of(self, req)
  if self.counts then
    run.left = {}
    for name, count in pairs(self.counts) do run.left[name] = count end
  end
  if not run_parts(self, run, self.first) then return refusal(run) end
  local body = document.of(self.ordered, run.values, run.failures, self.merge, self.errors)
  return reply.with_body(ANSWER, body)
end

return aggregate
