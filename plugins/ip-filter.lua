--- ip-filter: admits or refuses requests by the client's address.
--
-- What `deny` has is refused, whatever `allow` says; with an `allow`, so is everything else. The
-- address is the client's as trusted proxies tell it, or with `of = "peer"` that of who is
-- connected to us. Clients of a unix socket have none: only an `allow` refuses them.
--
-- Lists may come from files: `deny = { "192.0.2.0/24", file "blocked.txt" }`. A file has blocks
-- with blanks or line ends between them, and what follows "#" is left out; when it changes, the
-- gateway reloads.

local moongate = require "moongate"

local reply, address_set = moongate.reply, moongate.address_set

---@class IpFilter: Plugin
---@field allowed AddressSet?
---@field denied AddressSet?
---@field of "client"|"peer"
local ip_filter = {
  summary = "Admits or refuses clients by their address.",
  options = {
    allow = { type = "list", items = { type = "string", help = "" }, default = {},
      help = 'blocks whose addresses are admitted: "10.0.0.0/8", "2001:db8::1", or texts with many '
        .. "of them; none: all" },
    deny = { type = "list", items = { type = "string", help = "" }, default = {},
      help = "blocks whose addresses are refused" },
    of = { type = "string", values = { "client", "peer" }, default = "client",
      help = "whose address: the client's, as trusted proxies tell it, or the one that the "
        .. "connection comes from" },
  },
}

local FORBIDDEN = reply.problem(403, "address-not-allowed",
  "Requests from this address are not allowed.")

function ip_filter.check(options)
  if #options.allow == 0 and #options.deny == 0 then return "allow and deny are both empty" end
  return nil
end

local function blocks_of(list)
  local blocks = {}
  for _, text in ipairs(list) do
    if text:find "[%s#]" then
      for block in text:gsub("#[^\n]*", ""):gmatch "%S+" do blocks[#blocks + 1] = block end
    else
      blocks[#blocks + 1] = text
    end
  end
  return blocks
end

-- nil for an empty list, or with what is wrong. A file that has become empty allows nobody.
local function set_of(options, name)
  if #options[name] == 0 then return nil end
  local blocks = blocks_of(options[name])
  if #blocks == 0 and name == "allow" then return nil, "allow: there is no block in it" end
  if #blocks == 0 then return nil end
  local set, why = address_set(blocks)
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
  local address = self.of == "peer" and req.peer or req.address
  if self.denied and self.denied:has(address) then return FORBIDDEN end
  if self.allowed and not self.allowed:has(address) then return FORBIDDEN end
  return nil
end

return ip_filter
