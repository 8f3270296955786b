--- dispatch: what C calls for each phase of an exchange: runs the chain of its route.
--
-- Each function here is the body of a task (runtime/bridge/decide.c). It returns a number; replies
-- have been handed over by then, and C gives the answer when Lua has been left. Nothing here makes
-- a closure or a text for a request.

local bridge = require "moongate.ffi"
local criticality = require "moongate.criticality"
local mark = require "moongate.mark"
local native = require "moongate.native"
local parts = require "moongate.parts"
local reply = require "moongate.reply"
local request = require "moongate.request"
local response = require "moongate.response"

local C, found = bridge.C, bridge.found
local new_request, new_response = request.of, response.of
local HANDLE, STATE, SERIAL, STEP = parts.HANDLE, parts.STATE, parts.SERIAL, parts.STEP
local SHAPE, BARRED, RESPONDS = parts.SHAPE, parts.BARRED, parts.RESPONDS
local BODY, RESPONSE_BODY = parts.BODY, parts.RESPONSE_BODY
local CONTEXT, CONSUMER, CLAIMS = parts.CONTEXT, parts.CONSUMER, parts.CLAIMS
local ASKED, ACTIVE = parts.ASKED, parts.ACTIVE

-- As in enum generation_verdict.
local GO_ON, ANSWER, SHED = 0, 1, 2

local dispatch = {
  states = {}, -- of exchanges, by slot + 1 (parts.lua); C empties parts that may be large
}

local states = dispatch.states
local handles = {} -- pointers to the exchanges by slot + 1: they stay where they are for good
local shapes, arrays, whens = {}, {}, {} -- by index of the route
local criticalities = {} -- functions that tell it, likewise
local use_shape, use_array -- of `use`, for what matches no route
local instances, started_count = {}, 0 -- of plugins with start() or stop(), in written order

local EMPTY_SHAPE = { mask = 0, names = {}, body_steps = {} }

local function handle_of(slot)
  local handle = handles[slot + 1]
  if not handle then
    handle = C.moon_exchange(bridge.generation, slot)
    handles[slot + 1] = handle
  end
  return handle
end

local function chain_of(route)
  if route >= 0 then return shapes[route], arrays[route] end
  return use_shape, use_array
end

-- The one before may have ended without it: nothing of it may be left.
local function reset(state, serial)
  state[SERIAL], state[STEP], state[ASKED], state[ACTIVE] = serial, 0, 0, 0
  state[BODY], state[RESPONSE_BODY], state[CONTEXT] = false, false, false
  state[CLAIMS], state[CONSUMER], state[RESPONDS], state[SHAPE] = false, false, false, false
  state[BARRED] = false
end

local function new_state(slot)
  local state = { false, 0, false, false, false, false, false, false, 0, 0, 0, false }
  states[slot + 1] = state
  return state
end

-- What a request object is made of; its exchange's state is what an earlier phase left, or new.
local function parts_of(slot)
  local handle, state = handle_of(slot), states[slot + 1] or new_state(slot)
  if state[SERIAL] ~= handle.serial then reset(state, handle.serial) end
  return handle, state
end

local function request_of(slot)
  local handle, state = parts_of(slot)
  return new_request(handle, state)
end

-- The request phase of a chain. So compiled code finds out which of the shapes it is before there
-- is a request object: traces of other shapes begin there, and would have to make one that is
-- there already.
local ENTER = [[
local run, new_request = ...
return function(handle, state, steps) return (run(new_request(handle, state), steps)) end]]

local function prepare(shape)
  if shape.request and not shape.enter then
    shape.enter = assert(loadstring(ENTER, "=chain"))(shape.request, new_request)
  end
end

local function response_of(req)
  return new_response(req[HANDLE], req[STATE])
end

local function decide(handle, state, route)
  local shape, array = chain_of(route)
  state[SHAPE] = shape
  local verdict
  if shape.enter then verdict = shape.enter(handle, state, array) end
  if verdict == nil and shape.respond then
    verdict = shape.respond(new_request(handle, state), array)
    if verdict == nil then error("the plugin that answers returned no reply", 0) end
  end
  if verdict == nil then return GO_ON end
  if not reply.is(verdict) then
    error("the plugin returned what is no reply (see moongate.reply)", 0)
  end
  reply.hand_over(handle, verdict)
  if verdict.gathered == "" and shape.answers_alone then C.moon_gathered_keep(handle) end
  return ANSWER
end

--- The request phase of a route, or of `use` where route is -1.
function dispatch.request(slot, route)
  local handle, state = parts_of(slot)
  return decide(handle, state, route)
end

-- Whether load is shed by refusing it.
local function is_shed(req, route)
  local f = criticalities[route]
  return C.moon_request_is_shed(req[HANDLE], f and criticality.ask(f, req) or 0)
end

--- The same where a function tells the route's criticality.
function dispatch.weigh(slot, route)
  local req = request_of(slot)
  if is_shed(req, route) then return SHED end
  return decide(req[HANDLE], req[STATE], route)
end

--- The same where the best route has a predicate: asks until one of them says yes.
function dispatch.choose(slot)
  local req = request_of(slot)
  local handle = req[HANDLE]
  local route = C.moon_route_candidate(handle)
  while route >= 0 do
    local when = whens[route]
    if not when or when(req) then
      C.moon_route_accept(handle)
      if is_shed(req, route) then return SHED end
      return decide(handle, req[STATE], route)
    end
    C.moon_route_reject(handle)
    route = C.moon_route_candidate(handle)
  end
  req[STATE][SHAPE] = EMPTY_SHAPE
  if C.moon_number(handle, C.MOON_NUMBER_PHASES) == 0 then return GO_ON end
  return decide(handle, req[STATE], -1)
end

local function body_limit(shape, array)
  local limit = -1
  for _, step in ipairs(shape.body_steps) do
    local own = array[step].body_limit
    if type(own) == "number" and own > limit then limit = own end
  end
  return limit
end

-- Errors that the gateway made are not rewritten: their cause may have been this very body.
local function wants_body(req, res, shape)
  if not shape.response_body then return false end
  if C.moon_number(req[HANDLE], C.MOON_NUMBER_NO_BODY) == 1 then return false end
  if C.moon_text(req[HANDLE], C.MOON_TEXT_FAULT, found) then return false end
  local control = res.headers["cache-control"]
  return not (control and control:lower():find("no-transform", 1, true))
end

-- That it is waited for is for the step that gets it first.
local function body_of(res, shape, array)
  local limit = body_limit(shape, array)
  local first = shape.body_steps[#shape.body_steps]
  C.moon_step_begin(bridge.generation, shape.body_mark, first - 1, 0)
  return res:body(limit >= 0 and limit or nil)
end

--- The response phase, then response_body of the plugins that have it.
function dispatch.response(slot, route)
  local req = request_of(slot)
  local shape, array = chain_of(route)
  local res, state = response_of(req), req[STATE]
  state[SHAPE], state[RESPONDS], state[RESPONSE_BODY] = shape, true, false
  if shape.response then shape.response(req, res, array) end
  if wants_body(req, res, shape) then
    local body = body_of(res, shape, array)
    local changed = shape.response_body(req, res, array, body)
    if changed ~= body then C.moon_body_replace(req[HANDLE], changed, #changed) end
  end
  if shape.edit_steps then native.tell_edits(req[HANDLE], shape.edit_steps, array) end
  return GO_ON
end

--- response_chunk: returns what to send instead.
function dispatch.chunk(slot, route, chunk, last)
  local req = request_of(slot)
  local shape, array = chain_of(route)
  req[STATE][SHAPE] = shape
  return shape.response_chunk(req, response_of(req), array, chunk, last)
end

function dispatch.log(slot, route)
  local req = request_of(slot)
  local shape, array = chain_of(route)
  req[STATE][SHAPE] = shape
  local res = nil
  if C.moon_number(req[HANDLE], C.MOON_NUMBER_HAS_RESPONSE) == 1 then res = response_of(req) end
  shape.log(req, res, array)
  if shape.tally_step then C.moon_tally_alone(req[HANDLE], shape.tally_step) end
end

--- After something raised: the name of the plugin. In the response phase it is not called again.
function dispatch.culprit(slot, route)
  local state = states[slot + 1]
  if not state or state[STEP] == 0 then
    return criticalities[route] and "(a route's criticality)" or "(a route's when)"
  end
  if state[RESPONDS] then
    state[BARRED] = state[BARRED] or {}
    state[BARRED][state[STEP]] = true
  end
  return state[SHAPE] and state[SHAPE].names[state[STEP]] or "?"
end

-- With the mark that says so, for whoever watches over the worker.
local function show(one, phase) mark.word()[0] = mark.number(phase, one.name) end

--- Up to the first that raises.
function dispatch.start()
  for _, one in ipairs(instances) do
    show(one, C.MOON_PHASE_START)
    if one.plugin.start then one.instance:start() end
    started_count = started_count + 1
  end
end

--- Those that were started, the last one first. What one raises does not keep the others from it.
function dispatch.stop()
  local problem
  for i = started_count, 1, -1 do
    local one = instances[i]
    show(one, C.MOON_PHASE_STOP)
    if one.plugin.stop then
      local ok, why = xpcall(one.instance.stop, debug.traceback, one.instance)
      if not ok then problem = problem or why end
    end
  end
  if problem then error(problem, 0) end
end

--- For build.lua: the chain of the route with that index (from 0).
function dispatch.add_route(index, shape, array, when)
  prepare(shape)
  shapes[index], arrays[index], whens[index] = shape, array, when
end

--- For build.lua: what tells how critical a request of that route is.
---@param f fun(req: Request): any
function dispatch.add_criticality(index, f) criticalities[index] = f end

--- For build.lua: the chain of `use`.
function dispatch.set_use(shape, array)
  prepare(shape)
  use_shape, use_array = shape, array
end

--- For build.lua: instances of plugins with start() or stop(), each once.
function dispatch.add_instance(instance, plugin, name)
  if plugin.start or plugin.stop then
    instances[#instances + 1] = { instance = instance, plugin = plugin, name = name }
  end
end

return dispatch
