--- reload_load: the loads under which a gateway is changed, killed and replaced, and what they saw.

local paced = require("spec.bench.load").paced
local process = require "spec.support.process"
local system = require "spec.support.system"

local load = {}

local CONNECTIONS = 64

-- Asks all routes in turn, so that no generation's tables stay cold.
local SPREAD = [[
local count, at = %d, 0
request = function()
  at = (at + 7919) %% count
  return wrk.format("GET", "/r" .. at)
end
]]

---@class LoadReport
---@field requests integer
---@field rate number      requests in a second
---@field refused integer  connections that were not made
---@field broken integer   connections that ended with a request under way
---@field wrong integer    answers other than 2xx and 3xx
---@field late integer     requests without an answer in time

-- wrk leaves out what is zero.
local function report_of(text)
  local requests = tonumber(text:match "(%d+) requests in")
  if not requests or requests == 0 then error("the load failed:\n" .. text, 0) end
  local connect, read, write, timeout =
    text:match "Socket errors: connect (%d+), read (%d+), write (%d+), timeout (%d+)"
  return {
    requests = requests,
    rate = tonumber(text:match "Requests/sec:%s+([%d.]+)"),
    refused = tonumber(connect or 0),
    broken = tonumber(read or 0) + tonumber(write or 0),
    late = tonumber(timeout or 0),
    wrong = tonumber(text:match "Non%-2xx or 3xx responses: (%d+)" or 0),
  }
end

--- As many requests as go, over 64 connections that stay open, for `seconds`, while `body` runs.
---@param directory string  for files of its own
---@param port integer
---@param routes integer    they are called /r0, /r1 and so on
---@param seconds number
---@param body fun()?
---@return LoadReport
function load.full(directory, port, routes, seconds, body)
  local script, out = directory .. "/spread.lua", directory .. "/wrk.out"
  system.write_file(script, SPREAD:format(routes))
  local child = process.spawn({ "wrk", "-t1", "-c" .. CONNECTIONS, ("-d%ds"):format(seconds), "-s",
    script, ("http://127.0.0.1:%d/"):format(port) }, { stdout = out, stderr = out })
  if body then body() end
  if not child:wait(seconds + 60) then child:kill() end
  return report_of(system.read_file(out))
end

--- See spec.bench.load: the first route.
function load.paced(directory, port, rate, seconds, body)
  return paced({ program = { port = port }, path = "/r1", directory = directory }, rate, seconds,
    body)
end

return load
