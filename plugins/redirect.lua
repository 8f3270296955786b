--- redirect: sends clients to another address.
--
-- With `to` it is what answers on its route. With `https = true` it goes before an upstream, or
-- into `use`: what came without TLS is sent to the same address with it, the rest goes on.

local moongate = require "moongate"
local template = require "moongate.template"

local reply = moongate.reply

---@class Redirect: Plugin
---@field to string|false
---@field https boolean
---@field port integer
---@field query boolean
---@field keeps_query boolean  with `to`
---@field code integer
---@field origin Template?    of `https`
---@field location Template?  of `to`
local redirect = {
  summary = "Sends clients to another address.",
  options = {
    to = { type = "string",
      help = 'where to: "https://new.example.com/users/{id}", or a path; {path} is the request\'s'
    },
    https = { type = "boolean", default = false,
      help = "instead of `to`: send what came without TLS to the same address with it" },
    port = { type = "integer", min = 1, max = 65535, default = 443, help = "port of `https`" },
    query = { type = "boolean", default = true,
      help = "keep the query of the request, where `to` does not say {query}" },
    status = { type = "integer", values = { 301, 302, 303, 307, 308 },
      help = "default: 302, and 308 (the method stays) with `https`" },
  },
}

local NO_HOST = reply.problem(400, "missing-host", "The request does not say which host it is for.")
local BAD_ADDRESS = reply.problem(400, "bad-address",
  "The new address cannot be made of these values.")

function redirect.check(options)
  if options.https and options.to then
    return "to and https are both given; expected one of them"
  end
  if not options.https and not options.to then
    return "to is missing; it is where requests are sent"
  end
  if options.to and not options.to:find "^%l[%l%d+.-]*://[^/]" and not options.to:find "^/[^/]"
      and options.to ~= "/" then
    return ("to is %q; expected an address or a path"):format(options.to)
  end
  return nil
end

function redirect.new(options)
  local instance = { code = options.status or (options.https and 308 or 302) }
  if not options.to then
    local port = options.port ~= 443 and ":" .. options.port or ""
    instance.origin = template.compile("https://{host}" .. port, "address")
    return instance
  end
  instance.keeps_query = options.query and not options.to:find("{query}", 1, true)
  local why
  instance.location, why = template.compile(options.to, "address")
  if not instance.location then return nil, "to: " .. why end
  return instance
end

function redirect.phases(instance)
  return { request = instance.https, respond = not instance.https }
end

-- As it came, not as a route rewrites it.
local function own_path(req)
  local path = req.target:match "^%l+://[^/?]*(.*)$" or req.target
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  return path
end

---@param req Request
---@return Reply?  ends the request when present
function redirect:request(req)
  if req.scheme == "https" then return nil end
  if not req.host then return NO_HOST end

  local path = own_path(req)
  if not self.query then path = path:match "^[^?]*" end
  return reply.redirect(self.origin:render(req) .. path, self.code)
end

---@param req Request
---@return Reply
function redirect:respond(req)
  local location = self.location:render(req)
  if not location then return BAD_ADDRESS end

  local query = self.keeps_query and req.query_string
  if query then
    local address, fragment = location:match "^([^#]*)(.*)$"
    location = address .. (address:find("?", 1, true) and "&" or "?") .. query .. fragment
  end
  return reply.redirect(location, self.code)
end

return redirect
