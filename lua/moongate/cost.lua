--- cost: what a request takes of an allowance, for plugins that have the option `cost`.

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local type = type

local COST_MAX = 1e9

---@class moongate.cost
local cost = {}

--- Whether a value is a number of units: whole, from 0 to 1e9.
---@param value any
---@return boolean
function cost.is_valid(value)
  return type(value) == "number" and value >= 0 and value % 1 == 0 and value <= COST_MAX
end

--- What a request takes. Raises when the function gives anything else.
---@param units number|fun(req: Request, res: Response?): number  the option
---@param req Request
---@param res Response?
---@return number
function cost.of(units, req, res)
  if type(units) == "number" then return units end
  local value = units(req, res)
  if not cost.is_valid(value) then
    error(("the cost of a request is %s; expected a whole number up to 1e9"):format(
      tostring(value)), 0)
  end
  return value
end

return cost
