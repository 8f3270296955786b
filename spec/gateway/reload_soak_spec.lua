--- reload_soak: many reloads leave nothing behind.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local wait = require "spec.support.wait"

-- Of the memory after the first ones; what a sanitizer keeps of freed memory says nothing, and what
-- is not freed at all it finds after a few.
local GROWTH_MAX = 1.05
local is_sanitized = gateway.binary():find "asan" or gateway.binary():find "tsan"
local RELOADS, WARM_UP = is_sanitized and 80 or 200, is_sanitized and 40 or 60

local PLUGIN = [[
  local moongate = require "moongate"
  local busy = { summary = "Has something of everything.", options = {} }
  function busy:start()
    moongate.every(0.01, function() moongate.counter("ticks_total"):add(1) end)
    moongate.spawn(function() while true do moongate.sleep(0.01) end end)
  end
  function busy:stop() moongate.counter("stops_total"):add(1) end
  function busy:log(req)
    moongate.spawn(function() moongate.sleep(0.001) end)
  end
  return busy
]]

local function count_of(what, pid)
  local pipe = io.popen(("ls /proc/%d/%s"):format(pid, what))
  local _, count = pipe:read("*a"):gsub("\n", "")
  pipe:close()
  return count
end

describe(("after %d reloads"):format(RELOADS), function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("no memory, descriptor, thread or generation is left, and nobody has noticed", function()
    local text = ([[
      workers(1)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      log { level = "info" }
      use { { "metrics" }, { "busy" } }
      upstream "up" { "%s" }
      for i = 1, 50 do
        route("/r" .. i) { plugins = { { "rate-limit", limit = 1e6 }, { "mock", body = "BODY" } } }
      end
      route "/{rest*}" { upstream = "up" }
    ]]):format(origin.url)
    local self = reloading.start { config = text, files = { ["plugins/busy.lua"] = PLUGIN } }
    local worker = self:worker_pids()[1]
    local client = http.connect(self.port)

    local function facts(pid)
      return { memory = self:rss(pid), fd = count_of("fd", pid), task = count_of("task", pid) }
    end

    local function settle()
      wait.that(function()
        local status = http.request(self.admin_port, { path = "/status" })
        return json.decode(status.body).generations == 1
      end)
    end

    local function check(before, pid)
      for _, what in ipairs { "fd", "task" } do
        wait.that(function() return count_of(what, pid) <= before[what] end, 20,
          ("%d entries in /proc/%d/%s"):format(before[what], pid, what))
      end
      if is_sanitized then return end
      local memory = self:rss(pid)
      assert.is_true(memory <= before.memory * GROWTH_MAX,
        ("%.1f MiB have become %.1f"):format(before.memory / 2 ^ 20, memory / 2 ^ 20))
    end

    local worker_before, master_before
    for i = 1, RELOADS do
      self:reload { ["gateway.lua"] = text:gsub("BODY", "body " .. i) }
      assert.equal("body " .. i, client:request({ path = "/r" .. i % 50 + 1 }).body)
      assert.equal(200, client:request({ path = "/bytes/10" }).status)
      if i == WARM_UP then
        settle()
        worker_before, master_before = facts(worker), facts(self.pid)
      end
    end
    settle()
    check(worker_before, worker)
    check(master_before, self.pid)
    local metrics = http.request(self.admin_port, { path = "/metrics" }).body
    assert.equal(RELOADS, tonumber(metrics:match "\nstops_total (%d+)"))
    self:stop()
  end)
end)
