--- limit_fields: what clients are told of limits: fields of answers, and refusals.
--
-- The fields are those of draft-ietf-httpapi-ratelimit-headers-11: in an answer to an admitted
-- request `t` says when all of the allowance is back; in a 429 it says, as Retry-After does, when
-- the next request may pass.

local json = require "moongate.json"
local note = require "moongate.note"
local reply = require "moongate.reply"

local limit_fields = {}

-- Texts and replies are kept for numbers below KEPT_MAX, NOTES_MAX and DENIALS_MAX of them; beyond
-- they are made for each request.
local KEPT_MAX, NOTES_MAX, DENIALS_MAX = 2 ^ 21, 4096, 3600

-- What is told of is a rule: { name, gate = { limit, window? }, told? }.

---@class RateLimitTold  what clients are told
---@field policy string              the RateLimit-Policy field
---@field subject string             how the RateLimit field begins
---@field notes table<number, any>   what was said before, by its numbers
---@field note_count integer
---@field denials table<number, Reply>

local FORMS = {}
limit_fields.FORMS = FORMS

FORMS.draft = {
  note = function(rule, left, seconds)
    -- Whole numbers: faster than "..". No tail call: that would never be compiled.
    return (("%s%d;t=%d"):format(rule.told.subject, left, seconds))
  end,
  write = function(rule, res, said)
    local fields = res.headers
    fields:add("ratelimit-policy", rule.told.policy)
    fields:add("ratelimit", said)
  end,
}

FORMS.legacy = {
  note = function(_, left, seconds) return { left = left, seconds = seconds } end,
  write = function(rule, res, said)
    local before = tonumber(res.headers["x-ratelimit-remaining"])
    if before and before < said.left then return end -- of several limits the tightest
    res.headers["x-ratelimit-limit"] = rule.gate.limit
    res.headers["x-ratelimit-remaining"] = said.left
    res.headers["x-ratelimit-reset"] = said.seconds
  end,
}

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
    notes = {}, note_count = 0, denials = {},
  }
end

-- What to say of these numbers; the same text each time.
local function note_of(rule, form, left, seconds)
  if left >= KEPT_MAX or seconds >= KEPT_MAX then return form.note(rule, left, seconds) end
  local kept, key = rule.told, seconds * KEPT_MAX + left
  local said = kept.notes[key]
  if said then return said end
  said = form.note(rule, left, seconds)
  if kept.note_count < NOTES_MAX then
    kept.notes[key] = said
    kept.note_count = kept.note_count + 1
  end
  return said
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
  local form = FORMS[headers]
  if not rule.told then rule.told = told_by(rule) end
  if form then note.set(req, rule, note_of(rule, form, left, seconds)) end
end

--- Writes what was noted of one limit.
---@param headers string  the option; one that has fields
---@param req Request
---@param res Response
---@param rule RateLimitRule
function limit_fields.write_one(headers, req, res, rule)
  local said = note.get(req, rule)
  if said then FORMS[headers].write(rule, res, said) end
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
