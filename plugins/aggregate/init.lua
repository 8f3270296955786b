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
local document = require "aggregate.document"
local graph = require "aggregate.graph"
local part = require "aggregate.part"
local plan = require "aggregate.plan"
local reply = require "moongate.reply"
local wait = require("moongate.core.gather").wait

local C, found = bridge.C, bridge.found

local PARTS_MAX = 32

---@class Aggregate: Plugin
local aggregate = {
  summary = "Answers with one JSON document made of several requests.",
  is_gatherer = true,
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

-- Parts in their order, and those among them that are to be asked first.
local function arrange(options, parts)
  local counts, dependents = graph.of(parts)
  options.dependents, options.counts = dependents, counts
  options.ordered, options.first = {}, {}
  options.is_simple = options.merge == "group" and next(dependents) == nil
  for i, name in ipairs(options.order) do
    local one = parts[name]
    one.place = i - 1
    one.is_kept = options.merge == "merge" or one.extract ~= nil or dependents[name] ~= nil
    options.ordered[i] = one
    if counts[name] == 0 and not one.is_fixed then table.insert(options.first, one) end
    if not one.is_fixed or one.extract then options.is_simple = false end
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
  options.forwarded = lowered(options.forward_headers)
  arrange(options, parts)
  return options
end

local function plan_of(self)
  local ok, made = pcall(plan.of, self)
  self.plan, self.plan_fault = ok and made, not ok and made
end

-- Asks for those parts that are the same each time.
local function begin(self, handle)
  if self.plan == nil then plan_of(self) end
  if not self.plan then error(self.plan_fault, 0) end
  if not C.moon_gather_begin(handle, self.plan, self.timeout) then
    error("a field to forward is not what a request may have", 0)
  end
end

local ask_all

-- The part has ended. false: a required one failed, so that it is over.
local function ended(self, run, one)
  local dependents = self.dependents[one.name]
  if not dependents then return true end
  local ready = {}
  for _, waiting in ipairs(dependents) do
    run.left[waiting.name] = run.left[waiting.name] - 1
    if run.left[waiting.name] == 0 then ready[#ready + 1] = waiting end
  end
  return ask_all(self, run, ready)
end

function ask_all(self, run, list)
  for _, one in ipairs(list) do
    local is_asked, goes_on = part.ask(one, run)
    if not goes_on or (not is_asked and not ended(self, run, one)) then return false end
  end
  return true
end

-- Looks at what ends, up to the last; `place`: of the first.
local function run_on(self, run, place)
  while place do
    local one = self.ordered[place + 1]
    run.is_judged[one] = true
    if not part.judge(one, run) or not ended(self, run, one) then return false end
    place = wait()
  end
  for _, one in ipairs(self.ordered) do
    if not run.is_judged[one] and not part.judge(one, run) then return false end
  end
  return true
end

local function new_run(self, req)
  local run = { req = req, handle = req.handle, values = {}, failures = nil, failed = nil,
    left = {}, is_judged = {} }
  for name, count in pairs(self.counts) do run.left[name] = count end
  return run
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
  local failed = run.failed
  local failure, headers = run.failures[failed.name], {}
  local status = status_of(failure)
  for _, name in ipairs(status == failure.status and LIFTED or {}) do
    if C.moon_gather_header(run.handle, failed.place, name, #name, found) then
      headers[name] = bridge.text()
    end
  end
  C.moon_gather_stop(run.handle)
  return reply.problem(status, "part-failed",
    ("The part %q of the answer is missing."):format(failed.name), headers,
    { part = failed.name, reason = failure.reason })
end

local KIND = { ["content-type"] = "application/json" }
local MERGED, GATHERED = reply.new(200, nil, KIND), reply.gathered(200, "", KIND)

local function answer(self, run)
  local member, errors = "", nil
  if run.failures and self.errors ~= "" then
    member, errors = document.member(self.errors), document.errors(self.ordered, run.failures)
  end
  if self.merge == "merge" then
    return reply.with_body(MERGED, document.merged(self.ordered, run.values, member, errors))
  end
  return errors and reply.gathered(200, member .. errors, KIND) or GATHERED
end

---@param req Request
---@return Reply
function aggregate:respond(req)
  local handle, place = req.handle, nil
  begin(self, handle)
  if self.is_simple then
    place = wait()
    if not place and C.moon_gather_failures(handle) == 0 then return GATHERED end
  end
  local run = new_run(self, req)
  if not self.is_simple then
    if not ask_all(self, run, self.first) then return refusal(run) end
    place = wait()
  end
  if not run_on(self, run, place) then return refusal(run) end
  return answer(self, run)
end

return aggregate
