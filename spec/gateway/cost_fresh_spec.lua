--- cost_fresh: requests that each come from somebody else leave no more in the Lua heap than those
--- of one client do.

local gateway = require "spec.support.gateway"
local heap = require "spec.support.heap"
local http = require "spec.support.http"
local peer = require "spec.support.peer"

local CONNECTIONS, ROUNDS, TRIES = 64, 20, 6
local REQUESTS = CONNECTIONS * ROUNDS
-- More than all requests below: a text that Lua has had before makes nothing new.
local CONSUMERS = 12000

local CONFIG = heap.ROUTE .. [[
  listen "127.0.0.1:0"
  trusted_proxies { "127.0.0.1/32" }
  upstream "origin" { "%s", idle_connections = 256 }
  for i = 0, %d do consumer("consumer-" .. i) { keys = { "key-" .. i } } end
  route "GET /bytes/1000" { upstream = "origin", plugins = { %s } }
]]

local CHAINS = {
  consumer = [[
    { "key-auth" },
    { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
    { "concurrency", limit = 1000, by = "consumer" },
  ]],
  address = [[
    { "spike-arrest", limit = 1000000000, window = "1s", burst = 1000000, by = "address" },
    { "rate-limit", limit = 1000000000, window = "1s", algorithm = "sliding", headers = "none" },
    { "rate-limit", limit = 1000000000, window = "1s", algorithm = "fixed",
      by = "header:x-api-key" },
  ]],
}

local function request_of(number)
  return http.format { path = "/bytes/1000", headers = {
    ["x-api-key"] = "key-" .. number,
    ["x-forwarded-for"] = ("10.1.%d.%d"):format(number / 256, number % 256),
  } }
end

local function same() return request_of(0) end

-- Another number each time.
local function others()
  local number = 0
  return function()
    number = number % CONSUMERS + 1
    return request_of(number)
  end
end

describe("a request", function()
  local origin, moongate, clients

  setup(function() origin = peer.start() end)
  after_each(gateway.stop_all)
  teardown(peer.stop_all)

  local function start(plugins)
    moongate = gateway.start { config = CONFIG:format(origin.url, CONSUMERS, plugins),
      files = heap.FILES }
    clients = {}
    for i = 1, CONNECTIONS do clients[i] = http.connect(moongate.port) end
  end

  -- All connections ask at once, then all read: as often as said.
  local function load(next_text, rounds)
    for _ = 1, rounds do
      for _, client in ipairs(clients) do client:send(next_text()) end
      for _, client in ipairs(clients) do assert.equal(200, client:read_response().status) end
    end
  end

  local function garbage_of(next_text)
    load(next_text, 4)
    return heap.left_by_each(moongate.port, REQUESTS, function() load(next_text, ROUNDS) end)
  end

  for name, plugins in pairs(CHAINS) do
    it("leaves no more in the Lua heap when each is from another " .. name, function()
      start(plugins)
      local fresh = others()
      load(same, 15)
      load(fresh, 15)
      local more = math.huge
      for _ = 1, TRIES do
        -- What is compiled late may change what a request leaves.
        if math.abs(more) >= 1 then more = garbage_of(fresh) - garbage_of(same) end
      end
      assert.is_true(math.abs(more) < 1, ("%.1f bytes"):format(more))
    end)
  end
end)
