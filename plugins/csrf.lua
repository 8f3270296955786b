--- csrf: refuses requests that another site had a browser send.
--
-- GET, HEAD, OPTIONS and TRACE pass, but where one opens a WebSocket its origin decides. Of the
-- others `proof` decides:
--
-- "origin" asks the browser: Sec-Fetch-Site is "same-origin" or "none", or without that field the
-- Origin is this host, or one of `origins`. Requests with neither come from no browser of today.
--
-- "token" wants a signed double submit: answers to GET and HEAD set a cookie that scripts of this
-- site read and send back in a header; both must be the same, ours, and not expired. With `by` a
-- token is good for that session or consumer alone.

local moongate = require "moongate"

local crypto, reply, time = moongate.crypto, moongate.reply, moongate.time

---@class Csrf: Plugin
---@field proof "origin"|"token"|"both"
---@field trusted table<string, true>   origins, lower case
---@field by (fun(req: Request): string?)?
local csrf = {
  summary = "Refuses requests that another site had a browser send.",
  options = {
    proof = { type = "string", values = { "origin", "token", "both" }, default = "origin",
      help = "what tells a request of this site" },
    origins = { type = "list", items = { type = "string", help = "" }, default = {},
      help = 'other origins whose requests are admitted: "https://app.example.com"' },
    missing = { type = "string", values = { "allow", "deny" }, default = "allow",
      help = "what becomes of requests with neither Sec-Fetch-Site nor Origin" },
    secret = { type = "string", secret = true, help = "signs tokens; needed for them" },
    by = { type = "by", help = 'what a token belongs to, as "cookie:session"; default: nothing' },
    ttl = { type = "duration", default = "2h", min = 60, max = 31536000,
      help = "how long a token is good" },
    cookie = { type = "string", default = "csrf-token", help = "cookie that holds the token" },
    header = { type = "string", default = "x-csrf-token",
      help = "request header that holds it once more" },
    secure = { type = "boolean", default = true, help = "send the cookie over TLS alone" },
  },
}

local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }
local SECRET_BYTES_MIN, NONCE_BYTES, TOKEN_BYTES_MAX = 16, 16, 256

local CROSS_SITE = reply.problem(403, "cross-site", "The request comes from another site.")
local NO_TOKEN = reply.problem(403, "csrf-token", "The request has no valid token.")

local function fault_of_origins(list)
  for i, origin in ipairs(list) do
    if not origin:find "^%l[%w+.-]*://[^/?#%s]+$" then
      return ('origins[%d] is %q; expected "https://app.example.com"'):format(i, origin)
    end
  end
  return nil
end

function csrf.check(options)
  local needs_secret = options.proof ~= "origin"
  if needs_secret and not options.secret then return "a token needs a secret" end
  if needs_secret and #options.secret < SECRET_BYTES_MIN then
    return ("the secret has fewer than %d bytes"):format(SECRET_BYTES_MIN)
  end
  if not options.cookie:find "^[%w_.-]+$" then
    return ("%q is no name of a cookie"):format(options.cookie)
  end
  return fault_of_origins(options.origins) or moongate.headers.fault(options.header)
end

function csrf.new(options)
  local trusted = {}
  for _, origin in ipairs(options.origins) do trusted[origin:lower()] = true end
  return { trusted = trusted, by = options.by or false,
    attributes = ("; Path=/; Max-Age=%d; SameSite=Lax%s"):format(options.ttl,
      options.secure and "; Secure" or "") }
end

function csrf.phases(instance)
  return { request = true, response = instance.proof ~= "origin" }
end

-- "host:port" of an origin, without the port that its scheme implies.
local function authority_of(origin)
  local scheme, authority = origin:match "^(%l[%w+.-]*)://([^/]+)$"
  if scheme == "http" then authority = authority:gsub(":80$", "") end
  if scheme == "https" then authority = authority:gsub(":443$", "") end
  return authority
end

-- TLS may end before us, so the scheme is not compared.
local function is_own(req, origin)
  local authority, own = authority_of(origin), req.authority
  if not authority or not own then return false end -- HTTP/1.0 has requests without Host
  own = own:lower()
  return authority == own or authority .. ":443" == own or authority .. ":80" == own
end

local function is_same_site(self, req)
  local origin = req.headers["origin"]
  origin = origin and origin:lower()
  if origin and self.trusted[origin] then return true end
  local site = req.headers["sec-fetch-site"]
  if site then return site == "same-origin" or site == "none" end
  if not origin then return self.missing == "allow" end
  return is_own(req, origin)
end

local function scope_of(self, req)
  local scope = self.by and self.by(req)
  return scope and tostring(scope) or ""
end

local function mac_of(self, expires, nonce, scope)
  return crypto.hex(crypto.hmac_sha256(self.secret, ("%s.%s.%s"):format(expires, nonce, scope)))
end

local function new_token(self, scope)
  local expires = ("%d"):format(time.now() + self.ttl)
  local nonce = crypto.hex(crypto.random(NONCE_BYTES))
  return ("%s.%s.%s"):format(expires, nonce, mac_of(self, expires, nonce, scope))
end

local function is_good(self, token, scope)
  if #token > TOKEN_BYTES_MAX then return false end
  local expires, nonce, mac = token:match "^(%d+)%.(%x+)%.(%x+)$"
  if not expires or tonumber(expires) <= time.now() then return false end
  return crypto.equals(mac, mac_of(self, expires, nonce, scope))
end

local function has_token(self, req)
  local cookie, header = req.cookies:get(self.cookie), req.headers:get(self.header)
  if not cookie or not header or not crypto.equals(cookie, header) then return false end
  return is_good(self, cookie, scope_of(self, req))
end

---@param req Request
---@return Reply?  ends the request when present
function csrf:request(req)
  -- A page may open a WebSocket wherever it likes, and gives it no header of its own.
  if req.upgrade then return not is_same_site(self, req) and CROSS_SITE or nil end
  if SAFE[req.method] then return nil end
  if self.proof ~= "token" and not is_same_site(self, req) then return CROSS_SITE end
  if self.proof ~= "origin" and not has_token(self, req) then return NO_TOKEN end
  return nil
end

---@param req Request
---@param res Response
function csrf:response(req, res)
  if req.method ~= "GET" and req.method ~= "HEAD" then return end
  local scope, cookie = scope_of(self, req), req.cookies:get(self.cookie)
  if cookie and is_good(self, cookie, scope) then return end
  -- A token is for one browser: no cache may give it to others, whatever the page itself allows.
  res.headers["cache-control"] = "no-store"
  res.headers:add("set-cookie", ("%s=%s%s"):format(self.cookie, new_token(self, scope),
    self.attributes))
end

return csrf
