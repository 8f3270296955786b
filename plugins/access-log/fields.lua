--- fields: what an access log can say of a request, by the names that formats use.
--
-- Each is a function of the request and its response (nil when there was none), giving a text, a
-- number, true, or nil. None of them makes an object that is not there already.

local bridge = require "moongate.ffi"

local C, found, text = bridge.C, bridge.found, bridge.text

local fields = {}

local function text_of(which)
  return function(req)
    if C.moon_text(req.handle, which, found) then return text() end
    return nil
  end
end

local function number_of(which)
  return function(req)
    local number = C.moon_number(req.handle, which)
    if number >= 0 then return number end
    return nil
  end
end

local function flag_of(which)
  return function(req) return C.moon_number(req.handle, which) == 1 or nil end
end

--- The field of that name of the request (`of` 0) or the response (1).
local function header_of(of, name)
  local id = C.moon_field_id(name, #name)
  return function(req)
    if C.moon_header_get(req.handle, of, id, name, #name, found) then return text() end
    return nil
  end
end

local attempts = number_of(C.MOON_NUMBER_ATTEMPTS)

-- Of the last attempt, where there was one.
local function of_attempt(get)
  return function(req)
    if (attempts(req) or 0) > 0 then return get(req) end
    return nil
  end
end

local function has_request(req) return C.moon_number(req.handle, C.MOON_NUMBER_HAS_REQUEST) == 1 end

-- When the head was complete; of what could not be read, now.
local function started(req)
  local seconds = C.moon_number(req.handle, C.MOON_NUMBER_STARTED)
  return seconds > 0 and seconds or C.moon_now(bridge.generation)
end

-- What a time looks like changes once a second.
local function clock(format)
  local second, shown
  return function(seconds)
    local whole = math.floor(seconds)
    if whole ~= second then second, shown = whole, os.date(format, whole) end
    return shown
  end
end

local iso_clock, common_clock = clock "!%Y-%m-%dT%H:%M:%S", clock "!%d/%b/%Y:%H:%M:%S +0000"

function fields.time(req)
  local seconds = started(req)
  return ("%s.%03dZ"):format(iso_clock(seconds), (seconds % 1) * 1000)
end

function fields.time_common(req) return common_clock(started(req)) end

fields.id = text_of(C.MOON_TEXT_ID)
fields.trace_id = text_of(C.MOON_TEXT_TRACE_ID)
fields.route = text_of(C.MOON_TEXT_ROUTE)
fields.listener = text_of(C.MOON_TEXT_LISTENER)
fields.address = text_of(C.MOON_TEXT_ADDRESS)
fields.peer = text_of(C.MOON_TEXT_PEER)
fields.method = text_of(C.MOON_TEXT_METHOD)
fields.scheme = text_of(C.MOON_TEXT_SCHEME)
fields.host = text_of(C.MOON_TEXT_HOST)
fields.path = text_of(C.MOON_TEXT_PATH)
fields.target = text_of(C.MOON_TEXT_TARGET)
fields.bytes = number_of(C.MOON_NUMBER_BYTES_OUT)
fields.bytes_in = number_of(C.MOON_NUMBER_BYTES_IN)
fields.duration = number_of(C.MOON_NUMBER_DURATION)
fields.response_after = number_of(C.MOON_NUMBER_RESPONDED_AFTER)
fields.upstream = text_of(C.MOON_TEXT_UPSTREAM)
fields.upstream_target = of_attempt(text_of(C.MOON_TEXT_TARGET_ADDRESS))
fields.upstream_attempts = of_attempt(attempts)
fields.upstream_connect = of_attempt(number_of(C.MOON_NUMBER_CONNECT_SECONDS))
fields.upstream_response = of_attempt(number_of(C.MOON_NUMBER_RESPONSE_SECONDS))
fields.upstream_reused = of_attempt(flag_of(C.MOON_NUMBER_IS_REUSED))
fields.upstream_hedges = of_attempt(function(req)
  local hedges = C.moon_number(req.handle, C.MOON_NUMBER_HEDGES)
  return hedges > 0 and hedges or nil
end)
fields.upstream_hedge_won = of_attempt(flag_of(C.MOON_NUMBER_IS_HEDGE))
fields.upstream_overtaken = of_attempt(text_of(C.MOON_TEXT_OVERTAKEN))
fields.upstream_queue = number_of(C.MOON_NUMBER_QUEUE_SECONDS)
fields.upstream_fault = of_attempt(text_of(C.MOON_TEXT_TARGET_FAULT))
fields.fault = text_of(C.MOON_TEXT_FAULT)
fields.aborted = flag_of(C.MOON_NUMBER_IS_ABORTED)
fields.user_agent = header_of(0, "user-agent")
fields.referer = header_of(0, "referer")

local seen = bridge.new "struct moon_cache_seen"

local function cache_text(name)
  return function(req)
    if not C.moon_cache_seen(req.handle, seen) or seen[name].start == nil then return nil end
    return bridge.string(seen[name].start, seen[name].length)
  end
end

local function cache_seconds(name)
  return function(req)
    if C.moon_cache_seen(req.handle, seen) and seen.has_ttl then return seen[name] end
    return nil
  end
end

fields.cache = cache_text "outcome"
fields.cache_reason = cache_text "reason"
fields.cache_detail = cache_text "detail"
fields.cache_age = cache_seconds "age"
fields.cache_ttl = cache_seconds "ttl"

function fields.cache_collapsed(req)
  return C.moon_cache_seen(req.handle, seen) and seen.is_collapsed or nil
end

-- The client's own, whatever policies made of it.
function fields.query(req)
  local target = fields.target(req)
  -- Plain: searches for patterns are not compiled.
  local mark = target and target:find("?", 1, true)
  if not mark then return nil end
  return target:sub(mark + 1)
end

function fields.status(_, res) return res and res.status end

function fields.consumer(req) return req.consumer_name end

function fields.version(req)
  if not has_request(req) then return nil end
  return "HTTP/" .. req.version
end

local PREFIXES = { header = 0, response_header = 1 }

--- The function for a name: one of the fields above, "header:NAME" or "response_header:NAME".
---@param name string
---@return (fun(req: Request, res: Response?): string|number|true|nil)?
function fields.by_name(name)
  local prefix, rest = name:match "^([%l_]+):(.+)$"
  if prefix then return PREFIXES[prefix] and header_of(PREFIXES[prefix], rest:lower()) end
  return name ~= "by_name" and fields[name] or nil
end

return fields
