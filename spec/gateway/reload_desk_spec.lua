--- reload_desk: who may ask a gateway to change, and what they are told.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local function config(body, more)
  return ([[
    listen "127.0.0.1:0" admin "127.0.0.1:0"
    route "/" { plugins = { { "mock", body = %q } } }
    workers(2)
    %s]]):format(body, more or "")
end

-- A plugin that does not start until there is the file "go".
local function slow(summary)
  return ('local t = { summary = "%s", options = {} }\n'):format(summary) .. [[
    local moongate = require "moongate"
    local go = debug.getinfo(1, "S").source:match "^@(.*)/plugins/" .. "/go"
    function t:start()
      moongate.log.warning "begins"
      while not io.open(go) do moongate.sleep(0.01) end
    end
    function t:request(req) end
    return t
  ]]
end

describe("a gateway whose files change", function()
  after_each(gateway.stop_all)

  local function start() return gateway.start { config = config("one", "watch(false)") } end

  local function write(self, text, name)
    system.write_file(self.directory .. "/" .. (name or "gateway.lua"), text)
  end

  local function body(self) return http.request(self.port, { path = "/" }).body end

  local function status(self) return json.decode((select(2, self:ask { "status", "--json" }))) end

  local function admin(self, path) return http.request(self.admin_port, { path = path }) end

  describe("by moongate reload", function()
    it("runs them when the verb returns", function()
      local self = start()
      for i = 2, 5 do
        write(self, config("body " .. i, "watch(false)"))
        local code, out, err = self:ask { "reload" }
        assert.equal("", err)
        assert.equal(0, code)
        assert.is_truthy(out:find(("generation %d serves\n"):format(i), 1, true), out)
        for _ = 1, 10 do assert.equal("body " .. i, body(self)) end
      end
      assert.equal("command", status(self).cause)
      assert.same({ succeeded = 4, failed = 0 }, status(self).reloads)
    end)

    it("says so when nothing has changed", function()
      local self = start()
      local pids = self:worker_pids()
      local code, out = self:ask { "reload" }
      assert.equal(0, code)
      assert.is_truthy(out:find("same as before: generation 1", 1, true))
      code, out = self:ask { "reload", "--json" }
      assert.equal(0, code)
      assert.same({ ok = true, changed = false, generation = 1, needs_upgrade = {} },
        json.decode(out))
      assert.same(pids, self:worker_pids())
    end)

    it("tells all that is wrong, and goes on as before, which everybody is told", function()
      local self = start()
      write(self, config("two", 'route "/x" { upstream = "no-such" }\nnonsense()'))
      local code, out, err = self:ask { "reload" }
      assert.equal(1, code)
      assert.equal("", out)
      assert.is_truthy(err:find("gateway.lua:4: .*no%-such"), err)
      assert.is_truthy(err:find("gateway.lua:5: .*nonsense"), err)
      assert.is_truthy(err:find("generation 1 goes on", 1, true))
      assert.equal("one", body(self))

      code, out, err = self:ask { "reload", "--json" }
      assert.equal(1, code)
      assert.equal("", err)
      local answer = json.decode(out)
      assert.is_false(answer.ok)
      assert.equal(1, answer.generation)
      assert.equal(2, #answer.errors)

      for _, known in ipairs { status(self), json.decode(admin(self, "/status").body),
                               json.decode(admin(self, "/ready").body) } do
        assert.same(answer.errors, known.last_failure.errors)
        assert.equal("command", known.last_failure.cause)
        assert.equal(1, known.generation)
      end
      assert.equal(200, admin(self, "/ready").status)
      assert.is_truthy(select(2, self:ask { "status" }):find("last reload +FAILED.*nonsense"))
      assert.matches("\nmoongate_reload_failed 1\n", admin(self, "/metrics").body)
      assert.matches('\nmoongate_reloads_total{result="failed"} 2\n', admin(self, "/metrics").body)
      assert.matches("error %[master%] the configuration was not reloaded: .*no%-such", self:log())

      write(self, config("two", "watch(false)"))
      assert.equal(0, (self:ask { "reload" }))
      assert.is_nil(status(self).last_failure)
      assert.matches("\nmoongate_reload_failed 0\n", admin(self, "/metrics").body)
      assert.equal("two", body(self))
    end)

    it("forgets the failure when the files are again as they were", function()
      local self = start()
      local good = system.read_file(self.directory .. "/gateway.lua")
      write(self, "nonsense()")
      assert.equal(1, (self:ask { "reload" }))
      write(self, good)
      assert.equal(0, (self:ask { "reload" }))
      assert.is_nil(status(self).last_failure)
      assert.equal(1, status(self).generation)
    end)

    it("says what only a restart changes, and does not change it", function()
      local self = start()
      write(self, (config("two", 'watch(false) memory { dict = "32m" }'):gsub("workers%(2%)",
        "workers(1)")))
      local code, out = self:ask { "reload" }
      assert.equal(0, code)
      assert.is_truthy(out:find("workers memory: a reload does not change it", 1, true), out)
      assert.equal(2, #self:worker_pids())
      assert.same({ "workers", "memory" }, status(self).needs_upgrade)
      local pids = self:worker_pids()
      system.kill(pids[1], system.SIGKILL)
      wait.that(function() return #self:worker_pids() == 2 and self:worker_pids()[1] ~= pids[1] end)
      write(self, config("three", "watch(false)"))
      assert.equal(0, (self:ask { "reload" }))
      assert.same({}, status(self).needs_upgrade)
    end)
  end)

  it("by SIGHUP runs them", function()
    local self = start()
    write(self, config("two", "watch(false)"))
    self:signal(system.SIGHUP)
    self:wait_for_log "generation 2 serves %(signal%)"
    assert.equal("two", body(self))
    assert.equal("signal", status(self).cause)
  end)

  describe("by POST /reload", function()
    -- What reads the files takes only what others leave of the processors.
    local function post(self, headers)
      return http.request(self.admin_port,
        { method = "POST", path = "/reload", headers = headers, seconds = 60 })
    end

    it("runs them when the answer comes", function()
      local self = start()
      for i = 2, 6 do
        write(self, config("body " .. i, "watch(false)"))
        local answer = post(self)
        assert.equal(200, answer.status)
        assert.equal(i, json.decode(answer.body).generation)
        assert.equal("body " .. i, body(self))
      end
      assert.equal("admin", status(self).cause)
    end)

    it("says what is wrong with them, with 409", function()
      local self = start()
      write(self, "nonsense()")
      local answer = post(self)
      assert.equal(409, answer.status)
      local told = json.decode(answer.body)
      assert.is_false(told.ok)
      assert.is_truthy(table.concat(told.errors, "\n"):find("gateway.lua:1: .*nonsense"))
      assert.equal(1, told.generation)
    end)

    it("leaves out of very many errors those for which there is no room", function()
      local self = start()
      write(self, ("nonsense_that_is_long_enough_to_fill_a_message()\n"):rep(5000))
      local answer = post(self)
      assert.equal(409, answer.status)
      assert.is_true(#json.decode(answer.body).errors > 10)
    end)

    it("is not for reading, nor for web pages", function()
      local self = start()
      local answer = admin(self, "/reload")
      assert.equal(405, answer.status)
      assert.equal("POST", answer.headers.allow)
      assert.equal(403, post(self, { Origin = "http://localhost" }).status)
      assert.equal(403, post(self, { Host = "evil.example" }).status)
    end)

    it("goes on for who waits when the client has left", function()
      local self = start()
      local go = self.directory .. "/go"
      write(self, ([[
        local waits = { summary = "Waits for a file.", options = {}, request = function() end }
        while not io.open(%q) do end
        return waits
      ]]):format(go), "plugins/waits.lua")
      write(self, config("two", 'watch(false) use { { "waits" } }'))
      local client = http.connect(self.admin_port)
      client:send "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
      wait.that(function() return #self:children "rehearsal" > 0 end, 20, "the process that reads")
      client:close()
      system.write_file(go, "")
      self:wait_for_log "generation 2 serves %(admin%)"
      assert.equal(200, post(self).status)
    end)
  end)

  it("goes on when a worker dies that is to run them", function()
    local self = gateway.start { config = config("one", "watch(true)"),
      files = { ["plugins/slow.lua"] = slow "1" } }
    write(self, config("two", 'watch(true) use { { "slow" } }'))
    self:wait_for_log "begins"
    local victim = self:worker_pids()[1]
    system.kill(victim, system.SIGKILL)
    wait.that(function()
      local pids = self:worker_pids()
      return #pids == 2 and pids[1] ~= victim and pids[2] ~= victim
    end)
    assert.equal("one", body(self))
    write(self, "", "go")
    self:wait_for_log "generation 2 serves %(watch%)"
    wait.that(function() -- whoever took its place ran the old ones
      for _ = 1, 20 do
        if body(self) ~= "two" then return false end
      end
      return true
    end, 20, "both to run them")
    assert.is_nil(status(self).last_failure)
  end)

  it("while they are being read, reads them once more, and answers all who asked", function()
    local self = start()
    write(self, config("two", "watch(false) for i = 1, 3e7 do local _ = i end"))
    local asked = {}
    for i = 1, 5 do
      asked[i] = process.spawn({ gateway.binary(), "reload", "-c", self.directory
        .. "/gateway.lua" }, { stdout = self.directory .. "/answer" .. i,
        env = { RUNTIME_DIRECTORY = self.directory } })
    end
    for i = 1, 5 do
      assert.equal(0, asked[i]:wait(60))
      assert.is_truthy(system.read_file(self.directory .. "/answer" .. i):find "generation [23]")
    end
    assert.equal("two", body(self))
    assert.is_true(status(self).generation <= 2)
  end)

  describe("that are watched", function()
    local FILES = {
      ["routes/one.lua"] = 'route "/" { plugins = { { "own", text = file "text" } } }',
      ["text"] = "text",
      ["plugins/own.lua"] = [[
        local moongate, part = require "moongate", require "part"
        local own = { summary = "S.", options = { text = { type = "string", help = "x" } } }
        function own:respond() return moongate.reply.text(200, "own " .. self.text .. part) end
        return own
      ]],
      ["plugins/part.lua"] = 'return " part"',
    }
    local CONFIG = 'listen "127.0.0.1:0" include "routes/*.lua" watch(true)'

    local function watching()
      local self = gateway.start { config = CONFIG, files = FILES }
      assert.equal("own text part", body(self))
      return self
    end

    local function becomes(self, text, path)
      wait.that(function()
        return http.request(self.port, { path = path or "/" }).body == text
      end, 20, text)
    end

    it("runs them when they are written, whatever was read from them", function()
      local self = watching()
      write(self, "secret", "text")
      becomes(self, "own secret part")
      write(self, 'return " piece"', "plugins/part.lua")
      becomes(self, "own secret piece")
      write(self, (FILES["plugins/own.lua"]:gsub('"own "', '"my "')), "plugins/own.lua")
      becomes(self, "my secret piece")
      write(self, 'route "/two" { plugins = { { "own", text = "2" } } }', "routes/two.lua")
      becomes(self, "my 2 piece", "/two")
      write(self, 'include "routes/two.lua" listen "127.0.0.1:0"')
      wait.that(function() return http.request(self.port, { path = "/" }).status == 404 end)
      wait.that(function() return status(self).cause == "watch" end)
    end)

    it("runs them when they are renamed into place", function()
      local self = watching()
      local files = self.directory
      for i = 1, 3 do
        write(self, "text " .. i, "text~")
        assert(os.rename(files .. "/text~", files .. "/text"))
        becomes(self, ("own text %d part"):format(i))
      end
    end)

    it("runs them when a symlink on their way is swapped", function()
      local folder = gateway.directory { config = "", files = {
        ["..1/gateway.lua"] = config("one", "watch(true)"),
        ["..2/gateway.lua"] = config("two", "watch(true)"),
      } }
      os.execute(("cd '%s' && rm gateway.lua && ln -s ..1 ..data && ln -s ..data/gateway.lua ."
        ):format(folder))
      local self = gateway.start { directory = folder }
      assert.equal("one", body(self))
      os.execute(("cd '%s' && ln -s ..2 ..next && mv -T ..next ..data"):format(folder))
      becomes(self, "two")
      write(self, config("three", "watch(true)"), "..2/gateway.lua")
      becomes(self, "three")
    end)

    it("tells what is wrong with them, and runs them as soon as they are right", function()
      local self = watching()
      write(self, "return = 1", "plugins/part.lua")
      self:wait_for_log "was not reloaded: [^\n]*part.lua:1:"
      wait.that(function() return status(self).last_failure.cause == "watch" end)
      assert.equal("own text part", body(self))
      write(self, 'route "/" { plugins = { { "none" } } }', "routes/two.lua")
      self:wait_for_log 'was not reloaded: [^\n]*"none"'
      os.remove(self.directory .. "/routes/two.lua")
      write(self, "return 7", "plugins/part.lua")
      becomes(self, "own text7")
      wait.that(function() return status(self).last_failure == nil end)
    end)

    it("finds a file that it had looked for in vain", function()
      local self = gateway.start { config = config("one", "watch(true)") }
      write(self, config("two", 'include "more.lua" watch(true)'))
      self:wait_for_log "more.lua: No such file"
      write(self, 'route "/more" { plugins = { { "mock", body = "more" } } }', "more.lua")
      becomes(self, "more", "/more")
    end)

    it("does nothing when they say the same", function()
      local self = watching()
      write(self, "text", "text")
      self:wait_for_log "the same as before"
      assert.equal(1, status(self).generation)
    end)

    it("waits for the next change where who reads them dies, and one that runs is gone", function()
      local self = watching()
      local function failed() return status(self).reloads.failed end
      write(self, 'local ffi = require "ffi" ffi.cdef "void _exit(int);" ffi.C._exit(3)',
        "plugins/part.lua")
      os.remove(self.directory .. "/text")
      self:wait_for_log "was not reloaded: [^\n]*ended with 3"
      system.sleep(1) -- longer than changes are waited for to end
      local before = failed()
      system.sleep(1)
      assert.equal(before, failed())
      write(self, "own", "text")
      write(self, FILES["plugins/part.lua"], "plugins/part.lua")
      becomes(self, "own own part")
    end)

    it("runs them later where that was in nobody's way but for a while", function()
      local port = ports.free()
      local holder = socket.listen("127.0.0.1", port)
      local self = gateway.start { config = config("one", "watch(true)") }
      write(self, config("two", ('listen "127.0.0.1:%d" watch(true)'):format(port)))
      self:wait_for_log "that may pass: the files are read again in 1 s"
      assert.equal("one", body(self))
      assert.equal(1, (self:ask { "rollback" })) -- to nothing, which is no reason to forget them
      self:wait_for_log "that may pass: the files are read again in 2 s"
      assert.is_truthy(status(self).last_failure)
      holder:close()
      wait.that(function() return body(self) == "two" end, 30, "what was written")
      wait.that(function() return not status(self).last_failure end)
      assert.is_nil(self:log():match "read again in 8 s")
    end)

    it("are not read again and again where they are wrong", function()
      local self = gateway.start { config = config("one", "watch(true)") }
      write(self, config("two", "nonsense() watch(true)"))
      self:wait_for_log "was not reloaded"
      wait.that(function() return status(self).last_failure end)
      assert.is_nil(self:log():find("may pass", 1, true))
    end)

    -- Where writing and asking take so long that the change is told before, they are read twice.
    it("reads them once when it is asked for what has just been written", function()
      local self = watching()
      local function times(what) return select(2, self:log():gsub(what, "")) end
      local told
      for i = 2, 11 do
        told = times "text has changed"
        write(self, "text " .. i, "text")
        system.sleep(0.02) -- in the same tick of the clock it might be later
        self:signal(system.SIGHUP)
        self:wait_for_log(("generation %d serves"):format(i))
        system.sleep(0.3)
        assert.equal(i, status(self).generation)
        if times "text has changed" == told then break end
      end
      assert.equal(told, times "text has changed")
      write(self, "last", "text")
      becomes(self, "own last part")
    end)

    it("leaves them alone where it is told to", function()
      local self = start()
      write(self, config("two", "watch(true)"))
      assert.equal(0, (self:ask { "reload" }))
      write(self, config("three", "watch(false)"))
      becomes(self, "three")
      wait.that(function()
        local pipe = io.popen(("cat /proc/%d/fdinfo/* | grep -c 'inotify wd'"):format(self.pid))
        local count = pipe:read "*l"
        pipe:close()
        return count == "0"
      end)
    end)
  end)

  describe("by moongate rollback", function()
    it("runs again what ran before, though the files have changed since, and holds it", function()
      local self = gateway.start { config = config("one", 'include "x.lua" watch(true)'),
        files = { ["x.lua"] = "" } }
      write(self, config("two", "watch(false)"))
      self:wait_for_log "generation 2 serves %(watch%)"
      os.remove(self.directory .. "/x.lua")
      local code, out = self:ask { "rollback" }
      assert.equal(0, code)
      assert.is_truthy(out:find("generation 3 serves", 1, true))
      assert.equal("one", body(self))
      assert.is_true(status(self).held)
      assert.equal("rollback", status(self).cause)
      assert.is_truthy(select(2, self:ask { "status" }):find "rolled back")

      self:wait_for_log "changed; rolled back" -- before it was done, or behind it
      write(self, config("three"))
      self:wait_for_log "gateway.lua has changed; rolled back"
      assert.equal("one", body(self))
      assert.equal(0, (self:ask { "reload" }))
      assert.equal("three", body(self))
      assert.is_false(status(self).held)
    end)

    it("holds it though files change while it is done", function()
      local text = config("one", 'use { { "slow" } } watch(true)')
      local self = gateway.start { config = text,
        files = { ["plugins/slow.lua"] = slow "1", go = "" } }
      write(self, slow "2", "plugins/slow.lua")
      self:wait_for_log "generation 2 serves %(watch%)"
      local before = #self:log()
      os.remove(self.directory .. "/go")
      local asking = process.spawn({ gateway.binary(), "rollback", "-c",
        self.directory .. "/gateway.lua" }, { env = { RUNTIME_DIRECTORY = self.directory } })
      self:wait_for_log("begins", 20, before)
      write(self, slow "3", "plugins/slow.lua")
      system.sleep(2) -- longer than changes are waited for to end
      write(self, "", "go")
      assert.equal(0, asking:wait(60))
      self:wait_for_log("files have changed; rolled back", 20, before)
      local now = status(self)
      assert.same({ 3, "rollback", true }, { now.generation, now.cause, now.held })
      assert.equal(0, (self:ask { "reload" }))
      assert.equal(4, status(self).generation)
    end)

    it("fails where there is nothing to go back to", function()
      local self = start()
      local code, _, err = self:ask { "rollback" }
      assert.equal(1, code)
      assert.is_truthy(err:find("no generation before this one", 1, true))
      assert.is_nil(status(self).last_failure)
      write(self, config("two", "watch(false)"))
      assert.equal(0, (self:ask { "reload" }))
      assert.equal(0, (self:ask { "rollback" }))
      assert.equal(1, (self:ask { "rollback" }))
      assert.equal("one", body(self))
    end)

    it("is done by workers that are replaced, too", function()
      local self = start()
      write(self, config("two", "watch(false)"))
      assert.equal(0, (self:ask { "reload" }))
      assert.equal(0, (self:ask { "rollback" }))
      local pids = self:worker_pids()
      for _, pid in ipairs(pids) do system.kill(pid, system.SIGKILL) end
      wait.that(function()
        local ok, answer = pcall(body, self)
        return ok and answer == "one" and self:worker_pids()[1] ~= pids[1]
      end)
    end)
  end)
end)
