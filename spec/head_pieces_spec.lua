--- head_pieces: a head means the same whether it comes whole, which has short ways, or byte by
-- byte, which has none. Where the two differed, requests could be smuggled.

local ffi = require "ffi"
local h1 = require "spec.support.h1"
local runtime = require "spec.support.runtime"

local C = runtime.include("http/h1_lines.h", "http/h1_scanner.h")

local LIMITS = ffi.new("struct h1_scanner_limits", { head_bytes_max = 96, target_bytes_max = 12 })

local REQUESTS = {
  "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nx-rather-long-name-of: b \r\nvia:\r\n\r\n",
  "\r\nPOST /bb HTTP/1.0\r\nTransfer-Encoding: chunked\r\nTE:\t\r\nUpgrade:h2c\r\n\r\nGET /",
  "GET http://a/ HTTP/1.1\r\nConnection: Keep-Alive\r\nconnection:close\r\nHost:  a:80\r\n\r\n",
  "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
  "GET /123456789ab HTTP/1.1\r\nHost: a\r\nX: " .. ("b"):rep(53) .. "\r\n\r\n",
}

local RESPONSES = {
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-rather-long-name-of: b \r\nvia:\r\n\r\nHT",
  "HTTP/1.0 101 \r\nTransfer-Encoding:chunked\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
  "HTTP/1.1 599\r\nDate: a\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
}

-- What readers of heads differ about, and neighbours of what is allowed.
local OCTETS = { "", "\0", "\t", "\n", "\r", " ", ":", "-", "0", "M", "\127", "\141",
  "\r\n", "\r\n ", "\n\n" }

local scanner, lines = ffi.new "struct h1_scanner", ffi.new "struct h1_lines"
local buffer = ffi.new "char[256]"

-- What the scanner says of the first bytes in the buffer.
local function scan(length)
  return C.h1_scanner_scan_lines(scanner, ffi.new("struct slice", buffer, length), lines)
end

-- The verdict in one number, and whether the head was accepted.
local function sum_up(verdict)
  local offset = verdict == C.H1_SCAN_REFUSED and scanner.fault_offset or scanner.offset
  return (tonumber(verdict) * 1000 + tonumber(scanner.fault)) * 1000 + tonumber(offset),
    verdict == C.H1_SCAN_DONE
end

local function scan_whole(bytes, is_response)
  C.h1_scanner_init(scanner, is_response, LIMITS)
  local verdict, is_done = sum_up(scan(#bytes))
  assert(not is_done or lines.head == buffer)
  return verdict, is_done
end

-- From `from` on byte by byte.
local function scan_pieces(bytes, is_response, from)
  C.h1_scanner_init(scanner, is_response, LIMITS)
  local verdict
  for length = from, #bytes do
    verdict = scan(length)
    assert(length == from or lines.head == nil) -- notes are of all fields or of none
    if verdict ~= C.H1_SCAN_MORE then break end
  end
  return (sum_up(verdict))
end

local function meaning(reading)
  if reading.fault ~= "NONE" then return reading.fault .. reading.offset end
  return ("%d\n%s\n%s"):format(reading.head, table.concat(h1.fields(reading.message.headers), "\n"),
    reading.data)
end

-- What comes before `at` comes at once.
local function check(bytes, is_response, at)
  ffi.copy(buffer, bytes, #bytes)
  local verdict, is_done = scan_whole(bytes, is_response)
  if verdict ~= scan_pieces(bytes, is_response, math.max(1, at)) then
    error(("%q is not the same byte by byte"):format(bytes), 0)
  end
  if not is_done then return end
  local read = is_response and h1.read_response or h1.read_request
  local whole, torn = meaning(read(bytes)), meaning(read(bytes, { 1 }))
  if whole ~= torn then error(("%q is read otherwise in pieces"):format(bytes), 0) end
end

describe("a head that comes in pieces", function()
  for kind, heads in pairs { request = REQUESTS, response = RESPONSES } do
    it(("means the same, with any octet anywhere: %s"):format(kind), function()
      for _, head in ipairs(heads) do
        for at = 0, #head do
          for _, octet in ipairs(OCTETS) do
            check(head:sub(1, at) .. octet .. head:sub(at + 2), kind == "response", at)
          end
        end
      end
    end)

    it(("means the same byte by byte from any place on: %s"):format(kind), function()
      for _, head in ipairs(heads) do
        ffi.copy(buffer, head, #head)
        local verdict = scan_whole(head, kind == "response")
        for cut = 1, #head do
          assert.equal(verdict, scan_pieces(head, kind == "response", cut))
        end
      end
    end)
  end
end)
