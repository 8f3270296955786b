--- ip-filter: admits or refuses requests by the client's address.
--
-- What `deny` has is refused, whatever `allow` says; with an `allow`, so is everything else. The
-- address is the client's as trusted proxies tell it. Clients of a unix socket have none: only an
-- `allow` refuses them.

local moongate = require "moongate"

local reply, address_set = moongate.reply, moongate.address_set

---@class IpFilter: Plugin
---@field allowed AddressSet?
---@field denied AddressSet?
local ip_filter = {
  summary = "Admits or refuses clients by their address.",
  options = {
    allow = { type = "list", items = { type = "string", help = "" }, default = {},
      help = 'blocks whose addresses are admitted: "10.0.0.0/8", "2001:db8::1"; none: all' },
    deny = { type = "list", items = { type = "string", help = "" }, default = {},
      help = "blocks whose addresses are refused" },
  },
}

local FORBIDDEN = reply.problem(403, "address-not-allowed",
  "Requests from this address are not allowed.")

function ip_filter.check(options)
  if #options.allow == 0 and #options.deny == 0 then return "allow and deny are both empty" end
  return nil
end

-- nil for an empty list, or with what is wrong.
local function set_of(options, name)
  if #options[name] == 0 then return nil end
  local set, why = address_set(options[name])
  return set, why and ("%s: %s"):format(name, why)
end

function ip_filter.new(options)
  local allowed, wrong = set_of(options, "allow")
  if wrong then return nil, wrong end
  local denied, also_wrong = set_of(options, "deny")
  if also_wrong then return nil, also_wrong end
  return { allowed = allowed, denied = denied }
end

---@param req Request
---@return Reply?  ends the request when present
function ip_filter:request(req)
  local address = req.address
  if self.denied and self.denied:has(address) then return FORBIDDEN end
  if self.allowed and not self.allowed:has(address) then return FORBIDDEN end
  return nil
end

return ip_filter
