--- copy: a table with the same keys and values, which are not copied themselves.

---@generic T: table
---@param map T
---@return T  without its metatable
return function(map)
  local fresh = {}
  for key, value in pairs(map) do fresh[key] = value end
  return fresh
end
