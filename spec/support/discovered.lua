--- discovered: a gateway whose upstream "orders" is discovered, and origins that it may be told of,
-- each of which answers with its number.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

---@class Discovered
---@field origins Peer[]
---@field gateway table  the one that is asked, as gateway.start() has it
local Discovered = {}
Discovered.__index = Discovered

local discovered = {}

local function answer_with(number)
  return function(connection)
    local request = connection:read_request()
    while request do
      local seconds = request.target:match "^/slow/([%d.]+)"
      if seconds then connection:sleep(tonumber(seconds)) end
      if not connection:answer(200, nil, tostring(number)) then return end
      request = connection:read_request()
    end
  end
end

---@param count integer  of origins
---@return Discovered
function discovered.new(count)
  local self = setmetatable({ origins = {} }, Discovered)
  for i = 1, count do self.origins[i] = peer.start(answer_with(i)) end
  return self
end

--- Ends all that was started.
function discovered.stop_all()
  gateway.stop_all()
  peer.stop_all()
end

--- The list of the origins of these numbers.
---@return string
function Discovered:list_of(...)
  local urls = {}
  for i, number in ipairs { ... } do urls[i] = self.origins[number].url end
  return #urls == 0 and "[]" or json.encode(urls)
end

--- Starts the gateway that is asked from now on.
---@param discover string  what is in `discover`
---@param options { workers: integer?, words: string?, files: table?, directory: string?,
--- preload: string? }?
---@return table gateway
function Discovered:start(discover, options)
  options = options or {}
  self.gateway = gateway.start { directory = options.directory, files = options.files,
    preload = options.preload, config = ([[
    listen "127.0.0.1:0"
    admin "127.0.0.1:0"
    workers(%d)
    %s
    upstream "orders" { discover = { %s } }
    route "/{rest*}" { upstream = "orders", retries = 0 }
  ]]):format(options.workers or 1, options.words or "", discover) }
  return self.gateway
end

--- What `discover` is for a registry's list, which is asked for all the time.
---@param source Peer
---@return string
function discovered.from(source)
  return ('http = "%s/targets", interval = "50ms", retry_max = "50ms"'):format(source.url)
end

---@param path string?
function Discovered:ask(path)
  return http.request(self.gateway.port, { path = path or "/" })
end

--- What the admin listener has at `path`.
---@param path string
---@return string
function Discovered:admin(path)
  return http.request(self.gateway.admin_port, { path = path }).body
end

--- Who answers four requests, and how: "1 2", "503".
---@return string
function Discovered:answered()
  local seen, names = {}, {}
  for _ = 1, 4 do
    local response = self:ask()
    seen[response.status == 200 and response.body or tostring(response.status)] = true
  end
  for name in pairs(seen) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " ")
end

--- Until these answer.
---@param wanted string
function Discovered:wait_for(wanted)
  local seen
  local ok = pcall(wait.that, function()
    seen = self:answered()
    return seen == wanted
  end, 20)
  if ok then return end
  error(("waited for %q, saw %q; %s"):format(wanted, seen, self.gateway:log()), 2)
end

function Discovered:upstream() return json.decode(self:admin "/upstreams/orders") end

function Discovered:shown() return self:upstream().discovery end

--- Until that is the last error; what is shown then.
---@param pattern string
---@return table
function Discovered:wait_for_error(pattern)
  return wait.that(function()
    local now = self:shown()
    return now.error and now.error:find(pattern) and now
  end, 20, pattern)
end

return discovered
