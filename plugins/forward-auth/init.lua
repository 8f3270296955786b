--- forward-auth: admits requests that another service admits.
--
-- The service is told the method, the URI and the client of the request (X-Forwarded-Method,
-- -Proto, -Host, -Uri, -For) and the headers that are chosen. Its 2xx lets the request through;
-- every other answer up to 499 goes to the client instead of the upstream's, a 401 never without a
-- challenge (`challenge`; RFC 9110, 15.5.2). No answer, or one of
-- 5xx, is a failure: 503, unless `unavailable` says otherwise. With `cache`, that a request was let
-- through counts for others of which the service would be told the very same, by the same caller
-- (`cache_by`); refusals and failures are asked about each time.

local decisions = require "forward-auth.decisions"
local headers = require "moongate.headers"
local known = require "moongate.known"
local moongate = require "moongate"
local service = require "forward-auth.service"

local auth, by, consumers = moongate.auth, moongate.by, moongate.consumers
local reply, time = moongate.reply, moongate.time

---@class ForwardAuth: Plugin
---@field url string
---@field service_name string          its URL without a query
---@field method "GET"|"POST"
---@field timeout number
---@field answer_limit integer
---@field cache number
---@field wanted string[]              of the request, which the service is sent
---@field own_headers string[]         of the service's answer, which the upstream is sent
---@field for_upstream table<string, true>
---@field for_response table<string, true>
---@field for_client table<string, true>
---@field challenge string
---@field callers (fun(req: Request): string?)[]
local forward_auth = {
  summary = "Admits requests that another service admits.",
  options = auth.options(service.options {
    consumer_from = { type = "string", help = "header of the service's answer that holds the name "
      .. "of a consumer, who must be known; default: that it admits is enough" },
    cache = { type = "duration", default = 0,
      help = "for which it counts that a request was let through; 0: ask each time" },
    cache_by = { type = "list", items = { type = "any" }, default = {},
      help = "who asks, with `cache`: { \"header:authorization\" }; without any of these a request "
        .. "is asked about each time" },
    unavailable = { type = "string", values = { "deny", "allow" }, default = "deny",
      help = "when the service does not decide: 503, or let requests on" },
  }),
}

local undecided = moongate.metrics.counter("moongate_forward_auth_undecided_total",
  "Requests that went on though the service did not decide.")

function forward_auth.check(options)
  local wrong = options.consumer_from and headers.fault(options.consumer_from)
  if wrong then return "consumer_from: " .. wrong end
  return service.fault(options) or decisions.fault(options) or auth.fault(options)
end

local function lower(list)
  local names, is_among = {}, {}
  for _, name in ipairs(list) do
    name = name:lower()
    if not is_among[name] then names[#names + 1] = name end
    is_among[name] = true
  end
  return names, is_among
end

-- The fields of the service's answer that are needed when it lets a request through.
local function used_of(self)
  local used = {}
  for name in pairs(self.for_upstream) do used[name] = true end
  for name in pairs(self.for_response) do used[name] = true end
  if self.consumer_from then used[self.consumer_from] = true end
  return used
end

function forward_auth.new(options)
  local self = { callers = {}, parts = {} }
  self.wanted = lower(options.request_headers)
  self.own_headers, self.for_upstream = lower(options.upstream_headers)
  self.for_response = select(2, lower(options.response_headers))
  self.for_client = select(2, lower(options.client_headers))
  self.consumer_from = options.consumer_from and options.consumer_from:lower() or false
  for i, text in ipairs(options.cache_by) do self.callers[i] = by.parse(text) end
  self.used = used_of(self)
  self.service_name = service.name(options.url)
  self.has_response = next(self.for_response) ~= nil
  self.fingerprint = decisions.fingerprint(options)
  self.down = reply.with_headers(auth.refused(503, "authorization-unavailable",
    "It cannot be decided at the moment whether the request may pass.", nil),
    { ["retry-after"] = math.ceil(options.timeout) })
  self.unknown = auth.refused(403, "unknown-consumer", "The caller is nobody's here.", nil)
  return self
end

function forward_auth.phases(instance)
  return { request = true, response = instance.has_response }
end

-- Takes what clients must not say of themselves off the request.
local function strip(self, req)
  local fields, names = req.headers, self.own_headers
  for i = 1, #names do fields:remove_alike(names[i]) end
end

-- Once for each name, so that several of one name stay several.
local function set_fields(message, fields, wanted)
  local seen = {}
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if wanted[name] then
      if seen[name] or name == "set-cookie" then
        message.headers:add(name, value)
      else
        message.headers[name] = value
      end
      seen[name] = true
    end
  end
end

local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
  return nil
end

-- The service lets the request through.
local function admit(self, req, fields)
  local consumer
  if self.consumer_from then
    local name = value_of(fields, self.consumer_from)
    consumer = name and consumers.by_name(name)
    if not consumer then return self.unknown end
  end
  auth.admit(self, req, consumer)
  if #fields == 0 then return nil end
  set_fields(req, fields, self.for_upstream)
  if self.has_response then req.context[self] = fields end
  return nil
end

-- The fields of a refusal that the client gets.
local function fields_for_client(self, answer)
  local by_name, fields = {}, service.chosen(answer, self.for_client)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if answer.body ~= "" or name ~= "content-type" then
      by_name[name] = by_name[name] or {}
      table.insert(by_name[name], value)
    end
  end
  if answer.status == 401 and not by_name["www-authenticate"] and self.challenge ~= "" then
    by_name["www-authenticate"] = { self.challenge }
  end
  return by_name
end

-- What the service says to a request that it does not let through, for the client.
local function refusal(self, req, answer, has_credentials)
  local by_name = fields_for_client(self, answer)
  local said
  if answer.body == "" and answer.status >= 400 then
    said = reply.problem(answer.status, "refused", "The request was refused.", by_name)
  else
    said = reply.new(answer.status, answer.body, by_name)
  end
  said.is_attempt, said.is_missing = has_credentials, not has_credentials
  if has_credentials then return said end
  return auth.without(self, req, said)
end

local function act(self, req, answer, has_credentials)
  if not answer then
    if self.unavailable == "deny" then return self.down end
    undecided:add()
    return auth.admit(self, req, nil)
  end
  if answer.status >= 300 then return refusal(self, req, answer, has_credentials) end
  return admit(self, req, service.chosen(answer, self.used))
end

-- As is known here or by other workers, or by a question.
local function ask_cached(self, req, parts, count, has_credentials)
  local text = decisions.key(self, req, parts, count)
  if not text then
    return act(self, req, service.ask(self, service.question(self, parts)), has_credentials)
  end
  local found = known.find(text, self)
  if not found or time.now() >= found.ends then
    local answer
    found, answer = decisions.find(self, text, service.question(self, parts))
    if not found then return act(self, req, answer, has_credentials) end
    known.keep(text, self, found)
  end
  return admit(self, req, found.fields)
end

---@param req Request
---@return Reply?  ends the request when present
function forward_auth:request(req)
  strip(self, req)
  -- Nothing is read of it once somebody else may have come.
  local parts = self.parts
  local count, has_credentials = service.tell(self, req, parts)
  if self.cache > 0 then return ask_cached(self, req, parts, count, has_credentials) end
  local told = parts
  local body
  if self.body > 0 then
    told = { unpack(parts, 1, count) }
    body = req:body(self.body)
  end
  return act(self, req, service.ask(self, service.question(self, told, body)), has_credentials)
end

---@param req Request
---@param res Response
function forward_auth:response(req, res)
  local fields = req.context[self]
  if fields then set_fields(res, fields, self.for_response) end
end

return forward_auth
