--- plan: what an instance asks, told to C once (runtime/bridge/gather_plan.h).

local bridge = require "moongate.ffi"
local target_of = require "moongate.fetch_target"

local C = bridge.C

local plan = {}

local function check(fits, one, what)
  if not fits then error(("the %s of part %q is not what it may be"):format(what, one.name), 0) end
end

-- What the part waits for, or is waited for.
local function interest_of(one, is_needed)
  if is_needed or (one.extract and one.required) then return C.MOON_GATHER_WHEN_ENDED end
  return one.required and C.MOON_GATHER_WHEN_FAILED or C.MOON_GATHER_AT_THE_END
end

local function add_numbers(made, place, one, is_needed)
  local target = target_of(one.url.scheme, one.url.authority)
  check(target ~= false, one, "host")
  if target then C.moon_gather_plan_number(made, place, C.MOON_GATHER_TARGET, target) end
  C.moon_gather_plan_number(made, place, C.MOON_GATHER_SECONDS, one.timeout or 0)
  C.moon_gather_plan_number(made, place, C.MOON_GATHER_LIMIT, one.limit)
  C.moon_gather_plan_number(made, place, C.MOON_GATHER_INTEREST, interest_of(one, is_needed))
  C.moon_gather_plan_number(made, place, C.MOON_GATHER_IS_FIXED, one.is_fixed and 1 or 0)
end

local function add_text(made, place, one, which, text, what)
  check(C.moon_gather_plan_text(made, place, which, text, #text), one, what)
end

local function add_part(made, place, one, is_needed)
  add_numbers(made, place, one, is_needed)
  add_text(made, place, one, C.MOON_GATHER_METHOD, one.method, "method")
  add_text(made, place, one, C.MOON_GATHER_AUTHORITY, one.url.authority, "host")
  add_text(made, place, one, C.MOON_GATHER_MEMBER, one.member, "name")
  local path = one.url.path.fixed
  if path then add_text(made, place, one, C.MOON_GATHER_PATH, path, "path") end
  local body = one.body and one.body.fixed
  if body then add_text(made, place, one, C.MOON_GATHER_BODY, body, "body") end
  for _, field in ipairs(one.fields) do
    local value = field.value.fixed
    if value then
      check(C.moon_gather_plan_field(made, place, field.name, #field.name, value, #value), one,
        "header " .. field.name)
    end
  end
end

--- Only while the gateway serves. Raises when a part asks for what no request may have.
---@param self Aggregate
---@return ffi.cdata*
function plan.of(self)
  local made = C.moon_gather_plan(bridge.generation, #self.ordered)
  if self.is_simple then C.moon_gather_plan_whole(made) end
  for _, name in ipairs(self.forwarded) do C.moon_gather_plan_forward(made, name, #name) end
  for i, one in ipairs(self.ordered) do
    add_part(made, i - 1, one, self.dependents[one.name] ~= nil)
  end
  return made
end

return plan
