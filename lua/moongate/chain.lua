--- chain: plugins in their order as one function for each phase, shared by routes of one shape.
--
-- A shape is the list of plugins with the phases each takes part in, `when` and `on_error`. Its
-- functions are made once, at load time; what differs between routes is one array: the steps'
-- instances, then their `when` functions. So a hundred thousand routes cost a few functions, which
-- stay compiled, and a small array for each different list.

local below = require "moongate.below"
local bit = require "bit"
local bridge = require "moongate.ffi"
local mark = require "moongate.mark"
local native = require "moongate.native"
local parts = require "moongate.parts"
local reply = require "moongate.reply"

local new_table = require "table.new"

local C = bridge.C
local HANDLE, STATE, STEP, ASKED = parts.HANDLE, parts.STATE, parts.STEP, parts.ASKED
local ACTIVE, SHAPE, BARRED = parts.ACTIVE, parts.SHAPE, parts.BARRED
local RESPONSE_BODY = parts.RESPONSE_BODY

-- As enum route_phase has them.
local PHASES = {
  request = 1, respond = 2, response = 4, response_chunk = 8, response_body = 16, log = 32,
}
-- The steps' conditions are bits of a number in the request.
local CONDITIONS_MAX = 31

local chain = { PHASES = PHASES }

-- Asked once for each request, so that a step takes part in all of its phases or in none.
local function is_active(req, when, number)
  local state, mask = req[STATE], bit.lshift(1, number)
  if bit.band(state[ASKED], mask) == 0 then
    local says = when(req)
    state[ASKED] = bit.bor(state[ASKED], mask)
    if says then state[ACTIVE] = bit.bor(state[ACTIVE], mask) end
  end
  return bit.band(state[ACTIVE], mask) ~= 0
end

-- For observers, and the log phase: what raises is logged and counted, and the others go on.
local function observe(req, method, instance, ...)
  local ok, result = xpcall(method, debug.traceback, instance, ...)
  if ok then return result end
  local state = req[STATE]
  local name = state[SHAPE].names[state[STEP]] or "?"
  local text = ("plugin %s raised: %s"):format(name, tostring(result))
  C.moon_plugin_raised(req[HANDLE], text, #text)
  return nil
end

-- In the response phase a reply takes the response's place, and the plugins further out see that
-- one.
local function replace(req, verdict)
  if not reply.is(verdict) then
    error("the response phase returned what is no reply (see moongate.reply)", 0)
  end
  reply.hand_over(req[HANDLE], verdict)
  C.moon_answer_replace(req[HANDLE])
  req[STATE][RESPONSE_BODY] = false
end

local function body_text(changed, before)
  if changed == nil then return before end
  if type(changed) ~= "string" then error("a body is a string or nil (unchanged)", 0) end
  return changed
end

-- For each phase: whether it runs from the last step to the first, what its function is given, how
-- it ends, and what one step's code makes of what it returns.
local FORMS = {
  request = { given = "req, steps", call = "req", use = "if result ~= nil then return result end" },
  respond = { given = "req, steps", call = "req", use = "return result" },
  response = { given = "req, res, steps", call = "req, res", reverse = true,
    use = "if result ~= nil then replace(req, result) end" },
  response_body = { given = "req, res, steps, body", call = "req, res, body", reverse = true,
    use = "body = body_text(result, body)", finish = "return body" },
  response_chunk = { given = "req, res, steps, chunk, last", call = "req, res, chunk, last",
    reverse = true, use = "chunk = body_text(result, chunk)", finish = "return chunk" },
  log = { given = "req, res, steps", call = "req, res", use = "" },
}

-- C notes which step it is, and counts a call or none.
local function entry_code(phase, step, calls)
  return ("C.moon_step_begin(generation, %d, %d, %d)"):format(
    mark.number(PHASES[phase], step.name), step.index - 1, calls)
end

-- The code of one step in one phase. `p` holds the plugins' functions.
local function step_code(phase, form, step)
  local observed = phase == "log" or step.on_error == "continue"
  local call = observed and "local result = observe(req, p[%d], steps[%d], %s)"
    or "local result = p[%d](steps[%d], %s)"
  local code = (call .. "\n%s"):format(step.index, step.index, form.call, form.use)
  if step.condition then
    code = ("%s\nif is_active(req, steps[%d], %d) then\n%s\n%s\nend"):format(
      entry_code(phase, step, 0), step.condition_at, step.condition, entry_code(phase, step, 1),
      code)
  else
    code = entry_code(phase, step, 1) .. "\n" .. code
  end
  code = ("state[%d] = %d\n%s"):format(STEP, step.index, code)
  if form.reverse then
    return ("if not state[%d] or not state[%d][%d] then\n%s\nend"):format(BARRED, BARRED,
      step.index, code)
  end
  return ("do\n%s\nend"):format(code)
end

local function has_phase(step, phase) return bit.band(step.mask, PHASES[phase]) ~= 0 end

local function phase_code(phase, form, steps)
  local lines = {
    "local p, C, generation, is_active, observe, replace, body_text = ...",
    ("return function(%s)\nlocal state = req[%d]"):format(form.given, STATE),
  }
  local first, last, by = 1, #steps, 1
  if form.reverse then first, last, by = last, first, -1 end
  for i = first, last, by do
    if has_phase(steps[i], phase) then lines[#lines + 1] = step_code(phase, form, steps[i]) end
  end
  lines[#lines + 1] = form.finish or ""
  lines[#lines + 1] = "end"
  return table.concat(lines, "\n")
end

-- nil when no step takes part.
local function phase_function(phase, steps, mask)
  if bit.band(mask, PHASES[phase]) == 0 then return nil end
  local methods = {}
  for _, step in ipairs(steps) do methods[step.index] = step.plugin[phase] end
  local code = phase_code(phase, FORMS[phase], steps)
  local functions, generation = mark.counting()
  return assert(loadstring(code, "=chain"))(methods, functions, generation, is_active, observe,
    replace, body_text)
end

---@class Shape: NativeShape
---@field mask integer        phases that some step takes part in, as in enum route_phase
---@field names string[]      of the plugins
---@field number integer      of the chain, for routes that have it
---@field body_steps integer[] steps with response_body
---@field body_mark integer?   of the last of them, which is the first that runs
---@field request function?   one function for each phase that some step takes part in
---@field respond function?
---@field response function?
---@field response_chunk function?
---@field response_body function?
---@field log function?

local function make_shape(steps)
  local shape = { mask = 0, names = {}, body_steps = {}, tally_step = native.tally_step(steps),
    edit_steps = native.edit_steps(steps), answers_alone = native.answers_alone(steps) }
  for _, step in ipairs(steps) do
    shape.mask = bit.bor(shape.mask, step.mask)
    shape.names[step.index] = step.name
    if has_phase(step, "response_body") then
      shape.body_steps[#shape.body_steps + 1] = step.index
      shape.body_mark = mark.number(PHASES.response_body, step.name)
    end
  end
  shape.number = mark.chain_number(shape.names)
  for phase in pairs(PHASES) do shape[phase] = phase_function(phase, steps, shape.mask) end
  return shape
end

-- Steps with what the code needs to know.
local function prepare(plugins, kinds)
  local steps, conditions = {}, 0
  for index, given in ipairs(plugins) do
    local step = { index = index, name = given.name, plugin = given.plugin,
      on_error = given.on_error, mask = kinds[index].mask }
    if given.when then
      step.condition, step.condition_at = conditions, #plugins + conditions + 1
      conditions = conditions + 1
    end
    steps[index] = step
  end
  if conditions > CONDITIONS_MAX then
    error(("%d plugins have a `when`; expected at most %d"):format(conditions, CONDITIONS_MAX), 0)
  end
  return steps
end

-- Instances, then the steps' conditions.
local function array_of(plugins)
  local array = new_table(#plugins, 0)
  for i, step in ipairs(plugins) do array[i] = step.instance end
  for _, step in ipairs(plugins) do
    if step.when then array[#array + 1] = step.when end
  end
  return array
end

-- The phases that a plugin has, by name, and which of them a step takes part in.
local function phases_of(self, plugin)
  local own = self.phases[plugin]
  if own then return own end
  own = { all = 0 }
  for phase, flag in pairs(PHASES) do
    if plugin[phase] then
      own.all = own.all + flag
      own[#own + 1] = phase
    end
  end
  self.phases[plugin] = own
  return own
end

local function mask_of(self, step)
  local own, mask = phases_of(self, step.plugin), 0
  if not step.plugin.phases then return own.all end
  local wanted = step.plugin.phases(step.instance, step.when ~= nil)
  for i = 1, #own do
    if not wanted or wanted[own[i]] then mask = mask + PHASES[own[i]] end
  end
  return mask
end

-- What of a step its shape consists of, one table for each: its plugin, phases, when and on_error.
local function kind_of(self, step)
  if step.kind then return step.kind end
  local mask = mask_of(self, step)
  local kind = below(below(below(self.kinds, step.plugin), mask), step.when ~= nil)
  kind = below(kind, step.on_error or "fail")
  kind.mask = mask
  step.kind = kind
  return kind
end

local function shape_of(self, plugins)
  local node = self.shapes
  for _, step in ipairs(plugins) do node = below(node, kind_of(self, step)) end
  if not node.shape then
    local kinds = {}
    for i, step in ipairs(plugins) do kinds[i] = kind_of(self, step) end
    node.shape = make_shape(prepare(plugins, kinds))
  end
  return node.shape
end

local function is_single(plugins)
  for _, step in ipairs(plugins) do
    if step.is_single then return true end
  end
  return false
end

-- Whether it is what `array_of` would make of them.
local function is_array_of(array, plugins)
  local at = #plugins
  for i = 1, #plugins do
    if array[i] ~= plugins[i].instance then return false end
    if plugins[i].when then
      at = at + 1
      if array[at] ~= plugins[i].when then return false end
    end
  end
  return array[at + 1] == nil
end

local function array_in_tree(self, plugins, last)
  local node, count = below(self.arrays, #plugins), #plugins
  for i = 1, count - 1 do node = below(node, plugins[i]) end
  local array = node[last]
  if not array then
    array = array_of(plugins)
    node[last] = array
  end
  return array
end

-- One array for all lists of the same steps. Most steps end one list only, which they keep; of the
-- others it is found by their number, then one after the other.
local function array_for(self, plugins)
  if is_single(plugins) then return array_of(plugins) end
  local last = plugins[#plugins] or self.none
  local array = last.array
  if not array then
    array = array_of(plugins)
    last.array = array
  elseif not is_array_of(array, plugins) then
    array = array_in_tree(self, plugins, last)
  end
  return array
end

--- A maker of chains: equal shapes and equal arrays are made once. Only while a generation is
--- built.
---@return fun(plugins: ModelStep[]): Shape, table
function chain.maker()
  local self = { kinds = {}, shapes = {}, arrays = {}, phases = {}, none = {} }
  return function(plugins) return shape_of(self, plugins), array_for(self, plugins) end
end

return chain
