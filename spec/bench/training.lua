--- training: the load of which `./dev build --profiled` makes a profile: a bit of all that most
-- requests want of a gateway, with the answers that are right.
--
-- What decides is how often a line runs beside others, not how often it runs; so a number of
-- requests is given, not a time, and no kind is so rare that its code is taken for code that does
-- not matter. Sixteen connections ask at once: a turn of the loop has several events.

local gateway = require "spec.support.gateway"
local answers = require "spec.support.peer_answers"
local certificates = require "spec.support.certificates"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local plugin_rows = require "spec.bench.plugin_rows"
local process = require "spec.support.process"
local system = require "spec.support.system"

local training = {}

local REQUESTS = 1600
local CONNECTIONS = 16
local ROUTES = 2000 -- built as well, and by a reload again
local KEY = { ["X-Api-Key"] = "secret" }
local SMALL_BYTES, LARGE_BYTES, HUGE_BYTES = 1024, 102400, 1048576

-- In one segment each, with the fields of a server of today.
local function ready(kind, body)
  return ("HTTP/1.1 200 OK\r\nServer: origin\r\nDate: %s\r\nContent-Type: %s\r\n"
    .. "Content-Length: %d\r\nConnection: keep-alive\r\nX-Powered-By: origin\r\n\r\n%s"):format(
    os.date "!%a, %d %b %Y %H:%M:%S GMT", kind, #body, body)
end

local READY = {
  ["/small"] = ready("text/plain", ("x"):rep(SMALL_BYTES)),
  ["/json"] = ready("application/json", '{"name":"Ada","list":[1,2.5,"three",null,{"four":true}]}'),
  -- Long texts, plain and not.
  ["/document"] = ready("application/json", ('{"text":"%s","name":"%s","lines":"%s"}'):format(
    ("plain "):rep(200), ("Zoë 日本 "):rep(20), ('a \\"line\\"\\n'):rep(20))),
  ["/fields"] = ready("text/html; charset=utf-8\r\nETag: \"0123456789abcdef\"\r\nVary: accept\r\n"
    .. "Last-Modified: Fri, 27 Nov 2026 11:00:00 GMT\r\nCache-Control: max-age=3600\r\n"
    .. "Strict-Transport-Security: max-age=63072000; includeSubDomains\r\nX-Frame-Options: DENY\r\n"
    .. "Content-Security-Policy: default-src 'self'; " .. ("img-src https://i.example; "):rep(8)
    .. "\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: 0123456789abcdef0123456789abcdef",
    ("x"):rep(SMALL_BYTES)),
}

local function answer(connection)
  for request in connection.read_head, connection do
    local raw = READY[request.target:match "^[^?]*"]
    if raw then
      if not connection:send(raw) then return end
    elseif answers.dispatch(connection, request) == "close" then
      return
    end
  end
end

local HEAD = [[
workers(1)
watch(false)
listen "127.0.0.1:0"
listen { "127.0.0.1:0", tls = { cert = "%s", key = file "%s" } }
listen "unix:%s/provider"
admin "127.0.0.1:0"
limits { body = "1g" }
memory { dict = "64m" }
store { path = "%s" }
upstream "origin" { "%s" }
upstream "encrypted" { "%s", tls = { ca = "%s" } }
upstream "provider" { "unix:%s/provider" }
consumer "bench" { keys = { "secret" }, groups = { "bench" }, passwords = { "open" },
  hmac_secrets = { { "of-the-bench", id = "bench" } } }
]]

local ROUTES_TEXT = [[
route "/{rest*}" { upstream = "origin" }
route "/encrypted" { upstream = "encrypted", rewrite = "/small" }
route "GET /four" { upstream = "origin", rewrite = "/small", plugins = {
  { "key-auth" },
  { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
  { "transform", set_headers = { ["x-team"] = "core" },
                 response = { remove_headers = { "x-powered-by" } } },
  { "metrics" },
} }
route "GET /aggregate" { plugins = { { "aggregate", parts = {
  one = { "http://origin/json" }, two = { "http://origin/json" }, three = { "http://origin/json" },
} } } }
route "GET /linked" { plugins = { { "aggregate", parts = {
  one = { "http://origin/json", extract = "list.2" }, two = { "http://origin/small?{one}" },
  three = { "http://origin/document" },
} } } }
route "/kept" { upstream = "origin", rewrite = "/fields", plugins = { { "cache" } } }
route "/stored/{rest*}" { upstream = "origin", rewrite = "/bytes/{rest}",
  plugins = { { "cache", ttl = "1h" } } }
for i = 1, %d do
  route("GET /routes/" .. i .. "/{id}") { upstream = "origin", rewrite = "/small",
    plugins = { { "transform", set_headers = { ["x-route"] = "r" .. i } } } }
end
]]

local function plugin_kind(row, path)
  local name, value = (row.header or "X-Api-Key: secret"):match "^(.-): *(.*)$"
  return {
    name = row.name and row[1] .. ", " .. row.name or row[1], plugin = row, route = path,
    path = path .. (row.query or ""), headers = { [name] = value }, share = 1 / 4,
    status = row[1] == "redirect" and 302 or 200,
  }
end

-- What the benchmark of plugins measures, but for what only a load of its own can ask for.
local function plugin_kinds()
  local kinds = {}
  for _, row in ipairs(plugin_rows.ROWS) do
    if not row.load and not row.cookie then
      kinds[#kinds + 1] = plugin_kind(row, row.path or "/p" .. #kinds)
    end
  end
  return kinds
end

local function plugin_route(kind)
  local upstream = kind.plugin.answers and "" or 'upstream = "origin", rewrite = "/small", '
  return ('route "GET %s" { %splugins = { { "%s", %s } } }'):format(kind.route, upstream,
    kind.plugin[1], kind.plugin[2])
end

-- `share` of the number of requests. `closes`: a connection for each; `is_encrypted`: by TLS;
-- `times`: so many behind each other, before the first answer.
local KINDS = {
  { name = "plain", path = "/small?a=b", bytes = SMALL_BYTES, share = 2 },
  { name = "four plugins", path = "/four", headers = KEY, bytes = SMALL_BYTES, share = 2 },
  { name = "many fields", path = "/small", bytes = SMALL_BYTES, headers = {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    Accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ["Accept-Language"] = "de,en-US;q=0.7,en;q=0.3", ["Accept-Encoding"] = "gzip, deflate, br",
    Cookie = "session=0123456789abcdef; theme=dark", Referer = "https://example.com/",
    ["X-Forwarded-For"] = "192.0.2.1", ["X-Request-Id"] = "8f14e45fceea167a",
  } },
  { name = "fields back", path = "/fields", bytes = SMALL_BYTES },
  { name = "escaped", path = "/small?q=Zo%C3%AB%20%26&path=%2Fa%2Fb", bytes = SMALL_BYTES },
  { name = "long target", path = "/small?" .. ("name=value&"):rep(60), bytes = SMALL_BYTES },
  { name = "in a row", path = "/small", bytes = SMALL_BYTES, times = 4, share = 1 / 2 },
  { name = "HTTP/1.0", path = "/small", bytes = SMALL_BYTES, version = "HTTP/1.0", closes = true,
    share = 1 / 4 },
  { name = "one of many routes", path = "/routes/1234/5", bytes = SMALL_BYTES },
  { name = "a connection each", path = "/small", bytes = SMALL_BYTES, closes = true },
  { name = "TLS", path = "/small", bytes = SMALL_BYTES, is_encrypted = true },
  { name = "TLS, a connection each", path = "/small", bytes = SMALL_BYTES, is_encrypted = true,
    closes = true, share = 1 / 8 },
  { name = "TLS to the upstream", path = "/encrypted", bytes = SMALL_BYTES },
  { name = "three parts", path = "/aggregate" },
  { name = "parts of parts", path = "/linked" },
  { name = "body behind the head", path = "/bytes/1024", bytes = SMALL_BYTES },
  { name = "chunks", path = "/chunked/8", share = 1 / 2 },
  { name = "large", path = "/bytes/" .. LARGE_BYTES, bytes = LARGE_BYTES, share = 1 / 4 },
  { name = "large, TLS", path = "/bytes/" .. LARGE_BYTES, bytes = LARGE_BYTES, share = 1 / 16,
    is_encrypted = true },
  { name = "huge", path = "/bytes/" .. HUGE_BYTES, bytes = HUGE_BYTES, share = 1 / 32 },
  { name = "until the end", path = "/until-close/1024", bytes = SMALL_BYTES, share = 1 / 8 },
  { name = "stored", path = "/stored/1024", bytes = SMALL_BYTES },
  { name = "stored, large", path = "/stored/102400", bytes = LARGE_BYTES, share = 1 / 8 },
  { name = "stored, a piece", path = "/stored/102400", headers = { Range = "bytes=100-2099" },
    status = 206, bytes = 2000, share = 1 / 4 },
  { name = "kept", path = "/kept", bytes = SMALL_BYTES, share = 1 / 4 },
  { name = "known already", path = "/kept", headers = { ["If-None-Match"] = '"0123456789abcdef"' },
    status = 304, share = 1 / 4 },
  { name = "announced", path = "/count", method = "POST", body = ("x"):rep(300),
    headers = { Expect = "100-continue" }, share = 1 / 4 },
  { name = "posted", path = "/count", method = "POST", body = ("x"):rep(300) },
  { name = "posted in chunks", path = "/count", method = "POST", body = ("x"):rep(300),
    headers = { ["Transfer-Encoding"] = "chunked" } },
  { name = "upload", path = "/count", method = "POST", body = ("x"):rep(HUGE_BYTES),
    share = 1 / 32 },
  { name = "head alone", path = "/bytes/1024", method = "HEAD", share = 1 / 4 },
  { name = "no body", path = "/status/204", status = 204, share = 1 / 4 },
  { name = "not modified", path = "/status/304", status = 304, share = 1 / 4 },
  { name = "no key", path = "/four", status = 401, share = 1 / 8 },
  { name = "no such", path = "/status/404", status = 404, share = 1 / 8 },
}

-- An encrypted origin is another process.
local function start(directory, kinds)
  local authority = certificates.authority(directory, "authority")
  local own = authority:issue { name = "localhost", alternatives = "DNS:localhost,IP:127.0.0.1" }
  local origin = peer.start(answer, { forgets = true })
  local encrypted = peer.start(answer, { forgets = true,
    tls = { cert = own.certificate, key = own.key } })
  local lines = {
    HEAD:format(own.certificate, own.key, directory, directory, origin.url,
      encrypted.url:gsub("^http:", "https:"), authority.certificate, directory),
    plugin_rows.PROVIDER, ROUTES_TEXT:format(ROUTES),
  }
  for _, kind in ipairs(kinds) do lines[#lines + 1] = plugin_route(kind) end
  return gateway.start { config = table.concat(lines, "\n") .. "\n" }
end

local function check(kind, response)
  local status, bytes = kind.status or 200, kind.bytes or response.length
  if response.status == status and response.length == bytes then return end
  error(("%s: %d with %s bytes where %d with %s was to come"):format(kind.name, response.status,
    response.length or "no", status, bytes or "no"), 0)
end

local function connect(server, kind)
  if kind.is_encrypted then return http.connect(server.ports[2], { tls = {} }) end
  return http.connect(server.port)
end

-- One request on each of some connections, side by side.
local function ask_all(server, kind, request, kept)
  local connections = kind.closes and {} or kept
  for i = 1, CONNECTIONS do
    connections[i] = connections[i] or connect(server, kind)
    connections[i]:send(request:rep(kind.times or 1))
  end
  for i = 1, CONNECTIONS do
    for _ = 1, kind.times or 1 do
      check(kind, connections[i]:read_response(kind.method, { count = true }))
    end
    if kind.closes then connections[i]:close() end
  end
end

local function ask(server, kind, requests)
  local each_turn, kept = CONNECTIONS * (kind.times or 1), {}
  local turns = math.ceil(requests * (kind.share or 1) / each_turn)
  local headers = { Accept = "*/*", Connection = kind.closes and "close" or nil }
  for name, value in pairs(kind.headers or {}) do headers[name] = value end
  local request = http.format { method = kind.method, path = kind.path, headers = headers,
    body = kind.body, version = kind.version }
  for _ = 1, turns do ask_all(server, kind, request, kept) end
  for _, connection in pairs(kept) do connection:close() end
  return turns * each_turn
end

-- What it does but seldom, and for everybody to wait for: builds a configuration.
local function reload(server)
  local path = server.directory .. "/gateway.lua"
  system.write_file(path, system.read_file(path) .. "-- another one\n")
  for _, verb in ipairs { "check", "reload" } do
    local code, out, err = server:ask { verb }
    if code ~= 0 then error(verb .. ": " .. out .. err, 0) end
  end
end

local function train(directory, requests)
  local more, asked = plugin_kinds(), 0
  local server = start(directory, more)
  for _, kinds in ipairs { KINDS, more } do
    for _, kind in ipairs(kinds) do asked = asked + ask(server, kind, requests) end
  end
  local metrics = http.request(server.admin_port, { path = "/metrics" })
  if metrics.status ~= 200 then error("no metrics", 0) end
  reload(server)
  server:stop()
  return asked
end

--- Lets the gateway under test do it, and end; raises where an answer is not as wanted.
---@param requests integer of a kind, more or less
---@return integer asked in all
function training.run(requests)
  local directory = system.temporary_directory()
  local ok, asked = pcall(train, directory, requests)
  if not ok then pcall(gateway.stop_all) end
  peer.stop_all()
  process.remove(directory)
  if not ok then error(asked, 0) end
  return asked
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function training.main(arguments)
  local ok, result = pcall(training.run, tonumber(arguments[1]) or REQUESTS)
  if ok then return 0 end
  io.stderr:write("training: ", tostring(result), "\n")
  return 1
end

return training
