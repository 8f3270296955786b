--- message: reads and writes HTTP/1 messages the way a careful peer would.
--
-- Independent of the code under test, and strict: what is not well formed raises.

local message = {}

---@class Message
---@field start string the first line
---@field head string the raw head, with the empty line
---@field lines { [1]: string, [2]: string }[] fields in order, names as sent
---@field headers table<string, string|string[]> by lower-case name; a list when repeated
---@field body string
---@field trailers table<string, string|string[]>

local function add(map, name, value)
  name = name:lower()
  local present = map[name]
  if type(present) == "table" then
    present[#present + 1] = value
  else
    map[name] = present and { present, value } or value
  end
end

local function parse_fields(text)
  local lines, map = {}, {}
  for line in text:gmatch "([^\r\n]+)\r\n" do
    local name, value = line:match "^([^%s:]+):[ \t]*(.*)$"
    assert(name, "not a header field: " .. line)
    -- A pattern for the end would be tried at every blank there is.
    local last = #value
    while last > 0 and value:find("^[ \t]", last) do last = last - 1 end
    value = value:sub(1, last)
    lines[#lines + 1] = { name, value }
    add(map, name, value)
  end
  return lines, map
end

--- Reads one head.
---@param stream Socket
---@return Message|nil nil when the stream ended before the first byte
---@return string|nil why
function message.read_head(stream)
  local head, why, partial = stream:receive_until "\r\n\r\n"
  if not head then
    if partial == "" then return nil, why end
    error(("the head ended early (%s): %q"):format(why, partial), 2)
  end
  local start, rest = head:match "^([^\r\n]*)\r\n(.*)$"
  local lines, headers = parse_fields(rest:sub(1, -3))
  return { start = start, head = head, lines = lines, headers = headers, body = "", trailers = {} }
end

local function read_trailers(stream, target)
  local text = {}
  while true do
    local line = assert(stream:receive_until "\r\n")
    if line == "\r\n" then break end
    text[#text + 1] = line
  end
  target.trailer_lines, target.trailers = parse_fields(table.concat(text))
end

local function read_chunks(stream, target, consume)
  target.chunks = {}
  while true do
    local line, why, partial = stream:receive_until "\r\n"
    if not line then error(("chunk line ended early (%s): %q"):format(why, partial), 0) end
    local size = tonumber(assert(line:match "^%x+", "not a chunk line: " .. line), 16)
    if size == 0 then break end
    target.chunks[#target.chunks + 1] = size
    consume(size)
    assert(stream:receive(2) == "\r\n", "a chunk does not end in CRLF")
  end
  read_trailers(stream, target)
end

-- Keeps a body, or only counts it.
local function consumer(stream, target, keep)
  local parts = {}
  target.length = 0
  local function consume(size)
    if keep then
      local bytes, why, partial = stream:receive(size)
      if not bytes then
        target.body = table.concat(parts) .. partial
        error(("the body ended early (%s) after %d bytes"):format(why, #target.body), 0)
      end
      parts[#parts + 1] = bytes
    else
      local count, why = stream:discard(size)
      target.length = target.length + count
      if count < size then
        error(("the body ended early (%s) after %d bytes"):format(why, target.length), 0)
      end
      return
    end
    target.length = target.length + size
  end
  return consume, function() target.body = table.concat(parts) end
end

local function is_chunked(target)
  local coding = target.headers["transfer-encoding"]
  return type(coding) == "string" and coding:lower():find "chunked%s*$" ~= nil
end

--- Reads the body that the head of `target` announces.
---@param stream Socket
---@param target Message gets `body` (when kept), `length`, `chunks` and `trailers`
---@param options { until_close: boolean?, count: boolean? }? `count`: forget the bytes
function message.read_body(stream, target, options)
  options = options or {}
  local consume, finish = consumer(stream, target, not options.count)
  local length = target.headers["content-length"]
  if is_chunked(target) then
    read_chunks(stream, target, consume)
  elseif length then
    consume(assert(tonumber(length), "not a length: " .. tostring(length)))
  elseif options.until_close then
    if options.count then
      target.length, target.ended = stream:discard()
    else
      target.body, target.ended = stream:receive_all()
      target.length = #target.body
    end
    return
  end
  finish()
end

--- Fields as text: a map (values may be lists, sent in order of names) or a list of pairs.
---@param headers table<string, string|string[]>|{ [1]: string, [2]: string }[]|nil
---@return string
function message.fields(headers)
  local lines = {}
  for _, pair in ipairs(headers or {}) do
    lines[#lines + 1] = ("%s: %s\r\n"):format(pair[1], pair[2])
  end
  local names = {}
  for name in pairs(headers or {}) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = headers[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
    end
  end
  return table.concat(lines)
end

--- Bytes as one chunk of the chunked coding.
---@param bytes string
---@return string
function message.chunk(bytes)
  return ("%x\r\n%s\r\n"):format(#bytes, bytes)
end

return message
