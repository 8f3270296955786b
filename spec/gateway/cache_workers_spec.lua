--- cache_workers_spec: what one worker does to what is stored, and what becomes of it, in another.

local cache_origin = require "spec.support.cache_origin"
local each_worker = require "spec.support.each_worker"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local latches = require "spec.support.latch"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- HTTP_CACHE_BACKGROUND_MAX, of each worker.
local BACKGROUND_MAX = 64

describe("a cache of two workers", function()
  local origin, moongate

  setup(function()
    origin = cache_origin.start()
    moongate = gateway.start { config = ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "origin" { "%s" }
      route "/{rest*}" { name = "all", upstream = "origin", plugins = { { "cache" } } }
    ]] .. each_worker.ROUTE):format(origin.url), files = each_worker.FILES }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function get(one, path)
    return one.client:request { path = path, headers = { host = "example.com" } }
  end

  local function is_at_rest()
    local text = http.request(moongate.admin_port, { path = "/metrics" }).body
    return text:find("\nmoongate_cache_filling 0\n", 1, true)
  end

  local KINDS = {
    { "--url", "http://example.com/purged?Cache-Control=max-age=60&Surrogate-Key=t1" },
    { "--prefix", "http://example.com/pur" },
    { "--tag", "t1" },
    { "--route", "all" },
    { "--all" },
  }
  for _, words in ipairs(KINDS) do
    it("forgets in both at once by " .. words[1], function()
      local path = "/purged?Cache-Control=max-age=60&Surrogate-Key=t1"
      local clients = each_worker.connect(moongate, 1)
      local before = get(clients[1], path).body
      assert.equal(before, get(clients[2], path).body)
      local code, _, err = moongate:ask { "purge", unpack(words) }
      assert.equal(0, code, err)
      local after = get(clients[2], path).body
      assert.not_equal(before, after)
      assert.equal(after, get(clients[1], path).body)
      for _, one in ipairs(clients) do one.client:close() end
    end)
  end

  it("cuts off who has a part when the worker that fills is killed, and stores no part", function()
    local latch = latches.new()
    local path = "/killed?Cache-Control=max-age=60&bytes=64000&hold=" .. latch.path
    local clients = each_worker.connect(moongate, 2)
    local victim, other, late = clients[1], clients[3], clients[4]
    victim.client:send(http.format { path = path })
    assert.equal(200, victim.client:read_head().status)
    other.client:send(http.format { path = path })
    assert.equal(200, other.client:read_head().status)
    assert.equal(32000, #other.client:receive(32000))
    assert.equal(1, #origin:requests())
    local began = system.now()
    system.kill(victim.pid, system.SIGKILL)
    assert.equal("", (other.client:read_until_close()))
    latch.open()
    late.client:send(http.format { path = path })
    assert.equal(64000, #late.client:read_response().body)
    assert.equal(2, #origin:requests())
    assert.is_true(system.now() - began < 15, "it waited for a timeout")
    wait.that(function() return #moongate:worker_pids() == 2 end, 20, "a successor")
    wait.that(is_at_rest, 20, "the end of all fills")
    assert.equal(64000, #http.request(moongate.port, { path = path }).body)
    assert.equal(2, #origin:requests())
    for _, one in ipairs(clients) do one.client:close() end
  end)

  it("asks for so many at once behind the backs of clients, and no more", function()
    local clients, count = each_worker.connect(moongate, 1), BACKGROUND_MAX + 6
    local one = clients[1]
    local function ask_all()
      for i = 1, count do
        local path = "/stale" .. i .. "?Cache-Control=max-age=0,+stale-while-revalidate=600"
        assert.equal(200, get(one, path).status)
      end
    end
    ask_all()
    assert.equal(count, #origin:requests())
    origin:freeze()
    ask_all() -- of what is stored
    origin:thaw()
    origin:wait_for_requests(count + BACKGROUND_MAX)
    wait.that(is_at_rest, 20, "the end of all fills")
    assert.equal(count + BACKGROUND_MAX, #origin:requests())
    for _, other in ipairs(clients) do other.client:close() end
  end)
end)
