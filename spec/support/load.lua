--- load: clients that ask all the time, in a process of their own, and what went wrong for them.

local http = require "spec.support.http"
local process = require "spec.support.process"
local system = require "spec.support.system"

local load = {}

---@class Load
---@field process Process
---@field path string of what it writes
local Load = {}
Load.__index = Load

local KEPT, FAILURES_MAX = 4, 10

local function is_closing(response)
  return (response.headers.connection or ""):lower() == "close"
end

-- Who is held up for longer than this finds connections that were closed by right.
local HELD_UP_SECONDS = 0.2

-- A request on a connection that is kept, unless that has been closed while nothing was asked.
local function ask_kept(port, path, kept, i)
  if kept[i] and kept[i]:is_closed(0) then
    kept[i]:close()
    kept[i] = nil
  end
  local since = system.now()
  kept[i] = kept[i] or http.connect(port)
  kept[i]:send(http.format { path = path })
  local is_late = system.now() - since > HELD_UP_SECONDS
  local ok, response = pcall(kept[i].read_response, kept[i])
  if not ok and is_late then
    kept[i] = nil
    return
  end
  assert(ok, response)
  assert(response.status == 200, "status " .. response.status)
  if is_closing(response) then
    kept[i]:close()
    kept[i] = nil
  end
end

-- One request on a connection that is kept, and one on a connection of its own.
local function ask_once(port, path, kept, i)
  ask_kept(port, path, kept, i)
  local fresh = http.connect(port)
  assert(fresh:request({ path = path, headers = { Connection = "close" } }).status == 200)
  fresh:close()
end

local function ask(port, path, directory, options)
  local kept, requests, failures, i = {}, 0, {}, 0
  while not system.read_file(directory .. "/stop") do
    i = i % KEPT + 1
    local ok, why = pcall(ask_once, port, path, kept, i)
    requests = requests + 2
    if not ok then
      kept[i] = nil
      if options.until_refused and tostring(why):find "cannot connect" then break end
      if #failures < FAILURES_MAX then failures[#failures + 1] = tostring(why) end
    end
  end
  system.write_file(directory .. "/report", ("%d\n%s"):format(requests,
    table.concat(failures, "\n")))
end

--- Starts to ask, on some connections that are kept and on others that are not.
---@param port integer
---@param path string? default "/"
---@param options table? `until_refused`: it ends by itself when nobody listens any more
---@return Load
function load.start(port, path, options)
  local directory = system.temporary_directory()
  local child = process.fork(function() ask(port, path or "/", directory, options or {}) end)
  return setmetatable({ process = child, directory = directory }, Load)
end

--- Ends it.
---@return { requests: integer, failures: string } `failures`: a line each; "" when all went well
function Load:stop()
  system.write_file(self.directory .. "/stop", "")
  local code = self.process:wait(60)
  assert(code == 0, ("the load ended with %s"):format(code))
  local requests, failures = system.read_file(self.directory .. "/report"):match "^(%d+)\n(.*)$"
  process.remove(self.directory)
  return { requests = tonumber(requests), failures = failures }
end

return load
