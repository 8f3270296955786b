--- authenticate: admits requests that any of several plugins admits.
--
-- The plugins under `any` are asked in the order written, until one has no objection. When all of
-- them refuse, the client gets the answer of the first whose credentials it has sent, else of the
-- first that missed some, with the challenges of all. Any plugin does that takes part in `request`
-- alone, and `session`: `{ "ip-filter", allow = { "10.0.0.0/8" } }` lets the own network in without
-- a key. Where all of several are wanted, write them one after the other, without this plugin.

local moongate = require "moongate"

local reply, auth = moongate.reply, moongate.auth

---@class Authenticate: Plugin
---@field methods { plugin: Plugin, instance: table }[]
---@field own_headers string[]   that tell the upstream who it is, of any method
local authenticate = {
  summary = "Admits requests that any of several plugins admits.",
  options = auth.options {
    any = { type = "list", items = { type = "any" }, required = true, secret = true,
      help = 'the plugins, as in a route: { { "key-auth" }, { "basic-auth" } }' },
  },
}

local OTHER_PHASES = { "respond", "response", "response_chunk", "response_body", "message", "log" }

function authenticate.check(options)
  if #options.any == 0 then return "any is empty; expected a list of plugins" end
  return auth.fault(options)
end

local function fault_of(step)
  if not step.plugin.request then return "it has no request phase" end
  if step.when then return "a `when` belongs to the whole" end
  if step.instance.lets_all_in then return "with these options it refuses nobody" end
  -- What plugins of auth.lua say with answers is of the client's credentials.
  local is_identity = step.plugin.options.consumer_header ~= nil
  for _, phase in ipairs(OTHER_PHASES) do
    local runs = phase == "response" and is_identity
    if step.plugin[phase] and not runs then return ("its %s phase would not run"):format(phase) end
  end
  return nil
end

-- Fields that a method sets when it admits; a client's must not stay when another one does.
local function add_own_header(self, name)
  if name and not self.is_own[name] then
    self.is_own[name] = true
    self.own_headers[#self.own_headers + 1] = name
  end
end

function authenticate.new(options, context)
  local self = { methods = {}, own_headers = {}, is_own = {}, has_response = false }
  add_own_header(self, options.consumer_header)
  for i, entry in ipairs(options.any) do
    local step = context.steps:one(entry, context)
    if not step then return nil, ("any[%d] is not as it should be"):format(i) end
    local wrong = fault_of(step)
    if wrong then return nil, ("any[%d], %s, cannot stand here: %s"):format(i, step.name, wrong) end
    self.methods[i] = { plugin = step.plugin, instance = step.instance }
    self.has_response = self.has_response or step.plugin.response ~= nil
    add_own_header(self, step.instance.consumer_header)
    for _, name in ipairs(step.instance.own_headers or {}) do add_own_header(self, name) end
  end
  return self
end

function authenticate.phases(instance)
  return { request = true, response = instance.has_response }
end

-- Instances may be shared by several of us.
local started = {}

function authenticate:start()
  for _, method in ipairs(self.methods) do
    local start = method.plugin.start
    if start and not started[method.instance] then
      started[method.instance] = true
      start(method.instance)
    end
  end
end

function authenticate:stop()
  for _, method in ipairs(self.methods) do
    local stop = method.plugin.stop
    if stop and started[method.instance] then
      started[method.instance] = nil
      stop(method.instance)
    end
  end
end

-- Of those that miss credentials, one that says how to send some comes first.
local function rank(answer)
  if answer.is_attempt then return 4 end
  return answer.is_missing and (answer.status == 401 and 3 or 2) or 1
end

-- The answer that counts, with the challenges of all.
local function refuse(answers)
  local chosen = answers[1]
  for _, answer in ipairs(answers) do
    if rank(answer) > rank(chosen) then chosen = answer end
  end
  if chosen.status ~= 401 then return chosen end
  local challenges = {}
  for _, answer in ipairs(answers) do
    if answer ~= chosen then reply.add_values(challenges, answer, "www-authenticate") end
  end
  return reply.with_headers(chosen, { ["www-authenticate"] = challenges })
end

-- All of them refused. Apart, since it is rare.
local function end_refused(self, req, answers)
  local answer = refuse(answers)
  if not answer.is_missing then return answer end
  return auth.without(self, req, answer)
end

---@param req Request
---@return Reply?
function authenticate:request(req)
  local own, methods, answers = self.own_headers, self.methods, nil
  for i = 1, #own do auth.strip(req, own[i]) end
  for i = 1, #methods do
    local method = methods[i]
    local answer = method.plugin.request(method.instance, req)
    if answer == nil then return nil end
    if not reply.is(answer) then error "a plugin under any returned what is no reply" end
    answers = answers or {}
    answers[#answers + 1] = answer
  end
  return end_refused(self, req, answers)
end

--- Of those that have something to say with the answer, as session has, whoever admitted.
---@param req Request
---@param res Response
---@return Reply?
function authenticate:response(req, res)
  for i = #self.methods, 1, -1 do
    local method = self.methods[i]
    local respond = method.plugin.response
    local answer = respond and respond(method.instance, req, res)
    if answer then return answer end
  end
  return nil
end

return authenticate
