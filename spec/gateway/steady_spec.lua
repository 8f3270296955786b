--- steady: what a worker does at first and then no more: asking the heap, compiling Lua.

local chains = require "spec.support.chains"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local system = require "spec.support.system"

local CONNECTIONS, WARM_ROUNDS, ROUNDS = 32, 150, 40
-- What is compiled late was begun at up to four times, what never is at nine times and more.
local VAIN_MAX = 7

local CONFIG = [[
  listen "127.0.0.1:0"
  upstream "origin" { "%s", idle_connections = 256 }
  consumer "somebody" { keys = { "secret" } }
  route "GET /plain" { upstream = "origin", rewrite = "/bytes/1000" }
  route "GET /four" { upstream = "origin", rewrite = "/bytes/1000", plugins = {
]] .. chains.FOUR .. [[ } }
  route "GET /eight" { upstream = "origin", rewrite = "/bytes/1000", plugins = {
]] .. chains.EIGHT .. [[ } }
  route "GET /hmac" { upstream = "origin", rewrite = "/bytes/1000", plugins = {
]] .. chains.HMAC .. [[ } }
  route "GET /aggregate" { plugins = { { "aggregate", parts = {
    one = "http://origin/echo?1", two = { "http://origin/echo?2", required = true },
    three = "http://origin/echo?3" } } } }
  route "GET /probe" { plugins = { { "probe" } } }
]]

-- Tells how much the loop's thread has asked the heap for, and writes each trace that LuaJIT begins
-- or gives up to the file that TRACES names: where that is, and the trace that it begins at or the
-- number of the reason. Not by an answer: to make one is something to compile, too.
local PROBE = [[
local ffi = require "ffi"
local moongate = require "moongate"
local funcinfo = require("jit.util").funcinfo

ffi.cdef "unsigned long spec_allocations(void);"

local is_counted = pcall(function() return ffi.C.spec_allocations end)
local first_use = debug.getmetatable(ffi.C).__index -- of a C function: tried again
local file

local function on_trace(what, number, func, pc, origin)
  if what ~= "start" and what ~= "abort" then return end
  local info = funcinfo(func, pc)
  local place = info.loc or func == first_use and "first use" or "built-in function"
  file:write(("%s %d at %s %s\n"):format(what, number, place, tostring(origin or "")))
  file:flush()
end

return {
  summary = "Tells what a spec asks.",
  options = {},
  start = function()
    file = assert(io.open(os.getenv "TRACES", "a"))
    jit.attach(on_trace, "trace")
  end,
  respond = function()
    return moongate.reply.json(200, {
      allocations = is_counted and tonumber(ffi.C.spec_allocations()) or 0,
    })
  end,
}
]]

local FILES = { ["plugins/probe.lua"] = PROBE }
for name, text in pairs(chains.FILES) do FILES[name] = text end

describe("a steady worker", function()
  local clients
  local directory = system.temporary_directory()
  local traces = directory .. "/traces"
  local is_counted = os.getenv "MOONGATE_BUILD" ~= "asan"

  setup(function()
    local origin = peer.start()
    local moongate = gateway.start {
      config = CONFIG:format(origin.url), files = FILES,
      env = { TRACES = traces },
      preload = is_counted and "allocations.so" or nil,
    }
    clients = {}
    for i = 1, CONNECTIONS do clients[i] = http.connect(moongate.port) end
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
    process.remove(directory)
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
  end

  -- What LuaJIT begins and gives up in so many rounds of warm code. With each second a log says
  -- another time, and the interpreter writes the rest of that line: rounds near that do not count.
  local function traces_of(path)
    load(path, WARM_ROUNDS)
    local told, before_last, last, counted = {}, 0, 0, 0
    while counted < ROUNDS do
      local before = #system.read_file(traces)
      load(path, 1)
      local now = os.time()
      if now == before_last then
        counted = counted + 1
        told[counted] = system.read_file(traces):sub(before + 1)
      end
      before_last, last = last, now
    end
    return table.concat(told)
  end

  -- Where LuaJIT has begun in vain since the start: it waits twice as long each time, so that a few
  -- rounds may not show it. At a call in the tail of a function that is not Lua it always ends.
  local function begun_in_vain()
    local place, counts, found = nil, {}, {}
    for what, at in system.read_file(traces):gmatch "(%l+) %d+ at (.-) %d*\n" do
      if what == "start" then
        place = at
      else
        local kind = place .. (at == "built-in function" and ", a call" or "")
        counts[kind] = (counts[kind] or 0) + 1
        if counts[kind] == (kind ~= place and 2 or VAIN_MAX + 1) then found[#found + 1] = kind end
      end
    end
    return found
  end

  for _, path in ipairs { "/plain", "/four", "/eight", "/hmac", "/aggregate" } do
    it("compiles all of what it runs, and nothing more then: " .. path, function()
      local told
      for _ = 1, 3 do
        told = traces_of(path)
        if told == "" then break end
      end
      assert.equal("", told)
      assert.same({}, begun_in_vain())
    end)
  end
end)
