--- below: the table under a key of another one, made at the first need: trees of tables.
---@param node table
---@param key any    not nil
---@return table
return function(node, key)
  local child = node[key]
  if child == nil then
    child = {}
    node[key] = child
  end
  return child
end
