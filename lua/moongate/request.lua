--- request: what a plugin sees of the message the client sent, and of how it fared.
--
-- A small table around a pointer into C memory: texts become Lua strings only when they are asked
-- for. Each phase has one of its own, so that compiled code never makes it (parts.lua). It stops
-- working when its exchange ends: use after that raises an error and never reads what is there by
-- then.

local attempt = require "moongate.attempt"
local bridge = require "moongate.ffi"
local consumers = require "moongate.consumers"
local headers = require "moongate.headers"
local json = require "moongate.json"
local lookup = require "moongate.lookup"
local parts = require "moongate.parts"
local tls = require "moongate.tls"
local wait = require "moongate.core.body"

-- Locals: compiled code has functions of this file's own for constants, globals it looks up.
local setmetatable, type, headers_of = setmetatable, type, headers.of
local C, found, text = bridge.C, bridge.found, bridge.text

---@class Request
---@field method string        "GET"
---@field path string          normalised, still escaped; assign to send another path upstream
---@field query Lookup         req.query.page: the first value, decoded; assign to change it
---@field query_string string? raw, without "?"; assign (nil: none) to change what goes upstream
---@field target string        the request target as the client sent it
---@field host string          of the Host field or the target: lower case, no port
---@field authority string     host[:port] as sent
---@field scheme "http"|"https"
---@field version "1.0"|"1.1"|"2"
---@field address string       the client's address, after the trusted-proxy list was applied
---@field peer string          the address of who is connected to us
---@field listener string      the listener it came in on, as configured
---@field upgrade string?     "websocket": what the client would change to; not in `headers`
---@field headers Headers
---@field cookies Lookup
---@field params Lookup        what {name} in the route's path matched, decoded
---@field id string            the request id; assign another (printable ASCII, at most 128 bytes)
---@field trace_id string?     of a valid traceparent field
---@field route string?        the route's name; nil when none matched
---@field upstream string?     name of the upstream it goes to; assign to send it to another one
---@field outbound_path string  as it goes upstream as things stand, the route's rewrite included
---@field outbound_host string  of the Host field that goes upstream
---@field consumer Consumer?   who it is, once a plugin has found out; assign it
---@field consumer_name string?  the same as req.consumer.name, faster
---@field claims table?        of its token, verified by a plugin: `req.context.claims`; assign them
---@field session Session?      of the plugin session, when it stands before
---@field context table        for plugins to leave things for each other; gone with the request
---@field tls Tls?             facts about the client's TLS connection; nil without TLS
---@field content_length integer? of the body, when the client said it
---@field target_bytes integer of the target
---@field header_bytes integer of all header fields, as lines
---@field header_count integer
---@field fault string?        why the gateway could not do it: "upstream-timeout"
---@field time_left number?   seconds, where the route goes by a deadline that was given
---@field started number       seconds since the epoch when its head was complete
---@field timing RequestTiming       for the log phase
---@field attempt RequestAttempt?    the last upstream attempt; nil when there was none
---@field bytes_in integer     of the request's body, so far
---@field bytes_out integer    of the response's body, so far
---@field aborted boolean      the response was cut off
local Request = {}

---@class RequestTiming
---@field total number         seconds from the request's head to the last byte (or until now)
---@field response number?     seconds to the response's head

local getters, setters, meta, NONE = {}, {}, {}, {}
local HANDLE, SERIAL, STATE = parts.HANDLE, parts.SERIAL, parts.STATE
local BODY, CONTEXT, CONSUMER = parts.BODY, parts.CONTEXT, parts.CONSUMER
local CLAIMS = parts.CLAIMS

local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT" }
local VERSIONS = { [0] = "1.0", [1] = "1.1" }

local function alive(self)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 3) end
  return handle
end

-- What the exchange's state holds; with its serial compared, since the state outlives it.
local function state_of(self)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 3) end
  return self[STATE]
end

-- Keeps something that may be large until the exchange ends.
local function hold(self, part, value)
  C.moon_state_holds(self[HANDLE], part)
  self[STATE][part] = value
end

-- A getter of one text. Made at load time.
local function text_of(which)
  return function(self)
    if C.moon_text(alive(self), which, found) then return (text()) end
    return nil
  end
end

local function flag_of(which)
  return function(self) return C.moon_number(alive(self), which) == 1 end
end

local function number_of(which)
  return function(self)
    local number = C.moon_number(alive(self), which)
    if number >= 0 then return number end
    return nil
  end
end

getters.path = text_of(C.MOON_TEXT_FORWARD_PATH)
getters.query_string = text_of(C.MOON_TEXT_QUERY)
getters.target = text_of(C.MOON_TEXT_TARGET)
getters.host = text_of(C.MOON_TEXT_HOST)
getters.authority = text_of(C.MOON_TEXT_AUTHORITY)
getters.scheme = text_of(C.MOON_TEXT_SCHEME)
getters.address = text_of(C.MOON_TEXT_ADDRESS)
getters.peer = text_of(C.MOON_TEXT_PEER)
getters.upgrade = text_of(C.MOON_TEXT_UPGRADE)
getters.listener = text_of(C.MOON_TEXT_LISTENER)
getters.id = text_of(C.MOON_TEXT_ID)
getters.trace_id = text_of(C.MOON_TEXT_TRACE_ID)
getters.route = text_of(C.MOON_TEXT_ROUTE)
getters.upstream = text_of(C.MOON_TEXT_UPSTREAM)
getters.outbound_path = text_of(C.MOON_TEXT_OUTBOUND_PATH)
getters.outbound_host = text_of(C.MOON_TEXT_OUTBOUND_HOST)
getters.fault = text_of(C.MOON_TEXT_FAULT)
getters.content_length = number_of(C.MOON_NUMBER_CONTENT_LENGTH)
getters.target_bytes = number_of(C.MOON_NUMBER_TARGET_BYTES)
getters.header_bytes = number_of(C.MOON_NUMBER_HEADER_BYTES)
getters.header_count = number_of(C.MOON_NUMBER_HEADER_COUNT)
getters.time_left = number_of(C.MOON_NUMBER_TIME_LEFT)
getters.started = number_of(C.MOON_NUMBER_STARTED)
getters.bytes_in = number_of(C.MOON_NUMBER_BYTES_IN)
getters.bytes_out = number_of(C.MOON_NUMBER_BYTES_OUT)
getters.aborted = flag_of(C.MOON_NUMBER_IS_ABORTED)

local responded_after = number_of(C.MOON_NUMBER_RESPONDED_AFTER)
local other_method = text_of(C.MOON_TEXT_METHOD)

function getters.handle(self) return self[HANDLE] end -- for modules that call C themselves

function getters.method(self)
  return METHODS[C.moon_number(alive(self), C.MOON_NUMBER_METHOD)] or other_method(self)
end

function getters.version(self)
  return VERSIONS[C.moon_number(alive(self), C.MOON_NUMBER_MINOR_VERSION)] or "1.1"
end

function getters.headers(self) return headers_of(alive(self), self[SERIAL], 0) end

function getters.query(self) return lookup.query(alive(self), self[SERIAL]) end

function getters.cookies(self) return lookup.cookies(alive(self), self[SERIAL]) end

function getters.params(self) return lookup.params(alive(self), self[SERIAL]) end

function getters.tls(self) return tls.of(alive(self), self[SERIAL]) end

function getters.consumer(self) return (consumers.in_state(state_of(self))) end
function getters.consumer_name(self) return (consumers.name_in_state(state_of(self))) end

function getters.claims(self)
  local state = state_of(self)
  local context = state[CONTEXT]
  if context then return context.claims end
  return state[CLAIMS] or nil
end

function getters.session(self) return (state_of(self)[CONTEXT] or NONE).session end

function getters.context(self)
  local context = state_of(self)[CONTEXT]
  if not context then
    context = { claims = self[STATE][CLAIMS] or nil }
    hold(self, CONTEXT, context)
  end
  return context
end

function getters.timing(self)
  return { total = C.moon_number(alive(self), C.MOON_NUMBER_DURATION),
    response = responded_after(self) }
end

function getters.attempt(self) return attempt.of(alive(self)) end

function setters.path(self, path)
  if not C.moon_set_path(alive(self), path, #path) then
    error(("%q is not a path"):format(path), 3)
  end
end

function setters.query_string(self, query)
  if not C.moon_set_query(alive(self), query, query and #query or 0) then
    error(("%q is not a query"):format(query), 3)
  end
end

function setters.id(self, id)
  if not C.moon_set_id(alive(self), id, #id) then
    error(("%q is not a request id: printable ASCII, at most 128 bytes"):format(id), 3)
  end
end

function setters.upstream(self, name)
  if not C.moon_set_upstream(alive(self), name, #name) then
    error(("there is no upstream %q"):format(name), 3)
  end
end

-- Most requests need no context for it.
function setters.claims(self, claims)
  local context = state_of(self)[CONTEXT]
  if context then
    context.claims = claims
  else
    hold(self, CLAIMS, claims or false)
  end
end

function setters.consumer(self, consumer)
  local handle = alive(self)
  self[STATE][CONSUMER] = consumer or false
  if type(consumer) == "number" then
    C.moon_set_consumer_number(handle, consumer)
  else
    local name = consumer and consumer.name
    C.moon_set_consumer(handle, name, name and #name or 0)
  end
end

--- Waits for the whole body. With a body larger than the limit the request is refused (413).
---@param limit integer? bytes; nil: the route's own limit
---@return string body  empty when there is none
function Request:body(limit)
  local body = state_of(self)[BODY]
  if body then return body end
  body = wait.request(self[HANDLE].slot, self[SERIAL], limit or -1)
  hold(self, BODY, body)
  return body
end

--- Waits for the whole body and decodes it.
---@param limit integer? bytes; nil: the route's own limit
---@return any value     nil when it is not JSON
---@return string? reason  what is wrong with it
function Request:json(limit)
  return json.decode(self:body(limit))
end

--- Lowers the limit of the body: a larger one is refused (413), or cut off on its way.
---@param bytes integer
---@return boolean  false: it is known to be larger
function Request:limit_body(bytes)
  -- A tail call of a function that gives a truth is never compiled.
  return (C.moon_limit_body(alive(self), bytes))
end

--- Sends this upstream instead of the client's body.
---@param body string
function Request:set_body(body)
  if not C.moon_set_body(alive(self), body, #body) then
    error("the request is already on its way", 2)
  end
  hold(self, BODY, body)
end

function meta.__index(self, name)
  local getter = getters[name]
  if getter then return (getter(self)) end
  local method = Request[name]
  if method then return method end
  error(("a request has no %q (things of your own go into req.context)"):format(tostring(name)), 2)
end

function meta.__newindex(self, name, value)
  local setter = setters[name]
  if setter then return setter(self, value) end
  error(("%q of a request cannot be set (things of your own go into req.context)"):format(
    tostring(name)), 2)
end

local request = {}

--- For the dispatcher: a request for the exchange that `handle` points to now.
---@param handle ffi.cdata*
---@param state table  of that exchange
---@return Request
function request.of(handle, state)
  return (setmetatable({ handle, handle.serial, state }, meta)) -- no tail call: as in headers.lua
end

return request
