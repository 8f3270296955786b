--- rate-limit: admits so many requests in a window, counted exactly over all workers (GCRA).
--
-- What was used belongs to the limit's name and to what it is counted by. So a reload that changes
-- the numbers keeps it, and routes whose limits have one name share it. The fields are those of
-- draft-ietf-httpapi-ratelimit-headers: in an answer to an admitted request `t` says when all of
-- the allowance is back; in a 429 it says, as Retry-After does, when the next request may pass.

local moongate = require "moongate"
local note = require "moongate.note"

local json, limit, reply = moongate.json, moongate.limit, moongate.reply
local ceil, max = math.ceil, math.max

---@class RateLimit: Plugin
---@field gate Limit
---@field by fun(req: Request): string?
---@field missing "share"|"deny"
---@field headers "draft"|"legacy"|"none"
---@field told RateLimitTold?        made when the first request comes: many routes wait for theirs
local rate_limit = {
  summary = "Admits a number of requests in a window of time.",
  options = {
    limit = { type = "integer", required = true, min = 1, max = 1e9,
      help = "requests in each window" },
    window = { type = "duration", default = "1m", min = 0.001, help = "how long a window is" },
    by = { type = "by", default = "address", help = "what has an allowance of its own" },
    burst = { type = "integer", min = 1, max = 1e9,
      help = "requests that may come at once; default: the limit" },
    name = { type = "string",
      help = "routes whose limits have one name share the allowance; default: the route's own" },
    algorithm = { type = "string", values = { "gcra" }, default = "gcra",
      help = "gcra: the allowance comes back evenly, not at the window's end" },
    headers = { type = "string", values = { "draft", "legacy", "none" }, default = "draft",
      help = "what the client is told: RateLimit and RateLimit-Policy, X-RateLimit-*, or nothing" },
    missing = { type = "string", values = { "share", "deny" }, default = "share",
      help = "requests without what is counted by share one allowance, or get a 403" },
  },
}

-- Texts and replies are kept for numbers below KEPT_MAX, NOTES_MAX and DENIALS_MAX of them; beyond
-- they are made for each request.
local KEPT_MAX, NOTES_MAX, DENIALS_MAX = 2 ^ 21, 4096, 3600
-- The limiter counts nanoseconds in 61 bits; a little less.
local ALLOWANCE_SECONDS_MAX = 2e9

---@class RateLimitTold  what clients are told
---@field policy string              the RateLimit-Policy field
---@field subject string             how the RateLimit field begins
---@field notes table<number, any>   what was said before, by its numbers
---@field note_count integer
---@field denials table<number, Reply>

local UNIDENTIFIED = reply.problem(403, "unidentified",
  "The request lacks what its rate limit is counted by.")

local FORMS = {}

FORMS.draft = {
  note = function(self, left, seconds)
    return ("%s%d;t=%d"):format(self.told.subject, left, seconds) -- whole numbers: faster than ".."
  end,
  write = function(self, res, said)
    local fields = res.headers
    fields:add("ratelimit-policy", self.told.policy)
    fields:add("ratelimit", said)
  end,
}

FORMS.legacy = {
  note = function(_, left, seconds) return { left = left, seconds = seconds } end,
  write = function(self, res, said)
    local before = tonumber(res.headers["x-ratelimit-remaining"])
    if before and before < said.left then return end -- of several limits the tightest
    res.headers["x-ratelimit-limit"] = self.gate.limit
    res.headers["x-ratelimit-remaining"] = said.left
    res.headers["x-ratelimit-reset"] = said.seconds
  end,
}

-- Limits of one route by the order they are written in, so that each has a name of its own.
local limits_of = {}

local function own_name(route)
  local name = route ~= "" and route or "use"
  limits_of[name] = (limits_of[name] or 0) + 1
  return limits_of[name] == 1 and name or ("%s (%d)"):format(name, limits_of[name])
end

-- A String of RFC 9651, 3.3.3.
local function quoted(text)
  return '"' .. text:gsub("[^\32-\126]", "?"):gsub('["\\]', "\\%0") .. '"'
end

function rate_limit.check(options)
  local burst = options.burst or options.limit
  if options.window / options.limit * burst > ALLOWANCE_SECONDS_MAX then
    return "the allowance takes more than 60 years to come back"
  end
  return nil
end

function rate_limit.new(options, context)
  local name = options.name or own_name(context.route)
  options.name = name
  options.gate = limit.gcra { name = "rate-limit:" .. name, limit = options.limit,
    window = options.window, burst = options.burst or nil }
  return options
end

local SILENT, TELLING = { request = true }, { request = true, response = true }

function rate_limit.phases(instance)
  return FORMS[instance.headers] and TELLING or SILENT
end

local function told_by(self)
  local window = self.window % 1 == 0 and (";w=%d"):format(self.window) or ""
  local name = quoted(self.name)
  return {
    policy = ("%s;q=%d%s"):format(name, self.limit, window),
    subject = name .. ";r=",
    notes = {}, note_count = 0, denials = {},
  }
end

-- What to say of these numbers; the same text each time.
local function note_of(self, form, left, seconds)
  if left >= KEPT_MAX or seconds >= KEPT_MAX then return form.note(self, left, seconds) end
  local told, key = self.told, seconds * KEPT_MAX + left
  local said = told.notes[key]
  if said then return said end
  said = form.note(self, left, seconds)
  if told.note_count < NOTES_MAX then
    told.notes[key] = said
    told.note_count = told.note_count + 1
  end
  return said
end

local function denial(self, seconds)
  local denials = self.told.denials
  local known = denials[seconds]
  if known then return known end
  local made = reply.problem(429, "quota-exceeded", "Too many requests.",
    { ["retry-after"] = seconds }, { ["violated-policies"] = json.array { self.name } })
  if seconds <= DENIALS_MAX then denials[seconds] = made end
  return made
end

---@param req Request
---@return Reply?  ends the request when present
function rate_limit:request(req)
  local scope = self.by(req)
  if not scope and self.missing == "deny" then return UNIDENTIFIED end

  local allowed, left, wait, reset = self.gate:take(scope and tostring(scope) or "")
  local seconds = allowed and ceil(reset) or max(1, ceil(wait))
  local form = FORMS[self.headers]
  if not self.told then self.told = told_by(self) end
  if form then note.set(req, self, note_of(self, form, left, seconds)) end
  if allowed then return nil end
  return denial(self, seconds)
end

---@param req Request
---@param res Response
function rate_limit:response(req, res)
  local said = note.get(req, self)
  if said then FORMS[self.headers].write(self, res, said) end
end

return rate_limit
