--- shed_spec: a worker that is asked for more than it can, by clients that ask again at once.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local process = require "spec.support.process"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local CONNECTIONS = 16

-- Keeps the processor for as many milliseconds as it is told to.
local BURN = [[
local moongate = require "moongate"
local burn = { summary = "Takes its time.", options = {
  ms = { type = "integer", default = 5, help = "how long" } } }
function burn:respond()
  local stop = os.clock() + self.ms / 1000
  repeat until os.clock() >= stop
  return moongate.reply.text(200, "done")
end
return burn
]]

local CONFIG = [[
  workers(1)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  shed { lag = "20ms", full = "60ms", window = "%s", report_only = %s }
  use { { "transform", response = { set_headers = { ["x-seen"] = "yes" } } } }
  route "/critical" { criticality = "critical", plugins = { { "burn", ms = 1 } } }
  route "/low" { criticality = "low", plugins = { { "burn" } } }
  group { criticality = 10, routes = function()
    route "/group" { plugins = { { "burn", ms = 1 } } }
    route "/if" { when = function(req) return req.query.a end, plugins = { { "burn", ms = 1 } } }
  end }
  route "/told" { plugins = { { "burn", ms = 1 } },
    criticality = function(req) return tonumber(req.query.c) or req.query.c end }
  route "/both" { when = function(req) return req.query.c end, plugins = { { "burn", ms = 1 } },
    criticality = function(req) return req.query.c end }
]]

describe("a gateway that is asked for too much", function()
  local moongate, clients

  -- All that are answered ask again at the same time.
  local function ask_again_and_again()
    local connections = {}
    for i = 1, CONNECTIONS do connections[i] = http.connect(moongate.port) end
    local bytes = http.format { path = "/low" }
    while true do
      for _, one in ipairs(connections) do one:send(bytes) end
      for _, one in ipairs(connections) do one:read_response() end
      system.sleep(0.002)
    end
  end

  local function begin() clients = process.fork(ask_again_and_again) end
  local function finish()
    if clients then clients:kill() end
    clients = nil
  end

  local function start(window, report_only)
    moongate = reloading.start { config = CONFIG:format(window, report_only),
      files = { ["plugins/burn.lua"] = BURN } }
    begin()
  end
  local function stop()
    finish()
    gateway.stop_all()
  end

  local function get(path) return http.request(moongate.port, { path = path }) end
  local function ask(path) return http.request(moongate.admin_port, { path = path }) end
  local function row() return json.decode(ask("/status").body).workers.list[1] end
  local function refused(path)
    return wait.that(function()
      local answer = get(path)
      return answer.status == 503 and answer
    end)
  end
  local function metric(name)
    return tonumber(ask("/metrics").body:match("\n" .. name .. " (%S+)"))
  end

  describe("sheds load:", function()
    setup(function() start("100ms", false) end)
    teardown(stop)

    it("what matters least is refused", function()
      local answer = refused "/low"
      assert.equal("application/problem+json", answer.headers["content-type"])
      assert.matches('"urn:moongate:problem:load%-shed"', answer.body)
      assert.equal("yes", answer.headers["x-seen"])
      local seconds = tonumber(answer.headers["retry-after"])
      assert.is_true(seconds >= 1 and seconds <= 10)
      moongate:wait_for_log "the loop is %d+ ms late: what matters least is refused"
    end)

    it("what is critical is answered, fast", function()
      local fastest = math.huge
      for _ = 1, 10 do
        local began = system.now()
        assert.equal(200, get("/critical").status)
        fastest = math.min(fastest, system.now() - began)
      end
      -- Otherwise it would wait for all 32 others, and for longer on a busy machine.
      assert.is_true(fastest < 1, fastest)
    end)

    it("functions, groups and routes with a predicate are asked, too", function()
      refused "/told?c=20"
      refused "/group"
      refused "/if?a=1"
      for _ = 1, 3 do
        assert.equal(200, get("/told?c=100").status)
        assert.equal(200, get("/told?c=critical").status)
        assert.equal(404, get("/if").status)
      end
      assert.equal(500, get("/told?c=lwo").status)
      assert.equal(500, get("/both?c=lwo").status)
      moongate:wait_for_log 'criticality is "lwo"; expected "critical",.* did you mean "low"'
    end)

    it("who is refused keeps the connection, whatever was sent", function()
      local client, body = http.connect(moongate.port), ("x"):rep(100000)
      wait.that(function()
        return client:request({ method = "POST", path = "/low", body = body }).status == 503
      end)
      for _ = 1, 3 do assert.equal(200, client:request({ path = "/critical" }).status) end
    end)

    it("operators are answered, and see it", function()
      assert.equal(200, ask("/ready").status)
      wait.that(function()
        local now = row()
        return now.shed_level > 0 and now.delay > 0
      end)
      wait.that(function()
        local _, text = moongate:ask { "status" }
        return text:find "shedding +worker 1 refuses %d+ %% of requests, it is %d+ ms late"
      end)
      assert.is_true(metric 'moongate_shed_total{criticality="low"}' > 0)
      local _, told = moongate:ask { "status" }
      assert.matches("\nshed           %d+ low, %d+ normal, 0 high\n", told)
      assert.equal(0, metric 'moongate_shed_total{criticality="high"}')
      wait.that(function() return metric 'moongate_shed_level{worker="1"}' > 0 end)
      assert.is_true(metric 'moongate_overload_delay_seconds{worker="1"}' > 0)
    end)

    it("with the load it ends", function()
      finish()
      wait.that(function() return row().shed_level == 0 end)
      moongate:wait_for_log "the loop is in time again: nothing is refused any more"
      wait.that(function() -- but for a moment in which it is late for other reasons
        for _ = 1, 5 do
          if get("/low").status ~= 200 then return false end
        end
        return true
      end)
    end)

    it("with a worker that is killed its level goes", function()
      begin()
      local before = wait.that(function()
        local now = row()
        return now.shed_level > 0 and now
      end)
      finish()
      system.kill(before.pid, system.SIGKILL)
      local after = wait.that(function()
        local ok, now = pcall(row)
        return ok and now and now.pid ~= before.pid and now.shed_level == 0 and now
      end)
      assert.equal(0, after.shed_level)
      assert.is_true(metric 'moongate_shed_total{criticality="low"}' > 0)
    end)
  end)

  describe("takes new numbers from a reload:", function()
    setup(function() start("100ms", true) end)
    teardown(stop)

    it("where it only reports, it answers, counts and says what it would not", function()
      wait.that(function() return metric 'moongate_shed_total{criticality="low"}' > 0 end)
      for _ = 1, 5 do assert.equal(200, get("/low").status) end
      moongate:wait_for_log "is refused %(report only%)"
    end)

    it("it goes on from where it was", function()
      -- Who had to begin anew would wait for a minute.
      moongate:reload { ["gateway.lua"] = CONFIG:format("60s", false) }
      refused "/low"
    end)

    it("it ends where there is to be none, and nobody asks what matters", function()
      finish()
      moongate:reload { ["gateway.lua"] = (CONFIG:gsub("shed %b{}", "")) }
      assert.equal(200, get("/told?c=lwo").status)
      assert.equal(200, get("/both?c=lwo").status)
      assert.equal(0, row().shed_level)
      assert.equal(0, row().delay)
    end)
  end)
end)
