--- cache_spec: what is found out once for all, and kept for a while.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- The first one to find it out is to be killed meanwhile.
local DIES = [[
local ffi = require "ffi"
local moongate = require "moongate"
ffi.cdef "int getpid(void);"
local dies = { summary = "Tells who finds it out.", options = {} }
local seen = moongate.dict "dies"
function dies:respond(req)
  if req.path == "/dies/pid" then return moongate.reply.text(200, tostring(seen:get "pid")) end
  local value, why = moongate.cache "dies":fetch("k", 60, function()
    local number = seen:increment "loads"
    seen:set("pid", ffi.C.getpid())
    if number == 1 then moongate.sleep(60) end
    return "by " .. number, 60
  end)
  return moongate.reply.text(200, tostring(value or why))
end
return dies
]]

describe("cache", function()
  local moongate, origin

  local function ask(path) return http.request(moongate.port, { path = path }).body end

  setup(function()
    origin = peer.start()
    local files = { ["plugins/dies.lua"] = DIES }
    for path, source in pairs(probe.files) do files[path] = source end
    moongate = gateway.start { files = files, config = probe.says .. ([==[
      workers(2)
      local URL = "%s"
      admin "127.0.0.1:0"
      route "/dies" { plugins = { "dies" } }
      route "/dies/pid" { plugins = { "dies" } }
      says("/fails", function(req, m)
        local value, why = m.cache "fails":fetch("k", 10, function()
          m.fetch(URL .. "/delay/1?fails")
          return nil, "down"
        end)
        return value or why
      end)
      says("/purged/{do}", function(req, m)
        local c = m.cache "purged"
        local other, what = m.cache "other", req.params["do"]
        if what == "set" then return c:set("k", "v", 60), other:set("k", "v", 60) end
        if what == "purge" then return m.http_cache.purge { plugin_cache = "purged" } end
        return c:get "k", other:get "k"
      end)
      says("/texts", function(req, m)
        local c = m.cache "texts"
        local stored = c:set("a\0b", "x\0y", 60)
        c:set("empty", "", 60)
        local before = c:get "a\0b" == "x\0y"
        c:delete "a\0b"
        return stored, before, c:get "a\0b", c:get "empty" == "", c:get "a"
      end)
      says("/missing", function(req, m)
        local c = m.cache "missing"
        c:set_missing("k", "no such token", 60)
        local found, why = c:get "k"
        local value, same = c:fetch("k", 1, function() error "not asked" end)
        return found, why, value, same
      end)
      says("/lives", function(req, m)
        local c = m.cache "lives"
        c:set("short", "1", 0.8) c:set_missing("none", "", 0.8) c:set("long", "1", 1e9)
        local before, absent = c:get "short", c:get "none"
        m.sleep(0.9)
        return before, absent, c:get "short", c:get "none", c:get "long"
      end)
      says("/add", function(req, m)
        local c = m.cache "add"
        return c:add("k", "one", 60), c:add("k", "two", 60), c:get "k"
      end)
      says("/apart", function(req, m)
        m.cache "one":set("k", "1", 60) m.dict "one":set("k", "dict")
        return m.cache "one":get "k", m.cache "two":get "k", m.dict "one":get "k"
      end)
      says("/bad", function(req, m)
        local c, told = m.cache "bad", {}
        for _, run in ipairs {
          function() c:set("k", 1, 60) end, function() c:set("k", "v") end,
          function() c:set("k", "v", 0) end, function() c:set("k", "v", 0 / 0) end,
          function() m.cache() end, function() m.cache "" end, function() m.cache "a\0b" end,
        } do told[#told + 1] = tostring((pcall(run))) end
        return table.concat(told, " "), c:set("k", ("x"):rep(70000), 60)
      end)
      -- Takes its time, and is counted by the peer.
      local function slow(m, name, seconds)
        return m.cache "slow":fetch(name, 10, function()
          local answer = m.fetch(URL .. "/delay/0.3?" .. name)
          if not answer then return nil, "down", 1 end
          return name .. " is " .. answer.status, seconds or 60
        end)
      end
      says("/slow/{name}", function(req, m) return (slow(m, req.params.name)) end)
      says("/unkept/{name}", function(req, m) return (slow(m, req.params.name, 0)) end)
      says("/late", function(req, m)
        local value, why = m.cache "late":fetch("k", 0.05, function()
          m.sleep(0.3)
          return "v", 60
        end)
        return value or why
      end)
      says("/raises", function(req, m)
        return m.cache "raises":fetch("k", 5, function() error "by itself" end)
      end)
      says("/refresh", function(req, m)
        local c = m.cache "refresh"
        c:set("k", "old", 60)
        local kept = c:refresh("k", 5, function() return nil, "down" end)
        local between = c:get "k"
        return kept, between, c:refresh("k", 5, function() return "new", 60 end), c:get "k"
      end)
    ]==]):format(origin.url) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("keeps texts of any bytes", function()
    assert.equal("true true nil true nil", ask "/texts")
  end)

  it("keeps that there is nothing, with the reason", function()
    assert.equal("false no such token nil no such token", ask "/missing")
  end)

  it("forgets when the time is over", function()
    assert.equal("1 false nil nil 1", ask "/lives")
  end)

  it("adds for the first alone", function() assert.equal("true false one", ask "/add") end)

  it("keeps its parts, and dictionaries, apart", function()
    assert.equal("1 nil dict", ask "/apart")
  end)

  it("refuses what it cannot keep", function()
    assert.equal("false false false false false false false false", ask "/bad")
  end)

  -- All at once, on both workers.
  local function ask_at_once(path, count)
    local connections, answers = {}, {}
    origin:freeze()
    for i = 1, count do
      connections[i] = http.connect(moongate.port)
      connections[i]:send(("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path))
    end
    origin:thaw()
    for i, connection in ipairs(connections) do
      answers[i] = connection:read_response().body
      connection:close()
    end
    return answers
  end

  it("finds it out once for all who ask at once, on all workers", function()
    origin:forget()
    for _, answer in ipairs(ask_at_once("/slow/once", 24)) do
      assert.equal("once is 200", answer)
    end
    assert.equal(1, #origin:requests())
    assert.equal("once is 200", ask "/slow/once")
    assert.equal(1, #origin:requests())
  end)

  it("goes on when whoever began it has gone", function()
    origin:forget()
    local connection = http.connect(moongate.port)
    connection:send "GET /slow/gone HTTP/1.1\r\nHost: a\r\n\r\n"
    origin:wait_for_requests(1)
    connection:close()
    assert.equal("gone is 200", ask "/slow/gone")
    assert.equal(1, #origin:requests())
  end)

  it("finds out anew what is not to be kept", function()
    origin:forget()
    assert.equal("unkept is 200", ask "/unkept/unkept")
    assert.equal("unkept is 200", ask "/unkept/unkept")
    assert.equal(2, #origin:requests())
  end)

  it("gives up in time, and has it later", function()
    assert.equal("timeout", ask "/late")
    wait.that(function() return ask "/late" == "v" end)
  end)

  it("says that a load raised, and logs it", function()
    assert.equal("nil it raised", ask "/raises")
    moongate:wait_for_log "by itself"
  end)

  it("tells all who wait of what is not to be kept, on all workers", function()
    origin:forget()
    for _, answer in ipairs(ask_at_once("/fails", 16)) do assert.equal("down", answer) end
    assert.equal(1, #origin:requests())
  end)

  it("goes on at once when the worker that finds it out is killed", function()
    local connections, answered = {}, 0
    for i = 1, 16 do
      connections[i] = http.connect(moongate.port)
      connections[i]:send "GET /dies HTTP/1.1\r\nHost: a\r\n\r\n"
    end
    local pid
    wait.that(function()
      pid = tonumber(ask "/dies/pid")
      return pid
    end)
    local start = system.now()
    system.kill(pid, system.SIGKILL)
    for _, connection in ipairs(connections) do
      local ok, response = pcall(connection.read_response, connection)
      if ok then
        assert.equal("by 2", response.body)
        answered = answered + 1
      end
      connection:close()
    end
    assert.is_true(answered > 0 and system.now() - start < 20)
    assert.equal("by 2", ask "/dies")
  end)

  it("forgets all that goes by a name when that is purged", function()
    for _, purge in ipairs {
      function() return ask "/purged/purge" == "true" end,
      function() return moongate:ask { "purge", "--plugin-cache", "purged" } == 0 end,
      function()
        return http.request(moongate.admin_port, { method = "POST", path = "/cache/purge",
          body = '{"plugin_cache":["purged"]}' }).status == 200
      end,
    } do
      assert.equal("true true", ask "/purged/set")
      assert.equal("v v", ask "/purged/get")
      assert.is_true(purge())
      assert.equal("nil v", ask "/purged/get")
    end
    local code, _, err = moongate:ask { "purge", "--soft", "--plugin-cache", "purged" }
    assert.equal(1, code)
    assert.matches("not soft", err)
  end)

  it("is counted by name", function()
    local function count(what)
      local text = http.request(moongate.admin_port, { path = "/metrics" }).body
      return tonumber(text:match("moongate_plugin_cache_" .. what .. '_total{cache="slow"} (%d+)'))
    end
    assert.is_true(count "misses" >= 24 and count "hits" >= 1 and count "collapsed" >= 1)
    assert.equal(0, count "evicted")
  end)

  it("keeps what it has until there is something else", function()
    assert.equal("nil old new new", ask "/refresh")
  end)
end)
