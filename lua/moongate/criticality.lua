--- criticality: how much it matters that a request is answered, where load is shed.
--
-- A number from 1 to 100, or one of four names for numbers; what matters least is refused first,
-- and 100 never. As runtime/gateway/triage.h has them.

local nearest = require "moongate.config.nearest"
local values = require "moongate.config.values"

local criticality = {
  NUMBERS = { low = 25, normal = 50, high = 75, critical = 100 },
}

local NUMBERS, NORMAL = criticality.NUMBERS, criticality.NUMBERS.normal
local EXPECTED = 'expected "critical", "high", "normal", "low" or a whole number from 1 to 100'

-- What is wrong with one that is none.
local function complain(given)
  local hint = type(given) == "string" and nearest.hint(given, NUMBERS) or ""
  return ("criticality is %s; %s%s"):format(values.show(given), EXPECTED, hint)
end

--- The number that is meant; nil means the normal one.
---@param given any
---@return integer?
---@return string? message  what is wrong, when there is no number
function criticality.number(given)
  if given == nil then return NORMAL end
  local number = NUMBERS[given] or given
  if type(number) == "number" and number % 1 == 0 and number >= 1 and number <= 100 then
    return number
  end
  return nil, complain(given)
end

--- Whether requests of the route are asked: where no load is shed, no function is called for them.
---@param route table
---@param model table
---@return boolean
function criticality.is_asked(route, model)
  return model.shed ~= nil and type(route.criticality) == "function"
end

--- What a route's function says of a request.
---@param f fun(req: Request): any
---@param req Request
---@return integer
function criticality.ask(f, req)
  local number, message = criticality.number(f(req))
  if not number then error(message, 0) end
  return number
end

return criticality
