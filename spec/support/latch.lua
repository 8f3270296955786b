--- latch: closed until the spec opens it, for peers that are to wait for something.
--
--     local latch = latches.new()
--     local origin = peer.start(function(connection)
--       connection:read_request()
--       connection:await(latch.is_open)
--       ...
--     latch.open()

local system = require "spec.support.system"

local latches = {}

---@class Latch
---@field path string  there is such a file when it is open
---@field open fun()
---@field close fun()
---@field is_open fun(): boolean  in any process

---@return Latch
function latches.new()
  local path = system.temporary_directory() .. "/open"
  return {
    path = path,
    open = function() system.write_file(path, "") end,
    close = function() os.remove(path) end,
    is_open = function() return system.read_file(path) ~= nil end,
  }
end

return latches
