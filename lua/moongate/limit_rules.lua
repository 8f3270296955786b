--- limit_rules: limits as the requests of a route come under them: one call of C for each request.
--
--     options.rules = { { name = "login", by = options.by, gate = limit.gcra { ... } } }
--     ...
--     local outcome = limit_rules.ask(self.rules, req, cost, may_share, headers)
--     if outcome > 0 then local rule, wait = limit_rules.refused(self.rules, outcome) end
--
-- C knows of each rule all that is the same for each request, and finds there by what it counts
-- (runtime/bridge/limit_rules.c): an address, a name or a header differs from request to request,
-- and a Lua string of each would have to be found among all others and collected. What a function
-- of the operator's returns, or a claim, is a text of Lua already, and is given.

local bridge = require "moongate.ffi"
local by_library = require "moongate.by"
local fields = require "moongate.limit_fields"
local parts = require "moongate.parts"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local tostring = tostring
local C = bridge.C
local HANDLE, SERIAL = parts.HANDLE, parts.SERIAL

---@class moongate.limit_rules
local limit_rules = {}

---@class LimitRule
---@field name string                       as answers tell it
---@field by fun(req: Request): string?     what has an allowance of its own
---@field gate Limit|Slots

---@class LimitRules  those that are asked together: a list, and
---@field first ffi.cdata*?    made when the first request comes: many routes wait for theirs
---@field known ffi.cdata*[]?  all of them
---@field kept any             texts of Lua's, which stay until C has read them
---@field given integer[]?     the places of those whose texts only Lua finds

local KINDS = {
  address = C.MOON_SCOPE_ADDRESS, route = C.MOON_SCOPE_ROUTE, consumer = C.MOON_SCOPE_CONSUMER,
  header = C.MOON_SCOPE_HEADER, query = C.MOON_SCOPE_QUERY, cookie = C.MOON_SCOPE_COOKIE,
  param = C.MOON_SCOPE_PARAM,
}

--- A limit as C knows it.
---@param limit Limit|Slots|Quota
---@return ffi.cdata*  struct limit_rule
function limit_rules.known(limit)
  local name = limit.full_name or limit.name
  local known = C.moon_limit_rule(bridge.generation, name, #name, limit.how, limit.limit,
    limit.window or 0, limit.burst or 0)
  if known == nil then error(("the numbers of limit %q are out of range"):format(name), 0) end
  return known
end

local function make(rule, headers)
  local known = limit_rules.known(rule.gate)
  local kind, name = by_library.origin(rule.by)
  name = name or ""
  C.moon_limit_rule_by(bridge.generation, known, KINDS[kind] or C.MOON_SCOPE_GIVEN, name, #name)
  if headers == "draft" then C.moon_limit_rule_tells(known, fields.told(rule)) end
  return known, KINDS[kind] == nil
end

local function prepare(rules, headers)
  local before
  rules.known, rules.given, rules.kept = {}, {}, false
  for i, rule in ipairs(rules) do
    local known, is_given = make(rule, headers)
    rules.known[i] = known
    if is_given then rules.given[#rules.given + 1] = i end
    if before then C.moon_limit_rule_next(before, known) end
    before = known
  end
  rules.is_given = #rules.given > 0
  rules.first = rules.known[1]
  return rules.first
end

local function text_of(rule, req)
  local text = rule.by(req)
  if text == nil or text == false then return nil end
  return tostring(text)
end

local function give(known, text)
  C.moon_limit_rule_give(known, text, text and #text or 0)
end

-- A function may wait, and other requests be asked for meanwhile: so all texts are found first.
local function give_texts(rules, req)
  local given, known = rules.given, rules.known
  if #given == 1 then
    local text = text_of(rules[given[1]], req)
    rules.kept = text
    give(known[given[1]], text)
    return
  end
  local texts = {}
  for i = 1, #given do texts[i] = text_of(rules[given[i]], req) or false end
  rules.kept = texts
  for i = 1, #given do give(known[given[i]], texts[i] or nil) end
end

local function alive(req)
  local handle = req[HANDLE]
  if handle.serial ~= req[SERIAL] then error("this request has already been answered", 3) end
  return handle
end

--- Takes of all rules, or of none.
---@param rules LimitRules
---@param req Request
---@param cost integer
---@param may_share boolean  requests without what is counted by share one allowance
---@param headers string     the option of that name: what answers tell
---@return integer  0: allowed; above: the place of the rule that refuses; -1: the request lacks
--- what it is counted by
function limit_rules.ask(rules, req, cost, may_share, headers)
  local first = rules.first or prepare(rules, headers)
  if rules.is_given then give_texts(rules, req) end
  local outcome = C.moon_limit_ask(alive(req), first, cost, may_share)
  if outcome == C.MOON_LIMIT_OUT_OF_RANGE then
    error(("the numbers of limit %q are out of range"):format(rules[1].name), 0)
  end
  -- A request that lacks something has not been counted: what is said is of the one before.
  if headers == "legacy" and outcome >= 0 then limit_rules.note(rules, req) end
  return outcome
end

-- Reused by every call: nothing may wait between a C call and reading them.
local numbers = bridge.new "double[4]"

--- How one stood with the request that was asked for last.
---@param known ffi.cdata*  as limit_rules.known returns it
---@return number left
---@return number told   seconds that answers tell
---@return number wait   seconds; infinity: never
---@return number reset  seconds until all of the allowance is back
function limit_rules.said(known)
  C.moon_limit_said(known, numbers)
  return numbers[0], numbers[1], numbers[2], numbers[3]
end

--- For answers of which Lua writes the fields.
---@param rules LimitRules
---@param req Request
function limit_rules.note(rules, req)
  for i = 1, #rules do
    local left, seconds = limit_rules.said(rules.known[i])
    fields.note(req, rules[i], left, seconds)
  end
end

--- Who refuses, after ask().
---@param rules LimitRules
---@param outcome integer  of ask(), above 0
---@return LimitRule
---@return number wait  seconds; infinity: never
function limit_rules.refused(rules, outcome)
  local _, _, wait = limit_rules.said(rules.known[outcome])
  return rules[outcome], wait
end

return limit_rules
