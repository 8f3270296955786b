--- reload_refused: what is wrong is said, with where it stands, and changes nothing.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local process = require "spec.support.process"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- Raises where its options say so.
local FRAGILE = [[
  local moongate = require "moongate"
  local fragile = { summary = "Breaks.", options = { at = { type = "string" } } }
  function fragile.new(options)
    if options.at == "new" then error "no new one" end
    return options
  end
  function fragile:start()
    moongate.log.info("fragile %s starts", tostring(self.at))
    if self.at == "start" then error "no start" end
    if self.at == "late" then
      moongate.sleep(0.05)
      error "no late start"
    end
    moongate.every(0.02, function() moongate.log.info("fragile %s ticks", tostring(self.at)) end)
  end
  function fragile:stop() moongate.log.info("fragile %s stops", tostring(self.at)) end
  function fragile:request() end
  return fragile
]]

describe("a reload is refused, and changes nothing,", function()
  local self, directory, one, other

  local function config(more)
    return ([[
      workers(2)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      route "/" { plugins = { { "fragile", at = "ok" }, { "mock", body = "old" } } }
      %s
    ]]):format(more or "")
  end

  setup(function()
    directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    one, other = authority:issue { name = "one" }, authority:issue { name = "other" }
    self = reloading.start { config = config(), files = { ["plugins/fragile.lua"] = FRAGILE } }
  end)
  teardown(function()
    gateway.stop_all()
    process.remove(directory)
  end)

  local function status()
    return json.decode(http.request(self.admin_port, { path = "/status" }).body)
  end

  -- What is logged when these files are reloaded, which has each of the texts.
  local function refused(files, ...)
    local why = self:refuse(files)
    for _, text in ipairs { ... } do assert.is_truthy(why:find(text, 1, true), why) end
    assert.equal("old", http.request(self.port, { path = "/" }).body)
    assert.equal(1, status().generation)
    assert.is_nil(self:log():find "fragile ok stops")
    return why
  end

  local CASES = {
    { "for a syntax error", "route (", "gateway.lua:", "at line 5" },
    { "for an error in Lua", "local a = nil + 1", "gateway.lua:5", "arithmetic" },
    { "for an unknown key", 'route "/x" { upstrem = "up" }', "gateway.lua:5", "upstrem" },
    { "for an unknown upstream", 'route "/x" { upstream = "none" }', "gateway.lua:5", "none" },
    { "for a plugin that is not there", 'use { { "nothing" } }', "gateway.lua:5", "nothing" },
    { "for a secret that does not resolve", 'consumer "a" { keys = { env "NOT_THERE" } }',
      "gateway.lua:5", "NOT_THERE" },
    { "for a file that is not there", 'consumer "a" { keys = { file "gone.txt" } }',
      "gateway.lua:5", "gone.txt" },
    { "for an include that is not there", 'include "gone.lua"', "gateway.lua:5", "gone.lua" },
    { "for a plugin that raises in new", 'route "/x" { plugins = { { "fragile", at = "new" },'
      .. ' { "mock" } } }', "gateway.lua:5", "fragile.lua:4", "no new one" },
  }

  for _, case in ipairs(CASES) do
    it(case[1], function() refused({ ["gateway.lua"] = config(case[2]) }, unpack(case, 3)) end)
  end

  it("for an empty configuration", function()
    refused({ ["gateway.lua"] = "" }, "gateway.lua", "listen")
  end)

  it("for a missing configuration", function()
    os.rename(self.directory .. "/gateway.lua", self.directory .. "/away.lua")
    refused({}, "gateway.lua")
  end)

  it("for a certificate that does not match its key", function()
    local listen = 'listen { "127.0.0.1:0", tls = { cert = "%s", key = "%s" } }'
    refused({ ["gateway.lua"] = config(listen:format(one.certificate, other.key)) },
      "gateway.lua:5", "-1.pem")
  end)

  for _, case in ipairs { { "start", "no start" }, { "late", "no late start" } } do
    it(("for a plugin that raises in start(): %s"):format(case[1]), function()
      local before = #self:log()
      refused({ ["gateway.lua"] = (([[
        workers(2)
        listen "127.0.0.1:0"
        route "/a" { plugins = { { "fragile", at = "first" }, { "mock" } } }
        route "/b" { plugins = { { "fragile", at = "%s" }, { "mock" } } }
        route "/c" { plugins = { { "fragile", at = "last" }, { "mock" } } }
      ]]):format(case[1])) }, "fragile.lua:", case[2])
      wait.that(function()
        local since = self:log():sub(before)
        local _, starts = since:gsub("fragile first starts", "")
        local _, stops = since:gsub("fragile first stops", "")
        return starts > 0 and starts == stops
      end)
      assert.is_nil(self:log():find("fragile " .. case[1] .. " stops", 1, true))
      assert.is_nil(self:log():find("fragile last", 1, true))
      wait.that(function() -- in both workers
        local at = #self:log()
        wait.that(function() return self:log():find("fragile ok ticks", at, true) end)
        return not self:log():find("fragile first ticks", at, true)
      end)
      wait.that(function() return status().generations == 2 end)
    end)
  end

  -- Whoever finds the file takes it away, and is the only one that raises.
  it("for a plugin that raises in start() in one worker of two", function()
    local token = self.directory .. "/token"
    system.write_file(token, "")
    local before = #self:log()
    local path = self.directory .. "/plugins/moody.lua"
    system.write_file(path, ([[
      local moongate = require "moongate"
      local moody = { summary = "Is not like others.", options = {} }
      function moody:start()
        moongate.log.info "moody starts"
        if os.rename(%q, %q) then error "not this one" end
      end
      function moody:stop() moongate.log.info "moody stops" end
      function moody:request() end
      return moody
    ]]):format(token, token .. ".taken"))
    refused({ ["gateway.lua"] = [[
      workers(2)
      listen "127.0.0.1:0"
      route "/x" { plugins = { { "moody" }, { "mock" } } }
    ]] }, "moody.lua:5", "not this one")
    assert.is_nil(system.read_file(token))
    wait.that(function() return status().generations == 2 end)
    -- The other one has started by then, or not; if so, it has stopped.
    wait.that(function()
      local since = self:log():sub(before)
      local _, starts = since:gsub("moody starts", "")
      local _, stops = since:gsub("moody stops", "")
      return starts == stops + 1
    end)
    for _ = 1, 20 do -- of both workers
      assert.equal("old", http.request(self.port, { path = "/" }).body)
      assert.equal(404, http.request(self.port, { path = "/x" }).status)
    end
    os.remove(token .. ".taken")
  end)

  it("until one succeeds", function()
    self:reload { ["gateway.lua"] = config() .. "-- another one" }
    assert.equal("old", http.request(self.port, { path = "/" }).body)
    -- The master writes down what its workers have told of.
    wait.that(function() return status().last_failure == nil end)
  end)
end)
