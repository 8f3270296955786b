--- limit_fields: what clients are told of limits: fields of answers, and refusals.
--
-- The fields are those of draft-ietf-httpapi-ratelimit-headers-11: in an answer to an admitted
-- request `t` says when all of the allowance is back; in a 429 it says, as Retry-After does, when
-- the next request may pass.

local bridge = require "moongate.ffi"
local json = require "moongate.json"
local note = require "moongate.note"
local reply = require "moongate.reply"

local limit_fields = {}

local C = bridge.C

-- Replies are kept for so many seconds; beyond they are made for each request.
local DENIALS_MAX = 3600

-- What is told of is a rule: { name, gate = { limit, window? }, told? }.

---@class RateLimitTold  what clients are told
---@field policy string              the RateLimit-Policy field
---@field subject string             how the RateLimit field begins
---@field denials table<number, Reply>

-- What writes so many that may come now, and seconds, into an answer.
local FORMS = {}
limit_fields.FORMS = FORMS

-- The numbers differ in each answer: C writes them, so that they are no texts of Lua, each of which
-- would have to be found among all others and collected.
function FORMS.draft(rule, req, res, left, seconds)
  local subject = rule.told.subject
  res.headers:add("ratelimit-policy", rule.told.policy)
  C.moon_ratelimit_add(req.handle, subject, #subject, left, seconds)
end

function FORMS.legacy(rule, _, res, left, seconds)
  local before = tonumber(res.headers["x-ratelimit-remaining"])
  if before and before < left then return end -- of several limits the tightest
  res.headers["x-ratelimit-limit"] = rule.gate.limit
  res.headers["x-ratelimit-remaining"] = left
  res.headers["x-ratelimit-reset"] = seconds
end

-- A String of RFC 9651, 3.3.3.
local function quoted(text)
  return '"' .. text:gsub("[^\32-\126]", "?"):gsub('["\\]', "\\%0") .. '"'
end

local function told_by(rule)
  local window = rule.gate.window
  local shown = window and window % 1 == 0 and (";w=%d"):format(window) or ""
  local name = quoted(rule.name)
  return {
    policy = ("%s;q=%d%s"):format(name, rule.gate.limit, shown),
    subject = name .. ";r=",
    denials = {},
  }
end

--- The reply to who may come again in so many seconds, once tell() has been called.
-- Without Retry-After where no wait helps: the request costs more than the whole allowance.
function limit_fields.denial(rule, seconds)
  local denials = rule.told.denials
  local known = denials[seconds]
  if known then return known end
  local made = reply.problem(429, "quota-exceeded", "Too many requests.",
    { ["retry-after"] = seconds < math.huge and seconds or nil },
    { ["violated-policies"] = json.array { rule.name } })
  if seconds <= DENIALS_MAX or seconds == math.huge then denials[seconds] = made end
  return made
end

--- Notes what is said of one limit in the answer.
---@param headers string  the option
---@param req Request
---@param rule RateLimitRule
---@param left number     requests that may come now
---@param seconds number
function limit_fields.tell(headers, req, rule, left, seconds)
  if not rule.told then rule.told = told_by(rule) end
  if FORMS[headers] then note.set(req, rule, left, seconds) end
end

--- Writes what was noted of one limit.
---@param headers string  the option; one that has fields
---@param req Request
---@param res Response
---@param rule RateLimitRule
function limit_fields.write_one(headers, req, res, rule)
  local left, seconds = note.get(req, rule)
  if left then FORMS[headers](rule, req, res, left, seconds) end
end

--- Writes what was noted of each.
---@param headers string  the option; one that has fields
---@param req Request
---@param res Response
---@param rules RateLimitRule[]
function limit_fields.write(headers, req, res, rules)
  for i = 1, #rules do limit_fields.write_one(headers, req, res, rules[i]) end
end

return limit_fields
