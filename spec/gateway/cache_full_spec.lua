--- cache_full_spec: answers for which the cache has no room, halfway, while others read along.

local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

local URLS, CLIENTS, BYTES = 24, 5, 400000

describe("a cache that is full of what is being read", function()
  local origin, moongate

  setup(function()
    origin = cache_origin.start()
    moongate = gateway.start { config = ([[
      workers(2)
      memory { cache = "4m" }
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/small/{rest*}" { upstream = "origin",
        plugins = { { "cache", max_object = "64k" } } }
      route "/{rest*}" { upstream = "origin", plugins = { { "cache" } } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  -- Connections that take little before they read.
  local function ask(path)
    local client = http.connect(moongate.port, { receive_buffer = 4096, seconds = 60 })
    client:send(http.format { path = path })
    return client
  end

  local function read_all(clients, bytes)
    for at, client in ipairs(clients) do
      local answer = client:read_response(nil, { count = true })
      assert.equal(200, answer.status)
      assert.equal(bytes, answer.length, "client " .. at)
      client:close()
    end
  end

  local function metric(name)
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    return tonumber(text:match("\n" .. name .. " (%d+)"))
  end

  -- Of both routes together, as of the whole.
  local function evicted_by_route()
    local text, sum = http.request(moongate.admin_port, { path = "/metrics" }).body, 0
    for count in text:gmatch '\nmoongate_cache_route_evicted_total{route="[^"]+"} (%d+)' do
      sum = sum + tonumber(count)
    end
    return sum
  end

  local function is_at_rest() return metric "moongate_cache_filling" == 0 end

  for _, form in ipairs { "", "&chunked" } do
    it("cuts nobody off" .. (form ~= "" and " whose answer has no length" or ""), function()
      local clients = {}
      for i = 1, CLIENTS do
        for url = 1, URLS do
          clients[(url - 1) * CLIENTS + i] =
            ask(("/%d?Cache-Control=max-age=60&bytes=%d%s"):format(url, BYTES, form))
        end
      end
      origin:wait_for_requests(URLS)
      read_all(clients, BYTES)
      wait.that(is_at_rest, 20, "the end of all fills")
    end)
  end

  it("goes on for all who read along when an answer outgrows what may be stored", function()
    local path = "/small/a?Cache-Control=max-age=60&bytes=1600000&chunked&delay=0.3&pause=0.2"
    local clients = {}
    for i = 1, 12 do clients[i] = ask(path) end
    origin:wait_for_requests(1)
    clients[5]:reset() -- who leaves holds nobody up
    table.remove(clients, 5)
    read_all(clients, 1600000)
    -- Who comes after the middle of it asks for himself.
    local before = #origin:requests()
    assert.is_true(before < #clients, "nobody joined")
    wait.that(is_at_rest, 20, "the end of the fill")
    assert.equal(200, http.request(moongate.port, { path = path, count = true }).status)
    assert.equal(before + 1, #origin:requests(), "it was stored")
  end)

  it("goes on when the client for which it was begun leaves", function()
    local path = "/small/b?Cache-Control=max-age=60&bytes=1600000&chunked&delay=0.3"
    local first, others = ask(path), {}
    origin:wait_for_requests(1)
    for i = 1, 6 do others[i] = ask(path) end
    assert.equal(200, first:read_head().status)
    first:receive(200000)
    first:reset()
    read_all(others, 1600000)
    assert.is_true(#origin:requests() < 7, "nobody joined")
  end)

  it("ends when nobody reads any more, and gives its memory back", function()
    local path = "/small/c?Cache-Control=max-age=60&bytes=16000000&chunked"
    local clients = {}
    for i = 1, 4 do
      clients[i] = ask(path)
      assert.equal(200, clients[i]:read_head().status)
    end
    for _, client in ipairs(clients) do client:reset() end
    wait.that(is_at_rest, 20, "the end of the fill")
  end)

  it("cuts off who reads along where the upstream was", function()
    local path = "/small/d?Cache-Control=max-age=60&bytes=1600000&chunked&delay=0.3&cut"
    local clients = {}
    for i = 1, 4 do clients[i] = ask(path) end
    for _, client in ipairs(clients) do
      assert.equal(200, client:read_head().status)
      local bytes, how = client:read_until_close()
      assert.is_nil(bytes:find "\r\n0\r\n\r\n$")
      assert.not_equal("timeout", how)
    end
    wait.that(is_at_rest, 20, "the end of the fill")
  end)

  it("counts by route what gives way", function()
    local before = metric "moongate_cache_evicted_total"
    for i = 1, 60 do
      http.request(moongate.port, { path = ("/gone/%d?Cache-Control=max-age=60&bytes=96000")
        :format(i), count = true })
    end
    wait.that(function()
      local count = metric "moongate_cache_evicted_total"
      return count > before and count == evicted_by_route()
    end)
  end)
end)
