--- aim: the step of routes whose upstream chooses a target by the request: by a key, or a cookie.
--
-- Comes after the operator's plugins, so that it sees the consumer and the claims they have found,
-- and before them on the way back, so that they see its cookie.

local bridge = require "moongate.ffi"

local C, found = bridge.C, bridge.found

local aim = {}

local SAME_SITE = { lax = "Lax", strict = "Strict", none = "None" }

---@class Aim: Plugin
---@field by (fun(req: Request): string?)?
---@field cookie string?    the name; nil: none is set
---@field secure boolean?   nil: when the request came over TLS
---@field attributes string
local plugin = { summary = "Chooses the target of the route's upstream.", options = {} }

function plugin.phases(instance)
  return { request = true, response = instance.cookie ~= nil }
end

function plugin:request(req)
  local handle, by, cookie = req.handle, self.by, self.cookie
  local key = by and by(req)
  if key then
    key = tostring(key)
    C.moon_aim_by_key(handle, key, #key)
  end
  local value = cookie and req.cookies:get(cookie)
  if value then C.moon_aim_by_cookie(handle, value, #value) end
end

function plugin:response(req, res)
  if not C.moon_aim_cookie(req.handle, found) then return end
  local value, secure = bridge.text(), self.secure
  if secure == nil then secure = req.scheme == "https" end
  res.headers:add("set-cookie", self.cookie .. "=" .. value .. self.attributes
    .. (secure and "; Secure" or ""))
end

local function attributes_of(sticky)
  local max_age = sticky.max_age > 0 and ("; Max-Age=%d"):format(math.ceil(sticky.max_age)) or ""
  return "; Path=" .. sticky.path .. (sticky.domain and "; Domain=" .. sticky.domain or "")
    .. max_age .. (sticky.http_only and "; HttpOnly" or "")
    .. "; SameSite=" .. SAME_SITE[sticky.same_site]
end

--- The step for an upstream; nil when it chooses without looking at requests.
---@param upstream ModelUpstream
---@return ModelStep?
function aim.step(upstream)
  local by, sticky = upstream.by, upstream.sticky
  if not by and not sticky then return nil end
  local instance = setmetatable({ by = by }, { __index = plugin })
  if sticky then
    instance.cookie, instance.attributes = sticky.cookie, attributes_of(sticky)
    instance.secure = sticky.secure
    if sticky.same_site == "none" then instance.secure = true end
  end
  return { name = "aim", plugin = plugin, instance = instance, on_error = "fail",
    at = upstream.at }
end

return aim
