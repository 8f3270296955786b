--- response: what a plugin sees of the answer that goes to the client.

local bridge = require "moongate.ffi"
local headers = require "moongate.headers"
local json = require "moongate.json"
local parts = require "moongate.parts"
local wait = require "moongate.core.body"

local setmetatable, headers_of = setmetatable, headers.of
local C, found, text = bridge.C, bridge.found, bridge.text

---@class Response
---@field status integer         assign to change it (200 to 599)
---@field reason string          assign to change it
---@field headers Headers
---@field content_length integer? of the body, when it is known
---@field from_gateway boolean   it was made here (a reply, an error), not by an upstream
---@field cache ResponseCache?   what the cache did with the request; nil: it had no part in it
local Response = {}

---@class ResponseCache
---@field outcome "hit"|"stale"|"miss"|"revalidated"|"expired"|"bypass"
---@field reason string?   why the upstream was asked, as in Cache-Status (RFC 9211): "uri-miss",
---  "vary-miss", "stale", "request", "method", "bypass", ...; nil: it was not
---@field detail string?   why its answer was not stored: "private", "no-store", "set-cookie", ...
---@field stored boolean   the answer that came was stored
---@field collapsed boolean  it waited for another request's answer
---@field age integer?     seconds
---@field ttl integer?     seconds that the answer stays fresh; negative: it is stale

local getters, setters, meta = {}, {}, {}

local HANDLE, SERIAL, STATE = parts.HANDLE, parts.SERIAL, parts.STATE
local BODY = parts.RESPONSE_BODY

local function alive(self)
  local handle = self[HANDLE]
  if handle.serial ~= self[SERIAL] then error("this request has already been answered", 3) end
  return handle
end

function getters.status(self)
  return (C.moon_number(alive(self), C.MOON_NUMBER_STATUS))
end

function getters.reason(self)
  if C.moon_text(alive(self), C.MOON_TEXT_REASON, found) then return (text()) end
  return ""
end

function getters.headers(self)
  return headers_of(alive(self), self[SERIAL], 1)
end

function getters.content_length(self)
  local length = C.moon_number(alive(self), C.MOON_NUMBER_RESPONSE_LENGTH)
  if length >= 0 then return length end
  return nil
end

function getters.from_gateway(self)
  return C.moon_number(alive(self), C.MOON_NUMBER_IS_GATEWAY_MADE) == 1
end

local seen = bridge.new "struct moon_cache_seen"

local function text_of(slice)
  if slice.start == nil then return nil end
  return bridge.string(slice.start, slice.length)
end

function getters.cache(self)
  if not C.moon_cache_seen(alive(self), seen) then return nil end
  return {
    outcome = text_of(seen.outcome), reason = text_of(seen.reason), detail = text_of(seen.detail),
    stored = seen.is_stored, collapsed = seen.is_collapsed,
    age = seen.has_ttl and seen.age or nil, ttl = seen.has_ttl and seen.ttl or nil,
  }
end

function setters.status(self, status)
  if not C.moon_set_status(alive(self), status, nil, 0) then
    error(("%s is not the status of a final answer"):format(tostring(status)), 3)
  end
end

function setters.reason(self, reason)
  local handle = alive(self)
  local status = C.moon_number(handle, C.MOON_NUMBER_STATUS)
  if not C.moon_set_status(handle, status, reason, #reason) then
    error(("%q is not a reason phrase"):format(reason), 3)
  end
end

--- Waits for the whole body; in the response phase only. With a body larger than the limit the
--- client gets a 502.
---@param limit integer? bytes; nil: the route's own limit
---@return string body
function Response:body(limit)
  local handle, state = alive(self), self[STATE]
  if state[BODY] then return state[BODY] end
  local body = wait.response(handle.slot, self[SERIAL], limit or -1)
  C.moon_state_holds(handle, BODY)
  state[BODY] = body
  return body
end

--- Waits for the whole body and decodes it; in the response phase only.
---@param limit integer?
---@return any value       nil when it is not JSON
---@return string? reason  what is wrong with it
function Response:json(limit)
  return json.decode(self:body(limit))
end

function meta.__index(self, name)
  local getter = getters[name]
  if getter then return (getter(self)) end
  local method = Response[name]
  if method then return method end
  error(("a response has no %q"):format(tostring(name)), 2)
end

function meta.__newindex(self, name, value)
  local setter = setters[name]
  if setter then return setter(self, value) end
  error(("%q of a response cannot be set"):format(tostring(name)), 2)
end

local response = {}

--- For the dispatcher: the response of the exchange that `handle` points to now.
---@param handle ffi.cdata*
---@param state table  of that exchange
---@return Response
function response.of(handle, state)
  return (setmetatable({ handle, handle.serial, state }, meta)) -- no tail call: as in headers.lua
end

return response
