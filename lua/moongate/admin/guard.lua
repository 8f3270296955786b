--- guard: who may use an admin listener.
--
-- With a token: who sends it, compared in constant time. Without one (loopback and unix sockets
-- only): who is on this machine. A web page there could make a browser ask for us under a name of
-- its own (DNS rebinding), so on TCP only names of this machine are answered.

local bridge = require "moongate.ffi"
local reply = require "moongate.reply"

local C = bridge.C

local guard = {}

local UNAUTHORIZED = reply.problem(401, "unauthorized", "The admin token is required.",
  { ["www-authenticate"] = 'Bearer realm="moongate admin"' })
local WRONG_HOST = reply.problem(403, "host-not-allowed",
  "Without a token only requests to localhost are answered.")
local FROM_A_PAGE = reply.problem(403, "origin-not-allowed",
  "Without a token no web page may change the gateway.")

---@class AdminGuard
---@field token string?
---@field is_tcp boolean

---@param listener ModelListener
---@return AdminGuard
function guard.of(listener)
  return { token = listener.token, is_tcp = not listener.address:find "^unix:" }
end

-- A host of HTTP/1.0 may be missing; browsers always send one.
local function is_own_name(host)
  if not host or host == "" or host == "localhost" then return true end
  return host:find "^127%.%d+%.%d+%.%d+$" ~= nil or host == "[::1]" or host == "::1"
end

local function has_token(req, token)
  local given = req.headers["authorization"]
  local scheme, credentials = (given or ""):match "^(%a+) +([^ ]+) *$"
  if not scheme or scheme:lower() ~= "bearer" then return false end
  return #credentials == #token and C.moon_equals(credentials, token, #token)
end

--- nil: go on; else what to answer.
---@param self AdminGuard?  nil: of no listener that is known
---@param req Request
---@param changes boolean   whether the request would change something
---@return Reply?
function guard.check(self, req, changes)
  if not self then return UNAUTHORIZED end
  if self.token then
    if not has_token(req, self.token) then return UNAUTHORIZED end
  elseif self.is_tcp and not is_own_name(req.host) then
    return WRONG_HOST
  elseif changes and req.headers["origin"] then
    return FROM_A_PAGE
  end
  return nil
end

return guard
