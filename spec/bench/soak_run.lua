--- soak_run: good and bad requests for minutes, and a look at the worker every few seconds.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local system = require "spec.support.system"

local soak = {}

local PIECE_SECONDS = 5
-- Growth of resident memory after the first fifth of the time.
local GROWTH_MAX = 1.05

local CONFIG = [[
workers(1)
listen "127.0.0.1:0"
limits { drain_timeout = "2s" }
upstream "origin" { "%s", idle_connections = 256 }
consumer "soak" { keys = { "secret" } }
route "GET /bytes/{count}" { upstream = "origin" }
route "GET /keys/{rest*}" {
  upstream = "origin", rewrite = "/bytes/{rest}",
  plugins = { { "key-auth" }, { "rate-limit", limit = 1000000000, window = "1s" }, { "metrics" } },
}
route "/fault/{rest*}" { upstream = "origin", timeout = { response = "0.2s" } }
]]

local FAULTS = {
  "GET /fault/reset-before HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /fault/garbage HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
  "POST /bytes/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX",
  "GET /keys/10 HTTP/1.1\r\nHost: a\r\n\r\n",
}

local function descriptors(pid)
  local pipe = io.popen(("ls /proc/%d/fd | wc -l"):format(pid))
  local count = tonumber((pipe:read "*a"))
  pipe:close()
  return count
end

local function load(port, path)
  local pipe = io.popen(("wrk -t1 -c32 -d%ds -H 'x-api-key: secret' http://127.0.0.1:%d%s 2>&1")
    :format(PIECE_SECONDS, port, path))
  local text = pipe:read "*a"
  pipe:close()
  return tonumber(text:match "(%d+) requests in") or error(text)
end

local function trouble(port)
  for _, bytes in ipairs(FAULTS) do
    local connection = http.connect(port)
    connection:send(bytes)
    connection:receive_some(100)
    connection:reset()
  end
end

--- The command line's work; the exit code.
---@param arguments string[]
---@return integer
function soak.main(arguments)
  local seconds = (tonumber(arguments[1]) or 5) * 60
  local upstream = peer.start()
  local server = gateway.start { config = CONFIG:format(upstream.url) }
  local worker = server:worker_pids()[1]
  local started, requests, first = system.now(), 0, nil
  local memory, open
  repeat
    requests = requests + load(server.port, "/bytes/1024") + load(server.port, "/keys/1024")
    trouble(server.port)
    memory, open = server:rss(worker), descriptors(worker)
    local elapsed = system.now() - started
    if not first and elapsed > seconds / 5 then first = memory end
    print(("%4d s  %9d requests  %6d KiB  %4d descriptors"):format(elapsed, requests,
      memory / 1024, open))
  until elapsed > seconds
  server:stop()
  peer.stop_all()
  if memory > (first or memory) * GROWTH_MAX then
    print(("memory grew from %d to %d KiB"):format(first / 1024, memory / 1024))
    return 1
  end
  return 0
end

return soak
