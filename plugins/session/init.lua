--- session: signs clients in by an encrypted cookie, in which plugins keep what they like.
--
-- On the route that signs in (`action = "login"`) another plugin finds out who it is, as basic-auth
-- does; with an answer below 400 the client gets the cookie. Elsewhere the cookie admits it as that
-- consumer, alone or as one of `authenticate`. `req.session` has the session for plugins. What
-- has been changed, has expired or is of no consumer any more counts as no cookie, and is cleared.
-- Whoever signs in gets a session with another id, and the one that was signed in before, if the
-- cookie had one, has ended: for copies of it, too, unless `revocation` is "none".

local cookie = require "session.cookie"
local moongate = require "moongate"
local revocation = require "session.revocation"
local rules = require "session.rules"
local session_of = require "moongate.session"

local auth, consumers, log, time = moongate.auth, moongate.consumers, moongate.log, moongate.time

---@class SessionPlugin: Plugin
---@field action "use"|"login"|"logout"|"logout_everywhere"
---@field required boolean
---@field codec SessionCookie
local session = {
  summary = "Signs clients in by an encrypted cookie.",
  options = auth.options {
    secrets = { type = "list", items = { type = "string", help = "" }, required = true,
      secret = true, help = "what the cookie's key is made of: the first encrypts, all decrypt, so "
        .. "that a new one is put before the old ones" },
    action = { type = "string", default = "use",
      values = { "use", "login", "logout", "logout_everywhere" },
      help = '"login": whom another plugin admits is signed in; "logout": the session ends; '
        .. '"logout_everywhere": all sessions of the consumer' },
    required = { type = "boolean", default = true,
      help = "refuse requests without a session in which somebody has signed in" },
    name = { type = "string", default = "__Host-session", help = "of the cookie" },
    scope = { type = "string", default = "",
      help = "a cookie counts only where scope, name and secret are the same" },
    path = { type = "string", default = "/", help = "Path of the cookie" },
    domain = { type = "string", help = "Domain of the cookie; default: this host alone" },
    same_site = { type = "string", values = { "Strict", "Lax", "None" }, default = "Lax",
      help = "SameSite of the cookie" },
    secure = { type = "boolean", default = true, help = "send it over TLS alone" },
    http_only = { type = "boolean", default = true, help = "keep it from scripts" },
    persistent = { type = "boolean", default = false,
      help = "keep it when the browser is closed: Max-Age" },
    idle_timeout = { type = "duration", default = "15m", min = 0.1, max = 31536000,
      help = "since it was last written, after which it has expired" },
    absolute_timeout = { type = "duration", default = "24h", min = 0.1, max = 31536000,
      help = "since somebody signed in, after which it has expired" },
    renew_after = { type = "duration", default = "1m",
      help = "since it was last written, after which a request has it written anew" },
    revocation = { type = "string", values = { "none", "dict", "store" }, default = "dict",
      help = 'where ended sessions are kept: "dict": until the gateway ends; "store": for good; '
        .. '"none": nowhere, so that a copy of the cookie is good until it expires' },
    of = { type = "by", help = 'whose sessions "logout_everywhere" ends, as "param:name"; '
      .. "default: the consumer's own" },
    hide = { type = "boolean", default = true, help = "do not pass the cookie to the upstream" },
  },
}

local MISSING = auth.missing("no-session", "You have to sign in.", "Session")
local BUSY = auth.refused(503, "busy", "The session cannot be ended now; try again.", nil)

function session.check(options)
  return rules.fault(options) or auth.fault(options)
end

function session.new(options)
  local codec = cookie.new(options)
  if codec.room < 0 then return nil, "name, path and domain leave no room in a cookie" end
  return { codec = codec, of = options.of or false,
    lets_all_in = options.action ~= "use" or not options.required,
    idle_ms = options.idle_timeout * 1000, absolute_ms = options.absolute_timeout * 1000,
    renew_ms = options.renew_after * 1000 }
end

function session:start()
  if self.revocation == "store" then moongate.store "session":get "" end -- raises without one
end

local function is_alive(self, one, now)
  return now - one.written <= self.idle_ms and now - one.started <= self.absolute_ms
    and not revocation.is_revoked(self.revocation, one)
end

-- The session of the request's cookie, its consumer; nil: it has none that counts.
local function read(self, req, text)
  local record, is_old = cookie.open(self.codec, text)
  if not record or #req.cookies:all(self.name) > 1 then return nil end
  local one = session_of.of(self.codec.room, record)
  local now = time.now() * 1000
  local consumer = one.consumer and consumers.by_name(one.consumer)
  if not is_alive(self, one, now) or one.consumer and not consumer then return nil end
  one.is_due = is_old or now - one.written > self.renew_ms
  return one, consumer
end

-- An answer when it cannot be remembered.
local function answer_to(done, why)
  if done then return nil end
  log.error("a session is not ended: %s", why or "no reason")
  return BUSY
end

local function end_all(self, name)
  if not name then return nil end
  return answer_to(revocation.revoke_all(self.revocation, tostring(name), self.absolute_timeout))
end

local function log_out(self, one)
  local answer = self.action == "logout_everywhere" and end_all(self, one.consumer) or nil
  if not answer and not one.is_new then
    answer = answer_to(revocation.revoke(self.revocation, one, self.absolute_timeout))
  end
  if not answer then one:destroy() end
  return answer
end

-- The session that the request's cookie has, or a new one, and the consumer.
local function open(self, req)
  local text = req.cookies:get(self.name)
  local one, consumer
  if text then
    one, consumer = read(self, req, text)
    if self.hide then auth.hide_cookie(req, self.name) end
  end
  if not one then
    one = session_of.new(self.codec.room)
    one.is_destroyed = text ~= nil
  end
  one.plugin, req.context.session = self, one
  return one, consumer
end

---@param req Request
---@return Reply?
function session:request(req)
  if self.of then return end_all(self, self.of(req)) end
  local one, consumer = open(self, req)
  if self.action == "login" then return nil end
  if self.action ~= "use" then return log_out(self, one) end
  if not consumer and self.required then return auth.without(self, req, MISSING) end
  return auth.admit(self, req, consumer)
end

local function seconds_of(self, one, now)
  if not self.persistent then return nil end
  return math.floor(math.min(self.idle_ms, one.started + self.absolute_ms - now) / 1000)
end

-- The answer is of this client alone.
local function put(res, field)
  res.headers:add("set-cookie", field)
  res.headers["cache-control"] = "no-store"
end

-- What was signed in before has ended, and is not good in a copy either.
local function log_in(self, one, consumer)
  if one.consumer then
    answer_to(revocation.revoke(self.revocation, one, self.absolute_timeout))
  end
  one:sign_in(consumer)
end

---@param req Request
---@param res Response
function session:response(req, res)
  local one = req.session
  if not one or one.plugin ~= self then return end
  if self.action == "login" and req.consumer and res.status < 400 then
    log_in(self, one, req.consumer)
  end
  if one.is_changed or one.is_due and not one.is_destroyed then
    local now = math.floor(time.now() * 1000)
    put(res, cookie.seal(self.codec, one, now, seconds_of(self, one, now)))
  elseif one.is_destroyed then
    put(res, self.codec.clearing)
  end
  one.is_written = true
end

return session
