--- address_set: blocks of addresses, to ask whether one of them has a client's.
--
--     local inside = moongate.address_set { "10.0.0.0/8", "2001:db8::/32" }
--     if inside:has(req.address) then ... end
--
-- Made when a plugin is loaded, and kept in the generation's C memory: asking takes a few
-- comparisons however many blocks there are. An IPv4 address in IPv6 clothes (::ffff:10.0.0.1) is
-- the IPv4 address.

local bridge = require "moongate.ffi"

local C, found = bridge.C, bridge.found

---@class AddressSet
---@field set ffi.cdata*
local AddressSet = {}
AddressSet.__index = AddressSet

--- False, too, for what is no address: "unix".
---@param address string  without a port
---@return boolean
function AddressSet:has(address)
  -- A tail call of a function that gives a truth is never compiled.
  return (C.moon_address_set_has(self.set, address, #address))
end

local function malformed(block)
  return nil, ('%q is no block of addresses; expected "10.0.0.0/8" or "2001:db8::/32", with no '
    .. "bits behind the prefix"):format(block)
end

---@param blocks string[]  "10.0.0.0/8" or a single address
---@return AddressSet?
---@return string? why  when one of them is malformed
return function(blocks)
  for _, block in ipairs(blocks) do
    -- C has to take the list apart where it is put together here.
    if not block:find "^[%x:./]+$" then return malformed(block) end
  end
  local list = table.concat(blocks, ",")
  local set = C.moon_address_set(bridge.generation, list, #list, found)
  if set ~= nil then return setmetatable({ set = set }, AddressSet) end
  if found[0].start == nil then error("sets of addresses are made when a plugin is loaded", 2) end
  return malformed(bridge.text())
end
