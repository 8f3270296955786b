--- target_url: takes the URL of a target apart.

local target_url = {}

target_url.EXPECTED = '"http://host:port", "https://host:port" or "unix:/path"'

local PORTS = { http = 80, https = 443 }
-- A longer name is none (RFC 1035, 2.3.4).
local HOST_BYTES_MAX = 253

--- The default port of a scheme.
---@param scheme "http"|"https"
---@return integer
function target_url.port(scheme) return PORTS[scheme] end

--- Whether a text has the form of an IPv6 address.
---@param text string
---@return boolean
function target_url.is_v6(text)
  return text:find "^%x*:[%x:]*:[%x.]*$" ~= nil and not text:find(":::", 1, true)
end

-- Of another one than an IPv6 address in brackets no colon is a part: it is before a port that is
-- none, as in "10.0.0.1:9O00".
local function without_brackets(host)
  local inside = host:match "^%[(.+)%]$"
  if inside then return target_url.is_v6((inside:gsub("%%[%w._-]+$", ""))) and inside or nil end
  return not host:find "[:%[%]]" and host or nil
end

--- "name:port", "[::1]:80", or without a port.
---@param authority string
---@param scheme "http"|"https"  whose port it is where there is none
---@return string? host   without brackets; nil: it is none
---@return integer? port
function target_url.host_and_port(authority, scheme)
  local host, port = authority:match "^(.-):(%d+)$"
  if not host then host, port = authority, PORTS[scheme] end
  host, port = without_brackets(host), tonumber(port)
  if not host or host == "" or #host > HOST_BYTES_MAX or host:find "[%s%z]" then return nil end
  if port < 1 or port > 65535 then return nil end
  return host, port
end

--- Takes a target's URL apart.
---@param url any
---@return { host: string, port: integer, tls: boolean }?
---@return string? expected  when it is none: what is
function target_url.parse(url)
  local function wrong(why) return nil, target_url.EXPECTED .. (why or "") end
  if type(url) ~= "string" then return wrong() end
  local path = url:match "^unix:(/.+)$"
  if path then return { host = path, port = 0, tls = false } end
  local scheme, authority, rest = url:match "^(https?)://([^/?#]+)(.*)$"
  if not scheme then return wrong() end
  if rest ~= "" and rest ~= "/" then return wrong ", without a path" end
  if authority:find "@" then return wrong ", without a user" end
  local host, port = target_url.host_and_port(authority, scheme)
  if not host then return wrong() end
  return { host = host, port = port, tls = scheme == "https" }
end

return target_url
