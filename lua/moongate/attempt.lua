--- attempt: what a plugin sees of a request's way upstream.

local bridge = require "moongate.ffi"

local C, found, text = bridge.C, bridge.found, bridge.text

---@class RequestAttempt
---@field target string        "host:port"
---@field attempts integer
---@field connect number       seconds; 0 over a pooled connection
---@field response number?     seconds to the response's head; nil without one
---@field reused boolean
---@field hedges integer       of the attempts: begun while another one took long
---@field hedge boolean        `target` is that of one of these
---@field overtaken string?    "host:port" of an attempt that another one was faster than
---@field queue number?        seconds for which the request waited for a place; nil: it did not
---@field fault string?        "upstream-refused"
---@field detail string?       for the log, never for a client

local attempt = {}

local function text_of(handle, which)
  if C.moon_text(handle, which, found) then return (text()) end
  return nil
end

local function number_of(handle, which)
  local number = C.moon_number(handle, which)
  return number >= 0 and number or nil
end

--- The last attempt of a request, or the one that answered; nil when there was none.
---@param handle ffi.cdata*  of a request that is alive
---@return RequestAttempt?
function attempt.of(handle)
  local attempts = C.moon_number(handle, C.MOON_NUMBER_ATTEMPTS)
  if attempts <= 0 then return nil end
  return {
    target = text_of(handle, C.MOON_TEXT_TARGET_ADDRESS),
    attempts = attempts,
    connect = C.moon_number(handle, C.MOON_NUMBER_CONNECT_SECONDS),
    response = number_of(handle, C.MOON_NUMBER_RESPONSE_SECONDS),
    reused = C.moon_number(handle, C.MOON_NUMBER_IS_REUSED) == 1,
    hedges = C.moon_number(handle, C.MOON_NUMBER_HEDGES),
    hedge = C.moon_number(handle, C.MOON_NUMBER_IS_HEDGE) == 1,
    overtaken = text_of(handle, C.MOON_TEXT_OVERTAKEN),
    queue = number_of(handle, C.MOON_NUMBER_QUEUE_SECONDS),
    fault = text_of(handle, C.MOON_TEXT_TARGET_FAULT),
    detail = text_of(handle, C.MOON_TEXT_TARGET_DETAIL),
  }
end

return attempt
