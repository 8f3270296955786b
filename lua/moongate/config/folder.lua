--- folder: the names in a folder, for include "routes/*.lua".

local bridge = require "moongate.ffi"

local BYTES_MAX = 2 ^ 22

---@param path string
---@return string[]? names  in no order; nil when there is no such folder
return function(path)
  local bytes = 65536
  while bytes <= BYTES_MAX do
    local names = bridge.new("char[?]", bytes)
    local used = bridge.C.moon_folder_names(path, names, bytes)
    if used < 0 then return nil end
    if used <= bytes then
      local list = {}
      for name in bridge.string(names, used):gmatch "[^%z]+" do list[#list + 1] = name end
      return list
    end
    bytes = bytes * 4
  end
  return nil
end
