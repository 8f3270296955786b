--- cors: lets pages of other origins use the API (the CORS protocol of the Fetch standard).
--
-- In `use` it also answers for what has no route, so that pages can read errors, and preflights
-- reach it whatever methods a route has. It comes before what authenticates: preflights carry no
-- credentials. What the upstream says in these fields is replaced.

local headers = require "moongate.headers"
local moongate = require "moongate"

local reply = moongate.reply

---@class Cors: Plugin
---@field is_open boolean             any origin may
---@field exact table<string, true>
---@field wildcards { before: string, after: string }[]
---@field methods string
---@field headers string|false        false: those that are asked for
---@field expose string|false
---@field credentials boolean
---@field max_age number
---@field private_network boolean
local cors = {
  summary = "Lets pages of other origins use the API.",
  options = {
    origins = { type = "list", items = { type = "string", help = "" }, default = { "*" },
      help = 'origins that may: "https://a.example", "https://*.example.com", "null"; "*": any' },
    methods = { type = "list", items = { type = "string", help = "" },
      default = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" },
      help = "methods that they may use" },
    headers = { type = "list", items = { type = "string", help = "" },
      help = "request headers that they may send; default: those that they ask for" },
    expose = { type = "list", items = { type = "string", help = "" }, default = {},
      help = "response headers that they may read, beside the harmless ones" },
    credentials = { type = "boolean", default = false,
      help = "cookies and the like may come along; not with the origin \"*\"" },
    max_age = { type = "duration", default = "5m",
      help = "how long a browser may keep the answer to a preflight" },
    private_network = { type = "boolean", default = false,
      help = "pages of the public network may reach this one, which is private" },
  },
}

local NOT_ALLOWED = reply.new(204) -- browsers go by the fields that are not there

local function origin_fault(origin)
  if origin == "*" or origin == "null" then return nil end
  local host = origin:match "^%l[%l%d+.-]*://([^/]+)$"
  local bare = host and host:gsub("^%*%.", ""):gsub(":%d+$", "")
  if bare and (bare:find "^[%w.-]+$" or bare:find "^%[[%x:.]+%]$") then return nil end
  return ('%q is no origin; expected "https://example.com", without a path'):format(origin)
end

local function names_fault(list)
  for _, name in ipairs(list or {}) do
    local fault = headers.fault(name)
    if fault then return fault end
  end
  return nil
end

function cors.check(options)
  for _, origin in ipairs(options.origins) do
    local fault = origin_fault(origin)
    if fault then return "origins: " .. fault end
    if origin == "*" and options.credentials then
      return 'credentials cannot come from the origin "*"; name the origins'
    end
  end
  for _, method in ipairs(options.methods) do
    if not method:find "^[%w!#$%%&'*+.^_`|~-]+$" then
      return ("methods: %q is no method"):format(method)
    end
  end
  return names_fault(options.headers) or names_fault(options.expose)
end

local function joined(list)
  return list and #list > 0 and table.concat(list, ", ")
end

function cors.new(options)
  local instance = {
    is_open = false, exact = {}, wildcards = {}, methods = joined(options.methods) or "",
    headers = options.headers and table.concat(options.headers, ", "),
    expose = joined(options.expose),
  }
  for _, origin in ipairs(options.origins) do
    local before, after = origin:lower():match "^(.*://)%*(%..*)$"
    if origin == "*" then
      instance.is_open = true
    elseif before then
      table.insert(instance.wildcards, { before = before, after = after })
    else
      instance.exact[origin:lower()] = true
    end
  end
  return instance
end

-- Whether it is "https://", one or more labels, and ".example.com".
local function has_form(origin, wildcard)
  local before, after = wildcard.before, wildcard.after
  return origin:sub(1, #before) == before and origin:sub(-#after) == after
    and origin:sub(#before + 1, -#after - 1):find "^[%w-][%w.-]*$" ~= nil
end

-- What to say to that origin: itself, "*", or nil.
local function allowed(self, origin)
  if self.is_open then return "*" end
  if not origin then return nil end
  if self.exact[origin] then return origin end
  for _, wildcard in ipairs(self.wildcards) do
    if has_form(origin, wildcard) then return origin end
  end
  return nil
end

-- The headers that a page wants to send. Of several lines the last one may have been empty: then
-- what they are together ends with a blank, which no field may.
local function wanted(req)
  local list = req.headers["access-control-request-headers"]
  return list and list:match "^%s*(.-)%s*$"
end

-- What the browser asks before it sends a request. Who may is said in the response phase.
local function preflight(self, req)
  local asked = req.headers
  return reply.new(204, nil, {
    ["access-control-allow-methods"] = self.methods,
    ["access-control-allow-headers"] = self.headers or wanted(req),
    ["access-control-max-age"] = math.floor(self.max_age),
    ["access-control-allow-private-network"] = self.private_network
      and asked["access-control-request-private-network"] == "true" and "true" or nil,
    vary = "access-control-request-method, access-control-request-headers",
  })
end

---@param req Request
---@return Reply?  ends the request when present
function cors:request(req)
  if req.method ~= "OPTIONS" then return nil end
  local asked = req.headers
  if not (asked.origin and asked["access-control-request-method"]) then return nil end
  if not allowed(self, asked.origin) then return NOT_ALLOWED end
  return preflight(self, req)
end

-- For pages of any origin it is the same for all of them.
function cors.response_edits(instance)
  if not instance.is_open then return nil end
  local exposed = "access-control-expose-headers"
  return {
    { "set", "access-control-allow-origin", "*" },
    { "remove", "access-control-allow-credentials" },
    instance.expose and { "set", exposed, instance.expose } or { "remove", exposed },
  }
end

---@param req Request
---@param res Response
function cors:response(req, res)
  local fields, origin = res.headers, allowed(self, req.headers.origin)
  fields["access-control-allow-origin"] = origin
  fields["access-control-allow-credentials"] = origin and self.credentials and "true" or nil
  fields["access-control-expose-headers"] = origin and self.expose or nil
  if not self.is_open then fields:add("vary", "origin") end
end

return cors
