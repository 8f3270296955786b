--- soak_traffic: clients that check every byte they get, and origins that go bad by the clock.

local faults = require "spec.support.upstream_faults"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local sealed = require "spec.support.sealed"
local system = require "spec.support.system"

local traffic = {}

-- What origins do for PHASE_SECONDS each, by chance: nothing wrong in more than half of them.
local MODES = { "well", "well", "well", "well", "well", "well", "failing", "resetting", "broken",
                "broken", "late" }
local PHASE_SECONDS = 1.3
local LATE_SECONDS = 0.7

-- Rows of the table of faults that anybody may come upon.
local FAULTS = {}
for _, fault in ipairs(faults) do
  if not fault.method and not fault.unread then FAULTS[#FAULTS + 1] = fault end
end

-- Objects by popularity, of sizes from nothing to 200 KB, that are always the same.
local OBJECTS, LARGEST = 3000, 200000

---@param index integer
---@return integer bytes
local function length_of(index)
  return math.floor(LARGEST ^ ((index * 7919 % 1000) / 1000))
end

-- The mode of origin `number` now; all are well from `calm` on.
local function mode_of(number, calm)
  local now = system.now()
  if now >= calm then return "well" end
  local phase = math.floor(now / PHASE_SECONDS)
  return MODES[(phase * 7919 + number * 104729 + phase * phase * 31) % #MODES + 1]
end

local function answer_badly(connection, body)
  local fault = FAULTS[math.random(#FAULTS)]
  connection:send(faults.bytes(fault, body))
  if fault.ends == "reset" then return connection:reset() end
  if fault.ends == "close" then return end
  connection.stream:is_closed(10)
end

local FRESH = "max-age=1, stale-while-revalidate=2, stale-if-error=4"

--- An origin that goes bad and well again until `calm`, a time of system.now().
---@param number integer
---@param calm number
---@return Peer
function traffic.origin(number, calm)
  local made = 0
  local function answer(connection, request)
    local mode = mode_of(number, calm)
    local index = tonumber(request.target:match "(%d+)$") or 1
    made = made + 1
    local body = sealed.body(request.target, made, length_of(index))
    if mode == "resetting" then return connection:reset() end
    if mode == "broken" and math.random(2) == 1 then return answer_badly(connection, body) end
    if mode == "late" then connection:sleep(LATE_SECONDS) end
    local tag = ('"%d"'):format(index)
    if mode == "failing" then return connection:answer(503, nil, "failing") end
    -- Every second object stays as it is: then it is confirmed, not sent.
    if index % 2 == 0 and request.headers["if-none-match"] == tag then
      return connection:send(("HTTP/1.1 304 Not Modified\r\nETag: %s\r\nCache-Control: %s\r\n\r\n")
        :format(tag, FRESH))
    end
    return connection:answer(200, { ["Cache-Control"] = FRESH, ETag = tag }, body)
  end
  return peer.start(function(connection)
    connection.stream.seconds = 600
    math.randomseed(connection.number + number)
    while true do
      local request = connection:read_request()
      if not request or not answer(connection, request) then return end
    end
  end, { forgets = true })
end

-- What may come of a request whose answer is not right; nothing else is expected.
local EXPECTED = { [204] = true, [304] = true, [502] = true, [503] = true, [504] = true }

local function count(tally, name) tally[name] = (tally[name] or 0) + 1 end

local function judge_body(tally, target, answer)
  local problem = sealed.problem(answer.body, target)
  if problem then
    count(tally, "wrong")
    tally.example = ("%s: %s\n%s%s"):format(target, problem, answer.head, answer.body:sub(1, 300))
    return
  end
  count(tally, "right")
  local cache = answer.headers["cache-status"]
  if type(cache) == "string" and cache:find(";hit", 1, true) then count(tally, "hits") end
end

-- Whether it was what an origin that is well gives.
local function judge(tally, target, ok, answer)
  count(tally, "requests")
  if ok and answer.status == 200 then
    judge_body(tally, target, answer)
    return true
  end
  if not ok then
    count(tally, "broken")
  elseif answer.status == 503 and answer.body == "failing" then
    count(tally, "passed on")
  elseif EXPECTED[answer.status] then
    count(tally, tostring(answer.status))
  else
    count(tally, "unexpected")
    tally.example = target .. " " .. answer.head
  end
  return false
end

-- One after the other, on a connection as long as it lasts.
local function ask(port, routes, calm, tally)
  local client
  return function()
    local target = ("/%s/%d"):format(routes[math.random(#routes)],
      math.floor(OBJECTS ^ math.random()))
    if not client then
      local ok, fresh = pcall(http.connect, port)
      if not ok then return system.sleep(0.01) end
      client = fresh
    end
    local ok, answer = pcall(client.request, client, { path = target })
    local is_late = system.now() >= calm
    if not judge(tally, target, ok, answer) and is_late then
      count(tally, "bad at rest")
      tally.example = target .. " " .. (ok and answer.head or tostring(answer))
    end
    if not ok or answer.headers.connection == "close" then
      client:close()
      client = nil
    end
  end
end

--- Asks in a process of its own until `ends`, a time of system.now(), and writes into `path` what
--- came of it, as JSON, once a second.
---@param path string
---@param world { port: integer, routes: string[], calm: number, ends: number, number: integer }
---@return Process
function traffic.client(path, world)
  return process.fork(function()
    math.randomseed(world.number)
    local tally, told = {}, 0
    local once = ask(world.port, world.routes, world.calm, tally)
    while system.now() < world.ends do
      once()
      if system.now() - told > 1 then
        told = system.now()
        system.write_file(path .. ".new", json.encode(tally))
        os.rename(path .. ".new", path)
      end
    end
    system.write_file(path, json.encode(tally))
  end)
end

--- The sum of what clients have written, and an example of what was wrong.
---@param paths string[]
---@return table<string, integer>
---@return string|nil example
function traffic.sum(paths)
  local sum, example = setmetatable({}, { __index = function() return 0 end }), nil
  for _, path in ipairs(paths) do
    for name, value in pairs(json.decode(system.read_file(path) or "{}")) do
      if name == "example" then example = value else sum[name] = sum[name] + value end
    end
  end
  return sum, example
end

return traffic
