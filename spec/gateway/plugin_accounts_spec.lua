--- plugin_accounts: what plugins cost, as metrics and `moongate status` tell it.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- Takes part in all phases but respond, waits and works as told, and raises where it is told to.
local WORKER = [[
local moongate = require "moongate"
local work = { summary = "Works.", options = {
  raises = { type = "string", default = "", help = "the phase" },
  sleeps = { type = "number", default = 0, help = "seconds" },
  burns = { type = "number", default = 0, help = "seconds" },
  fetches = { type = "string", help = "a URL" },
  reads = { type = "boolean", default = false, help = "the body" },
  every = { type = "boolean", default = false, help = "with a timer, and burns now and then" },
  together = { type = "number", default = 0, help = "tasks that sleep side by side" },
} }
local function burn(seconds)
  local stop = os.clock() + seconds
  while os.clock() < stop do end
end
function work:request(req)
  if self.raises == "request" then error "request" end
  if self.sleeps > 0 then moongate.sleep(self.sleeps) end
  if self.burns > 0 then burn(self.burns) end
  if self.fetches then moongate.fetch(self.fetches) end
  if self.reads then req:body(100) end
  if self.raises == "spawned" then moongate.spawn(function() error "spawned" end) end
  local tasks = {}
  for i = 1, self.together do
    tasks[i] = function() moongate.sleep(0.1) burn(0.02) end
  end
  if tasks[1] then moongate.all(tasks) end
end
function work:start()
  if not self.every then return end
  moongate.every(0.02, function()
    burn(0.005)
    moongate.all { function() moongate.sleep(0.01) burn(0.005) end }
  end)
end
for _, phase in ipairs { "response", "response_chunk", "log" } do
  work[phase] = function(self) if self.raises == phase then error(phase) end end
end
return work
]]

local DENY = [[
local moongate = require "moongate"
local NO = moongate.reply.text(403, "no")
return { summary = "Denies.", options = {}, request = function() return NO end }
]]

local PASS = [[
return { summary = "Does nothing.", options = {}, request = function() end, log = function() end }
]]

local FILES = {
  ["plugins/work.lua"] = WORKER, ["plugins/deny.lua"] = DENY, ["plugins/pass.lua"] = PASS,
}

describe("what plugins cost", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  after_each(gateway.stop_all)

  local function config(routes, workers)
    return ([[
      workers(%d)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "origin" { "%s" }
      %s
    ]]):format(workers or 1, origin.url, routes)
  end

  local function start(routes, workers)
    return reloading.start { config = config(routes, workers), files = FILES }
  end

  -- A metric by plugin and route, as "plugin route" -> number.
  local function metric(self, name)
    local found = {}
    local text = http.request(self.admin_port, { path = "/metrics" }).body
    for plugin, route, value in text:gmatch(
        "\nmoongate_plugin_" .. name .. '_total{plugin="([^"]*)",route="([^"]*)"} (%S+)') do
      if plugin ~= "admin" then found[plugin .. " " .. route] = tonumber(value) end
    end
    return found
  end

  -- Logs are written after the answer.
  local function await(self, name, expected)
    local found
    local ok = pcall(wait.that, function()
      found = metric(self, name)
      for key, value in pairs(expected) do
        if found[key] ~= value then return false end
      end
      return true
    end, 30)
    if not ok then assert.same(expected, found) end
    return found
  end

  local function of(status, plugin)
    for _, one in ipairs(status.plugins) do
      if one.plugin == plugin then return one end
    end
  end

  local function status_of(self)
    local code, out = self:ask { "status", "--json" }
    assert.equal(0, code)
    return json.decode(out), json.decode(http.request(self.admin_port, { path = "/status" }).body)
  end

  it("counts every call of every phase, over all workers", function()
    local self = start([[
      use { { "pass" } }
      route "/one" { upstream = "origin", rewrite = "/bytes/10", plugins = { { "work" } } }
      route "/two" { upstream = "origin", plugins = { { "deny" }, { "work" } } }
      route "/half" { upstream = "origin", rewrite = "/bytes/10", plugins = {
        { "deny", when = function(req) return req.query.deny == "yes" end } } }
    ]], 2)
    for _ = 1, 10 do http.request(self.port, { path = "/one" }) end
    for _ = 1, 3 do http.request(self.port, { path = "/two" }) end
    for _ = 1, 4 do http.request(self.port, { path = "/half?deny=yes" }) end
    for _ = 1, 5 do http.request(self.port, { path = "/half" }) end
    for _ = 1, 2 do http.request(self.port, { path = "/nowhere" }) end
    local calls = await(self, "calls", {
      ["pass /one"] = 20, ["pass /two"] = 6, ["pass /half"] = 18, ["pass none"] = 4,
      ["deny /two"] = 3, ["deny /half"] = 4,
    })
    -- Its answer comes in a piece or two, and an end.
    assert.is_true(calls["work /one"] >= 40 and calls["work /one"] <= 60, calls["work /one"])
    assert.equal(6, calls["work /two"]) -- response and log
    for key, value in pairs(metric(self, "errors")) do assert.equal(0, value, key) end
    local told, shown = status_of(self)
    for _, status in ipairs { told, shown } do
      assert.equal(48, of(status, "pass").calls)
      assert.equal(7, of(status, "deny").calls)
      assert.equal(0, of(status, "deny").errors)
    end
    local _, out = self:ask { "status" }
    assert.is_truthy(out:find("pass +48 +0 "), out)
  end)

  it("counts errors, in whatever phase", function()
    local routes = {}
    for _, phase in ipairs { "request", "response", "response_chunk", "log", "spawned" } do
      routes[#routes + 1] = ([[route "/%s" { upstream = "origin", rewrite = "/bytes/10",
        plugins = { { "pass" }, { "work", raises = "%s" } } }]]):format(phase, phase)
    end
    routes[#routes + 1] = [[route "/when" { upstream = "origin", plugins = {
      { "pass" }, { "deny", when = function() error "when" end } } }]]
    routes[#routes + 1] = [[route "/predicate" { upstream = "origin",
      when = function() error "predicate" end, plugins = { { "pass" } } }]]
    local self = start(table.concat(routes, "\n"))
    for _, phase in ipairs { "request", "response", "response_chunk", "log", "spawned", "when",
                             "predicate" } do
      for _ = 1, 3 do pcall(http.request, self.port, { path = "/" .. phase }) end
    end
    await(self, "errors", {
      ["work /request"] = 3, ["work /response"] = 3, ["work /response_chunk"] = 3,
      ["work /log"] = 3, ["work (other)"] = 3, ["deny /when"] = 3, ["(when) none"] = 3,
    })
    local told, shown = status_of(self)
    assert.equal(15, of(told, "work").errors)
    assert.equal(15, of(shown, "work").errors)
    assert.equal(0, of(shown, "pass").errors)
    assert.equal(21, shown.plugin_errors)
  end)

  it("measures time of the CPU and time spent waiting", function()
    local self = start(([[
      route "/burns" { upstream = "origin", rewrite = "/bytes/1", plugins = {
        { "pass" }, { "work", burns = 0.03 } } }
      route "/sleeps" { upstream = "origin", rewrite = "/bytes/1", plugins = {
        { "pass" }, { "work", sleeps = 0.1 } } }
      route "/fetches" { upstream = "origin", rewrite = "/bytes/1", plugins = {
        { "pass" }, { "work", fetches = "%s/delay/0.1" } } }
      route "/together" { upstream = "origin", rewrite = "/bytes/1", plugins = {
        { "pass" }, { "work", together = 4 } } }
      route "/reads" { upstream = "origin", rewrite = "/bytes/1", plugins = {
        { "pass" }, { "work", reads = true } } }
    ]]):format(origin.url))
    -- They come slowly enough for each to be measured.
    for _ = 1, 4 do
      for _, path in ipairs { "/burns", "/sleeps", "/fetches", "/together" } do
        http.request(self.port, { path = path })
      end
      local client = http.connect(self.port)
      client:send "POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"
      http.request(origin.port, { path = "/delay/0.1" })
      client:send "b"
      client:read_response()
    end
    await(self, "calls", { ["pass /reads"] = 8 })
    local cpu, waited = metric(self, "cpu_seconds"), metric(self, "wait_seconds")
    local function between(low, high, value)
      assert.is_true(value >= low and value <= high, value)
    end
    between(0.1, 0.3, cpu["work /burns"])
    assert.equal(0, waited["work /burns"])
    between(0, 0.04, cpu["work /sleeps"])
    between(0.39, 20, waited["work /sleeps"])
    between(0.39, 20, waited["work /fetches"])
    between(0.31, 0.6, cpu["work /together"]) -- 16 tasks of 0.02
    between(0.39, 20, waited["work /together"]) -- not once for each
    between(0.3, 20, waited["work /reads"])
    for _, path in ipairs { "burns", "sleeps", "fetches", "together", "reads" } do
      between(0, 0.01, cpu["pass /" .. path])
      assert.equal(0, waited["pass /" .. path])
    end
    local told, shown = status_of(self)
    assert.equal("work", told.plugins[1].plugin)
    between(0.4, 1, told.plugins[1].cpu_seconds)
    for _, status in ipairs { told, shown } do
      for _, pair in ipairs(status.plugins_on_routes) do
        if pair.route == "/sleeps" and pair.plugin == "work" then
          between(0.1 / 7, 1, pair.wait_per_call) -- one call in five or so waits
        end
      end
    end
  end)

  it("measures the CPU of timers, and not that they wait", function()
    local self = start([[
      route "/" { upstream = "origin", plugins = { { "work", every = true }, { "pass" } } }
    ]])
    local key = "work (other)"
    wait.that(function() return (metric(self, "cpu_seconds")[key] or 0) > 0.1 end)
    local stat = system.read_file(("/proc/%d/stat"):format(self:worker_pids()[1]))
    local user, kernel = stat:match "%) %S+ (.+)":match(("%S+ "):rep(10) .. "(%d+) (%d+)")
    assert.is_true(metric(self, "cpu_seconds")[key] < (user + kernel) / 100 + 0.1)
    assert.same({ 0, 0 }, { metric(self, "wait_seconds")[key], metric(self, "calls")[key] })
  end)

  it("keeps its counts when the configuration changes and when a worker dies", function()
    local routes = [[
      route "/kept" { upstream = "origin", rewrite = "/bytes/1", plugins = { { "pass" } } }
    ]]
    local self = start(routes)
    for _ = 1, 5 do http.request(self.port, { path = "/kept" }) end
    self:reload { ["gateway.lua"] = config(
      [[route "/new" { upstream = "origin", plugins = { { "deny" } } }]] .. routes) }
    for _ = 1, 5 do http.request(self.port, { path = "/kept" }) end
    http.request(self.port, { path = "/new" })
    await(self, "calls", { ["pass /kept"] = 20, ["deny /new"] = 1 })
    local before = self:worker_pids()[1]
    system.kill(before, system.SIGKILL)
    wait.that(function() return self:worker_pids()[1] ~= before and self:worker_pids()[1] end)
    for _ = 1, 5 do http.request(self.port, { path = "/kept" }) end
    await(self, "calls", { ["pass /kept"] = 30, ["deny /new"] = 1 })
  end)

  it("counts what has no room in a row of its plugin, and says so", function()
    local routes, count = 4200, 0
    local self = start(([[
      for i = 1, %d do
        route("/" .. i) { upstream = "origin", plugins = { { "deny" } } }
      end
    ]]):format(routes))
    local client = http.connect(self.port)
    for i = 1, routes do client:request { path = "/" .. i } end
    local calls = metric(self, "calls")
    for _, value in pairs(calls) do count = count + value end
    assert.equal(routes, count)
    assert.is_true(calls["deny (other)"] >= 100)
    assert.matches("\nmoongate_shared_plugin_routes_refused_total %d%d%d\n",
      http.request(self.admin_port, { path = "/metrics" }).body)
    local told, shown = status_of(self)
    for _, status in ipairs { told, shown } do
      assert.equal(routes, of(status, "deny").calls)
      assert.is_true(#status.plugins_on_routes <= 100)
      assert.is_true(status.plugins_on_routes_left_out > 3900)
    end
    local _, out = self:ask { "status" }
    assert.is_truthy(out:find("and %d+ more"), out)
    local _, lines = out:gsub("\n", "")
    assert.is_true(lines < 40, out)
  end)

  it("stands beside the workers, and the generation that each of them runs", function()
    local self = start([[route "/" { upstream = "origin" }]], 2)
    self:reload { ["gateway.lua"] = config([[route "/x" { upstream = "origin" }]], 2) }
    local pids = self:worker_pids()
    table.sort(pids)
    local told, shown
    wait.that(function() -- none is late, or stopped, at that instant
      told, shown = status_of(self)
      for _, worker in ipairs(told.workers) do
        if worker.state ~= "serving" then return false end
      end
      for _, worker in ipairs(shown.workers.list) do
        if worker.state ~= "serving" then return false end
      end
      return true
    end, 20, "all to serve")
    for _, workers in ipairs { told.workers, shown.workers.list } do
      local seen = {}
      for i, worker in ipairs(workers) do
        assert.equal(i, worker.worker)
        assert.equal(2, worker.generation)
        seen[i] = worker.pid
      end
      table.sort(seen)
      assert.same(pids, seen)
    end
  end)
end)
