--- reload: what changes with a reload, what goes on, and how the generation before ends.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- Answers with the version that its file, its module and its options have.
local ANSWER = [[
  local moongate = require "moongate"
  local words = require "words"
  local plugin = { summary = "Answers.", options = { option = { type = "string", default = "" } } }
  function plugin:respond(req)
    while io.open(req.headers["x-while"] or "") do moongate.sleep(0.02) end
    return moongate.reply.text(200, "CODE " .. words.word .. " " .. self.option)
  end
  return plugin
]]

-- Logs what happens to it.
local LIFE = [[
  local moongate = require "moongate"
  local life = { summary = "Lives.", options = {} }
  function life:start()
    moongate.log.info "life VERSION starts"
    moongate.every(0.05, function() moongate.log.info "life VERSION ticks" end)
    moongate.spawn(function()
      while true do
        moongate.sleep(0.05)
        moongate.log.info "life VERSION loops"
      end
    end)
  end
  function life:stop() moongate.log.info "life VERSION stops" end
  function life:respond(req)
    moongate.log.debug "life VERSION answers"
    local task = tonumber(req.headers["x-task"])
    if task then
      moongate.spawn(function()
        moongate.sleep(task)
        moongate.log.info "life VERSION task done"
      end)
    end
    while io.open(req.headers["x-while"] or "") do moongate.sleep(0.02) end
    return moongate.reply.text(200, "VERSION")
  end
  return life
]]

local function answer(code) return (ANSWER:gsub("CODE", code)) end
local function life(version) return (LIFE:gsub("VERSION", version)) end
local function words(word) return ("return { word = %q }"):format(word) end

-- Sends a request that is under way until the function is called that this returns.
local function hold(self, client)
  local path = self.directory .. "/held"
  system.write_file(path, "")
  client:send(http.format { path = "/", headers = { ["x-while"] = path } })
  return function() os.remove(path) end
end

describe("a reload", function()
  local origin

  setup(function() origin = peer.start() end)
  teardown(peer.stop_all)
  before_each(function() origin:forget() end)
  after_each(gateway.stop_all)

  local function get(self, path, headers)
    return http.request(self.port, { path = path, headers = headers })
  end

  local function status(self)
    return json.decode(http.request(self.admin_port, { path = "/status" }).body)
  end

  local function config(more) return 'listen "127.0.0.1:0"\n' .. more end

  local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

  describe("changes", function()
    it("routes", function()
      local self = reloading.start {
        config = config [[route "/a" { plugins = { { "mock", body = "old" } } }]],
      }
      assert.equal("old", get(self, "/a").body)
      self:reload {
        ["gateway.lua"] = config [[route "/b" { plugins = { { "mock", body = "new" } } }]],
      }
      assert.equal(404, get(self, "/a").status)
      assert.equal("new", get(self, "/b").body)
    end)

    it("plugins, modules that they require, and options", function()
      local text = config [[route "/" { plugins = { { "answer", option = "one" } } }]]
      local self = reloading.start {
        config = text,
        files = { ["plugins/answer.lua"] = answer "one", ["plugins/words.lua"] = words "one" },
      }
      assert.equal("one one one", get(self, "/").body)
      self:reload { ["plugins/answer.lua"] = answer "two" }
      assert.equal("two one one", get(self, "/").body)
      self:reload { ["plugins/words.lua"] = words "three" }
      assert.equal("two three one", get(self, "/").body)
      self:reload { ["gateway.lua"] = text:gsub('"one"', '"four"') }
      assert.equal("two three four", get(self, "/").body)
    end)

    it("included files", function()
      local self = reloading.start {
        config = config 'include "routes/*.lua"',
        files = { ["routes/a.lua"] = [[route "/a" { plugins = { { "mock", body = "a" } } }]] },
      }
      self:reload { ["routes/b.lua"] = [[route "/b" { plugins = { { "mock", body = "b" } } }]] }
      assert.equal("a", get(self, "/a").body)
      assert.equal("b", get(self, "/b").body)
    end)

    it("consumers", function()
      local text = config [[
        consumer "mobile" { keys = { "KEY" } }
        route "/" { plugins = { { "key-auth" }, { "mock", body = "in" } } }
      ]]
      local self = reloading.start { config = text }
      assert.equal(200, get(self, "/", { ["x-api-key"] = "KEY" }).status)
      self:reload { ["gateway.lua"] = text:gsub("KEY", "other") }
      assert.equal(401, get(self, "/", { ["x-api-key"] = "KEY" }).status)
      assert.equal(200, get(self, "/", { ["x-api-key"] = "other" }).status)
    end)

    it("where upstreams are", function()
      local other = peer.start()
      local text = config [[upstream "up" { "URL" } route "/{rest*}" { upstream = "up" }]]
      local self = reloading.start { config = text:gsub("URL", origin.url) }
      assert.equal(200, get(self, "/bytes/1").status)
      self:reload { ["gateway.lua"] = text:gsub("URL", other.url) }
      assert.equal(200, get(self, "/bytes/1").status)
      assert.equal(1, #origin:requests())
      assert.equal(1, #other:requests())
    end)

    it("limits, for connections that are open, too", function()
      local text = config [[
        limits { head = "2k" }
        route "/" { plugins = { { "mock", body = "in" } } }
      ]]
      local self = reloading.start { config = text }
      local client = http.connect(self.port)
      local long = { ["x-long"] = ("x"):rep(300000) }
      assert.equal(200, client:request({ path = "/" }).status)
      self:reload { ["gateway.lua"] = text:gsub("2k", "400k") }
      assert.equal(200, client:request({ path = "/" }).status)
      assert.equal(200, client:request({ path = "/", headers = long }).status)
    end)

    it("the level of the log", function()
      local text = config [[log { level = "info" } route "/" { plugins = { { "life" } } }]]
      local self = reloading.start { config = text, files = { ["plugins/life.lua"] = life "one" } }
      assert.equal(200, get(self, "/").status)
      assert.is_nil(self:log():find "life one answers")
      self:reload { ["gateway.lua"] = text:gsub('"info"', '"debug"') }
      assert.equal(200, get(self, "/").status)
      self:wait_for_log "life one answers"
    end)
  end)

  describe("lets a running request finish as it began", function()
    it("in a plugin that waits", function()
      local text = config [[route "/" { plugins = { { "answer", option = "one" } } }]]
      local self = reloading.start {
        config = text,
        files = { ["plugins/answer.lua"] = answer "one", ["plugins/words.lua"] = words "one" },
      }
      local client = http.connect(self.port)
      local let_go = hold(self, client)
      self:reload {
        ["plugins/answer.lua"] = answer "two", ["plugins/words.lua"] = words "two",
        ["gateway.lua"] = text:gsub('"one"', '"two"'),
      }
      assert.equal("two two two", get(self, "/").body)
      let_go()
      assert.equal("one one one", client:read_response().body)
      assert.equal("two two two", client:request({ path = "/" }).body)
    end)

    it("at an upstream that is taken away", function()
      local text = config [[upstream "up" { "URL" } route "/{rest*}" { upstream = "up" }]]
      local self = reloading.start { config = text:gsub("URL", origin.url) }
      local client = http.connect(self.port)
      client:send(http.format { path = "/delay/0.5" })
      origin:wait_for_requests(1)
      origin:freeze()
      self:reload { ["gateway.lua"] = config [[route "/" { plugins = { { "mock" } } }]] }
      origin:thaw()
      assert.equal(404, get(self, "/delay/0").status)
      assert.equal("late", client:read_response().body)
    end)
  end)

  describe("ends the generation before", function()
    local function start(version)
      return reloading.start {
        config = config [[admin "127.0.0.1:0" route "/" { plugins = { { "life" } } }]],
        files = { ["plugins/life.lua"] = life(version) },
      }
    end

    -- What `version` has logged since the log was `from` bytes long.
    local function logged(self, version, what, from)
      return count(self:log():sub(from + 1), ("life %s %s"):format(version, what))
    end

    it("with stop(), once, at once where no request runs", function()
      local self = start "one"
      self:wait_for_log "life one loops"
      self:reload { ["plugins/life.lua"] = life "two" }
      self:wait_for_log "life two loops"
      assert.equal(1, count(self:log(), "life one starts"))
      wait.that(function() return count(self:log(), "life one stops") > 0 end)
      assert.equal(1, count(self:log(), "life one stops"))
      local before = #self:log()
      wait.that(function() return logged(self, "two", "ticks", before) > 2 end)
      assert.equal(0, logged(self, "one", "", before))
      self:stop()
    end)

    it("with the last request that began on it", function()
      local self = start "one"
      local client = http.connect(self.port)
      local let_go = hold(self, client)
      self:wait_for_log "life one loops"
      self:reload { ["plugins/life.lua"] = life "two" }
      assert.equal(0, count(self:log(), "life one stops"))
      local before = #self:log()
      wait.that(function() return logged(self, "one", "ticks", before) > 0 end)
      let_go()
      assert.equal("one", client:read_response().body)
      self:wait_for_log "life one stops"
      assert.equal(1, count(self:log(), "life one stops"))
    end)

    it("after the tasks that requests had spawned", function()
      local self = start "one"
      assert.equal("one", get(self, "/", { ["x-task"] = "2" }).body)
      self:reload { ["plugins/life.lua"] = life "two" }
      self:wait_for_log "life one task done.*life one stops"
    end)

    it("for good: nothing of it is left", function()
      local self = start "one"
      assert.equal(1, status(self).generations)
      self:reload { ["plugins/life.lua"] = life "two" }
      wait.that(function()
        local now = status(self)
        return now.generations == 1 and now.generation == 2
      end)
    end)
  end)
end)
