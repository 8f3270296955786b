--- h1: reads whole HTTP/1 messages through the C modules, in as many pieces as asked for.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("http/h1_head.h", "http/h1_body.h", "http/h1_scanner.h")

local h1 = {}

local HEAD_LIMITS = ffi.new("struct h1_scanner_limits",
  { head_bytes_max = 32768, target_bytes_max = 8192 })
local BODY_LIMITS = ffi.new("struct h1_body_limits",
  { extension_bytes_max = 4096, trailer_bytes_max = 8192 })

local METHODS = { GET = "METHOD_GET", HEAD = "METHOD_HEAD", CONNECT = "METHOD_CONNECT" }

--- The name of a fault without its prefix: "REQUEST_MALFORMED", "NONE".
---@param fault ffi.cdata*|integer
---@return string
function h1.fault_name(fault)
  for _, name in ipairs {
    "NONE", "REQUEST_MALFORMED", "REQUEST_TARGET_TOO_LONG", "EXPECTATION_FAILED",
    "REQUEST_HEAD_TOO_LARGE", "METHOD_UNKNOWN", "CODING_UNKNOWN", "VERSION_UNSUPPORTED",
    "UPSTREAM_MALFORMED", "UPSTREAM_CODING", "UPSTREAM_HEAD_TOO_LARGE", "UPSTREAM_UPGRADE",
    "UPSTREAM_INCOMPLETE", "CLIENT_GONE",
  } do
    if C["FAULT_" .. name] == tonumber(fault) then return name end
  end
  error("a fault without a name here: " .. tonumber(fault))
end

---@class H1Reading
---@field fault string "NONE" when all was read
---@field status integer of the fault
---@field offset integer where the fault lies in its part: the head, or the body
---@field part "head"|"body"
---@field is_complete boolean
---@field head integer bytes of the head
---@field message ffi.cdata* struct request or struct response; valid as long as the reading
---@field terms ffi.cdata*
---@field data string of the body
---@field trailers string[] "name: value"
---@field rest string after the message

local function refused(reading, fault, offset, part)
  reading.fault = h1.fault_name(fault)
  reading.status = C.fault_status(fault)
  reading.offset = tonumber(offset)
  reading.part = part
  return reading
end

-- Of the last scan: what it noted on its way, when the head came in one piece.
local lines = ffi.new "struct h1_lines"

--- The end of the head in `bytes`, given to the scanner up to each of `cuts` and then whole.
---@param bytes string
---@param is_response? boolean
---@param cuts integer[]
---@param limits? ffi.cdata* struct h1_scanner_limits
---@return integer|nil length nil when refused or not complete
---@return ffi.cdata* scanner
function h1.scan(bytes, is_response, cuts, limits)
  local scanner = ffi.new "struct h1_scanner"
  C.h1_scanner_init(scanner, is_response or false, limits or HEAD_LIMITS)
  local verdict = C.H1_SCAN_MORE
  for i = 1, #cuts + 1 do
    local piece = bytes:sub(1, cuts[i] or #bytes)
    if verdict == C.H1_SCAN_MORE then
      verdict = C.h1_scanner_scan_lines(scanner, runtime.slice(piece), lines)
    end
  end
  return verdict == C.H1_SCAN_DONE and tonumber(scanner.offset) or nil, scanner
end

--- All fields of a table as "name: value".
---@param headers ffi.cdata*
---@return string[]
function h1.fields(headers)
  local fields, at = {}, ffi.new "uint32_t[1]"
  while true do
    local header = C.headers_next(headers, at)
    if header == nil then return fields end
    fields[#fields + 1] = runtime.text(header.name) .. ": " .. runtime.text(header.value)
  end
end

-- One piece of the body; what is left of it, or nil after a fault.
local function read_piece(reading, body, piece)
  local input = ffi.new("struct slice[1]", { runtime.slice(piece) })
  local data = ffi.new "struct slice[1]"
  while input[0].length > 0 and not body.is_complete do
    local fault = C.h1_body_read(body, input, data)
    if fault ~= C.FAULT_NONE then
      refused(reading, fault, body.offset, "body")
      return nil
    end
    reading.data = reading.data .. runtime.text(data[0])
  end
  return runtime.text(input[0])
end

local function read_body(reading, body, bytes, cuts)
  local from = 1
  for i = 1, #cuts + 1 do
    local to = math.max(from - 1, cuts[i] or #bytes)
    local rest = read_piece(reading, body, bytes:sub(from, to))
    if not rest then return end
    from = to + 1 - #rest
    if body.is_complete then break end
  end
  reading.rest = bytes:sub(from)
end

local function finish(reading, body)
  local fault = C.h1_body_end(body)
  if reading.fault == "NONE" and fault ~= C.FAULT_NONE then
    refused(reading, fault, body.offset, "body")
  end
  if reading.fault ~= "NONE" then return end
  local trailers = ffi.new "struct headers"
  assert(C.h1_body_trailers(body, reading.arena, trailers) == C.FAULT_NONE)
  reading.trailers = h1.fields(trailers)
  reading.is_complete = true
end

local function follow(reading, bytes, is_response, cuts)
  local message, terms = reading.message, reading.terms
  local body = ffi.new "struct h1_body"
  local framing = ffi.new("struct h1_body_framing",
    { message.body, message.content_length, terms.is_chunked })
  C.h1_body_init(body, is_response, framing, BODY_LIMITS)
  local body_cuts = {}
  for _, cut in ipairs(cuts) do
    if cut > reading.head then body_cuts[#body_cuts + 1] = cut - reading.head end
  end
  read_body(reading, body, bytes:sub(reading.head + 1), body_cuts)
  finish(reading, body)
  C.h1_body_clear(body)
  return reading
end

local function read(bytes, is_response, cuts, parse)
  local reading = { fault = "NONE", data = "", rest = "", trailers = {}, terms =
    ffi.new "struct h1_connection_terms" }
  local head, scanner = h1.scan(bytes, is_response, cuts)
  if not head then return refused(reading, scanner.fault, scanner.fault_offset, "head") end
  reading.head = head
  reading.bytes = bytes:sub(1, head)
  reading.arena = ffi.gc(runtime.new_arena(), C.arena_clear)
  local fault = parse(reading, runtime.slice(reading.bytes))
  if fault ~= C.FAULT_NONE then
    return refused(reading, fault, reading.terms.fault_offset, "head")
  end
  return follow(reading, bytes, is_response, cuts)
end

-- One for all: what one head has left there must not show in another.
local opinions = ffi.gc(C.h1_opinions_create(), function(pointer)
  C.h1_opinions_destroy(ffi.new("struct h1_opinions *[1]", pointer))
end)

--- Reads one request and its body; what comes after it stays in `rest`.
---@param bytes string
---@param cuts? integer[] offsets at which the bytes are torn, in order
---@param is_tls? boolean
---@return H1Reading
function h1.read_request(bytes, cuts, is_tls)
  return read(bytes, false, cuts or {}, function(reading, head)
    reading.message = ffi.new "struct request"
    local reader = ffi.new("struct h1_head_reader", reading.arena, opinions, is_tls or false,
      lines)
    return C.h1_head_parse_request(head, reader, reading.message, reading.terms)
  end)
end

--- The same of a response, after which the connection ends.
---@param bytes string
---@param cuts? integer[]
---@param method? string of the request: "GET" when not given
---@return H1Reading
function h1.read_response(bytes, cuts, method)
  return read(bytes, true, cuts or {}, function(reading, head)
    reading.message = ffi.new "struct response"
    local reader = ffi.new("struct h1_head_reader", reading.arena, opinions, false, lines)
    return C.h1_head_parse_response(head, C[METHODS[method or "GET"]], reader, reading.message,
      reading.terms)
  end)
end

return h1
