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
---@field fields ffi.cdata*          their fields, as C writes them
---@field denials table<number, Reply>

-- What writes of one limit how many may come now, and seconds, into an answer.
local FORMS = {}
limit_fields.FORMS = FORMS

-- The numbers differ in each answer: C notes and writes them, so that they are no texts of Lua,
-- each of which would have to be found among all others and collected. It does so for all limits
-- of the step that runs.
function FORMS.draft(req)
  if C.moon_limit_write(req.handle) ~= 0 then
    error("the fields of a limit do not fit: too many fields", 0)
  end
end

function FORMS.legacy(req, res, rule)
  local left, seconds = note.get(req, rule)
  if not left then return end
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
  local policy, subject = ("%s;q=%d%s"):format(name, rule.gate.limit, shown), name .. ";r="
  return {
    fields = C.moon_limit_told(bridge.generation, policy, #policy, subject, #subject),
    denials = {},
  }
end

local function told_of(rule)
  if not rule.told then rule.told = told_by(rule) end
  return rule.told
end

--- What C writes of a limit.
---@param rule RateLimitRule
---@return ffi.cdata*  struct limit_told
function limit_fields.told(rule) return told_of(rule).fields end

--- The reply to who may come again in so many seconds.
-- Without Retry-After where no wait helps: the request costs more than the whole allowance.
function limit_fields.denial(rule, seconds)
  local denials = told_of(rule).denials
  local known = denials[seconds]
  if known then return known end
  local made = reply.problem(429, "quota-exceeded", "Too many requests.",
    { ["retry-after"] = seconds < math.huge and seconds or nil },
    { ["violated-policies"] = json.array { rule.name } })
  if seconds <= DENIALS_MAX or seconds == math.huge then denials[seconds] = made end
  return made
end

--- Notes what is said of one limit in an answer whose fields Lua writes.
---@param req Request
---@param rule RateLimitRule
---@param left number     requests that may come now
---@param seconds number
function limit_fields.note(req, rule, left, seconds) note.set(req, rule, left, seconds) end

--- Writes what was noted of one limit, the only one of its step.
---@param headers string  the option; one that has fields
---@param req Request
---@param res Response
---@param rule RateLimitRule
function limit_fields.write_one(headers, req, res, rule) FORMS[headers](req, res, rule) end

--- Writes what was noted of each that the step has.
---@param headers string  the option; one that has fields
---@param req Request
---@param res Response
---@param rules RateLimitRule[]
function limit_fields.write(headers, req, res, rules)
  if headers == "draft" then return FORMS.draft(req) end
  for i = 1, #rules do FORMS[headers](req, res, rules[i]) end
end

local EDITS = { { "limits" } }

--- What writing them is for response_edits of a plugin.
---@param headers string  the option
---@return ResponseEdit[]?
function limit_fields.edits(headers) return headers == "draft" and EDITS or nil end

return limit_fields
