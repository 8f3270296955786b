--- http_cache_tests: the npm package http-cache-tests, which asks caches what HTTP wants of them.
--
-- Not there where ./dev could not install it: what needs it is skipped then.

local json = require "cjson"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local FOLDER = "build/npm/node_modules"
local PROGRAM = "spec/support/http_cache_tests.mjs"

---@class HttpCacheTests
---@field url string  of its server, which what is tested passes everything to
---@field process Process
local Server = {}
Server.__index = Server

local http_cache_tests = {}

---@return boolean
function http_cache_tests.is_there()
  return system.read_file(FOLDER .. "/http-cache-tests/package.json") ~= nil
end

--- Starts its server.
---@return HttpCacheTests
function http_cache_tests.start()
  local self = setmetatable({ directory = system.temporary_directory() }, Server)
  local path = self.directory .. "/out"
  self.process = process.spawn({ "node", PROGRAM, system.absolute(FOLDER), "server" },
    { stdout = path, stderr = path })
  local port = wait.that(function()
    local text = system.read_file(path) or ""
    if not self.process:is_running() then error("it ended:\n" .. text) end
    return text:match "Listening on %S+:(%d+)/"
  end, 60, "the server to listen")
  self.url = "http://localhost:" .. port
  return self
end

--- Runs its tests against the cache at `url`.
---@param url string
---@return table<string, { kind: "required"|"optimal"|"check", passed: boolean, why: string }>
function Server:run(url)
  local code, out, err = process.run(
    { "node", PROGRAM, system.absolute(FOLDER), "client", url }, { seconds = 120 })
  if code ~= 0 then error(err) end
  return json.decode(out)
end

function Server:stop()
  self.process:kill()
  process.remove(self.directory)
end

return http_cache_tests
