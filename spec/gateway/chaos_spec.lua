--- chaos: clients and origins that stop, vanish and lie at any byte; the worker serves on.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local message = require "spec.support.message"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local process = require "spec.support.process"
local rows = require "spec.support.strict_rows"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local ROUNDS = tonumber(os.getenv "MOONGATE_SPEC_ROUNDS" or 1500)

local PATHS = {
  "/bytes/10", "/bytes/300000", "/chunked/5", "/events/3/0.005", "/until-close/1000", "/hints",
  "/status/204", "/reject", "/upgrade", "/delay/0.01", "/count", "/fault/reset-after-request",
  "/fault/close-in-head", "/fault/reset-in-body", "/fault/close-in-body", "/fault/close-in-chunks",
  "/fault/garbage", "/fault/bad-chunk", "/fault/extra-bytes", "/fault/extra-answer",
  "/fault/stall-in-body", "/fault/stall", "/plugin/wait", "/plugin/collect", "/plugin/answer",
  "/plugin/body/bytes/5000", "/plugin/chunks/bytes/300000", "/plugin/chunks/fault/reset-in-body",
  "/plugin/slow/fault/close-in-body", "/plugin/slow/bytes/300000", "/plugin/raise/bytes/300000",
}

local BODIES = {
  { "", "" },
  { "Content-Length: 5\r\n", "12345" },
  { "Content-Length: 200000\r\n", ("x"):rep(200000) },
  { "Transfer-Encoding: chunked\r\n", message.chunk("abc"):rep(3) .. "0\r\nX: y\r\n\r\n" },
  { "Content-Length: 5\r\nExpect: 100-continue\r\n", "12345" },
}

local CONFIG = [[
  listen { "127.0.0.1:0", tls = TLS }
  limits { head_timeout = "200ms", body_timeout = "100ms", idle_timeout = "300ms" }
  upstream "origin" { ORIGIN, tls = { verify = false }, failures = 1000000 }
  local function through(name, options)
    options[1] = "probe"
    route("/plugin/" .. name .. "/{rest*}") { upstream = "origin", rewrite = "/{rest}",
      timeout = { response = "100ms", idle = "50ms" }, plugins = { options } }
  end
  local function pause(moongate) moongate.sleep(0.005) end
  route "/{rest*}" { upstream = "origin", timeout = { response = "100ms", idle = "50ms" } }
  route "/plugin/wait" { upstream = "origin", rewrite = "/count", plugins = { { "probe",
    on_request = function(_, moongate) pause(moongate) end } } }
  route "/plugin/collect" { upstream = "origin", rewrite = "/count", plugins = { { "probe",
    on_request = function(req) req:body(100000) end } } }
  route "/plugin/answer" { plugins = { { "answer", on_respond = function(_, moongate)
    pause(moongate)
    return moongate.reply.text(200, ("a"):rep(300000))
  end } } }
  through("body", { on_response_body = function(_, _, body) return body .. "!" end })
  through("chunks", { on_response_chunk = function(_, _, chunk) return chunk .. "!" end })
  through("slow", { on_response = function(_, _, moongate) pause(moongate) end })
  through("raise", { on_response_chunk = function(_, res, chunk)
    if #chunk > 0 then error "now" end
  end })
]]

describe("a worker among clients and origins that misbehave", function()
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function pick(list) return list[math.random(#list)] end

  local function request()
    if math.random(8) == 1 then
      local row = pick(math.random(2) == 1 and rows.refused or rows.passed)
      if row.request then return row.request end
    end
    local body = pick(BODIES)
    local upgrade = math.random(4) == 1 and "Connection: upgrade\r\nUpgrade: echo\r\n" or ""
    return ("%s %s HTTP/1.%d\r\nHost: a\r\n%s%s\r\n%s"):format(
      pick { "GET", "POST", "PUT", "HEAD" }, pick(PATHS), math.random(10) == 1 and 0 or 1,
      upgrade, body[1], body[2])
  end

  -- One thing that a client does to its connection; true when it is the last.
  local DEEDS = {
    function(client) client:send(request()) end,
    function(client) client:send(request()) end,
    function(client) client:send(request() .. request()) end,
    function(client)
      local bytes = request()
      client:send(bytes:sub(1, math.random(#bytes)))
    end,
    function(client) client:receive_some(math.random(1000)) end,
    function(client) client:receive_some() end,
    function(client) client:finish() end,
    function(client) client:close() return true end,
    function(client) client:reset() return true end,
  }

  -- Certificates, or nothing, for both sides.
  local function start(pair)
    local origin = peer.start(nil, { tls = pair and { cert = pair.certificate, key = pair.key } })
    local url = pair and origin.url:gsub("^http:", "https:") or origin.url
    local tls = pair and ("{ cert = %q, key = %q }"):format(pair.certificate, pair.key) or "nil"
    local config = CONFIG:gsub("TLS", tls, 1):gsub("ORIGIN", ("%q"):format(url), 1)
    return gateway.start { files = probe.files, config = config }
  end

  local function misbehave(self, rounds, tls)
    local clients = {}
    for _ = 1, rounds do
      if #clients < 12 then
        -- Who is slow to shake hands may be cut off.
        local client = wait.that(function() return http.connect(self.port, { tls = tls }) end)
        client.stream.seconds = 0.004
        clients[#clients + 1] = client
      end
      local i = math.random(#clients)
      if pick(DEEDS)(clients[i]) then table.remove(clients, i) end
    end
    for _, client in ipairs(clients) do client:close() end
  end

  local function check(rounds, pair)
    local seed = tonumber(os.getenv "MOONGATE_SPEC_SEED") or os.time()
    math.randomseed(seed)
    local self, tls = start(pair), pair and {}
    local worker = self:worker_pids()[1]
    misbehave(self, rounds, tls)
    assert.equal(worker, self:worker_pids()[1], "the worker died; seed " .. seed)
    wait.that(function()
      return http.request(self.port, { path = "/bytes/10", tls = tls }).body == "0123456789"
    end, 20, "an answer; seed " .. seed)
    -- Nothing is left over that stopping would have to wait for.
    self:stop()
  end

  it("lives, loses nothing, and serves on", function() check(ROUNDS) end)

  it("does so with TLS on both sides", function()
    local directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    check(math.floor(ROUNDS / 3), authority:issue { name = "localhost" })
    process.remove(directory)
  end)
end)
