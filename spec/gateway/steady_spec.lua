--- steady: what a worker does at first and then no more: asking the heap, compiling Lua.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"

local CONNECTIONS, WARM_ROUNDS, ROUNDS = 32, 150, 40

local FOUR = [[
      { "key-auth" },
      { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
      { "transform", set_headers = { ["x-team"] = "core" },
                     response = { remove_headers = { "x-powered-by" } } },
      { "metrics" },
]]

local CONFIG = [[
  listen "127.0.0.1:0"
  upstream "origin" { "%s", idle_connections = 256 }
  consumer "somebody" { keys = { "secret" } }
  route "GET /plain" { upstream = "origin", rewrite = "/bytes/1000" }
  route "GET /four" { upstream = "origin", rewrite = "/bytes/1000", plugins = { ]] .. FOUR .. [[ } }
  route "GET /aggregate" { plugins = { { "aggregate", parts = {
    one = "http://origin/echo?1", two = { "http://origin/echo?2", required = true },
    three = "http://origin/echo?3" } } } }
  route "GET /probe" { plugins = { { "probe" } } }
]]

-- Tells how much the loop's thread has asked the heap for, and where compiling ended at a function
-- that is not Lua: at a call in the tail of a function, which is never compiled. What runs for each
-- request is tried more than once.
local PROBE = [[
local ffi = require "ffi"
local moongate = require "moongate"
local funcinfo = require("jit.util").funcinfo

ffi.cdef "unsigned long spec_allocations(void);"

local is_counted = pcall(function() return ffi.C.spec_allocations end)
local first_use = debug.getmetatable(ffi.C).__index -- of a C function: tried again
local counts, aborted, place = {}, {}, "?"

local function on_trace(what, _, func, pc)
  if what == "start" then
    place = funcinfo(func, pc).loc
  elseif what == "abort" and not funcinfo(func, pc).loc and func ~= first_use then
    counts[place] = (counts[place] or 0) + 1
    if counts[place] == 2 then aborted[#aborted + 1] = place end
  end
end

return {
  summary = "Tells what a spec asks.",
  options = {},
  start = function() jit.attach(on_trace, "trace") end,
  respond = function()
    return moongate.reply.json(200, {
      allocations = is_counted and tonumber(ffi.C.spec_allocations()) or 0,
      aborted = moongate.json.array(aborted),
    })
  end,
}
]]

describe("a steady worker", function()
  local moongate, clients
  local is_counted = os.getenv "MOONGATE_BUILD" ~= "asan"

  setup(function()
    local origin = peer.start()
    moongate = gateway.start {
      config = CONFIG:format(origin.url), files = { ["plugins/probe.lua"] = PROBE },
      preload = is_counted and "allocations.so" or nil,
    }
    clients = {}
    for i = 1, CONNECTIONS do clients[i] = http.connect(moongate.port) end
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function load(path, rounds)
    local text = http.format { path = path, headers = { ["x-api-key"] = "secret" } }
    for _ = 1, rounds do
      for _, client in ipairs(clients) do client:send(text) end
      for _, client in ipairs(clients) do assert.equal(200, client:read_response().status) end
    end
  end

  local function probe() return json.decode(clients[1]:request({ path = "/probe" }).body) end

  for _, path in ipairs { "/plain", "/four", "/aggregate" } do
    it("asks the heap for nothing of ours: " .. path, function()
      if not is_counted then return end
      load(path, WARM_ROUNDS)
      local before = probe().allocations
      local idle = probe().allocations - before
      load(path, ROUNDS)
      local count = probe().allocations - before - 2 * idle
      assert.is_true(before > 0)
      count = count / (CONNECTIONS * ROUNDS)
      assert.is_true(count < 0.02, count .. " allocations")
    end)

    it("compiles all of what it runs: " .. path, function()
      load(path, WARM_ROUNDS)
      assert.same({}, probe().aborted)
    end)
  end
end)
