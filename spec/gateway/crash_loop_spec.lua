--- crash_loop: workers that end again and again, soon after their start.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- Ends its worker in start() while a file is there.
local FRAGILE = [[
local ffi = require "ffi"
ffi.cdef "int getpid(void); int kill(int, int);"
local fragile = { summary = "Ends its worker.",
  options = { file = { type = "string", help = "while it is there" } } }
function fragile:request() end
function fragile:start()
  if io.open(self.file) then ffi.C.kill(ffi.C.getpid(), 9) end
end
return fragile
]]

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  route "/" { plugins = { { "fragile", file = %q }, { "mock", body = "here" } } }
]]

describe("a worker that ends again and again", function()
  local self, file

  before_each(function()
    local directory = gateway.directory { config = "",
      files = { ["plugins/fragile.lua"] = FRAGILE } }
    file = directory .. "/break"
    system.write_file(directory .. "/gateway.lua", gateway.complete(CONFIG:format(file)))
    self = gateway.start { directory = directory }
  end)

  after_each(gateway.stop_all)

  local function status()
    local _, text = self:ask { "status", "--json" }
    return json.decode(text)
  end

  local function await_serving(count)
    wait.that(function()
      local serving = 0
      for _, worker in ipairs(status().workers) do
        serving = serving + (worker.serves and 1 or 0)
      end
      return serving == count
    end, 20, count .. " workers to serve")
  end

  -- The pauses that the log tells of so far.
  local function pauses()
    local list = {}
    for seconds in self:log():gmatch "started again in ([%d.]+) s" do
      list[#list + 1] = tonumber(seconds)
    end
    return list
  end

  it("is started later and later, while the other one serves", function()
    assert.equal(0, status().restarts)
    system.write_file(file, "")
    local victim = self:worker_pids()[2]
    system.kill(victim, system.SIGKILL)
    wait.that(function() return #pauses() >= 4 end, 20, "four pauses")
    local list = pauses()
    for i, expected in ipairs { 0.2, 0.4, 0.8, 1.6 } do
      assert.is_true(math.abs(list[i] - expected) <= expected / 4 + 0.05, table.concat(list, " "))
    end
    local text = wait.that(function() -- while it is not being tried
      local _, text = self:ask { "status" }
      return text:find "worker %d has ended soon %d+ times, next try in [%d.]+ s" and text
    end)
    assert.matches("workers +1 of 2 serve", text)
    local restarts = tonumber(text:match "\nrestarts +(%d+) of workers that had ended\n")
    local times = tonumber(text:match "has ended soon (%d+) times")
    assert.is_true(restarts >= 4 and times >= 5 and times - restarts <= 1, text)
    local now = status()
    assert.is_true(now.restarts >= 4)
    local waiting = wait.that(function()
      for _, worker in ipairs(status().workers) do
        if worker.next_try_in then return worker end
      end
    end)
    assert.is_false(waiting.serves)
    assert.equal(0, waiting.pid)
    assert.is_true(waiting.next_try_in <= 0.25 * 2 ^ #pauses())
    wait.that(function() return http.request(self.port, { seconds = 1 }).body == "here" end)
    os.remove(file)
    await_serving(2)
    assert.matches("\nmoongate_worker_restarts_total [1-9]%d*\n",
      http.request(self.admin_port, { path = "/metrics" }).body)
    local shown = json.decode(http.request(self.admin_port, { path = "/status" }).body)
    assert.equal(status().restarts, shown.workers.restarts)
  end)

  local function serves(body)
    return pcall(function()
      assert(http.request(self.port, { seconds = 1 }).body == body)
    end)
  end

  -- Ends both, until neither is tried at once.
  local function break_all()
    system.write_file(file, "")
    for _, pid in ipairs(self:worker_pids()) do system.kill(pid, system.SIGKILL) end
    wait.that(function()
      local workers = status().workers
      return workers[1].next_try_in and workers[2].next_try_in
    end, 20, "both to wait")
  end

  -- Whoever is started from now on would end again but for what is asked for.
  it("runs what a reload says, when no worker is there to agree", function()
    break_all()
    local text = gateway.complete(CONFIG:format(file))
    local good = text:gsub('{ "fragile".-}, ', ""):gsub('"here"', '"there"')
    system.write_file(self.directory .. "/gateway.lua", good)
    local code, out, err = self:ask({ "reload" }, { seconds = 60 })
    assert.equal("", err)
    assert.equal(0, code)
    assert.matches("generation 2", out)
    wait.that(function() return serves "there" end, 20, "what was reloaded")
    await_serving(2)
    assert.equal(2, status().generation)
  end)

  it("is over with a rollback to what ran before", function()
    local other = gateway.complete(CONFIG:format(file .. ".other")):gsub('"here"', '"there"')
    system.write_file(self.directory .. "/gateway.lua", other)
    assert.equal(0, (self:ask({ "reload" }, { seconds = 60 })))
    wait.that(function() return serves "there" end)
    file = file .. ".other"
    break_all()
    local code, _, err = self:ask({ "rollback" }, { seconds = 60 })
    assert.equal("", err)
    assert.equal(0, code)
    wait.that(function() return serves "here" end, 20, "what ran before")
    await_serving(2)
  end)

  it("is replaced at once the first time", function()
    for _, pid in ipairs(self:worker_pids()) do system.kill(pid, system.SIGKILL) end
    wait.that(function() return status().restarts == 2 end)
    await_serving(2)
    assert.same({}, pauses())
  end)
end)
