--- upstream_faults: what an upstream may do wrong at each stage of an answer, one row each.
--
-- `sends` are the bytes of the answer, in which {body} stands for the right body, {half} and {rest}
-- for its halves, {length} for its length, in hexadecimal as {size}. `ends` is what happens to the
-- connection after them. `client` is what the client may see: a status of the gateway's; "cut": a
-- beginning that can be told from the whole; "whole": the right answer; "own": an answer that is
-- complete with nothing but what the upstream has framed; "again" after a status: another attempt
-- may have the right one.

local HEAD = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
local LENGTH = HEAD .. "Content-Length: {length}\r\n\r\n"
local CHUNKED = HEAD .. "Transfer-Encoding: chunked\r\n\r\n"
local WHOLE = LENGTH .. "{body}"

---@class UpstreamFault
---@field name string
---@field sends string
---@field ends "close"|"reset"|"stall"|"trickle"|"stay"
---@field client integer|"cut"|"whole"|"own"
---@field again boolean?      a request that may be sent twice is
---@field timeout "response"|"idle"|nil which has to be short for it to be noticed
---@field method string?      default GET
---@field unread boolean?     the request's body is not read

local faults = {}

-- Where an answer can end: the bytes until there, and what that is to the client.
local STAGES = {
  { "before a byte", "", 502, again = true },
  { "in the status line", "HTTP/1.1 20", 502, again = true },
  { "after the status line", "HTTP/1.1 200 OK\r\n", 502, again = true },
  { "in the head", HEAD .. "Content-Len", 502, again = true },
  { "before the end of the head", HEAD .. "Content-Length: {length}\r\n\r", 502, again = true },
  { "after an informational answer", "HTTP/1.1 103 Early Hints\r\n\r\n", 502 },
  { "after the head", LENGTH, "cut" },
  { "in the body", LENGTH .. "{half}", "cut" },
  { "before the first chunk", CHUNKED, "cut" },
  { "in a chunk line", CHUNKED .. "5\r\nabcde\r\n1", "cut" },
  { "after a chunk line", CHUNKED .. "{size}\r\n", "cut" },
  { "in a chunk's data", CHUNKED .. "{size}\r\n{half}", "cut" },
  { "after a chunk's data", CHUNKED .. "{size}\r\n{body}", "cut" },
  { "in the end of a chunk", CHUNKED .. "{size}\r\n{body}\r", "cut" },
  { "before the last chunk", CHUNKED .. "{size}\r\n{body}\r\n", "cut" },
  { "in the last chunk", CHUNKED .. "{size}\r\n{body}\r\n0\r", "cut" },
  { "before the trailers", CHUNKED .. "{size}\r\n{body}\r\n0\r\n", "cut" },
  { "in the trailers", CHUNKED .. "{size}\r\n{body}\r\n0\r\nX-Sum: 1", "cut" },
  { "after the trailers", CHUNKED .. "{size}\r\n{body}\r\n0\r\nX-Sum: 1\r\n", "cut" },
}

local function add(row) faults[#faults + 1] = row end

local function add_stage(stage)
  local name, sends, client = stage[1], stage[2], stage[3]
  for _, ends in ipairs { "close", "reset" } do
    add { name = ends .. " " .. name, sends = sends, ends = ends, client = client,
      again = stage.again }
  end
  add { name = "stall " .. name, sends = sends, ends = "stall",
    client = client == 502 and 504 or client, timeout = client == 502 and "response" or "idle" }
end

for _, stage in ipairs(STAGES) do add_stage(stage) end

-- An answer without a length ends with its connection, but not with a reset of it.
add { name = "close after a body without a length", sends = HEAD .. "\r\n{body}", ends = "close",
  client = "whole" }
add { name = "reset in a body without a length", sends = HEAD .. "\r\n{half}", ends = "reset",
  client = "cut" }
add { name = "trickle a head", sends = LENGTH, ends = "trickle", client = 504,
  timeout = "response" }
add { name = "trickle a body", sends = LENGTH .. "{half}", ends = "trickle", client = "cut",
  timeout = "idle" }

-- What is not HTTP/1.1, or could be read in two ways: the head, and the body where there is one.
local HEADS = {
  ["a bare body"] = "hello\r\n\r\n",
  ["another protocol"] = "\22\3\1 this is not HTTP\r\n\r\n",
  ["a preface of HTTP/2"] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ["a version that is none"] = "HTTP/9.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  ["a status of two digits"] = "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello",
  ["a status of four digits"] = "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
  ["a status below 100"] = "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello",
  ["an upgrade nobody asked for"] = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
    .. "Upgrade: other\r\n\r\n",
  ["two lengths"] = HEAD .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
  ["two lengths in one field"] = HEAD .. "Content-Length: 5, 6\r\n\r\nhello!",
  ["a length with a sign"] = HEAD .. "Content-Length: +5\r\n\r\nhello",
  ["a length below nothing"] = HEAD .. "Content-Length: -5\r\n\r\nhello",
  ["a length in hexadecimal"] = HEAD .. "Content-Length: 0x5\r\n\r\nhello",
  ["a length that is too long"] = HEAD .. "Content-Length: 99999999999999999999\r\n\r\nhello",
  ["a length and chunks"] = HEAD .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "0\r\n\r\n",
  ["a coding nobody knows"] = HEAD .. "Transfer-Encoding: gzip\r\n\r\nhello",
  ["chunks in chunks"] = HEAD .. "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
  ["chunks that are not the last coding"] = HEAD .. "Transfer-Encoding: chunked, gzip\r\n\r\n"
    .. "0\r\n\r\n",
  ["a NUL in a value"] = HEAD .. "X-A: a\0b\r\nContent-Length: 5\r\n\r\nhello",
  ["a NUL in the status line"] = "HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello",
  ["a carriage return in a value"] = HEAD .. "X-A: a\rb\r\nContent-Length: 5\r\n\r\nhello",
  ["a blank before a colon"] = HEAD .. "Content-Length : 5\r\n\r\nhello",
  ["a folded field"] = HEAD .. "X-A: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
  ["a field without a name"] = HEAD .. ": a\r\nContent-Length: 5\r\n\r\nhello",
  ["a field without a colon"] = HEAD .. "nothing\r\nContent-Length: 5\r\n\r\nhello",
  ["a huge field"] = HEAD .. "X-A: " .. ("a"):rep(300000) .. "\r\nContent-Length: 5\r\n\r\nhello",
  ["very many fields"] = HEAD .. ("X-A: a\r\n"):rep(30000) .. "Content-Length: 5\r\n\r\nhello",
  ["informational answers without end"] = ("HTTP/1.1 103 Early Hints\r\n\r\n"):rep(3000) .. WHOLE,
}

for name, sends in pairs(HEADS) do
  add { name = "send " .. name, sends = sends, ends = "stay", client = 502 }
end

local CHUNKS = {
  ["a size that is no number"] = "XX\r\nhello\r\n",
  ["a size below nothing"] = "-5\r\nhello\r\n",
  ["a size with a prefix"] = "0x5\r\nhello\r\n",
  ["a size beyond all"] = "fffffffffffffffff\r\nhello\r\n",
  ["no size"] = "\r\nhello\r\n",
  ["a size that is too small"] = "2\r\nhello\r\n",
  ["a size that is too large"] = "9\r\nhello\r\n0\r\n\r\n",
  ["a chunk that ends in something else"] = "5\r\nhelloXX0\r\n\r\n",
  ["a size line ended by a line feed"] = "5\nhello\r\n0\r\n\r\n",
  ["a trailer without a colon"] = "5\r\nhello\r\n0\r\nnothing\r\n\r\n",
  ["huge trailers"] = "5\r\nhello\r\n0\r\n" .. ("X-A: a\r\n"):rep(30000) .. "\r\n",
  ["a huge extension"] = "5;" .. ("a"):rep(300000) .. "\r\nhello\r\n0\r\n\r\n",
}

for name, sends in pairs(CHUNKS) do
  add { name = "send " .. name, sends = CHUNKED .. sends, ends = "stay", client = "cut",
    timeout = "idle" }
end

-- Lies about the length, and what is too much: the answer is what its frame says, and whatever
-- comes after it is for nobody.
for _, row in ipairs {
  { "more than its length", WHOLE .. "stray", "whole" },
  { "another answer after its own", WHOLE .. "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen",
    "whole" },
  { "another answer after its chunks", CHUNKED .. "{size}\r\n{body}\r\n0\r\n\r\n"
    .. "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen", "whole" },
  { "a body after a 204", "HTTP/1.1 204 No Content\r\n\r\nhello", "own" },
  { "a body after a 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "own" },
  { "a body after the answer to HEAD", WHOLE, "own", method = "HEAD" },
  { "the answer before it has read the request", WHOLE, "whole", method = "POST", unread = true },
} do
  add { name = "send " .. row[1], sends = row[2], ends = "stay", client = row[3],
    method = row.method, unread = row.unread }
end
add { name = "send less than its length", sends = LENGTH .. "{half}", ends = "stay", client = "cut",
  timeout = "idle" }

--- The right body of the answer to a target.
---@param target string
---@return string
function faults.body(target)
  return ("<" .. target .. ">"):rep(4)
end

--- The bytes of a row's answer.
---@param fault UpstreamFault
---@param body string  the right one
---@return string
function faults.bytes(fault, body)
  local half = math.floor(#body / 2)
  return (fault.sends:gsub("{(%a+)}", {
    body = body, half = body:sub(1, half), rest = body:sub(half + 1), length = #body,
    size = ("%x"):format(#body),
  }))
end

return faults
