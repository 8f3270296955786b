--- whole: numbers that stand for integers.

-- Beyond it doubles are no longer exact.
local WHOLE_MAX = 2 ^ 53

--- Whether a value is a whole number that a double holds exactly.
---@param value any
---@return boolean
return function(value)
  return type(value) == "number" and value % 1 == 0 and value >= -WHOLE_MAX and value <= WHOLE_MAX
end
