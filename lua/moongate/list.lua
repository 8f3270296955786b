--- list: what is asked of plain lists.

---@class moongate.list
local list = {}

--- Whether a value is among the items.
---@param items any[]
---@param wanted any
---@return boolean
function list.has(items, wanted)
  for _, item in ipairs(items) do
    if item == wanted then return true end
  end
  return false
end

return list
