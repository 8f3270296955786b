local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local wait = require "spec.support.wait"

describe("task", function()
  local moongate

  local function get(path)
    return http.request(moongate.port, { path = path })
  end

  setup(function()
    moongate = gateway.start {
      config = [==[
        listen "127.0.0.1:0"
        local function does(path, run)
          route("/" .. path) { plugins = { { "does", run = run } } }
        end
        does("sleep", function(m) m.sleep(0.01) return "slept" end)
        does("pcall", function(m)
          local function raises() m.sleep(0) error "x" end
          return tostring(pcall(m.sleep, 0.01)) .. tostring(pcall(raises))
        end)
        does("raise-later", function(m) m.sleep(0.01) error "later" end)
        does("long", function(m) m.log.info "sleeps long" m.sleep(3600) return "never" end)
        does("gsub", function(m) return ("a"):gsub("a", function() m.sleep(0) end) end)
        does("gsub-caught", function(m)
          local ok, why = pcall(string.gsub, "a", "a", function() m.sleep(0) end)
          return tostring(ok) .. " " .. why
        end)
        does("coroutine", function(m, plugin) return plugin.in_coroutine(m.sleep, 0) end)
        does("own-coroutine", function(m, plugin) return plugin.count_by_coroutine() end)
        does("yield", function(m, plugin) plugin.yield(1) return "passed" end)
        does("many", function(m)
          local list, sum = {}, 0
          for i = 1, 50 do list[i] = function() m.sleep(0.001 * (i % 5)) return i end end
          for _, one in ipairs(m.all(list)) do sum = sum + one end
          return tostring(sum)
        end)
        does("nested-body", function(m, plugin, req)
          local values = m.all { one = function() return req:body() end }
          return "[" .. values.one .. "]"
        end)
        does("spawn-body", function(m, plugin, req)
          m.spawn(function()
            local ok, why = pcall(req.body, req)
            m.log.info("spawned says: %s", why)
          end)
          return "spawned"
        end)
        does("all-long", function(m)
          m.log.info "all sleep long"
          m.all { function() m.sleep(3600) end, function() m.sleep(3600) end }
        end)
        route "/in-log" { plugins = { { "does", run = function() return "ok" end,
          log_run = function(m) m.sleep(0) end } } }
      ]==],
      files = { ["plugins/does.lua"] = [==[
        local moongate = require "moongate"
        local does = { summary = "Runs.", options = {
          run = { type = "function", help = "x" }, log_run = { type = "function", help = "x" } } }
        function does.in_coroutine(run, ...)
          local ok, why = coroutine.resume(coroutine.create(run), ...)
          return tostring(ok) .. " " .. tostring(why)
        end
        function does.count_by_coroutine()
          local count = 0
          for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do
            moongate.sleep(0)
            count = count + i
          end
          return tostring(count)
        end
        function does.yield(value) coroutine.yield(value) end
        function does:respond(req)
          return moongate.reply.text(200, self.run(moongate, does, req))
        end
        function does:log() if self.log_run then self.log_run(moongate) end end
        return does
      ]==] },
    }
  end)

  teardown(gateway.stop_all)

  it("waits and goes on", function()
    assert.equal("slept", get("/sleep").body)
  end)

  it("waits inside pcall", function()
    assert.equal("truefalse", get("/pcall").body)
  end)

  it("may raise after it has waited", function()
    assert.equal(500, get("/raise-later").status)
    moongate:wait_for_log "later"
  end)

  it("cannot wait inside gsub, caught or not", function()
    assert.equal(500, get("/gsub").status)
    assert.matches("^false .*cannot run inside require, sort or gsub", get("/gsub-caught").body)
  end)

  it("cannot wait inside a plugin's own coroutine, which is free to yield", function()
    assert.matches("^false .*works only in a request's or timer's own", get("/coroutine").body)
    assert.equal("6", get("/own-coroutine").body)
  end)

  it("takes a yield that nobody waits for as an error", function()
    assert.equal(500, get("/yield").status)
    moongate:wait_for_log "coroutine.yield outside"
  end)

  it("cannot wait in the log phase", function()
    assert.equal("ok", get("/in-log").body)
    moongate:wait_for_log "this call waits, which this phase may not"
  end)

  it("runs many at once", function()
    assert.equal("1275", get("/many").body)
  end)

  it("reads a body from a part of its own request, from nowhere else", function()
    local response = http.request(moongate.port,
      { method = "POST", path = "/nested-body", body = "x" })
    assert.equal("[x]", response.body)
    assert.equal("spawned", get("/spawn-body").body)
    moongate:wait_for_log "spawned says: [^\n]*only by its own request's plugins"
  end)

  it("is cancelled with what waits in it when the client leaves", function()
    for _, path in ipairs { "/long", "/all-long" } do
      local connection = http.connect(moongate.port)
      connection:send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n")
      moongate:wait_for_log(path == "/long" and "%f[%a]sleeps long" or "all sleep long")
      connection:close()
    end
    -- A stop drains: it would wait for exchanges that had not ended.
    wait.that(function() return get("/sleep").status == 200 end)
  end)

  it("is used again without what came before", function()
    for _ = 1, 20 do
      assert.equal("slept", get("/sleep").body)
      assert.equal(500, get("/yield").status)
    end
  end)
end)
