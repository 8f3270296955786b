--- strict_rows: messages that must be refused, and odd ones that must pass, as bytes.
--
-- A row has `request` or `response` bytes. `refused` rows say with which `status`, and with
-- which `fault` where a status has several. `in_body` tells that the offence comes after a
-- good head, so that a gateway may have passed the head on: it then cuts the answer off.
-- `method` is what a response answers (GET when not said). `passed` rows tell the `body` that
-- arrives, where there is one.

local strict_rows = {}

---@class StrictRow
---@field name string
---@field request? string
---@field response? string
---@field method? string
---@field status? integer
---@field fault? string
---@field in_body? boolean
---@field body? string

---@type StrictRow[]
strict_rows.refused = {}
---@type StrictRow[]
strict_rows.passed = {}

local LINE = "GET / HTTP/1.1\r\n"
local HOST = "Host: a.example\r\n"
local GET = LINE .. HOST
local POST = "POST / HTTP/1.1\r\n" .. HOST
local CHUNKED = POST .. "Transfer-Encoding: chunked\r\n\r\n"
local OK = "HTTP/1.1 200 OK\r\n"
local OK_CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"

local function refuse(name, request, status, fault)
  table.insert(strict_rows.refused,
    { name = name, request = request, status = status or 400, fault = fault })
end

local function refuse_body(name, body)
  table.insert(strict_rows.refused,
    { name = name, request = CHUNKED .. body, status = 400, in_body = true })
  table.insert(strict_rows.refused,
    { name = name, response = OK_CHUNKED .. body, status = 502, in_body = true })
end

local function refuse_response(name, response, fault, method)
  table.insert(strict_rows.refused,
    { name = name, response = response, status = 502, fault = fault, method = method })
end

local function pass(name, request, body)
  table.insert(strict_rows.passed, { name = name, request = request, body = body })
end

local function pass_response(name, response, body, method)
  table.insert(strict_rows.passed,
    { name = name, response = response, body = body, method = method })
end

local function with_target(target)
  return "GET " .. target .. " HTTP/1.1\r\n" .. HOST .. "\r\n"
end

-- Line ends and the end of the head.
refuse("bare LF after the request line", "GET / HTTP/1.1\n" .. HOST .. "\r\n")
refuse("bare LF after a field", LINE .. "Host: a.example\n\r\n")
refuse("bare LF as the empty line", GET .. "\n")
refuse("bare LF everywhere", "GET / HTTP/1.1\nHost: a.example\n\n")
refuse("bare CR in a value", GET .. "X: a\rb\r\n\r\n")
refuse("bare CR after a field", GET .. "X: a\rY: b\r\n\r\n")
refuse("CR CR LF after a field", GET .. "X: a\r\r\n\r\n")
refuse("CR CR X as the end of the head", GET .. "\r\rX")
refuse("CR X as the end of the head", GET .. "\rX")
refuse("a bare LF before the request line", "\n" .. GET .. "\r\n")
refuse("two CRLF before the request line", "\r\n\r\n" .. GET .. "\r\n")
refuse("CR CR LF before the request line", "\r\r\n" .. GET .. "\r\n")
refuse("NUL in a value", GET .. "X: a\0b\r\n\r\n")
refuse("NUL in a name", GET .. "X\0Y: a\r\n\r\n")
refuse("a control in a value", GET .. "X: a\1b\r\n\r\n")
refuse("a vertical tab in a value", GET .. "X: a\11b\r\n\r\n")
refuse("DEL in a value", GET .. "X: a\127b\r\n\r\n")

-- Fields.
refuse("a folded line", GET .. "X: a\r\n b\r\n\r\n")
refuse("a folded line with a tab", GET .. "X: a\r\n\tb\r\n\r\n")
refuse("a folded Transfer-Encoding", POST .. "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")
refuse("a first header that is indented", LINE .. " Host: a.example\r\n\r\n")
refuse("a first header indented by a tab", LINE .. "\tHost: a.example\r\n\r\n")
refuse("blank line of blanks", GET .. " \r\n\r\n")
refuse("Host :", LINE .. "Host : a.example\r\n\r\n")
refuse("Host and a tab before the colon", LINE .. "Host\t: a.example\r\n\r\n")
refuse("Content-Length : 3", POST .. "Content-Length : 3\r\n\r\nabc")
refuse("Transfer-Encoding : chunked", POST .. "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")
refuse("X Y: a", GET .. "X Y: a\r\n\r\n")
refuse("an empty name", GET .. ": a\r\n\r\n")
refuse("a field without a colon", GET .. "X\r\n\r\n")
refuse("8-bit in a name", GET .. "X\233: a\r\n\r\n")
refuse("a parenthesis in a name", GET .. "X(Y): a\r\n\r\n")
refuse("quotes in a name", GET .. '"X": a\r\n\r\n')

-- Host.
refuse("no Host", LINE .. "\r\n")
refuse("two Hosts", GET .. "Host: b.example\r\n\r\n")
refuse("two equal Hosts", GET .. HOST .. "\r\n")
refuse("an empty Host", LINE .. "Host:\r\n\r\n")
refuse("an empty Host in 1.0", "GET / HTTP/1.0\r\nHost: \r\n\r\n")
refuse("a Host with a blank", LINE .. "Host: a b\r\n\r\n")
refuse("a Host with a slash", LINE .. "Host: a/b\r\n\r\n")
refuse("a Host with userinfo", LINE .. "Host: u@a.example\r\n\r\n")
refuse("a Host that is a list", LINE .. "Host: a.example, b.example\r\n\r\n")
refuse("a Host with a comma", LINE .. "Host: a.example,b.example\r\n\r\n")
refuse("a Host that is a URI", LINE .. "Host: http://a.example\r\n\r\n")
refuse("a Host with a port of letters", LINE .. "Host: a.example:http\r\n\r\n")
refuse("a Host with a port beyond 65535", LINE .. "Host: a.example:65536\r\n\r\n")
refuse("a Host with a port alone", LINE .. "Host: :80\r\n\r\n")
refuse("a Host with two ports", LINE .. "Host: a.example:80:80\r\n\r\n")
refuse("a Host with an open bracket", LINE .. "Host: [::1\r\n\r\n")
refuse("a Host with no IPv6 in brackets", LINE .. "Host: [a]\r\n\r\n")
refuse("a Host with IPv6 without brackets", LINE .. "Host: ::1\r\n\r\n")
refuse("a Host with a zone", LINE .. "Host: [fe80::1%25eth0]\r\n\r\n")
refuse("a Host with an escape", LINE .. "Host: a%00b\r\n\r\n")
refuse("a Host with an empty label", LINE .. "Host: a..b\r\n\r\n")
refuse("a Host of a dot", LINE .. "Host: .\r\n\r\n")
refuse("8-bit in Host", LINE .. "Host: \233.example\r\n\r\n")
refuse("a bad Host beside an absolute target",
  "GET http://a.example/ HTTP/1.1\r\nHost: b/c\r\n\r\n")
refuse("no Host beside an absolute target", "GET http://a.example/ HTTP/1.1\r\n\r\n")

-- Request lines.
refuse("HTTP/0.9 without a version", "GET /\r\n\r\n")
refuse("HTTP/0.9", "GET / HTTP/0.9\r\n" .. HOST .. "\r\n", 505)
refuse("HTTP/1.2", "GET / HTTP/1.2\r\n" .. HOST .. "\r\n", 505)
refuse("HTTP/2.0", "GET / HTTP/2.0\r\n" .. HOST .. "\r\n", 505)
refuse("HTTP/9.9", "GET / HTTP/9.9\r\n" .. HOST .. "\r\n", 505)
refuse("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
refuse("HTTP/1.10", "GET / HTTP/1.10\r\n" .. HOST .. "\r\n")
refuse("HTTP/01.1", "GET / HTTP/01.1\r\n" .. HOST .. "\r\n")
refuse("HTTP/1", "GET / HTTP/1\r\n" .. HOST .. "\r\n")
refuse("http/1.1", "GET / http/1.1\r\n" .. HOST .. "\r\n")
refuse("ICE/1.0", "GET / ICE/1.0\r\n" .. HOST .. "\r\n")
refuse("ICE/1.0 of SOURCE", "SOURCE / ICE/1.0\r\n" .. HOST .. "\r\n")
refuse("a blank after the version", "GET / HTTP/1.1 \r\n" .. HOST .. "\r\n")
refuse("two spaces before the target", "GET  / HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("two spaces before the version", "GET /  HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("a tab before the target", "GET\t/ HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("a tab before the version", "GET /\tHTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("a space before the method", " GET / HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("no target", "GET HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("a colon in the method", "GE:T / HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("8-bit in the method", "G\233T / HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("a TLS hello", "\22\3\1\2\0\1\0\1\252\3\3")
refuse("an unknown method", "BREW / HTTP/1.1\r\n" .. HOST .. "\r\n", 501, "METHOD_UNKNOWN")
refuse("a method in lower case", "get / HTTP/1.1\r\n" .. HOST .. "\r\n", 501, "METHOD_UNKNOWN")
refuse("a known method with more after it", "GETX / HTTP/1.1\r\n" .. HOST .. "\r\n", 501,
  "METHOD_UNKNOWN")
refuse("a method of 33 bytes", ("A"):rep(33) .. " / HTTP/1.1\r\n" .. HOST .. "\r\n", 501,
  "METHOD_UNKNOWN")

-- Targets.
refuse("a space in the target", with_target "/a b")
refuse("a tab in the target", with_target "/a\tb")
refuse("8-bit in the target", with_target "/caf\233")
refuse("UTF-8 in the target", with_target "/caf\195\169")
refuse("a control in the target", with_target "/a\1b")
refuse("NUL in the target", with_target "/a\0b")
refuse("DEL in the target", with_target "/a\127b")
for byte in ('"<>{}^|\\`'):gmatch "." do
  refuse(byte .. " in the target", with_target("/a" .. byte .. "b"))
  refuse(byte .. " in the query", with_target("/?a" .. byte .. "b"))
end
refuse("a fragment", with_target "/a#b")
refuse("a fragment alone", with_target "#")
refuse("userinfo in the target", with_target "http://user:secret@a.example/")
refuse("a name alone in the target", with_target "a.example")
refuse("host and port in the target of GET", with_target "a.example:80")
refuse("a relative path", with_target "a/b")
refuse("an absolute target without an authority", with_target "http:///a")
refuse("an absolute target with a bad authority", with_target "http://a:b:c/")
refuse("an absolute target of another scheme", with_target "ftp://a.example/")
refuse("an absolute target of https without TLS", with_target "https://a.example/")
refuse("GET *", with_target "*")
refuse("OPTIONS with *x", "OPTIONS *x HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("CONNECT /", "CONNECT / HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("CONNECT without a port", "CONNECT a.example HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("CONNECT with a URI", "CONNECT http://a.example:80/ HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("CONNECT with userinfo", "CONNECT u@a.example:80 HTTP/1.1\r\n" .. HOST .. "\r\n")
refuse("CONNECT with a body",
  "CONNECT a.example:80 HTTP/1.1\r\n" .. HOST .. "Content-Length: 3\r\n\r\nabc")
refuse("an escape without digits", with_target "/a%zz")
refuse("an escape cut off", with_target "/a%4")
refuse("an encoded NUL", with_target "/a%00b")
refuse("an encoded LF", with_target "/a%0ab")
refuse("an encoded DEL", with_target "/a%7Fb")
refuse("dot segments above the root", with_target "/../a")
refuse("encoded dot segments above the root", with_target "/a/%2e%2E/%2e./b")
refuse("a target beyond its limit", with_target("/" .. ("a"):rep(70000)), 414)
refuse("a head beyond its limit", GET .. ("X: " .. ("a"):rep(1000) .. "\r\n"):rep(300), 431)
refuse("a field beyond the limit", GET .. "X: " .. ("a"):rep(300000) .. "\r\n\r\n", 431)
refuse("257 fields", GET .. ("X:\r\n"):rep(256) .. "\r\n", 431)
refuse("100 connection options",
  GET .. "Connection: " .. ("a, "):rep(100) .. "close\r\n\r\n")

-- Framing.
local function refuse_framing(name, fields, rest, status, fault)
  refuse(name, POST .. fields .. "\r\n" .. (rest or "abc"), status, fault)
end

local CHUNKED_BODY = "3\r\nabc\r\n0\r\n\r\n"

refuse_framing("Content-Length with a trailing space", "Content-Length: 3 \r\n")
refuse_framing("Content-Length with a trailing tab", "Content-Length: 3\t\r\n")
refuse_framing("an empty Content-Length", "Content-Length:\r\n")
refuse_framing("Content-Length: +3", "Content-Length: +3\r\n")
refuse_framing("Content-Length: -3", "Content-Length: -3\r\n")
refuse_framing("Content-Length: 0x3", "Content-Length: 0x3\r\n")
refuse_framing("Content-Length: 3.0", "Content-Length: 3.0\r\n")
refuse_framing("Content-Length: 3a", "Content-Length: 3a\r\n")
refuse_framing("Content-Length: 3 3", "Content-Length: 3 3\r\n")
refuse_framing("Content-Length that is a list", "Content-Length: 3, 3\r\n")
refuse_framing("Content-Length that is an unequal list", "Content-Length: 3,4\r\n")
refuse_framing("two Content-Lengths", "Content-Length: 3\r\nContent-Length: 4\r\n")
refuse_framing("two equal Content-Lengths", "Content-Length: 3\r\nContent-Length: 3\r\n")
refuse_framing("Content-Length of 2^63", "Content-Length: 9223372036854775808\r\n")
refuse_framing("Content-Length of 2^64 + 3", "Content-Length: 18446744073709551619\r\n")
refuse_framing("Content-Length with Transfer-Encoding",
  "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY)
refuse_framing("Transfer-Encoding with Content-Length",
  "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", CHUNKED_BODY)
refuse_framing("Transfer-Encoding twice",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY)
refuse_framing("Transfer-Encoding twice, one of them identity",
  "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY)
refuse_framing("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", CHUNKED_BODY)
refuse_framing("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", CHUNKED_BODY, 501,
  "CODING_UNKNOWN")
refuse_framing("gzip, chunked, chunked", "Transfer-Encoding: gzip, chunked, chunked\r\n",
  CHUNKED_BODY)
refuse_framing("chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n", CHUNKED_BODY)
refuse_framing("gzip", "Transfer-Encoding: gzip\r\n")
refuse_framing("identity", "Transfer-Encoding: identity\r\n")
refuse_framing("xchunked", "Transfer-Encoding: xchunked\r\n", CHUNKED_BODY)
refuse_framing("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n", CHUNKED_BODY)
refuse_framing("chunked in quotes", 'Transfer-Encoding: "chunked"\r\n', CHUNKED_BODY)
refuse_framing("chunked after a comma", "Transfer-Encoding: , chunked\r\n", CHUNKED_BODY)
refuse_framing("chunked after a vertical tab", "Transfer-Encoding: \11chunked\r\n", CHUNKED_BODY)
refuse_framing("chunked with a trailing space", "Transfer-Encoding: chunked \r\n", CHUNKED_BODY)
refuse_framing("an empty Transfer-Encoding", "Transfer-Encoding:\r\n", CHUNKED_BODY)
refuse("Transfer-Encoding in 1.0",
  "POST / HTTP/1.0\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n" .. CHUNKED_BODY)
refuse_framing("an unknown expectation", "Expect: tea\r\nContent-Length: 3\r\n", "abc", 417)
refuse_framing("an unknown expectation beside a known one",
  "Expect: 100-continue, tea\r\nContent-Length: 3\r\n", "abc", 417)

-- Chunks, in requests and in responses.
refuse_body("chunk data ended by XX", "3\r\nabcXX0\r\n\r\n")
refuse_body("chunk data ended by LF", "3\r\nabc\n0\r\n\r\n")
refuse_body("chunk data ended by CR X", "3\r\nabc\rX0\r\n\r\n")
refuse_body("chunk data longer than its size", "3\r\nabcd\r\n0\r\n\r\n")
refuse_body("a size line ended by CR X", "3\rXabc\r\n0\r\n\r\n")
refuse_body("a size line ended by CR CR LF", "3\r\r\nabc\r\n0\r\n\r\n")
refuse_body("a size line ended by LF", "3\nabc\r\n0\r\n\r\n")
refuse_body("a size with a space after it", "3 \r\nabc\r\n0\r\n\r\n")
refuse_body("a size with a space before it", " 3\r\nabc\r\n0\r\n\r\n")
refuse_body("a size with a tab after it", "3\t\r\nabc\r\n0\r\n\r\n")
refuse_body("an empty size", "\r\nabc\r\n0\r\n\r\n")
refuse_body("an extension without a size", ";a\r\nabc\r\n0\r\n\r\n")
refuse_body("a size of +3", "+3\r\nabc\r\n0\r\n\r\n")
refuse_body("a size of -3", "-3\r\nabc\r\n0\r\n\r\n")
refuse_body("a size of 0x3", "0x3\r\nabc\r\n0\r\n\r\n")
refuse_body("a size of 3g", "3g\r\nabc\r\n0\r\n\r\n")
refuse_body("a size of 2^63", "8000000000000000\r\nabc")
refuse_body("a size of 2^64 + 3", "10000000000000003\r\nabc\r\n0\r\n\r\n")
refuse_body("17 digits of size", ("0"):rep(16) .. "3\r\nabc\r\n0\r\n\r\n")
refuse_body("a last size with a space after it", "0 \r\n\r\n")
refuse_body("a bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n")
refuse_body("a bare LF in a quoted extension", '3;a="\n"\r\nabc\r\n0\r\n\r\n')
refuse_body("CRLF in a quoted extension", '3;a="\r\n"\r\nabc\r\n0\r\n\r\n')
refuse_body("a control in an extension", "3;a\1\r\nabc\r\n0\r\n\r\n")
refuse_body("a control in a quoted extension", '3;a="\1"\r\nabc\r\n0\r\n\r\n')
refuse_body("NUL in an extension", "3;a=\0\r\nabc\r\n0\r\n\r\n")
refuse_body("an extension without a name", "3;\r\nabc\r\n0\r\n\r\n")
refuse_body("an extension without a value", "3;a=\r\nabc\r\n0\r\n\r\n")
refuse_body("a space before an extension", "3 ;a\r\nabc\r\n0\r\n\r\n")
refuse_body("text after a quoted extension", '3;a="b"c\r\nabc\r\n0\r\n\r\n')
refuse_body("extensions without end", "3;" .. ("a"):rep(100000) .. "\r\nabc\r\n0\r\n\r\n")
refuse_body("the end of the body by LF", "0\r\n\n")
refuse_body("the end of the body by CR X", "0\r\n\rX")
refuse_body("Content-Length in trailers", "0\r\nContent-Length: 3\r\n\r\n")
refuse_body("Transfer-Encoding in trailers", "0\r\ntransfer-encoding: chunked\r\n\r\n")
refuse_body("a trailer with a space before its colon", "0\r\nX : a\r\n\r\n")
refuse_body("a folded trailer", "0\r\nX: a\r\n b\r\n\r\n")
refuse_body("an indented trailer", "0\r\n X: a\r\n\r\n")
refuse_body("a trailer ended by LF", "0\r\nX: a\n\r\n")
refuse_body("a control in a trailer", "0\r\nX: \1\r\n\r\n")
refuse_body("a trailer without a colon", "0\r\nX\r\n\r\n")

-- Responses.
refuse_response("bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n")
refuse_response("bare LF after a field", OK .. "Content-Length: 0\n\r\n")
refuse_response("bare LF as the empty line", OK .. "Content-Length: 0\r\n\n")
refuse_response("CR CR X as the end of the head", OK .. "Content-Length: 0\r\n\r\rX")
refuse_response("bare CR in a value", OK .. "X: a\rb\r\nContent-Length: 0\r\n\r\n")
refuse_response("NUL in a value", OK .. "X: a\0b\r\nContent-Length: 0\r\n\r\n")
refuse_response("a control in the reason", "HTTP/1.1 200 O\1K\r\nContent-Length: 0\r\n\r\n")
refuse_response("a folded line", OK .. "X: a\r\n b\r\nContent-Length: 0\r\n\r\n")
refuse_response("a first header that is indented", OK .. " X: a\r\nContent-Length: 0\r\n\r\n")
refuse_response("a space before a colon", OK .. "Content-Length : 0\r\n\r\n")
refuse_response("a space in a name", OK .. "X Y: a\r\nContent-Length: 0\r\n\r\n")
refuse_response("CRLF before the status line", "\r\n" .. OK .. "Content-Length: 0\r\n\r\n")
refuse_response("HTTP/0.9", "<html>hello</html>")
refuse_response("HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n")
refuse_response("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
refuse_response("HTTP/9.9", "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n")
refuse_response("ICY 200", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n")
refuse_response("two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n")
for _, status in ipairs { "99", "999", "600", "099", "000", "1000", "20", "2xx", "-200", "+200" } do
  refuse_response("status " .. status,
    "HTTP/1.1 " .. status .. " OK\r\nContent-Length: 0\r\n\r\n")
end
refuse_response("no status", "HTTP/1.1 \r\nContent-Length: 0\r\n\r\n")
refuse_response("a body on 204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")
refuse_response("chunks on 204",
  "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
refuse_response("a body on 103", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello")
refuse_response("chunks on 100",
  "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
refuse_response("a body on 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n" ..
  "Upgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")
refuse_response("101 without Upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "UPSTREAM_UPGRADE")
refuse_response("101 that Connection does not nominate",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "UPSTREAM_UPGRADE")
refuse_response("a body on 2xx to CONNECT", OK .. "Content-Length: 5\r\n\r\nhello", nil, "CONNECT")
refuse_response("Content-Length with a trailing space", OK .. "Content-Length: 3 \r\n\r\nabc")
refuse_response("an empty Content-Length", OK .. "Content-Length:\r\n\r\n")
refuse_response("Content-Length: +3", OK .. "Content-Length: +3\r\n\r\nabc")
refuse_response("Content-Length: 0x3", OK .. "Content-Length: 0x3\r\n\r\nabc")
refuse_response("Content-Length that is a list", OK .. "Content-Length: 3, 3\r\n\r\nabc")
refuse_response("two equal Content-Lengths",
  OK .. "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
refuse_response("Content-Length with Transfer-Encoding",
  OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" .. CHUNKED_BODY)
refuse_response("Content-Length with Transfer-Encoding to HEAD",
  OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", nil, "HEAD")
refuse_response("Transfer-Encoding in 1.0",
  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. CHUNKED_BODY)
refuse_response("Transfer-Encoding twice",
  OK .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" .. CHUNKED_BODY)
refuse_response("gzip, chunked", OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n" .. CHUNKED_BODY,
  "UPSTREAM_CODING")
refuse_response("gzip", OK .. "Transfer-Encoding: gzip\r\n\r\nabc", "UPSTREAM_CODING")
refuse_response("identity", OK .. "Transfer-Encoding: identity\r\n\r\nabc", "UPSTREAM_CODING")
refuse_response("a head beyond its limit", OK .. ("X: " .. ("a"):rep(1000) .. "\r\n"):rep(300),
  "UPSTREAM_HEAD_TOO_LARGE")
refuse_response("257 fields", OK .. ("X:\r\n"):rep(257) .. "\r\n", "UPSTREAM_HEAD_TOO_LARGE")

-- Legal, however odd.
pass("a plain GET", GET .. "\r\n")
pass("one CRLF before the request line", "\r\n" .. GET .. "\r\n")
pass("an empty value", GET .. "X:\r\n\r\n")
pass("a value of blanks", GET .. "X: \t \r\n\r\n")
pass("a value without a blank before it", LINE .. "Host:a.example\r\n\r\n")
pass("blanks around a value", LINE .. "Host: \t a.example \t\r\n\r\n")
pass("a tab inside a value", GET .. "X: a\tb\r\n\r\n")
pass("8-bit in a value", GET .. "X: caf\233 \128\255\r\n\r\n")
pass("all of a token in a name", GET .. "!#$%&'*+-.^_`|~aZ09: a\r\n\r\n")
pass("a name in odd case", LINE .. "hOsT: a.example\r\n\r\n")
pass("repeated fields", GET .. "Accept: a\r\nAccept: b\r\n\r\n")
pass("256 fields", GET .. ("X:\r\n"):rep(255) .. "\r\n")
pass("Host with a port", LINE .. "Host: a.example:8080\r\n\r\n")
pass("Host with an empty port", LINE .. "Host: a.example:\r\n\r\n")
pass("Host with a dot at its end", LINE .. "Host: a.example.\r\n\r\n")
pass("Host of upper case", LINE .. "Host: A.EXAMPLE\r\n\r\n")
pass("Host with an underscore", LINE .. "Host: a_b.example\r\n\r\n")
pass("Host of IPv4", LINE .. "Host: 127.0.0.1:80\r\n\r\n")
pass("Host of IPv6", LINE .. "Host: [::1]\r\n\r\n")
pass("Host of IPv6 and a port", LINE .. "Host: [2001:DB8::1]:8080\r\n\r\n")
pass("1.0 without Host", "GET / HTTP/1.0\r\n\r\n")
pass("1.0 with Host", "GET / HTTP/1.0\r\n" .. HOST .. "\r\n")
pass("1.0 with a body", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "abc")
pass("an absolute target", "GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n")
pass("an absolute target in odd case", "GET HTTP://A.example HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("an absolute target with a query alone",
  "GET http://a.example?x HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("CONNECT with host and port", "CONNECT a.example:443 HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("CONNECT with IPv6 and port", "CONNECT [::1]:443 HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("a method of WebDAV", "PROPFIND / HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("M-SEARCH", "M-SEARCH / HTTP/1.1\r\n" .. HOST .. "\r\n")
pass("a query with brackets and a second '?'", with_target "/a?b[]=1&c?d=/e")
pass("a bad escape in the query", with_target "/a?b=100%&c=%zz")
pass("all of a path", with_target "/-._~!$&'()*+,;=:@aZ09%2F")
pass("an escape of UTF-8", with_target "/caf%C3%A9")
pass("dot segments", with_target "/a/./b/../c//d")
pass("Connection as a list", GET .. "Connection: close, upgrade\r\nUpgrade: websocket\r\n\r\n")
pass("Connection with empty elements", GET .. "Connection: , keep-alive ,,\r\n\r\n")
pass("Connection repeated", GET .. "Connection: x\r\nX: a\r\nConnection: keep-alive\r\n\r\n")
pass("an upgrade with a body", POST ..
  "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc", "abc")
pass("GET with a body", GET .. "Content-Length: 3\r\n\r\nabc", "abc")
pass("Content-Length: 0", POST .. "Content-Length: 0\r\n\r\n", "")
pass("Content-Length with zeros before it", POST .. "Content-Length: 0003\r\n\r\nabc", "abc")
pass("Content-Length after a tab", POST .. "Content-Length:\t3\r\n\r\nabc", "abc")
pass("Transfer-Encoding in odd case",
  POST .. "tRANSFER-eNCODING: CHUNKED\r\n\r\n" .. CHUNKED_BODY, "abc")
pass("Expect: 100-continue", POST .. "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc", "abc")
pass("an unknown expectation in 1.0",
  "POST / HTTP/1.0\r\nExpect: tea\r\nContent-Length: 3\r\n\r\nabc", "abc")

local function pass_body(name, body, data)
  pass(name, CHUNKED .. body, data)
  pass_response(name, OK_CHUNKED .. body, data)
end

pass_body("an empty chunked body", "0\r\n\r\n", "")
pass_body("two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde")
pass_body("upper-case sizes", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789")
pass_body("lower-case sizes", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789")
pass_body("zeros before a size", "0003\r\nabc\r\n0000\r\n\r\n", "abc")
pass_body("16 digits of size", ("0"):rep(15) .. "3\r\nabc\r\n0\r\n\r\n", "abc")
pass_body("an extension", "3;a\r\nabc\r\n0;b\r\n\r\n", "abc")
pass_body("an extension with a value", "3;a=b;c=d\r\nabc\r\n0\r\n\r\n", "abc")
pass_body("an extension with a quoted string",
  '3;a="b; \\"c\\" \t\233";d="";e\r\nabc\r\n0\r\n\r\n', "abc")
pass_body("bad blanks in an extension", "3; a = b ; c=\td\r\nabc\r\n0\r\n\r\n", "abc")
pass_body("data that looks like framing", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n")
pass_body("trailers", "3\r\nabc\r\n0\r\nX: a\r\nY:\r\n\r\n", "abc")
pass_body("trailers that have no place there", "0\r\nHost: b\r\nAuthorization: c\r\n\r\n", "")

pass_response("a plain answer", OK .. "Content-Length: 3\r\n\r\nabc", "abc")
pass_response("an answer that ends with the connection", OK .. "\r\nabc", "abc")
pass_response("an answer of 1.0", "HTTP/1.0 200 OK\r\n\r\nabc", "abc")
pass_response("an answer of 1.0 with a length",
  "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc")
pass_response("an empty reason", "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc", "abc")
pass_response("no space before an empty reason", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc",
  "abc")
pass_response("8-bit and tab in the reason",
  "HTTP/1.1 200 \233\tx\r\nContent-Length: 0\r\n\r\n", "")
pass_response("an unregistered status", "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "")
pass_response("204", "HTTP/1.1 204 No Content\r\n\r\n")
pass_response("204 with Content-Length: 0",
  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
pass_response("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")
pass_response("103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
pass_response("101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" ..
  "Upgrade: websocket\r\n\r\n")
pass_response("an answer to HEAD with a length", OK .. "Content-Length: 5\r\n\r\n", nil, "HEAD")
pass_response("an answer to HEAD with chunks announced", OK_CHUNKED, nil, "HEAD")
pass_response("an answer to HEAD without either", OK .. "\r\n", nil, "HEAD")
pass_response("2xx to CONNECT", OK .. "\r\n", nil, "CONNECT")
pass_response("an error to CONNECT",
  "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nabc", "abc", "CONNECT")

return strict_rows
